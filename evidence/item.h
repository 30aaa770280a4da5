/*
 * item.h: what is delivered to a device and how the device says that it has it (ENROLLMENT step 10,
 * PROTOCOL.intent sections 8 and 9).
 */
#ifndef DERIVD_EVIDENCE_ITEM_H
#define DERIVD_EVIDENCE_ITEM_H

#include "evidence/offer.h"

#define ITEM_ID_LEN 16
#define ITEM_PAYLOAD_MAX 131072

/* The same numbers as ca.proto's ItemKind. */
enum item_kind {
	ITEM_CERTIFICATE = 1,
	ITEM_SEALED_KEY = 2,
	ITEM_CHAIN = 3,
	ITEM_PINS = 4,
	ITEM_APP = 5,
	ITEM_REMOVAL = 6,
};

struct item {
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t device_id[SHA256_LEN];
	uint8_t item_id[ITEM_ID_LEN];
	uint64_t number; /* from 1; for each device strictly increasing, gaps allowed */
	enum item_kind kind;
	Common__Purpose purpose; /* 0 where none applies */
	uint8_t payload_digest[SHA256_LEN];
	uint64_t payload_len;
	int64_t time_ms;
};

/* item_open's result is a plain struct: free(). */
struct buf *item_encode(const struct item *i);
/* Without looking at signature and payload: for derivd, which has the item from derivd-ca. ERR_FORMAT. */
MUST_CHECK struct err *item_decode(struct bytes b, struct item **ret_item);
/* Verifies under the delivery key, decodes, and compares digest and length of the payload.
 * ERR_SIGNATURE_BAD, ERR_FORMAT. */
MUST_CHECK struct err *item_open(const Common__Signed *s, struct bytes payload, struct bytes delivery_public,
	struct item **ret_item);
void item_free(struct item *i);
DEFINE_AUTO(item, struct item *, item_free);

/* What a device says of an item. status: 0 applied; else refused for good, detail says why. */
struct acknowledgement {
	uint8_t device_id[SHA256_LEN];
	uint8_t item_id[ITEM_ID_LEN];
	uint64_t number;
	uint8_t item_digest[SHA256_LEN]; /* SHA-256 of the item's bytes */
	uint8_t status;
	char detail[256];
};

struct buf *acknowledgement_encode(const struct acknowledgement *a);
MUST_CHECK struct err *acknowledgement_decode(struct bytes b, struct acknowledgement **ret_acknowledgement);
void acknowledgement_free(struct acknowledgement *a);
DEFINE_AUTO(acknowledgement, struct acknowledgement *, acknowledgement_free);

/* Payload of ITEM_CHAIN: DER certificates, each a field of a record. At most 10. */
#define ITEM_CHAIN_MAX 10
struct buf *item_chain_encode(const struct bytes *certs, size_t n);
MUST_CHECK struct err *item_chain_decode(struct bytes payload, struct bytes ret_certs[static ITEM_CHAIN_MAX],
	size_t *ret_n);

#endif
