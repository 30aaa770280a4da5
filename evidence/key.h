/*
 * key.h: which keys this protocol takes, and their one encoding: a SubjectPublicKeyInfo in DER, EC points
 * uncompressed, RSA parameters NULL. Key ids, device ids and comparisons are hashes over it, so one key must not
 * have two.
 */
#ifndef DERIVD_EVIDENCE_KEY_H
#define DERIVD_EVIDENCE_KEY_H

#include "base/buf.h"
#include <openssl/x509.h>

#include "proto/sig.h"

/* The longest SubjectPublicKeyInfo (RSA-4096). */
#define KEY_SPKI_MAX 1024

/* "p256", "p384", "rsa2048", "rsa3072", "rsa4096". */
bool key_type_is_known(const char *type);
/* The name of a key's type, NULL when it is none of them. */
const char *key_type(EVP_PKEY *key);

/*
 * A public key of one of the known types from its one encoding: ERR_FORMAT for another encoding, another type, a point
 * that is not on its curve, and RSA keys with an even or small exponent, small factors, or the mark of a generator that is
 * known to be broken.
 */
MUST_CHECK struct err *key_parse(struct bytes spki, EVP_PKEY **ret_key);
/* As key_parse, and only P-256. */
MUST_CHECK struct err *key_parse_p256(struct bytes spki, EVP_PKEY **ret_key);
/* The key of a parsed certificate or request, under the same rules. */
MUST_CHECK struct err *key_from_pubkey(const X509_PUBKEY *pubkey, EVP_PKEY **ret_key);
/* SHA-256 over the encoding: the key's hash, and a device's id. */
void key_hash(EVP_PKEY *key, uint8_t ret_hash[static SHA256_LEN]);

#endif
