/* session_life.c: who leads a session, how it is resumed, left, given up and ended. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/mail.h"
#include "daemon/core/session_seat.h"

char *session_actor(uint32_t uid)
{
	return xasprintf("uid %u", uid);
}

char *session_device_actor(const uint8_t device[static SHA256_LEN])
{
	AUTO_MEM char *hex = text_hex(BYTES(device, SHA256_LEN));

	return xasprintf("device %.16s", hex);
}

void session_tell_device(
	struct core *c, const uint8_t device[static SHA256_LEN], Device__Stage stage)
{
	const struct connection *to = presence_find(c->presence, device);
	Device__Progress p = DEVICE__PROGRESS__INIT;

	p.stage = stage;
	if (to)
		mail_device(c, to->number, MSG_DEVICE_PROGRESS, 0, &p);
}

struct err *session_end(struct core *c, struct request *r, enum request_event event,
	const struct err_kind *kind, const char *actor, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	const struct cause cause = { .actor = actor, .kind = kind->name, .text = text };
	return request_step(c, r, event, &cause);
}

/* --- who leads --- */

void lead_cleanup(struct lead *l)
{
	request_free(l->request);
	session_free(l->session);
}

struct err *session_lead(
	struct core *c, const struct caller *who, struct bytes request_id, struct lead *ret_lead)
{
	struct seat *seat = seats_of_caller(c->seats, who->number);

	if (!seat || !bytes_eq(request_id, BYTES(seat->request, ID_LEN)))
		return err_new(&ERR_SESSION_UNKNOWN, "this connection does not lead that session");
	TRY(store_request_get(c->store, seat->request, &ret_lead->request));
	TRY(store_session_get(c->store, seat->request, &ret_lead->session));
	if (!ret_lead->session)
		return err_new(&ERR_SESSION_OVER, "the session is over: the request is %s",
			request_state_name(ret_lead->request->state));
	ret_lead->seat = seat;
	return NULL;
}

struct err *session_find_asked(
	struct core *c, const struct ask *ask, struct request **ret_request, struct seat **ret_seat)
{
	struct seat *seat = seats_find(c->seats, ask->id);

	*ret_request = NULL;
	*ret_seat = NULL;
	if (!seat || !ask->ticket || seat->ticket != ask->ticket)
		return NULL;
	TRY(store_request_get(c->store, ask->id, ret_request));
	*ret_seat = seat;
	return NULL;
}

void session_asker(
	struct core *c, const struct ask *ask, uint64_t *ret_caller, uint32_t *ret_serial)
{
	const struct seat *seat = seats_find(c->seats, ask->id);
	bool waits = seat && seat->ticket == ask->ticket &&
		     (ask->kind == ASK_ASSESS || ask->kind == ASK_PREPARE);

	*ret_caller = waits ? seat->caller : 0;
	*ret_serial = waits ? seat->waiting : 0;
}

void session_answer_error(
	struct core *c, const struct seat *seat, const struct err *e, const Common__Error *wire)
{
	if (wire)
		mail_caller(c, seat->caller, MSG_ERROR, seat->waiting, wire);
	else
		mail_caller_error(c, seat->caller, seat->waiting, e);
}

/* --- SessionResume --- */

void session_push_begun(struct core *c, const struct seat *seat, const struct request *r)
{
	Control__SessionBegun m = CONTROL__SESSION_BEGUN__INIT;

	m.request_id = pb_lend(BYTES(r->id, ID_LEN));
	mail_caller(c, seat->caller, MSG_SESSION_BEGUN, 0, &m);
}

struct err *session_push_statement(
	struct core *c, const struct seat *seat, const struct request *r, const struct session *s)
{
	AUTO_MSG ProtobufCMessage *statement = NULL;
	Control__SessionStatement m = CONTROL__SESSION_STATEMENT__INIT;

	if (!s->statement)
		return NULL;
	TRY(msg_parse_type(&common__statement__descriptor, buf_bytes(s->statement), &statement));
	m.request_id = pb_lend(BYTES(r->id, ID_LEN));
	m.statement = (Common__Statement *)statement;
	m.identity_hash = pb_lend(BYTES(r->device, SHA256_LEN));
	m.address = s->address ? s->address : m.address;
	mail_caller(c, seat->caller, MSG_SESSION_STATEMENT, 0, &m);
	return NULL;
}

void session_push_opened(
	struct core *c, const struct seat *seat, const struct request *r, const struct session *s)
{
	Control__SessionOpened m = CONTROL__SESSION_OPENED__INIT;

	if (!s->device_random)
		return;
	m.request_id = pb_lend(BYTES(r->id, ID_LEN));
	m.device_random = pb_lend(buf_bytes(s->device_random));
	mail_caller(c, seat->caller, MSG_SESSION_OPENED, 0, &m);
}

struct err *session_check_token(const struct request *r, struct bytes token)
{
	uint8_t hash[SHA256_LEN];

	sha256(token, hash);
	if (!bytes_eq_const(BYTES(hash, SHA256_LEN), BYTES(r->token_hash, SHA256_LEN)))
		return err_new(&ERR_SESSION_UNKNOWN, "the token is not this session's");
	return NULL;
}

static struct err *resumed(
	struct core *c, const struct caller *who, const struct request *r, const struct session *s)
{
	AUTO_MSG ProtobufCMessage *offer = NULL;
	Control__SessionResumed m = CONTROL__SESSION_RESUMED__INIT;

