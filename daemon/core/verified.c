/* verified.c: see verified.h. */
#include "daemon/core/verified.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/actions.h"
#include "daemon/core/policy.h"
#include "daemon/core/session.h"

/* What derivd-ca found in the evidence must be what this session was about. */
static struct err *check(struct core *c, const struct request *r, const Ca__Verified *v)
{
	if (!bytes_eq(pb_bytes(v->device_id), BYTES(r->device, SHA256_LEN)))
		return err_new(
			&ERR_EVIDENCE_BAD, "the evidence is of another device than the session's");
	if (!bytes_eq(pb_bytes(v->holder_id), BYTES(r->holder, SHA256_LEN)))
		return err_new(
			&ERR_EVIDENCE_BAD, "the evidence is of another holder than the offer's");
	return policy_device(c, r->holder, r->device);
}

/* The QR code had no epoch: since there is one, a device that was enrolled with it is told. */
static struct err *tell_pins(struct core *c, struct device *d)
{
	if (!c->settings->pins_epoch)
		return NULL;
	memset(d->pins, 0, SHA256_LEN);
	return items_post_pins(c, d);
}

static struct err *add_device(
	struct core *c, const struct request *r, const struct session *s, const Ca__Verified *v)
{
	struct device d = { .state = DEVICE_ENROLLED, .label = r->label, .platform = v->platform };

	memcpy(d.id, r->device, SHA256_LEN);
	memcpy(d.holder, r->holder, SHA256_LEN);
	memcpy(d.request, r->id, ID_LEN);
	/* The QR code had the pins of its time. */
	memcpy(d.pins, c->settings->pins, SHA256_LEN);
	d.identity_public = s->identity_public;
	d.enrolled_ms = d.seen_ms = clock_real_ms();
	TRY(store_device_add(c->store, &d));
	TRY(tell_pins(c, &d));
	const struct audit_about about = {
		.event = EV_DEVICE_ENROLLED,
		.actor = "derivd-ca",
		.request = r->id,
		.device = d.id,
		.holder = d.holder,
	};
	return audit_add(c->audit, &about, "%s%s%s", v->platform, r->label && *r->label ? ", " : "",
		r->label ? r->label : "");
}

/* Enrolled again with the same key, or op = issue: an enrollment renews what it stands on. */
static struct err *update_device(struct core *c, const struct request *r, struct device *d)
{
	if (r->operation != COMMON__OPERATION__ENROLL)
		return NULL;
	memcpy(d->request, r->id, ID_LEN);
	if (r->label && *r->label) {
		free(d->label);
		d->label = xstrdup(r->label);
	}
	TRY(store_device_put(c->store, d));
	return tell_pins(c, d);
}

static struct err *put_device(struct core *c, const struct request *r, const Ca__Verified *v)
{
	AUTO(device) struct device *d = NULL;
	AUTO(session) struct session *s = NULL;

	TRY(store_session_get(c->store, r->id, &s));
	if (!s || !s->identity_public)
		return err_new(&ERR_STORE, "the session of a committed request is missing");
	TRY(store_device_get(c->store, r->device, &d));
	return d ? update_device(c, r, d) : add_device(c, r, s, v);
}

static struct err *put_papers(struct core *c, const struct credential *k, const Ca__Wanted *w)
{
	AUTO(papers) struct papers *p = xcalloc(1, sizeof(*p));

	memcpy(p->credential, k->id, ID_LEN);
	if (w->request.len) {
		p->request = buf_new();
		buf_add_bytes(p->request, pb_bytes(w->request));
	}
	return store_papers_put(c->store, p);
}

static struct err *post_first(struct core *c, const struct credential *k)
{
	struct job job = {
		.what = k->origin == COMMON__ORIGIN__SERVER ? JOB_MAKE : JOB_CERTIFY,
		.rank = 2,
		.purpose = k->purpose,
	};

