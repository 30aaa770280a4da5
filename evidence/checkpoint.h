/*
 * checkpoint.h: how far both logs had come, signed by the receipt key, to be kept on another machine: whoever holds one can tell
 * later that both were put back to an earlier state together, which neither could tell of the other. PROTOCOL.control section 8.
 */
#ifndef DERIVD_EVIDENCE_CHECKPOINT_H
#define DERIVD_EVIDENCE_CHECKPOINT_H

#include "evidence/offer.h"

#define CHECKPOINT_CHALLENGE_LEN 32

struct checkpoint {
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t challenge[CHECKPOINT_CHALLENGE_LEN];
	int64_t time_ms;
	/* The end of derivd's audit chain, as derivd gave it. */
	uint64_t audit_rows;
	uint8_t audit_head[SHA256_LEN];
	/* The end of derivd-ca's log. */
	uint64_t log_rows;
	uint8_t log_head[SHA256_LEN];
};

/* The caller frees. */
struct buf *checkpoint_encode(const struct checkpoint *c);
/* Under the raw Ed25519 receipt key. ERR_SIGNATURE_BAD, ERR_FORMAT. */
MUST_CHECK struct err *checkpoint_open(
	const Common__Signed *s, struct bytes receipt_public, struct checkpoint *ret_c);

/* The file that is kept: text, with a line for people. The caller frees. */
struct buf *checkpoint_text(const Common__Signed *s, const struct checkpoint *c);
/* Reads it and opens it under the keys of the deployment, whose it must be. ERR_NOTFOUND, ERR_CONFIG, ERR_SIGNATURE_BAD, ERR_FORMAT. */
struct deployment;
MUST_CHECK struct err *checkpoint_load(
	const char *path, const struct deployment *d, struct checkpoint *ret_c);

#endif
