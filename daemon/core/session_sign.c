/* session_sign.c: what derivctl asks from the QR code to the evidence. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/mail.h"
#include "daemon/core/session_seat.h"

#define MISSES_MAX 3

static struct buf *dup_buf(struct bytes b)
{
	struct buf *copy = buf_new();

	buf_add_bytes(copy, b);
	return copy;
}

static bool same(const struct buf *a, struct bytes b)
{
	return a && bytes_eq(buf_bytes(a), b);
}

struct err *session_send_offer(
	struct core *c, const struct session *s, uint64_t connection, uint32_t serial)
{
	AUTO_MSG ProtobufCMessage *offer = NULL;
	Device__Offer m = DEVICE__OFFER__INIT;

	TRY(msg_parse_type(&common__signed__descriptor, buf_bytes(s->offer), &offer));
	m.offer = (Common__Signed *)offer;
	m.delivery_public = pb_lend(BYTES(c->settings->delivery_public, ED25519_PUBLIC_LEN));
	mail_device(c, connection, MSG_DEVICE_OFFER, serial, &m);
	return NULL;
}

/* --- SessionInvite --- */

static struct err *invite_key(struct core *c, struct lead *l, const Control__SessionInvite *m)
{
	uint64_t life = (uint64_t)m->lifetime_s * 1000;
	AUTO(request) struct request *twin = NULL;

	if (m->invitation_public.len != ED25519_PUBLIC_LEN)
		return err_new(&ERR_PROTOCOL, "an invitation needs a key");
	TRY(store_request_invited(c->store, pb_bytes(m->invitation_public), &twin));
	if (twin)
		return err_new(&ERR_WRONG_STATE, "this invitation key has been used before");
	if (life == 0 || life > c->settings->invitation_ms)
		life = c->settings->invitation_ms;
	memcpy(l->request->invitation, m->invitation_public.data, ED25519_PUBLIC_LEN);
	l->session->invited_until_ms = clock_real_ms() + (int64_t)life;
	l->seat->invited_boot_ms = clock_boot_ms() + (int64_t)life;
	return store_session_put(c->store, l->session);
}

static struct err *invite_device(struct core *c, struct lead *l)
{
	const struct connection *device = presence_find(c->presence, l->request->device);

	if (!device)
		return err_new(&ERR_DEVICE_AWAY, "the device has gone");
	return session_send_offer(c, l->session, device->number, 0);
}

struct err *session_invite(
	struct core *c, const struct caller *who, const Control__SessionInvite *m)
{
	AUTO_LEAD struct lead l = { 0 };
	AUTO_MEM char *actor = session_actor(who->uid);
	const struct cause cause = { .actor = actor };

	TRY(session_lead(c, who, pb_bytes(m->request_id), &l));
	if (l.request->operation == COMMON__OPERATION__ISSUE)
		TRY(invite_device(c, &l));
	else
		TRY(invite_key(c, &l, m));
	TRY(request_step(c, l.request, RE_INVITE, &cause));
	mail_done(c, who->number, who->serial);
	return NULL;
}

/* --- r_k and the digits --- */

struct err *session_reveal(
	struct core *c, const struct caller *who, const Control__SessionReveal *m)
{
	AUTO_LEAD struct lead l = { 0 };
	AUTO_MEM char *actor = session_actor(who->uid);
	const struct cause cause = { .actor = actor };
	const struct connection *device;
	Device__Reveal reveal = DEVICE__REVEAL__INIT;

	TRY(session_lead(c, who, pb_bytes(m->request_id), &l));
	mail_done(c, who->number, who->serial);
	/* Once: the same again is an answer that was lost. */
	if (same(l.session->kiosk_random, pb_bytes(m->kiosk_random)))
		return NULL;
	if (l.session->kiosk_random)
		return err_new(&ERR_WRONG_STATE, "r_k has been given");
	l.session->kiosk_random = dup_buf(pb_bytes(m->kiosk_random));
	TRY(store_session_put(c->store, l.session));
	TRY(request_step(c, l.request, RE_REVEAL, &cause));
	reveal.kiosk_random = m->kiosk_random;
	device = presence_find(c->presence, l.request->device);
	if (device)
		mail_device(c, device->number, MSG_DEVICE_REVEAL, 0, &reveal);
	return NULL;
}

static struct err *miss(struct core *c, const struct caller *who, struct lead *l, const char *actor)
{
	const struct cause cause = { .actor = actor };

	if (!request_can(l->request, RE_MISS))
		return err_new(&ERR_WRONG_STATE, "the digits are not asked for now");
	if (++l->session->misses < MISSES_MAX) {
		TRY(store_session_put(c->store, l->session));
		mail_done(c, who->number, who->serial);
		return request_step(c, l->request, RE_MISS, &cause);
	}
	AUTO(err)
	struct err *e = err_new(&ERR_DIGITS_WRONG, "the digits were wrong %d times", MISSES_MAX);
	mail_caller_error(c, who->number, who->serial, e);
	return session_end(
		c, l->request, RE_CANCEL, &ERR_DIGITS_WRONG, actor, "%s", err_get_text(e));
}

struct err *session_digits(
	struct core *c, const struct caller *who, const Control__SessionDigits *m)
{
	AUTO_LEAD struct lead l = { 0 };
	AUTO_MEM char *actor = session_actor(who->uid);
	const struct cause cause = { .actor = actor };

	TRY(session_lead(c, who, pb_bytes(m->request_id), &l));
	if (!m->match)
		return miss(c, who, &l, actor);
	mail_done(c, who->number, who->serial);
	return request_step(c, l.request, RE_CONFIRM, &cause);
}

