/* lifecycle.c: see lifecycle.h. */
#include "daemon/core/lifecycle.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/actions.h"
#include "daemon/core/delivery.h"
#include "daemon/core/mail.h"
#include "daemon/core/notice.h"

/* Revocations of the same moment share a CRL. */
#define CRL_GATHER_MS 5000
#define CRL_EVERY_MS (3600 * 1000LL)

static void answer_changed(struct core *c, const struct caller *who, uint64_t n)
{
	Control__Changed m = CONTROL__CHANGED__INIT;

	m.count = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	m.nobody_told = notice_is_deaf(c);
	mail_caller(c, who->number, MSG_CHANGED, who->serial, &m);
}

/* Those of RFC 5280 section 5.3.1 that are for certificates of holders. A hold would have to be lifted by somebody. */
static struct err *check_reason(uint32_t reason)
{
	static const uint32_t good[] = { 0, 1, 3, 4, 5, 9 };

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (good[i] == reason)
			return NULL;
	}
	return err_new(&ERR_POLICY,
		"reason %u: use 0 (unspecified), 1 (keyCompromise), 3 (affiliationChanged), 4 "
		"(superseded), 5 (cessationOfOperation) or 9 (privilegeWithdrawn)",
		reason);
}

/* --- request --- */

struct err *lifecycle_cancel(
	struct core *c, const struct caller *who, const Control__RequestCancel *m)
{
	AUTO(request) struct request *r = NULL;
	AUTO_MEM char *actor = session_actor(who->uid);
	uint8_t id[SHA256_LEN];

	TRY(store_find(c->store, TABLE_REQUEST, m->id, id));
	TRY(store_request_get(c->store, id, &r));
	if (!r->open)
		return err_new(
			&ERR_WRONG_STATE, "the request is over: nothing of it is on its way");
	TRY(session_end(c, r, RE_CANCEL, &ERR_SESSION_OVER, actor, "%s",
		*m->reason ? m->reason : "cancelled"));
	answer_changed(c, who, 1);
	return NULL;
}

/* --- credential --- */

struct err *lifecycle_revoke(
	struct core *c, const struct caller *who, const Control__CredentialRevoke *m)
{
	AUTO(credential) struct credential *k = NULL;
	AUTO_MEM char *actor = session_actor(who->uid);
	const struct cause cause = {
		.actor = actor, .kind = "revoked", .text = *m->text ? m->text : NULL
	};
	uint8_t id[SHA256_LEN];

	TRY(check_reason(m->reason));
	TRY(store_find(c->store, TABLE_CREDENTIAL, m->id, id));
	TRY(store_credential_get(c->store, id, &k));
	answer_changed(c, who, 1);
	k->reason = m->reason;
	return credential_step(c, k, CE_REVOKE, &cause);
}

/* --- device --- */

/* What has no certificate yet ends now; the rest waits for derivd-ca to know the device first (ENROLLMENT). */
static struct err *cancel_coming(struct core *c, const struct device *d, const struct cause *cause)
{
	struct filter f = { .device = d->id, .open_only = true, .most = STORE_PAGE_MAX };
	size_t n;

	do {
		AUTO(rows) struct rows *rows = NULL;
		TRY(store_credential_list(c->store, &f, &rows));
		n = rows->n;
		for (size_t i = 0; i < n; i++) {
			struct credential *k = rows->row[i];
			f.after = k->n;
			if (k->state == CS_WANTED || k->state == CS_MADE)
				TRY(credential_step(c, k, CE_CANCEL, cause));
		}
	} while (n == STORE_PAGE_MAX);
	return NULL;
}

/* A session with this device ends too. */
static struct err *cancel_session(struct core *c, const struct device *d, const char *actor)
{
	AUTO(request) struct request *r = NULL;

	TRY(store_request_of_device(c->store, d->id, &r));
	if (!r || r->state > RS_COMMITTED)
		return NULL;
	return session_end(c, r, RE_CANCEL, &ERR_DEVICE_REVOKED, actor, "the device was revoked");
}

