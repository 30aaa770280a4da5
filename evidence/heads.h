/*
 * heads.h: a page of the audit heads that derivd-ca logged, signed by the receipt key over the asker's challenge: derivd
 * carries it, and can neither leave one out nor give an older page. PROTOCOL.control section 8.
 */
#ifndef DERIVD_EVIDENCE_HEADS_H
#define DERIVD_EVIDENCE_HEADS_H

#include "evidence/offer.h"

#define HEADS_MAX 256
#define HEADS_CHALLENGE_LEN 32

struct heads_page {
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t challenge[HEADS_CHALLENGE_LEN];
	uint64_t after, next; /* log rows; next is 0 on the last page, and else more than after */
	int64_t time_ms;
	size_t n;
	struct {
		uint64_t sequence;
		uint8_t hash[SHA256_LEN];
	} heads[HEADS_MAX];
};

/* The caller frees. */
struct buf *heads_encode(const struct heads_page *page);
/*
 * Under the raw Ed25519 receipt key, and only if deployment, challenge and after are those of *expected. The caller frees.
 * ERR_SIGNATURE_BAD, ERR_FORMAT; ERR_AUDIT_BAD for a page that answers another question.
 */
MUST_CHECK struct err *heads_open(const Common__Signed *s, struct bytes receipt_public,
	const struct heads_page *expected, struct heads_page **ret_page);

#endif
