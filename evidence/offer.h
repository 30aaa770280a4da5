/*
 * offer.h: what derivd-ca would issue to whom (ENROLLMENT step 2, PROTOCOL.intent section 4), signed by the delivery
 * key under SIG_OFFER. Every struct of this room is decoded from bytes that it keeps: views and strings are lent
 * from the object until it is freed.
 */
#ifndef DERIVD_EVIDENCE_OFFER_H
#define DERIVD_EVIDENCE_OFFER_H

#include "evidence/facts.h"
#include "evidence/record.h"
#include "proto/common.pb-c.h"
#include "proto/deployment.h"

#define REQUEST_ID_LEN 16
#define CHALLENGE_LEN 32
#define OFFER_PURPOSES_MAX 8
#define CARD_CERTS_MAX 8

/* Key types that a profile asks for, as text in offers: "p256", "p384", "rsa2048", "rsa3072". */
#define KEY_TYPE_MAX 16

struct offer_purpose {
	Common__Purpose purpose;
	Common__Origin origin;
	char key_type[KEY_TYPE_MAX];
	uint8_t profile_digest[SHA256_LEN];
	uint8_t challenge[CHALLENGE_LEN];
};

struct offer {
	Common__Operation operation;
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t request_id[REQUEST_ID_LEN];
	uint8_t issuer_key_id[SHA256_LEN]; /* SHA-256 of the issuing CA's SPKI */
	uint8_t predecessor[SHA256_LEN];   /* op = issue: SHA-256 of the enrollment's receipt; else zeros */
	int64_t created_ms;
	int64_t expires_ms;
	size_t n_certs;
	uint8_t certs[CARD_CERTS_MAX][SHA256_LEN]; /* card certificates used; the first one's key has to sign */
	size_t n_purposes;
	struct offer_purpose purposes[OFFER_PURPOSES_MAX]; /* in ascending order of purpose */
	struct facts *facts;
};

void offer_free(struct offer *o);
DEFINE_AUTO(offer, struct offer *, offer_free);
struct buf *offer_encode(const struct offer *o);
/* ERR_FORMAT. */
MUST_CHECK struct err *offer_decode(struct bytes b, struct offer **ret_offer);
/* Decodes after verifying the signature under the raw Ed25519 delivery key. ERR_SIGNATURE_BAD, ERR_FORMAT. */
MUST_CHECK struct err *offer_open(const Common__Signed *s, struct bytes delivery_public, struct offer **ret_offer);

#endif