struct err *lifecycle_revoke_known(
	struct core *c, struct device *d, unsigned int reason, const char *actor, const char *text)
{
	struct job job = { .what = JOB_REVOKE_DEVICE, .rank = 0, .reason = reason };
	const struct cause cause = {
		.actor = actor, .kind = ERR_DEVICE_REVOKED.name, .text = text
	};
	const struct audit_about about = {
		.event = EV_DEVICE_REVOKE,
		.actor = actor,
		.device = d->id,
		.holder = d->holder,
	};

	d->state = DEVICE_REVOKING;
	TRY(store_device_put(c->store, d));
	memcpy(job.device, d->id, SHA256_LEN);
	TRY(outbox_post(c, &job));
	TRY(store_item_drop(c->store, NULL, d->id));
	TRY(cancel_session(c, d, actor));
	TRY(cancel_coming(c, d, &cause));
	return audit_add(c->audit, &about, "reason %u%s%s", reason, *text ? ": " : "", text);
}

struct err *lifecycle_revoke_device(
	struct core *c, const struct caller *who, const Control__DeviceRevoke *m)
{
	AUTO(device) struct device *d = NULL;
	AUTO_MEM char *actor = session_actor(who->uid);
	uint8_t id[SHA256_LEN];

	TRY(check_reason(m->reason));
	TRY(store_find(c->store, TABLE_DEVICE, m->id, id));
	TRY(store_device_get(c->store, id, &d));
	if (!d)
		return err_new(&ERR_NO_SUCH, "no such device");
	if (d->state != DEVICE_ENROLLED)
		return err_new(
			&ERR_WRONG_STATE, "the device is %s already", device_state_name(d->state));
	TRY(lifecycle_revoke_known(c, d, m->reason, actor, m->text));
	TRY(notice_device_revoked(c, d, m->reason));
	answer_changed(c, who, 1);
	return NULL;
}

static struct err *revoke_certified(struct core *c, const struct device *d, unsigned int reason)
{
	static const struct cause cause = { .kind = "device-revoked",
		.text = "its device was revoked" };
	struct filter f = { .device = d->id, .open_only = true, .most = STORE_PAGE_MAX };
	size_t n;

	do {
		AUTO(rows) struct rows *rows = NULL;
		TRY(store_credential_list(c->store, &f, &rows));
		n = rows->n;
		for (size_t i = 0; i < n; i++) {
			struct credential *k = rows->row[i];
			f.after = k->n;
			k->reason = reason;
			if (credential_can(k, CE_REVOKE))
				TRY(credential_step(c, k, CE_REVOKE, &cause));
		}
	} while (n == STORE_PAGE_MAX);
	return NULL;
}

static struct err *post_notice(struct core *c, const struct device *d)
{
	struct item item = { .kind = CA__ITEM_KIND__REMOVAL, .state = ITEM_WANTED };

	memcpy(item.device, d->id, SHA256_LEN);
	memcpy(item.request, d->request, ID_LEN);
	return items_post(c, &item);
}

struct err *lifecycle_device_revoked(struct core *c, const struct job *j)
{
	AUTO(device) struct device *d = NULL;

	TRY(store_device_get(c->store, j->device, &d));
	if (!d || d->state != DEVICE_REVOKING)
		return NULL;
	d->state = DEVICE_REVOKED;
	TRY(store_device_put(c->store, d));
	TRY(revoke_certified(c, d, j->reason));
	TRY(post_notice(c, d));
	const struct audit_about about = {
		.event = EV_DEVICE_REVOKED,
		.actor = "derivd-ca",
		.device = d->id,
		.holder = d->holder,
	};
	return audit_add(c->audit, &about, "its certificates are being revoked");
}

/* --- the queue --- */

