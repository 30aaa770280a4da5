/*
 * nonce.h: nonces without state (ENROLLMENT step 6): time (8 bytes) ‖ random (16) ‖ HMAC-SHA-256 over label, time, random
 * and what the nonce is for. The key rotates daily; the one before it still verifies.
 */
#ifndef DERIVD_DAEMON_CA_NONCE_H
#define DERIVD_DAEMON_CA_NONCE_H

#include "evidence/intent.h"

#define NONCE_LEN (8 + 16 + SHA256_LEN)

struct nonce_use {
	uint8_t request_id[REQUEST_ID_LEN];
	uint8_t card_hash[SHA256_LEN]; /* of the certificate whose key signs */
	uint8_t statement_hash[SHA256_LEN];
};

/* ERR_CA_MISCONFIGURED when the key file cannot be read or written. */
MUST_CHECK struct err *nonce_make(
	const struct nonce_use *use, int64_t now_ms, uint8_t ret_nonce[static NONCE_LEN]);
/* Was it made here for that use? Then *ret_time_ms. ERR_EVIDENCE_BAD when not; ERR_NONCE_EXPIRED when made longer than
 * lifetime_ms before now, or after it. */
MUST_CHECK struct err *nonce_check(struct bytes nonce, const struct nonce_use *use, int64_t now_ms,
	uint64_t lifetime_ms, int64_t *ret_time_ms);

#endif
