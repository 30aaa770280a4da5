/* notice.c: see notice.h. */
#include "daemon/core/notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/actions.h"
#include "daemon/core/mail.h"
#include "daemon/core/outbox.h"

bool notice_is_deaf(const struct core *c)
{
	return c->channels.known && !c->channels.holders;
}

static struct err *post(struct core *c, struct notice *n)
{
	struct job job = { .what = JOB_NOTICE, .rank = JOB_RANK_NOTICE, .reason = n->reason };

	clock_random(n->id, ID_LEN);
	TRY(store_notice_add(c->store, n));
	memcpy(job.id, n->id, ID_LEN);
	memcpy(job.request, n->request, ID_LEN);
	memcpy(job.device, n->device, SHA256_LEN);
	job.next_boot_ms = clock_boot_ms() + NOTICE_GATHER_MS;
	return outbox_post(c, &job);
}

/* n: with everything but the id; joins one that waits. */
static struct err *tell_holder(struct core *c, struct notice *n)
{
	AUTO(notice) struct notice *old = NULL;

	TRY(store_notice_waiting(c->store, n->kind, n->device, &old));
	if (old) {
		old->purposes |= n->purposes;
		return store_notice_put(c->store, old);
	}
	if (!notice_is_deaf(c))
		return post(c, n);
	return notice_audit(c, EV_NOTICE_NOBODY, n, ERR_NOTICE_NOBODY.name,
		"NOBODY IS TOLD, courier.conf names neither smtp nor hook");
}

static struct err *about_credential(
	struct core *c, const struct credential *k, Courier__NoticeKind kind, int64_t when_ms)
{
	struct notice n = { .kind = kind, .when_ms = when_ms, .reason = k->reason };
	bool first = false;

	TRY(store_notice_first(c->store, k->id, kind, &first));
	if (!first)
		return NULL;
	n.purposes = 1U << k->purpose;
	memcpy(n.holder, k->holder, SHA256_LEN);
	memcpy(n.request, k->request, ID_LEN);
	memcpy(n.device, k->device, SHA256_LEN);
	return tell_holder(c, &n);
}

struct err *notice_known(struct core *c, const struct credential *k, Courier__NoticeKind kind)
{
	bool first;

	return store_notice_first(c->store, k->id, kind, &first);
}

struct err *notice_certified(struct core *c, const struct credential *k)
{
	return about_credential(c, k, COURIER__NOTICE_KIND__ISSUED, clock_real_ms());
}

struct err *notice_revoking(struct core *c, const struct credential *k)
{
	/* Without a certificate there was nothing to tell of; a device's end is told as such. */
	if (!k->serial || (k->cause_kind && strcmp(k->cause_kind, ERR_DEVICE_REVOKED.name) == 0))
		return NULL;
	return about_credential(c, k, COURIER__NOTICE_KIND__REVOKED, clock_real_ms());
}

struct err *notice_device_revoked(struct core *c, const struct device *d, unsigned int reason)
{
	struct notice n = { .kind = COURIER__NOTICE_KIND__DEVICE_REVOKED, .reason = reason };

	n.when_ms = clock_real_ms();
	memcpy(n.holder, d->holder, SHA256_LEN);
	memcpy(n.request, d->request, ID_LEN);
	memcpy(n.device, d->id, SHA256_LEN);
	return tell_holder(c, &n);
}

/* The row itself says what is wrong; that operators hear of it in no other way stands in the status. */
struct err *notice_trouble(struct core *c, enum event event, const char *error)
{
	AUTO(notice) struct notice *old = NULL;
	struct notice n = { .kind = COURIER__NOTICE_KIND__OPERATORS };

	if (c->channels.known && !c->channels.operators)
		return NULL;
	TRY(store_notice_waiting(c->store, n.kind, n.device, &old));
	n.when_ms = clock_real_ms();
	if (!old)
		TRY(post(c, &n));
	return store_trouble_add(
		c->store, old ? old->id : n.id, event_name(event), error ? error : "");
}

/* What a mail server has refused, and nobody has tried again since, is no news any more. */
static struct err *give_up(struct core *c, int64_t now)
{
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_notice_stale(c->store, now - NOTICE_GIVE_UP_MS, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		struct notice *n = rows->row[i];
		TRY(store_job_done(c->store, n->id));
		n->sent_ms = now;
		TRY(store_notice_put(c->store, n));
		TRY(notice_audit(c, EV_NOTICE_NOBODY, n, ERR_NOTICE_REFUSED.name,
			"NOBODY IS TOLD, it was refused a month ago"));
	}
	return NULL;
}

struct err *notice_sweep(struct core *c, bool *ret_more)
{
	int64_t now = clock_real_ms();
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_notice_forget(c->store, now - NOTICE_HOUR_MS));
	TRY(give_up(c, now));
	if (!c->settings->expiry_notice_ms)
		return NULL;
	TRY(store_credential_ending(c->store, now + (int64_t)c->settings->expiry_notice_ms, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		const struct credential *k = rows->row[i];
		TRY(store_credential_warned(c->store, k->id));
		TRY(about_credential(c, k, COURIER__NOTICE_KIND__EXPIRING, k->not_after_ms));
	}
	*ret_more = *ret_more || rows->n != 0;
	return NULL;
}
