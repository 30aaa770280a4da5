/*
 * enrollment.h: a whole enrollment made in memory, with keys of its own, for the tests of what proves a credential: every part is
 * valid, so that a test can break one at a time.
 */
#ifndef DERIVD_TESTS_UNIT_ENROLLMENT_H
#define DERIVD_TESTS_UNIT_ENROLLMENT_H

#include "evidence/bundle.h"
#include "evidence/cert.h"

struct enrollment {
	EVP_PKEY *delivery, *receipt_key, *invitation; /* Ed25519 */
	EVP_PKEY *identity, *sealing, *keys[2];        /* P-256: authentication, signing */
	EVP_PKEY *card; /* P-256, unless replaced before enrollment_build */
	EVP_PKEY *issuer;
	EVP_PKEY *server; /* the encryption key, as derivd-ca makes it */

	uint8_t delivery_public[ED25519_PUBLIC_LEN];
	uint8_t receipt_public[ED25519_PUBLIC_LEN];
	uint8_t invitation_public[ED25519_PUBLIC_LEN];
	uint8_t kiosk[KIOSK_ID_LEN];
	uint8_t r_d[R_LEN];
	uint8_t r_k[R_LEN];
	uint8_t nonce[48];
	int64_t now_ms;

	struct offer offer; /* facts owned */
	X509 *card_cert, *issuer_cert, *sealing_cert;
	struct buf *offer_bytes, *offer_signature;
	struct buf *pkcs10[2], *identity_spki, *sealing_der, *card_der, *server_spki;
	struct statement statement; /* views into the buffers above */
	struct buf *statement_bytes, *invitation_signature, *identity_signature;
	struct buf *intent_bytes, *card_signature;
	struct buf *receipt_bytes, *receipt_signature;
	struct buf *ticket_bytes, *ticket_signature;

	/* Over the buffers above. */
	Common__Signed wire_offer, wire_receipt, wire_ticket;
	Common__Statement wire_statement;
	Common__Evidence wire;
	ProtobufCBinaryData wire_certs[1];
};

/* New keys, and an offer that may be changed before the next step. */
struct enrollment *enrollment_new(void);
/* Keys that are always the same: for the test vectors. */
struct enrollment *enrollment_new_fixed(void);
/* Everything from the keys and the offer; a sealing certificate that is there already is kept. */
void enrollment_build(struct enrollment *e);
/* Signs the statement again after e->statement was changed; then the intent. */
void enrollment_sign_statement(struct enrollment *e);
void enrollment_sign_intent(struct enrollment *e);
/* The card signs e->intent_bytes, whatever they are. */
void enrollment_card_sign(struct enrollment *e);
/* Receipt and ticket, once the evidence stands. */
void enrollment_sign_receipt(struct enrollment *e);
void enrollment_free(struct enrollment *e);
DEFINE_AUTO(enrollment, struct enrollment *, enrollment_free);

/* For tests that turn bits: 9, which is one bit of each byte, another one in each; 1, all of them, with DERIVD_TEST_LONG in
 * the environment. */
size_t enrollment_bit_step(void);
/* A PKCS#10 with an empty subject, signed by its own key; the caller frees. */
struct buf *enrollment_pkcs10(EVP_PKEY *key);
/* A certificate over key, signed by issuer (a NULL issuer_cert: issued under subject's own name). is_ca adds what a CA's needs. */
X509 *enrollment_cert(const char *subject, EVP_PKEY *key, X509 *issuer_cert, EVP_PKEY *issuer,
	bool is_ca, int64_t now_ms);
/* An extension from OpenSSL's configuration syntax; the caller frees. */
X509_EXTENSION *enrollment_ext(int nid, const char *value);
/* An RSA key of that many bits, or an EC key on a curve. */
EVP_PKEY *enrollment_rsa(unsigned int bits);
EVP_PKEY *enrollment_ec(const char *curve);
/* RSA-2048 with the exponent 3: it signs, but counts as unsound. */
EVP_PKEY *enrollment_unsound(void);

#endif