	memcpy(job.request, k->request, ID_LEN);
	memcpy(job.credential, k->id, ID_LEN);
	memcpy(job.device, k->device, SHA256_LEN);
	return outbox_post(c, &job);
}

/* A purpose that has become impossible meanwhile ends here, and says why; the others go on. */
static struct err *add_credential(struct core *c, const struct request *r, const Ca__Wanted *w)
{
	AUTO(err) struct err *no = NULL;
	struct credential k = { .purpose = w->purpose, .origin = w->origin, .profile = w->profile };

	clock_random(k.id, ID_LEN);
	memcpy(k.request, r->id, ID_LEN);
	memcpy(k.device, r->device, SHA256_LEN);
	memcpy(k.holder, r->holder, SHA256_LEN);
	memcpy(k.slot, policy_slot(w->purpose, r->device, r->holder), SHA256_LEN);
	k.created_ms = k.changed_ms = clock_real_ms();
	no = policy_purpose(c, w->purpose, r->device, r->holder,
		r->replace || r->operation == COMMON__OPERATION__ENROLL);
	if (no && !err_is(no, &ERR_LIVE_EXISTS))
		return take(no);
	k.state = no ? CS_REJECTED : CS_WANTED;
	k.cause_kind = no ? (char *)(uintptr_t)err_get_kind(no)->name : NULL;
	k.cause = no ? (char *)(uintptr_t)err_get_text(no) : NULL;
	TRY(store_credential_add(c->store, &k));
	TRY(put_papers(c, &k, w));
	if (!no)
		return post_first(c, &k);
	const struct audit_about about = {
		.event = EV_CREDENTIAL_REJECTED,
		.request = k.request,
		.credential = k.id,
		.device = k.device,
		.holder = k.holder,
		.purpose = k.purpose,
		.error = k.cause_kind,
	};
	return audit_add(c->audit, &about, "%s", k.cause);
}

static struct err *store_all(struct core *c, struct request *r, const Ca__Verified *v)
{
	static const struct cause cause = { .actor = "derivd-ca" };
	AUTO(buf) struct buf *receipt = msg_pack_type(&v->receipt->base);
	int64_t now = clock_real_ms();

	TRY(store_receipt_put(c->store, r->id, buf_bytes(receipt), pb_bytes(v->intent_hash)));
	TRY(store_holder_put(c->store, r->holder, v->holder_name, now));
	TRY(store_card_put(c->store, v->card_id.data, r->holder, now));
	memcpy(r->card, v->card_id.data, SHA256_LEN);
	TRY(put_device(c, r, v));
	TRY(request_step(c, r, RE_VERIFY, &cause));
	for (size_t i = 0; i < v->n_wanted; i++)
		TRY(add_credential(c, r, v->wanted[i]));
	session_tell_device(c, r->device, DEVICE__STAGE__ACCEPTED);
	return request_settle(c, r->id);
}

struct err *verified_apply(
	struct core *c, const uint8_t request[static ID_LEN], const Ca__Verified *v)
{
	static const struct cause cause = { .actor = "derivd-ca" };
	AUTO(request) struct request *r = NULL;
	AUTO(err) struct err *no = NULL;

	TRY(store_request_get(c->store, request, &r));
	if (r->state == RS_CANCELLED)
		return request_step(c, r, RE_VERIFY, &cause);
	if (!request_can(r, RE_VERIFY))
		return NULL;
	no = check(c, r, v);
	if (no && err_get_fate(no) == FATE_BROKEN)
		return take(no);
	if (no)
		return session_end(c, r, RE_REFUSE, err_get_kind(no), NULL, "%s", err_get_text(no));
	return store_all(c, r, v);
}

struct err *verified_recall(
	struct core *c, const uint8_t request[static ID_LEN], const Ca__Verified *v)
{
	AUTO(request) struct request *r = NULL;

	TRY(store_request_get(c->store, request, &r));
	return store_all(c, r, v);
}
