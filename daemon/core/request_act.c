/* request_act.c: what happens to a request as it moves. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/actions.h"
#include "daemon/core/mail.h"
#include "daemon/core/presence.h"
#include "daemon/core/seats.h"

struct err *outbox_post(struct core *c, struct job *job)
{
	if (id_is_none(job->id, ID_LEN))
		clock_random(job->id, ID_LEN);
	job->created_ms = clock_real_ms();
	if (!job->next_boot_ms)
		job->next_boot_ms = clock_boot_ms();
	return store_job_post(c->store, job);
}

/* The session ends badly: whoever is in front of it, and the device, hear why. */
static void tell_ended(struct core *c, const struct request *r, const struct cause *cause)
{
	const struct seat *seat = seats_find(c->seats, r->id);
	const struct connection *device = presence_find(c->presence, r->device);
	const struct err_kind *kind = kind_find(cause->kind);
	Control__SessionEnded ended = CONTROL__SESSION_ENDED__INIT;
	Device__Progress p = DEVICE__PROGRESS__INIT;
	AUTO(err)
	struct err *e =
		err_new(kind ? kind : &ERR_SESSION_OVER, "%s", cause->text ? cause->text : "");
	AUTO_MSG Common__Error *why = kind_to_wire(e);

	ended.request_id = pb_lend(BYTES(r->id, ID_LEN));
	ended.why = why;
	if (seat)
		mail_caller(c, seat->caller, MSG_SESSION_ENDED, 0, &ended);
	p.stage = DEVICE__STAGE__CANCELLED;
	p.text = why->remedy;
	if (device)
		mail_device(c, device->number, MSG_DEVICE_PROGRESS, 0, &p);
}

struct err *request_leave_session(struct core *c, struct request *r, const struct cause *cause)
{
	if (cause->kind)
		tell_ended(c, r, cause);
	mail_leave(c, r->id);
	TRY(store_session_drop(c->store, r->id));
	/* A job to verify that has not been tried has nothing to find. */
	AUTO(rows) struct rows *jobs = NULL;
	TRY(store_job_of(c->store, NULL, r->id, &jobs));
	for (size_t i = 0; i < jobs->n; i++) {
		const struct job *j = jobs->row[i];
		if (j->what == JOB_VERIFY && j->state != JOB_LEASED)
			TRY(store_job_done(c->store, j->id));
	}
	return NULL;
}

struct err *request_post_verify(struct core *c, struct request *r, const struct cause *cause UNUSED)
{
	struct job job = { .what = JOB_VERIFY, .rank = 1 };

	memcpy(job.request, r->id, ID_LEN);
	memcpy(job.device, r->device, SHA256_LEN);
	return outbox_post(c, &job);
}

struct err *request_drop_evidence(
	struct core *c, struct request *r, const struct cause *cause UNUSED)
{
	return store_evidence_drop(c->store, r->id);
}

struct err *request_cancel_credentials(struct core *c, struct request *r, const struct cause *cause)
{
	struct filter f = { .request = r->id, .most = STORE_PAGE_MAX };
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_credential_list(c->store, &f, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		struct credential *k = rows->row[i];
		if (credential_can(k, CE_CANCEL))
			TRY(credential_step(c, k, CE_CANCEL, cause));
	}
	/* The steps may have closed the request. */
	r->open = false;
	return NULL;
}
