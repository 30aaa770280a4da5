/* session_open.c: a session begins: the card is shown to derivd-ca, which makes an offer or says why not. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/actions.h"
#include "daemon/core/mail.h"
#include "daemon/core/policy.h"
#include "daemon/core/seats.h"
#include "daemon/core/session.h"
#include "daemon/core/session_seat.h"

/* --- SessionOpen --- */

/* op = issue: the device must be there now, before anything is asked of the person. */
static struct err *check_device(
	struct core *c, const Control__SessionOpen *m, struct request *r, struct session *s)
{
	AUTO(device) struct device *d = NULL;

	if (m->device_id.len != SHA256_LEN)
		return err_new(&ERR_DEVICE_UNKNOWN, "no device was named");
	memcpy(r->device, m->device_id.data, SHA256_LEN);
	TRY(store_device_get(c->store, r->device, &d));
	if (!d)
		return err_new(&ERR_DEVICE_UNKNOWN, "no such device is enrolled");
	if (d->state != DEVICE_ENROLLED)
		return err_new(
			&ERR_DEVICE_REVOKED, "the device is %s", device_state_name(d->state));
	if (!presence_find(c->presence, r->device))
		return err_new(&ERR_DEVICE_AWAY, "the device is not connected");
	memcpy(r->holder, d->holder, SHA256_LEN);
	TRY(store_evidence_get(c->store, d->request, NULL, &s->predecessor));
	if (!s->predecessor)
		return err_new(&ERR_STORE, "the receipt of the device's enrollment is missing");
	for (size_t i = 0; i < m->n_purposes; i++)
		TRY(policy_purpose(c, m->purposes[i], r->device, r->holder, m->replace));
	return NULL;
}

/* One caller has one session; an ended one makes room. */
static struct err *check_caller(struct core *c, uint64_t caller)
{
	const struct seat *seat = seats_of_caller(c->seats, caller);
	AUTO(request) struct request *r = NULL;

	if (!seat)
		return NULL;
	struct err *e = store_request_get(c->store, seat->request, &r);
	bool gone = err_is(e, &ERR_NO_SUCH);
	if (e && !gone)
		return e;
	err_free(e);
	if (r && r->state < RS_COMMITTED)
		return err_new(&ERR_WRONG_STATE, "this connection has a session already");
	uint8_t request[ID_LEN];
	memcpy(request, seat->request, ID_LEN);
	seats_drop(c->seats, request);
	return NULL;
}

static void fill_assess(const Control__SessionOpen *m, const struct request *r,
	Common__Signed *predecessor, Ca__Assess *ret_assess)
{
	ca__assess__init(ret_assess);
	ret_assess->request_id = pb_lend(BYTES(r->id, ID_LEN));
	ret_assess->operation = m->operation;
	ret_assess->n_certificates = m->n_certificates;
	ret_assess->certificates = m->certificates;
	ret_assess->n_purposes = m->n_purposes;
	ret_assess->purposes = m->purposes;
	ret_assess->predecessor = predecessor;
	ret_assess->serial = m->serial;
}

static struct err *ask_ca(struct core *c, const Control__SessionOpen *m, const struct request *r,
	struct session *s, struct seat *seat)
{
	AUTO_MSG ProtobufCMessage *predecessor = NULL;
	struct ask ask = { .kind = ASK_ASSESS, .ticket = seats_new_ticket(c->seats) };
	Ca__Assess assess;

	if (s->predecessor)
		TRY(msg_parse_type(
			&common__signed__descriptor, buf_bytes(s->predecessor), &predecessor));
	fill_assess(m, r, (Common__Signed *)predecessor, &assess);
	s->assess = msg_pack_type(&assess.base);
	memcpy(s->request, r->id, ID_LEN);
	TRY(store_session_put(c->store, s));
	memcpy(ask.id, r->id, ID_LEN);
	seat->ticket = ask.ticket;
	mail_ask(c, &ask, MSG_CA_ASSESS, &assess);
	return NULL;
}

static struct request *new_request(const struct caller *who, const Control__SessionOpen *m)
{
	struct request *r = xcalloc(1, sizeof(*r));

	clock_random(r->id, ID_LEN);
	r->operation = m->operation;
	r->state = RS_OPENED;
	r->open = true;
	r->replace = m->replace;
	r->created_ms = r->changed_ms = clock_real_ms();
	r->uid = who->uid;
	r->reader = xstrdup(m->reader);
	r->label = xstrdup(m->label);
	/* Nobody has the token before the offer: until then it is the hash of nothing known. */
	clock_random(r->token_hash, SHA256_LEN);
	return r;
}

struct err *session_open(struct core *c, const struct caller *who, const Control__SessionOpen *m)
{
	AUTO(session) struct session *s = xcalloc(1, sizeof(*s));
	AUTO(request) struct request *r = new_request(who, m);
	AUTO_MEM char *actor = session_actor(who->uid);
	struct seat *seat = NULL;

