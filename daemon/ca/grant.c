/* grant.c: receipts that are used. */
#include "daemon/ca/grant.h"

#include <stdlib.h>

void grant_free(struct grant *g)
{
	if (!g)
		return;
	receipt_free(g->receipt);
	entry_receipt_free(g->entry);
	free(g);
}

struct err *grant_open(struct state *s, const Common__Signed *receipt, Common__Purpose purpose,
	struct grant **ret_grant)
{
	AUTO(grant) struct grant *g = xcalloc(1, sizeof(*g));

	TRY(part_receipt(s, receipt, &g->receipt, &g->entry));
	g->purpose = receipt_purpose(g->receipt, purpose);
	if (!g->purpose)
		return err_new(&ERR_EVIDENCE_BAD, "the card did not sign for this purpose");
	TRY(state_profile(s, g->purpose->profile_digest, &g->profile));
	*ret_grant = take(g);
	return NULL;
}

struct err *grant_check(struct state *s, const struct grant *g)
{
	int64_t now;

	TRY(part_device_good(s, g->entry->device_id));
	TRY(part_issuer_good(s, g->receipt->issuer_key_id));
	TRY(part_now(s, &now));
	return part_recheck(s, g->receipt, g->entry, now);
}