static struct err *retry_job(struct core *c, struct job *j)
{
	if (j->state == JOB_LEASED)
		return err_new(&ERR_WRONG_STATE, "it is being worked on now");
	if (j->what == JOB_DELIVER && j->state == JOB_FAILED)
		return err_new(&ERR_WRONG_STATE, "the device has refused it for good");
	if (j->what == JOB_DELIVER)
		return err_new(&ERR_DEVICE_AWAY, "it waits for its device");
	if (j->what == JOB_SIGN_ITEM && j->state == JOB_FAILED)
		return items_post_again(c, j);
	j->state = JOB_WAITING;
	j->next_boot_ms = clock_boot_ms();
	return store_job_put(c->store, j);
}

static struct err *retry_one(struct core *c, const char *hex)
{
	AUTO(job) struct job *j = NULL;
	uint8_t id[SHA256_LEN];

	TRY(store_find(c->store, TABLE_JOB, hex, id));
	TRY(store_job_get(c->store, id, &j));
	return j ? retry_job(c, j) : err_new(&ERR_NO_SUCH, "it is done");
}

static struct err *retry_all(struct core *c, uint64_t *ret_n)
{
	AUTO(rows) struct rows *failed = NULL;

	TRY(store_job_failed(c->store, &failed));
	TRY(store_job_hurry(c->store, clock_boot_ms(), ret_n));
	for (size_t i = 0; i < failed->n; i++) {
		TRY(retry_job(c, failed->row[i]));
		++*ret_n;
	}
	return NULL;
}

struct err *lifecycle_retry(struct core *c, const struct caller *who, const Control__QueueRetry *m)
{
	AUTO_MEM char *actor = session_actor(who->uid);
	const struct audit_about about = { .event = EV_QUEUE_RETRY, .actor = actor };
	uint64_t n = 1;

	if (*m->id)
		TRY(retry_one(c, m->id));
	else
		TRY(retry_all(c, &n));
	answer_changed(c, who, n);
	return audit_add(c->audit, &about, "%llu jobs%s%s", (unsigned long long)n,
		*m->id ? ": " : "", m->id);
}

/* --- the clock --- */

struct err *lifecycle_post_crl(struct core *c)
{
	struct job job = { .what = JOB_CRL, .rank = 0 };
	bool exists = false;

	TRY(store_job_crl(c->store, &exists));
	if (exists)
		return NULL;
	job.next_boot_ms = clock_boot_ms() + CRL_GATHER_MS;
	return outbox_post(c, &job);
}

static struct err *sweep_one(struct core *c, struct credential *k, int64_t now)
{
	static const struct cause expired = { .kind = NULL };
	static const struct cause unclaimed = {
		.kind = "timed-out",
		.text = "the device did not fetch it in time",
	};

	if (k->not_after_ms < now)
		return credential_step(c, k, CE_EXPIRE, &expired);
	return credential_step(c, k, CE_UNCLAIM, &unclaimed);
}

struct err *lifecycle_sweep(struct core *c, bool *ret_more)
{
	AUTO(rows) struct rows *due = NULL;
	int64_t now = clock_real_ms();

	*ret_more = false;
	TRY(core_watch_clock(c));
	/* A clock that is wrong must not end what is valid. */
	struct err *no = audit_check_clock(c->audit);
	if (no) {
		err_free(no);
		return NULL;
	}
	if (!c->crl_boot_ms || clock_boot_ms() - c->crl_boot_ms >= CRL_EVERY_MS)
		TRY(lifecycle_post_crl(c));
	/*
	 * A store that may have been put back does not know yet what devices have had since, and the end of what nobody claimed
	 * is a revocation.
	 */
	AUTO(err) struct err *behind = core_may_issue(c);
	TRY(store_credential_due(c->store, now, !behind, &due));
	for (size_t i = 0; i < due->n; i++)
		TRY(sweep_one(c, due->row[i], now));
	*ret_more = due->n != 0;
	TRY(items_tell_pins(c, ret_more));
	return notice_sweep(c, ret_more);
}
