/* issuer.h: the CA whose key signs: its certificate, what certificates below it repeat of it, and signing. */
#ifndef DERIVD_DAEMON_CA_ISSUER_H
#define DERIVD_DAEMON_CA_ISSUER_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "proto/sig.h"

#define ISSUER_CHAIN_MAX 4

struct issuer {
	X509 *cert;
	uint8_t key_id[SHA256_LEN]; /* SHA-256 of the SubjectPublicKeyInfo */
	struct buf *subject;        /* DER Name */
	struct buf *authority;      /* DER extension authorityKeyIdentifier of what it issues */
	int64_t not_after_ms;
	bool key_fits;  /* issuer_check_key has said so */
	size_t n_chain; /* issuer first, root last */
	struct buf *chain[ISSUER_CHAIN_MAX];
};

/* From DER certificates, the issuer's own first. ERR_CA_MISCONFIGURED when it is no CA or has no subject key identifier. */
MUST_CHECK struct err *issuer_new(const struct bytes *chain, size_t n, struct issuer **ret_issuer);
void issuer_free(struct issuer *i);
DEFINE_AUTO(issuer, struct issuer *, issuer_free);

/* ERR_CA_MISCONFIGURED when the private key does not belong to the certificate. */
MUST_CHECK struct err *issuer_check_key(struct issuer *i, EVP_PKEY *key);

/* The AlgorithmIdentifier that the key signs with: SHA-256, with P-384 SHA-384. ERR_CA_MISCONFIGURED for other keys. */
MUST_CHECK struct err *issuer_algorithm(EVP_PKEY *key, struct bytes *ret_der);
/* Appends SEQUENCE { tbs, algorithm, signature }: a certificate or a CRL. ERR_CA_MISCONFIGURED. */
MUST_CHECK struct err *issuer_sign(EVP_PKEY *key, struct bytes tbs, struct buf *out);

/* Subject key identifier by RFC 7093 section 2 method 1: the first 160 bits of SHA-256 over the key's bits. ERR_FORMAT. */
#define KEY_IDENTIFIER_LEN 20
MUST_CHECK struct err *issuer_key_identifier(
	struct bytes spki, uint8_t ret_id[static KEY_IDENTIFIER_LEN]);

#endif
