/*
 * pinset.h: which keys of the gateway a device is to believe (PROTOCOL.device section 7). As the payload of an item it is one of
 * many for one device; signed by itself under the delivery key it is for every device of the deployment, and may come
 * from anybody: that brings back a device that was away while the gateway changed its key.
 */
#ifndef DERIVD_EVIDENCE_PINSET_H
#define DERIVD_EVIDENCE_PINSET_H

#include "proto/deployment.h"

struct pinset {
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint64_t epoch;   /* a device never goes back to a lower one */
	int64_t until_ms; /* one that is signed by itself is not taken in later than that */
	size_t n_pins;
	uint8_t pins[PINS_MAX][SHA256_LEN]; /* 1 to PINS_MAX; SHA-256 of the SubjectPublicKeyInfo */
};

/* Longer is no text of a signed pin set. */
#define PINSET_TEXT_MAX 1024

struct buf *pinset_encode(const struct pinset *p);
/* ERR_FORMAT. */
MUST_CHECK struct err *pinset_decode(struct bytes b, struct pinset *ret_pinset);
bool pinset_has(const struct pinset *p, const uint8_t pin[static SHA256_LEN]);

/* "derivd-pins:1?b=...&k=...&s=...": the encoded pin set, the delivery key, its signature. The caller frees. */
char *pinset_text(struct bytes body, const uint8_t delivery_public[static ED25519_PUBLIC_LEN],
	struct bytes signature);
/*
 * Takes the text apart, compares the key's hash with the delivery key's that the QR code had, and verifies the signature;
 * deployment, epoch and date are the caller's to judge. ERR_FORMAT, ERR_SIGNATURE_BAD.
 */
MUST_CHECK struct err *pinset_open(const char *text, const uint8_t delivery_hash[static SHA256_LEN],
	struct pinset *ret_pinset);

#endif