	if (s && s->offer)
		TRY(msg_parse_type(&common__signed__descriptor, buf_bytes(s->offer), &offer));
	m.state = (char *)(uintptr_t)request_state_name(r->state);
	m.offer = (Common__Signed *)offer;
	if (!id_is_none(r->invitation, ED25519_PUBLIC_LEN))
		m.invitation_public = pb_lend(BYTES(r->invitation, ED25519_PUBLIC_LEN));
	mail_caller(c, who->number, MSG_SESSION_RESUMED, who->serial, &m);
	return NULL;
}

/* A request whose id is right but whose token is wrong is as unknown as one that is not there. */
static struct err *find_resumable(
	struct core *c, const Control__SessionResume *m, struct request **ret_request)
{
	AUTO(request) struct request *r = NULL;
	struct err *e = store_request_get(c->store, m->request_id.data, &r);

	if (err_is(e, &ERR_NO_SUCH))
		return err_as(&ERR_SESSION_UNKNOWN, e, "resume");
	TRY(e);
	TRY(session_check_token(r, pb_bytes(m->token)));
	*ret_request = take(r);
	return NULL;
}

struct err *session_resume(
	struct core *c, const struct caller *who, const Control__SessionResume *m)
{
	AUTO(request) struct request *r = NULL;
	AUTO(session) struct session *s = NULL;

	TRY(find_resumable(c, m, &r));
	TRY(store_session_get(c->store, r->id, &s));
	TRY(resumed(c, who, r, s));
	if (!s)
		return NULL;
	struct seat *seat = seats_find(c->seats, r->id);
	if (!seat)
		TRY(seats_take(c->seats, r->id, INT64_MAX, &seat));
	seat->caller = who->number;
	seat->leave_boot_ms = INT64_MAX;
	if (r->state == RS_INVITED && !id_is_none(r->invitation, ED25519_PUBLIC_LEN) &&
		!s->invited_until_ms)
		session_push_begun(c, seat, r);
	TRY(session_push_statement(c, seat, r, s));
	session_push_opened(c, seat, r, s);
	return NULL;
}

/* --- the end --- */

struct err *session_cancel(
	struct core *c, const struct caller *who, const Control__SessionCancel *m)
{
	AUTO_LEAD struct lead l = { 0 };
	AUTO_MEM char *actor = session_actor(who->uid);

	TRY(session_lead(c, who, pb_bytes(m->request_id), &l));
	if (l.request->state >= RS_COMMITTED)
		return err_new(
			&ERR_WRONG_STATE, "the evidence is committed: use derivctl request cancel");
	TRY(session_end(c, l.request, RE_CANCEL, &ERR_SESSION_OVER, actor, "%s",
		*m->reason ? m->reason : "cancelled at the kiosk"));
	mail_done(c, who->number, who->serial);
	return NULL;
}

void session_left(struct core *c, uint64_t caller)
{
	struct seat *seat = seats_of_caller(c->seats, caller);

	if (!seat)
		return;
	seat->caller = 0;
	if (seat->until_boot_ms != INT64_MAX) {
		seat->leave_boot_ms = clock_boot_ms() + (int64_t)c->settings->grace_ms;
		return;
	}
	/* The evidence is committed: nobody is needed. */
	uint8_t request[ID_LEN];
	memcpy(request, seat->request, ID_LEN);
	seats_drop(c->seats, request);
}

static struct err *expire(struct core *c, struct request *r, const struct seat *seat, int64_t now)
{
	if (seat->leave_boot_ms <= now)
		return session_end(c, r, RE_CANCEL, &ERR_SESSION_OVER, NULL, "derivctl went away");
	if (seat->invited_boot_ms <= now)
		return session_end(c, r, RE_CANCEL, &ERR_INVITATION_EXPIRED, NULL,
			"no device used the invitation");
	return session_end(c, r, RE_CANCEL, &ERR_TIMED_OUT, NULL,
		"the session took longer than %" PRIu64 " s", c->settings->session_ms / 1000);
}

struct err *session_expire(struct core *c)
{
	int64_t now = clock_boot_ms();
	struct seat *seat = seats_due(c->seats, now);
	AUTO(request) struct request *r = NULL;

	if (!seat)
		return NULL;
	struct err *e = store_request_get(c->store, seat->request, &r);
	if (e && !err_is(e, &ERR_NO_SUCH))
		return e;
	err_free(e);
	if (r && r->state < RS_COMMITTED)
		return expire(c, r, seat, now);
	/* A turn that failed may have left a seat without a session. */
	mail_leave(c, seat->request);
	return NULL;
}

struct err *session_restore(struct core *c)
{
	AUTO(rows) struct rows *rows = NULL;
	int64_t now = clock_boot_ms();

	TRY(store_request_sessions(c->store, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		struct request *r = rows->row[i];
		int64_t age = clock_real_ms() - r->created_ms;
		int64_t left = (int64_t)c->settings->session_ms - (age > 0 ? age : 0);
		struct seat *seat = NULL;
		/* Beyond the line nobody is needed: a seat is taken when somebody comes back. */
		if (r->state >= RS_COMMITTED)
			continue;
		AUTO(err)
		struct err *full = seats_take(c->seats, r->id, now + (left > 0 ? left : 0), &seat);
		if (full)
			TRY(session_end(
				c, r, RE_CANCEL, &ERR_BUSY, NULL, "%s", err_get_text(full)));
		else
			seat->leave_boot_ms = now + (int64_t)c->settings->grace_ms;
	}
	return NULL;
}
