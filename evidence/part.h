/* part.h: the pieces that intents and receipts have in common, each to and from its one encoding (PROTOCOL.intent
 * section 2). Reading returns ERR_FORMAT. */
#ifndef DERIVD_EVIDENCE_PART_H
#define DERIVD_EVIDENCE_PART_H

#include "evidence/intent.h"

/* A list of distinct SHA-256 hashes. */
void part_put_hashes(struct buf *out, const uint8_t (*hashes)[SHA256_LEN], size_t n);
MUST_CHECK struct err *part_get_hashes(struct cursor *c, const char *name, size_t min, size_t max,
	uint8_t (*ret_hashes)[SHA256_LEN], size_t *ret_n);

/* A field of len bytes, or empty. */
void part_put_optional(struct buf *out, bool has, const uint8_t *bytes, size_t len);
MUST_CHECK struct err *part_get_optional(struct cursor *c, const char *name, size_t len, bool *ret_has,
	uint8_t *ret_bytes);

/* One to OFFER_PURPOSES_MAX purposes, ascending; device-made ones with the hash of their key, others without. */
void part_put_purposes(struct buf *out, const struct intent_purpose *purposes, size_t n);
MUST_CHECK struct err *part_get_purposes(struct cursor *c,
	struct intent_purpose ret_purposes[static OFFER_PURPOSES_MAX], size_t *ret_n);

/* Up to CONSENTS_MAX consents in ascending order of kind. */
void part_put_consents(struct buf *out, const struct intent_consent *consents, size_t n);
MUST_CHECK struct err *part_get_consents(struct cursor *c,
	struct intent_consent ret_consents[static CONSENTS_MAX], size_t *ret_n);
/* a-z, 0-9 and -, at least one character, ended within CONSENT_KIND_MAX. */
bool part_is_kind(const char kind[static CONSENT_KIND_MAX]);

/* One of the known purposes. */
MUST_CHECK struct err *part_get_purpose(struct cursor *c, Common__Purpose *ret_purpose);

/* Verifies signed bytes under a raw Ed25519 key. s may be NULL. ERR_SIGNATURE_BAD, ERR_FORMAT. */
MUST_CHECK struct err *part_open(const Common__Signed *s, const char *label, struct bytes public_raw);

#endif
