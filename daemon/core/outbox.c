/* outbox.c: lease, ask, settle, back off. */
#include "daemon/core/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/calog.h"
#include "daemon/core/notice.h"
#include "daemon/core/metrics.h"

/* For the revocations that have to be on it, or for derivd-ca's status. */
#define CRL_WAIT_MS 1000

static void set_cause(struct job *j, const struct err *e)
{
	free(j->cause_kind);
	free(j->cause);
	j->cause_kind = e ? xstrdup(err_get_kind(e)->name) : NULL;
	j->cause = e ? xstrdup(err_get_text(e)) : NULL;
}

/* first doubled for each attempt after the first, at most most; then three to five quarters of it. */
static int64_t back_off(unsigned int attempts, int64_t first, int64_t most)
{
	int64_t wait = first;
	uint32_t random;

	for (unsigned int i = 1; i < attempts && wait < most; i++)
		wait *= 2;
	if (wait > most)
		wait = most;
	clock_random(&random, sizeof(random));
	return wait - wait / 4 + (int64_t)random % (wait / 2);
}

static struct err *audit_trouble(
	struct core *c, const struct job *j, enum event event, const struct err *why)
{
	const struct audit_about about = {
		.event = event,
		.request = j->request,
		.credential = j->credential,
		.device = j->device,
		.purpose = j->purpose,
		.error = err_get_kind(why)->name,
	};

	return audit_add(c->audit, &about, "%s: %s", job_what_name(j->what), err_get_text(why));
}

/*
 * Operators hear of it; of a notice when it was refused, so that its holder is told in another way. One of their own must not make
 * another, and neither must one that cannot be sent at all.
 */
static struct err *report(
	struct core *c, const struct job *j, enum event event, const struct err *why)
{
	bool holders = !id_is_none(j->device, SHA256_LEN);

	if (j->what != JOB_NOTICE || (holders && event == EV_JOB_FAILED))
		TRY(notice_trouble(c, event, err_get_kind(why)->name));
	return audit_trouble(c, j, event, why);
}

static struct err *try_later(struct core *c, struct job *j, const struct err *why)
{
	int64_t most = j->what == JOB_VERIFY ? VERIFY_MOST_MS : RETRY_MOST_MS;

	set_cause(j, why);
	j->state = JOB_RETRY;
	j->next_boot_ms = clock_boot_ms() + back_off(j->attempts, RETRY_FIRST_MS, most);
	return store_job_put(c->store, j);
}

static struct err *block(struct core *c, struct job *j, const struct err *why)
{
	bool news = !j->cause_kind || strcmp(j->cause_kind, err_get_kind(why)->name) != 0;

	set_cause(j, why);
	j->state = JOB_BLOCKED;
	j->next_boot_ms =
		clock_boot_ms() + back_off(j->attempts, BLOCKED_FIRST_MS, BLOCKED_MOST_MS);
	TRY(store_job_put(c->store, j));
	/* The journal hears of each kind of trouble once, not with each attempt. */
	return news ? report(c, j, EV_JOB_BLOCKED, why) : NULL;
}

static struct err *refused(struct core *c, struct job *j, const struct err *why)
{
	bool keep = false;

	TRY(outbox_refused(c, j, why, &keep));
	if (!keep)
		return store_job_done(c->store, j->id);
	set_cause(j, why);
	j->state = JOB_FAILED;
	TRY(store_job_put(c->store, j));
	return report(c, j, EV_JOB_FAILED, why);
}

static struct err *settle_error(struct core *c, struct job *j, const struct err *why)
{
	metrics_error(c->metrics, IN_QUEUE, why);
	switch (err_get_fate(why)) {
	case FATE_RETRY:
		return try_later(c, j, why);
	case FATE_BROKEN:
		return block(c, j, why);
	default:
		/* A CRL is wanted for ever: what is wrong has to be mended. */
		return j->what == JOB_CRL ? block(c, j, why) : refused(c, j, why);
	}
}

/* The store's own trouble undoes the event; what is wrong with the job is its outcome. */
static bool is_stores(const struct err *e)
{
	return err_is(e, &ERR_STORE) || err_is(e, &ERR_STORE_FULL);
}

/* A channel that is done is not used again because another is owed. */
static struct err *settle_notice(struct core *c, struct job *j, const void *body)
{
	AUTO(err) struct err *owed = NULL;

	TRY(notice_done(c, j, body, &owed));
	return owed ? settle_error(c, j, owed) : store_job_done(c->store, j->id);
}

struct err *outbox_settle(struct core *c, const struct ask *ask, const struct answer *a)
{
	AUTO(job) struct job *j = NULL;
	bool goes_on = false;

	TRY(store_job_get(c->store, ask->id, &j));
	/* Dropped meanwhile, or asked again by a later lease: that one's answer counts. */
	if (!j || j->state != JOB_LEASED)
		return NULL;
	if (a->error)
		return settle_error(c, j, a->error);
	/* As it was asked: an item that is signed becomes one to deliver. */
	enum job_what what = j->what;
	if (j->what == JOB_NOTICE)
		return settle_notice(c, j, a->body);
	TRY(outbox_apply(c, j, a->body, &goes_on));
	c->calog.grown = true;
	metrics_took(&c->metrics->job[what], j->created_ms);
	return goes_on ? NULL : store_job_done(c->store, j->id);
}

/* After a failed turn: leases whose answers went with it are given back. */
static struct err *give_back(struct core *c)
{
	AUTO(rows) struct rows *leased = NULL;

	TRY(store_job_leased(c->store, &leased));
	for (size_t i = 0; i < leased->n; i++) {
		struct job *j = leased->row[i];
		if (c->ports->under_way(c->outside, j->id))
			continue;
		j->state = JOB_WAITING;
		TRY(store_job_put(c->store, j));
	}
	return NULL;
}

struct err *outbox_ask_one(struct core *c, struct job *j)
{
	AUTO(err) struct err *e = outbox_ask(c, j);

	if (e && is_stores(e))
		return take(e);
	return e ? settle_error(c, j, e) : NULL;
}

static struct err *start_one(struct core *c, struct job *j)
{
	bool wait = false;

	if (j->what == JOB_CRL)
		TRY(calog_crl_waits(c, &wait));
	if (!wait)
		return outbox_ask_one(c, j);
	j->state = JOB_WAITING;
	j->attempts--;
	j->next_boot_ms = clock_boot_ms() + CRL_WAIT_MS;
	return store_job_put(c->store, j);
}

struct err *outbox_pump(struct core *c, unsigned int room, unsigned int *ret_leased)
{
	AUTO(err) struct err *no = core_may_issue(c);
	AUTO(rows) struct rows *jobs = NULL;
	const struct lease lease = {
		.boot_id = c->boot_id,
		.run = c->run,
		.now_boot_ms = clock_boot_ms(),
		.most = room,
		.only_revocations = no != NULL,
	};

	if (c->lost_answers)
		TRY(give_back(c));
	TRY(store_job_lease(c->store, &lease, &jobs));
	for (size_t i = 0; i < jobs->n; i++)
		TRY(start_one(c, jobs->row[i]));
	c->lost_answers = false;
	*ret_leased = (unsigned int)jobs->n;
	return NULL;
}
