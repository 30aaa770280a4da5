/*
 * receipt.h: what derivd-ca found when it verified evidence (ENROLLMENT step 8) and the ticket for a key that it
 * made (step 9); both signed by the receipt key. PROTOCOL.intent sections 6 and 7.
 */
#ifndef DERIVD_EVIDENCE_RECEIPT_H
#define DERIVD_EVIDENCE_RECEIPT_H

#include "evidence/intent.h"

#define PROOFS_MAX 16
#define ESCROW_MAX 8

struct receipt {
	uint8_t intent_hash[SHA256_LEN];
	uint8_t evidence_digest[SHA256_LEN]; /* SHA-256 of the packed common.Evidence as derivd-ca logged it */
	Common__Operation operation;
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t request_id[REQUEST_ID_LEN];
	uint8_t issuer_key_id[SHA256_LEN];
	uint8_t holder_id[SHA256_LEN];
	struct facts *facts;
	struct bytes identity_public;     /* SPKI, DER */
	struct bytes sealing_certificate; /* DER */
	size_t n_purposes;
	struct intent_purpose purposes[OFFER_PURPOSES_MAX];
	int64_t time_ms;       /* when it was verified */
	int64_t nonce_time_ms; /* the nonce's time: notBefore of all that is issued */
	size_t n_certs;
	uint8_t certs[CARD_CERTS_MAX][SHA256_LEN];
	size_t n_proofs;
	uint8_t proofs[PROOFS_MAX][SHA256_LEN]; /* digests of the CRLs and OCSP answers used */
	size_t n_consents;
	struct intent_consent consents[CONSENTS_MAX];
	bool has_predecessor;
	uint8_t predecessor[SHA256_LEN];

	struct buf *source;
	uint8_t hash[SHA256_LEN]; /* SHA-256 of the bytes */
};

void receipt_free(struct receipt *r);
DEFINE_AUTO(receipt, struct receipt *, receipt_free);
struct buf *receipt_encode(const struct receipt *r);
MUST_CHECK struct err *receipt_decode(struct bytes b, struct receipt **ret_receipt);
/* Under the raw Ed25519 receipt key. ERR_SIGNATURE_BAD, ERR_FORMAT. */
MUST_CHECK struct err *receipt_open(const Common__Signed *s, struct bytes receipt_public,
	struct receipt **ret_receipt);
void receipt_device_id(const struct receipt *r, uint8_t ret_id[static SHA256_LEN]);
/* NULL when the receipt does not grant the purpose. */
const struct intent_purpose *receipt_purpose(const struct receipt *r, Common__Purpose purpose);

struct ticket {
	uint8_t intent_hash[SHA256_LEN];
	Common__Purpose purpose;
	struct bytes public_key; /* SPKI, DER */
	uint8_t device_copy[SHA256_LEN];
	bool has_history_copy;
	uint8_t history_copy[SHA256_LEN];
	size_t n_escrow;
	uint8_t escrow_copies[ESCROW_MAX][SHA256_LEN];
	int64_t time_ms;

	struct buf *source;
	uint8_t hash[SHA256_LEN];
};

void ticket_free(struct ticket *t);
DEFINE_AUTO(ticket, struct ticket *, ticket_free);
struct buf *ticket_encode(const struct ticket *t);
MUST_CHECK struct err *ticket_decode(struct bytes b, struct ticket **ret_ticket);
MUST_CHECK struct err *ticket_open(const Common__Signed *s, struct bytes receipt_public,
	struct ticket **ret_ticket);

#endif
