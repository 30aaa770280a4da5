/*
 * intent.h: what the card signs (ENROLLMENT step 6, PROTOCOL.intent section 5): 64 spaces, "derivd intent v1", a zero
 * byte, then the fields. The form of the first bytes is that of a TLS 1.3 CertificateVerify with a context string of
 * its own, so no signature made for TLS can pass for one over an intent.
 */
#ifndef DERIVD_EVIDENCE_INTENT_H
#define DERIVD_EVIDENCE_INTENT_H

#include "evidence/statement.h"

#define INTENT_MAX 4096
#define NONCE_MAX 128
#define CONSENTS_MAX 8
#define CONSENT_KIND_MAX 32

/* Signature algorithms of the card, as numbers in the intent. */
enum card_algorithm {
	CARD_RSA_PKCS1_SHA256 = 1,
	CARD_ECDSA_P256_SHA256 = 2,
	CARD_ECDSA_P384_SHA384 = 3,
};

struct intent_purpose {
	Common__Purpose purpose;
	Common__Origin origin;
	uint8_t profile_digest[SHA256_LEN];
	bool has_key; /* device-made */
	uint8_t key_hash[SHA256_LEN];
};

struct intent_consent {
	char kind[CONSENT_KIND_MAX]; /* "issue", "renew", "history" */
	int64_t until_ms;            /* 0: no end */
};

struct intent {
	Common__Operation operation;
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t issuer_key_id[SHA256_LEN];
	uint8_t request_id[REQUEST_ID_LEN];
	size_t nonce_len;
	uint8_t nonce[NONCE_MAX];
	size_t n_certs;
	uint8_t certs[CARD_CERTS_MAX][SHA256_LEN];
	enum card_algorithm algorithm;
	uint8_t statement_hash[SHA256_LEN];
	bool has_invitation;
	uint8_t invitation_public[ED25519_PUBLIC_LEN];
	size_t n_purposes;
	struct intent_purpose purposes[OFFER_PURPOSES_MAX];
	uint8_t facts_digest[SHA256_LEN];
	size_t n_consents;
	struct intent_consent consents[CONSENTS_MAX];
	bool has_predecessor;
	uint8_t predecessor[SHA256_LEN];
	uint8_t kiosk[KIOSK_ID_LEN];
};

struct buf *intent_encode(const struct intent *i);
/* ERR_EVIDENCE_BAD unless the re-encoding is equal. Plain struct: free() it. */
MUST_CHECK struct err *intent_decode(struct bytes b, struct intent **ret_intent);
void intent_free(struct intent *i);
DEFINE_AUTO(intent, struct intent *, intent_free);

/*
 * Builds the intent from parts that were checked before: an offer, a statement that statement_check accepted
 * against it, the nonce, consents, the algorithm that follows from the card certificate's key, the kiosk id.
 * Both derivd-card (to sign) and derivd-ca (to compare) call this, so there is one place that says what is named.
 * ERR_EVIDENCE_BAD when the parts do not fit.
 */
MUST_CHECK struct err *intent_build(const struct offer *offer, const struct statement *statement,
	struct bytes nonce, const struct intent_consent *consents, size_t n_consents, enum card_algorithm algorithm,
	const uint8_t kiosk[static KIOSK_ID_LEN], struct intent **ret_intent);

/* The algorithm for a card certificate's key. ERR_CERT_NOT_ELIGIBLE for keys that cannot sign an intent
 * (RSA below 2048 bits, other curves). */
MUST_CHECK struct err *intent_algorithm(EVP_PKEY *card_key, enum card_algorithm *ret_algorithm);
/* The card's signature over the whole bytes. ERR_SIGNATURE_BAD. */
MUST_CHECK struct err *intent_verify(EVP_PKEY *card_key, enum card_algorithm algorithm, struct bytes intent,
	struct bytes signature);

#endif
