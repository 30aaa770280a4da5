/* credential_act.c: what happens to a credential as it moves. */
#include <stdlib.h>
#include <string.h>

#include "daemon/core/actions.h"

/* RFC 5280 section 5.3.1. */
#define REASON_SUPERSEDED 4
#define REASON_CESSATION 5

static void address(struct job *job, const struct credential *k)
{
	memcpy(job->request, k->request, ID_LEN);
	memcpy(job->credential, k->id, ID_LEN);
	memcpy(job->device, k->device, SHA256_LEN);
	job->purpose = k->purpose;
}

struct err *credential_post_certify(
	struct core *c, struct credential *k, const struct cause *cause UNUSED)
{
	struct job job = { .what = JOB_CERTIFY, .rank = 2 };

	address(&job, k);
	return outbox_post(c, &job);
}

static struct err *post_revoke(struct core *c, const struct credential *k, unsigned int reason)
{
	struct job job = { .what = JOB_REVOKE, .rank = 0, .reason = reason };

	address(&job, k);
	return outbox_post(c, &job);
}

/*
 * A certification that derivd-ca may have begun is kept: its answer says whether there is a certificate, which is then revoked at
 * once. All others go, and with them the items; a key that was made and never certified is nobody's.
 */
static struct err *drop_jobs(struct core *c, const struct credential *k)
{
	AUTO(rows) struct rows *jobs = NULL;

	TRY(store_item_drop(c->store, k->id, NULL));
	TRY(store_job_of(c->store, k->id, NULL, &jobs));
	for (size_t i = 0; i < jobs->n; i++) {
		const struct job *j = jobs->row[i];
		bool begun = (j->attempts > 0 || k->serial) && j->state != JOB_FAILED;
		if (j->what == JOB_MAKE || (j->what == JOB_CERTIFY && !begun))
			TRY(store_job_done(c->store, j->id));
	}
	return NULL;
}

struct err *credential_drop_work(
	struct core *c, struct credential *k, const struct cause *cause UNUSED)
{
	TRY(drop_jobs(c, k));
	/* A key without a certificate is nobody's. */
	return store_sealed_purge(c->store, k->id, !k->serial);
}

struct err *credential_take_back(
	struct core *c, struct credential *k, const struct cause *cause UNUSED)
{
	TRY(drop_jobs(c, k));
	TRY(store_sealed_purge(c->store, k->id, false));
	return post_revoke(c, k, k->reason ? k->reason : REASON_CESSATION);
}

struct err *credential_succeed(struct core *c, struct credential *k, const struct cause *cause)
{
	AUTO(credential) struct credential *live = NULL;
	AUTO(credential) struct credential *coming = NULL;

	k->delivered = true;
	k->claim_until_ms = 0;
	TRY(store_sealed_purge(c->store, k->id, false));
	TRY(store_credential_slot(c->store, k->slot, k->purpose, &live, &coming));
	if (!live)
		return NULL;
	const struct cause because = { .actor = cause->actor, .text = "its successor is active" };
	return credential_step(c, live, CE_SUPERSEDE, &because);
}

struct err *credential_recall(struct core *c, struct credential *k, const struct cause *cause)
{
	TRY(drop_jobs(c, k));
	return credential_succeed(c, k, cause);
}

struct err *credential_retire(
	struct core *c, struct credential *k, const struct cause *cause UNUSED)
{
	if (!c->settings->revoke_superseded)
		return NULL;
	k->reason = REASON_SUPERSEDED;
	return post_revoke(c, k, REASON_SUPERSEDED);
}
