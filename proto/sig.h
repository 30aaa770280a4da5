/*
 * sig.h: the signatures of the protocol, each over a label that ends with a zero byte and the exact bytes
 * (PROTOCOL.intent section 1), so that no signature can be taken for one over something else.
 */
#ifndef DERIVD_PROTO_SIG_H
#define DERIVD_PROTO_SIG_H

#include <openssl/evp.h>

#include "base/def.h"
#include "base/err.h"

struct buf;

#define SIG_STATEMENT "derivd statement v1"
#define SIG_BEGIN "derivd begin v1"
#define SIG_DIGITS "derivd digits v1"
#define SIG_INTENT "derivd intent v1"
#define SIG_OFFER "derivd offer v1"
#define SIG_RECEIPT "derivd receipt v1"
#define SIG_TICKET "derivd ticket v1"
#define SIG_ITEM "derivd item v1"
#define SIG_ACKNOWLEDGEMENT "derivd acknowledgement v1"
#define SIG_NONCE "derivd nonce v1"
#define SIG_SERIAL "derivd serial v1"
#define SIG_HOLDER "derivd holder v1"
#define SIG_CHALLENGE "derivd challenge v1"
#define SIG_AUDIT "derivd audit v1"
#define SIG_HEADS "derivd heads v1"
#define SIG_CARD_NAME "derivd card name v1"
#define SIG_CHECKPOINT "derivd checkpoint v1"
#define SIG_PINS "derivd pins v1"

#define SHA256_LEN 32
#define ED25519_PUBLIC_LEN 32
#define ED25519_SEED_LEN 32
#define ED25519_SIGNATURE_LEN 64
/* SubjectPublicKeyInfo of a P-256 key with the named curve and an uncompressed point, in DER. */
#define P256_SPKI_LEN 91

static inline UNUSED void pkey_free(EVP_PKEY *k)
{
	EVP_PKEY_free(k);
}
DEFINE_AUTO(pkey, EVP_PKEY *, pkey_free);

void sha256(struct bytes b, uint8_t ret_hash[static SHA256_LEN]);
/* SHA-256 over label, a zero byte and the parts in order. */
void sha256_labelled(const char *label, const struct bytes *parts, size_t n_parts,
	uint8_t ret_hash[static SHA256_LEN]);

/*
 * The journal's name for a card: 16 hexadecimal digits of a labelled hash over its serial number, the same in every program.
 * It finds the entries of a card that is at hand; a short serial number can be found by trying all. NULL for none. The
 * caller frees.
 */
char *sig_card_name(const char *serial);

/* Over label, a zero byte and body: Ed25519 (raw 64 bytes) or ECDSA P-256 with SHA-256 (DER) by the key's type.
 * ERR_SYSTEM with OpenSSL's reason, also for keys of other types. */
MUST_CHECK struct err *sig_sign(EVP_PKEY *key, const char *label, struct bytes body, struct buf **ret_signature);
/* ERR_SIGNATURE_BAD. Keys of other types than Ed25519 and P-256 are refused. */
MUST_CHECK struct err *sig_verify(EVP_PKEY *key, const char *label, struct bytes body, struct bytes signature);

/*
 * A public key from 32 raw bytes (Ed25519) or from a SubjectPublicKeyInfo (P-256 only, named curve, uncompressed point:
 * one key has one encoding, since its hash is its name). ERR_FORMAT.
 */
MUST_CHECK struct err *sig_public_raw(struct bytes raw, EVP_PKEY **ret_key);
MUST_CHECK struct err *sig_public_spki(struct bytes der, EVP_PKEY **ret_key);
/* Has it that encoding? The point is not looked at: for keys that something else has parsed already. */
bool sig_is_p256_spki(struct bytes der);
/* New keys. Abort when OpenSSL cannot. */
EVP_PKEY *sig_new_ed25519(void);
EVP_PKEY *sig_new_p256(void);
/* An Ed25519 key from its 32-byte seed. ERR_FORMAT. */
MUST_CHECK struct err *sig_from_seed(struct bytes seed, EVP_PKEY **ret_key);
/* Public halves: raw Ed25519 bytes, DER SubjectPublicKeyInfo of any key. */
void sig_raw_public(EVP_PKEY *key, uint8_t ret_raw[static ED25519_PUBLIC_LEN]);
struct buf *sig_spki(EVP_PKEY *key);
/* An error of that kind with the newest entry of OpenSSL's queue behind the text; the queue is emptied. */
MUST_CHECK struct err *sig_openssl_error(const struct err_kind *kind, const char *fmt, ...) PRINTF(2, 3);

#endif