/* --- SessionPrepare --- */

static struct err *ask_prepare(struct core *c, const struct lead *l, const struct ask *ask)
{
	AUTO_MSG ProtobufCMessage *assess = NULL;
	AUTO_MSG ProtobufCMessage *offer = NULL;
	AUTO_MSG ProtobufCMessage *statement = NULL;
	Ca__Prepare m = CA__PREPARE__INIT;

	TRY(msg_parse_type(&ca__assess__descriptor, buf_bytes(l->session->assess), &assess));
	TRY(msg_parse_type(&common__signed__descriptor, buf_bytes(l->session->offer), &offer));
	TRY(msg_parse_type(
		&common__statement__descriptor, buf_bytes(l->session->statement), &statement));
	m.offer = (Common__Signed *)offer;
	m.statement = (Common__Statement *)statement;
	if (l->session->device_random)
		m.device_random = pb_lend(buf_bytes(l->session->device_random));
	if (l->session->kiosk_random)
		m.kiosk_random = pb_lend(buf_bytes(l->session->kiosk_random));
	m.n_certificates = ((const Ca__Assess *)assess)->n_certificates;
	m.certificates = ((const Ca__Assess *)assess)->certificates;
	m.predecessor = ((const Ca__Assess *)assess)->predecessor;
	mail_ask(c, ask, MSG_CA_PREPARE, &m);
	return NULL;
}

struct err *session_prepare(
	struct core *c, const struct caller *who, const Control__SessionPrepare *m)
{
	AUTO_LEAD struct lead l = { 0 };
	struct ask ask = { .kind = ASK_PREPARE };

	TRY(session_lead(c, who, pb_bytes(m->request_id), &l));
	if (!request_can(l.request, RE_NONCE))
		return err_new(&ERR_WRONG_STATE, "the request is %s",
			request_state_name(l.request->state));
	if (l.seat->ticket)
		return err_new(&ERR_BUSY, "derivd-ca is asked already");
	TRY(core_may_begin(c));
	memcpy(ask.id, l.request->id, ID_LEN);
	ask.ticket = seats_new_ticket(c->seats);
	TRY(ask_prepare(c, &l, &ask));
	l.seat->ticket = ask.ticket;
	l.seat->waiting = who->serial;
	return NULL;
}

struct err *session_prepared(struct core *c, const struct ask *ask, const struct answer *a)
{
	static const struct cause cause = { .actor = "derivd-ca" };
	AUTO(request) struct request *r = NULL;
	AUTO(err) struct err *no = core_may_issue(c);
	const Ca__Nonce *nonce = a->body;
	Control__SessionNonce m = CONTROL__SESSION_NONCE__INIT;
	struct seat *seat;

	TRY(session_find_asked(c, ask, &r, &seat));
	if (!r)
		return NULL;
	seat->ticket = 0;
	if (a->error || no) {
		session_answer_error(c, seat, a->error ? a->error : no, a->wire);
		return NULL;
	}
	if (!request_can(r, RE_NONCE))
		return NULL;
	m.nonce = nonce->nonce;
	m.expires_ms = nonce->expires_ms;
	mail_caller(c, seat->caller, MSG_SESSION_NONCE, seat->waiting, &m);
	return request_step(c, r, RE_NONCE, &cause);
}

/* --- SessionEvidence --- */

/* What derivd can see without understanding it: the evidence is about what this session had. */
static struct err *check_evidence(const struct session *s, const Common__Evidence *e)
{
	AUTO(buf) struct buf *offer = msg_pack_type(&e->offer->base);
	AUTO(buf) struct buf *statement = msg_pack_type(&e->statement->base);

	if (!same(s->offer, buf_bytes(offer)))
		return err_new(&ERR_EVIDENCE_BAD, "the offer is not this session's");
	if (!same(s->statement, buf_bytes(statement)))
		return err_new(&ERR_EVIDENCE_BAD, "the statement is not this session's");
	return NULL;
}

static struct err *commit_evidence(
	struct core *c, const struct caller *who, struct request *r, struct bytes packed)
{
	AUTO_MEM char *actor = session_actor(who->uid);
	const struct cause cause = { .actor = actor };

	TRY(store_evidence_put(c->store, r->id, packed));
	TRY(request_step(c, r, RE_EVIDENCE, &cause));
	mail_past_line(c, r->id);
	session_tell_device(c, r->device, DEVICE__STAGE__SIGNED);
	return NULL;
}

struct err *session_evidence(
	struct core *c, const struct caller *who, const Control__SessionEvidence *m)
{
	AUTO(request) struct request *r = NULL;
	AUTO(session) struct session *s = NULL;
	AUTO(buf) struct buf *packed = msg_pack_type(&m->evidence->base);
	AUTO(buf) struct buf *stored = NULL;

	TRY(store_request_get(c->store, m->request_id.data, &r));
	TRY(session_check_token(r, pb_bytes(m->token)));
	TRY(store_evidence_get(c->store, r->id, &stored, NULL));
	mail_done(c, who->number, who->serial);
	if (same(stored, buf_bytes(packed)))
		return NULL;
	if (!request_can(r, RE_EVIDENCE))
		return err_new(&ERR_WRONG_STATE, "the request is %s: no evidence is wanted",
			request_state_name(r->state));
	TRY(store_session_get(c->store, r->id, &s));
	if (!s)
		return err_new(&ERR_SESSION_OVER, "the session is over");
	TRY(check_evidence(s, m->evidence));
	return commit_evidence(c, who, r, buf_bytes(packed));
}