	if (m->operation != COMMON__OPERATION__ENROLL && m->operation != COMMON__OPERATION__ISSUE)
		return err_new(&ERR_PROTOCOL, "no operation was named");
	TRY(check_caller(c, who->number));
	TRY(core_may_begin(c));
	if (m->operation == COMMON__OPERATION__ISSUE)
		TRY(check_device(c, m, r, s));
	TRY(store_request_add(c->store, r));
	TRY(seats_take(c->seats, r->id, clock_boot_ms() + (int64_t)c->settings->session_ms, &seat));
	seat->caller = who->number;
	seat->waiting = who->serial;
	TRY(ask_ca(c, m, r, s, seat));
	AUTO_MEM char *card_name = sig_card_name(m->serial);
	const struct audit_about about = {
		.event = EV_SESSION_OPENED,
		.actor = actor,
		.card_name = card_name,
		.request = r->id,
		.device = r->device,
		.reader = r->reader,
	};
	return audit_add(c->audit, &about, "session to %s", operation_name(r->operation));
}

/* --- derivd-ca's assessment --- */

/* The rules of the house on what derivd-ca would issue. */
static struct err *check_policy(struct core *c, const struct request *r, const Ca__Assessment *a)
{
	bool enroll = r->operation == COMMON__OPERATION__ENROLL;

	if (enroll)
		TRY(policy_device(c, a->holder_id.data, NULL));
	else if (!bytes_eq(pb_bytes(a->holder_id), BYTES(r->holder, SHA256_LEN)))
		return err_new(&ERR_POLICY, "the device belongs to another holder than this card");
	for (size_t i = 0; i < a->n_purposes; i++)
		TRY(policy_purpose(
			c, a->purposes[i], r->device, a->holder_id.data, enroll || r->replace));
	return NULL;
}

static void offered(struct core *c, const struct request *r, const struct session *s,
	const Ca__Assessment *a, const struct seat *seat, const uint8_t token[static TOKEN_LEN])
{
	AUTO_MSG ProtobufCMessage *predecessor = NULL;
	Control__SessionOffered m = CONTROL__SESSION_OFFERED__INIT;

	if (s->predecessor)
		err_free(msg_parse_type(
			&common__signed__descriptor, buf_bytes(s->predecessor), &predecessor));
	m.request_id = pb_lend(BYTES(r->id, ID_LEN));
	m.token = pb_lend(BYTES(token, TOKEN_LEN));
	m.offer = a->offer;
	m.name = a->name;
	m.last_four = a->last_four;
	m.predecessor = (Common__Signed *)predecessor;
	m.device_connected =
		r->operation == COMMON__OPERATION__ISSUE && presence_find(c->presence, r->device);
	mail_caller(c, seat->caller, MSG_SESSION_OFFERED, seat->waiting, &m);
}

static struct err *accept_offer(struct core *c, struct request *r, struct session *s,
	const Ca__Assessment *a, struct seat *seat)
{
	static const struct cause cause = { .actor = "derivd-ca" };
	uint8_t token[TOKEN_LEN];

	clock_random(token, sizeof(token));
	sha256(BYTES(token, sizeof(token)), r->token_hash);
	memcpy(r->holder, a->holder_id.data, SHA256_LEN);
	memcpy(r->card, a->card_id.data, SHA256_LEN);
	r->name = xstrdup(a->name);
	s->offer = msg_pack_type(&a->offer->base);
	TRY(store_session_put(c->store, s));
	offered(c, r, s, a, seat, token);
	seat->ticket = 0;
	return request_step(c, r, RE_ASSESSED, &cause);
}

/* derivd-ca, or the policy, says no: an answer to SessionOpen, not an end of a session that has not begun. */
static struct err *refuse(struct core *c, struct request *r, struct seat *seat,
	const struct err *why, const Common__Error *wire)
{
	bool for_good = err_get_fate(why) == FATE_REFUSE;

	session_answer_error(c, seat, why, wire);
	seat->caller = 0;
	return session_end(c, r, for_good ? RE_REFUSE : RE_CANCEL, err_get_kind(why),
		wire ? "derivd-ca" : NULL, "%s", err_get_text(why));
}

struct err *session_assessed(struct core *c, const struct ask *ask, const struct answer *a)
{
	AUTO(request) struct request *r = NULL;
	AUTO(session) struct session *s = NULL;
	AUTO(err) struct err *no = NULL;
	struct seat *seat;

	TRY(session_find_asked(c, ask, &r, &seat));
	if (!r || r->state != RS_OPENED)
		return NULL;
	if (a->error)
		return refuse(c, r, seat, a->error, a->wire);
	no = core_may_issue(c);
	if (no)
		return refuse(c, r, seat, no, NULL);
	TRY(store_session_get(c->store, r->id, &s));
	if (!s)
		return err_new(&ERR_STORE, "a session is missing");
	no = check_policy(c, r, a->body);
	if (no && err_get_fate(no) == FATE_BROKEN)
		return take(no);
	return no ? refuse(c, r, seat, no, NULL) : accept_offer(c, r, s, a->body, seat);
}
