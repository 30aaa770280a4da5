/* grant.h: what a receipt allows for one purpose: the start of make and certify. */
#ifndef DERIVD_DAEMON_CA_GRANT_H
#define DERIVD_DAEMON_CA_GRANT_H

#include "daemon/ca/op_part.h"

struct grant {
	struct receipt *receipt;
	struct entry_receipt *entry;
	const struct intent_purpose *purpose; /* lent from receipt */
	const struct profile *profile; /* lent from the state: the body that the card signed for */
};
void grant_free(struct grant *g);
DEFINE_AUTO(grant, struct grant *, grant_free);

/* part_receipt's errors; ERR_EVIDENCE_BAD when the receipt does not grant the purpose. */
MUST_CHECK struct err *grant_open(struct state *s, const Common__Signed *receipt,
	Common__Purpose purpose, struct grant **ret_grant);
/* What must be so whenever something new comes of it: device, issuer, clock, and the card's revocation once more. */
MUST_CHECK struct err *grant_check(struct state *s, const struct grant *g);

#endif
