/* session_end.c: the evidence goes to derivd, and what comes of it is shown until the device has everything. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/ctl/session.h"

#define STEP_MS 1000

/* The certificates that the offer names, in its order, out of what the card gave. ret_certs: lent. */
static struct err *used_certificates(const struct session *s, ProtobufCBinaryData *ret_certs)
{
	uint8_t hash[SHA256_LEN];

	for (size_t i = 0; i < s->offer->n_certs; i++) {
		bool found = false;

		for (size_t j = 0; j < s->facts->n_certificates && !found; j++) {
			sha256(pb_bytes(s->facts->certificates[j]->der), hash);
			found = memcmp(hash, s->offer->certs[i], SHA256_LEN) == 0;
			if (found)
				ret_certs[i] = s->facts->certificates[j]->der;
		}
		if (!found)
			return err_new(&ERR_CARD_CHANGED, "the offer names a certificate that the card does not have");
	}
	return NULL;
}

static struct err *send_evidence(struct session *s)
{
	Control__SessionEvidence tell = CONTROL__SESSION_EVIDENCE__INIT;
	Common__Evidence evidence = COMMON__EVIDENCE__INIT;
	ProtobufCBinaryData certs[CARD_CERTS_MAX];
	AUTO_MSG Common__Done *done = NULL;

	TRY(used_certificates(s, certs));
	evidence.intent = s->signature->intent;
	evidence.card_signature = s->signature->signature;
	evidence.statement = s->stated->statement;
	if (s->operation == COMMON__OPERATION__ENROLL) {
		evidence.device_random = pb_lend(BYTES(s->r_d, R_LEN));
		evidence.kiosk_random = pb_lend(BYTES(s->r_k, R_LEN));
	}
	evidence.n_card_certificates = s->offer->n_certs;
	evidence.card_certificates = certs;
	evidence.offer = s->offered->offer;
	evidence.predecessor = s->offered->predecessor;
	tell.request_id = s->offered->request_id;
	tell.token = s->offered->token;
	tell.evidence = &evidence;
	return session_call(s, MSG_SESSION_EVIDENCE, &tell, MSG_DONE, &done);
}

struct err *session_submit(struct session *s)
{
	TRY(send_evidence(s));
	s->committed = true;
	session_event(s, "committed", NULL);
	return NULL;
}

static bool credential_settled(const Control__CredentialRow *c)
{
	static const char *const settled[] = { "active", "superseded", "revoked", "expired", "rejected", "cancelled",
		"unclaimed" };

	for (size_t i = 0; i < ARRAY_LEN(settled); i++)
		if (strcmp(c->state, settled[i]) == 0)
			return true;
	return false;
}

/* Is there nothing more to wait for? An ended request without credentials was cancelled or rejected. */
static bool settled(const Control__RequestRow *r)
{
	for (size_t i = 0; i < r->n_credentials; i++)
		if (!credential_settled(r->credentials[i]))
			return false;
	return r->n_credentials > 0 || strcmp(r->state, "cancelled") == 0 || strcmp(r->state, "rejected") == 0;
}

static struct err *get_request(struct session *s, Control__Rows **ret_rows)
{
	Control__List ask = CONTROL__LIST__INIT;
	AUTO_MSG Control__Rows *rows = NULL;
	AUTO_MEM char *id = text_hex(pb_bytes(s->offered->request_id));

	ask.what = CONTROL__WHAT__REQUESTS;
	ask.id = id;
	ask.most = 1;
	TRY(session_call(s, MSG_LIST, &ask, MSG_ROWS, &rows));
	if (rows->n_requests != 1)
		return err_new(&ERR_NO_SUCH, "derivd does not know the request %s any more", id);
	*ret_rows = take(rows);
	return NULL;
}

static void show_step(struct session *s, const Control__AuditRow *row)
{
	AUTO_MEM char *when = text_time(row->when_ms);

	session_say(s, words(WORD_STEP, "time", when, "text", row->text, NULL));
	session_event(s, "step", json_from_message(&row->base));
}

static void show_credential(struct session *s, const Control__CredentialRow *c)
{
	AUTO_MEM char *until = text_time(c->not_after_ms);

	if (strcmp(c->state, "active") == 0)
		session_say(s, words(WORD_NOW_LINE, "purpose", c->purpose, "until", until, NULL));
	else
		session_say(s, words(WORD_NOT_LINE, "purpose", c->purpose, "state", c->state, "cause", c->cause, NULL));
}

static struct err *show_end(struct session *s, const Control__RequestRow *r)
{
	size_t active = 0;

	for (size_t i = 0; i < r->n_credentials; i++)
		active += strcmp(r->credentials[i]->state, "active") == 0;
	session_event(s, "settled", json_from_message(&r->base));
	if (r->n_credentials > 0)
		session_say(s, words(WORD_NOW_HAS, NULL));
	for (size_t i = 0; i < r->n_credentials; i++)
		show_credential(s, r->credentials[i]);
	if (active > 0)
		session_say(s, words(WORD_LOST, "device", r->device, NULL));
	if (r->n_credentials == 0)
		return err_new(&ERR_CA_REJECTED, "the request ended %s: %s", r->state, r->cause);
	if (active < r->n_credentials)
		return err_new(&ERR_CA_REJECTED, "%zu of %zu credentials were not issued", r->n_credentials - active,
			r->n_credentials);
	return NULL;
}

static struct err *later(struct session *s)
{
	AUTO_MEM char *id = text_hex(pb_bytes(s->offered->request_id));

	session_say(s, words(WORD_LATER, "request", id, NULL));
	return err_new(&CTL_ERR_PENDING, "request %s is signed and kept; its delivery goes on without this session", id);
}

/* One step of following: an audit row if one comes within STEP_MS, then how the request stands. */
static struct err *follow_once(struct session *s, struct peer *stream, int64_t *news_ms, Control__Rows **ret_rows)
{
	struct peer_message m = { 0 };
	bool ready = false;

	TRY(peer_wait(stream, STEP_MS, &ready));
	while (ready) {
		TRY(peer_recv(stream, 0, &m));
		if (m.msg->number == MSG_AUDIT_ROW)
			show_step(s, m.body);
		msg_free(m.body);
		*news_ms = clock_boot_ms();
		TRY(peer_wait(stream, 0, &ready));
	}
	return get_request(s, ret_rows);
}

static struct err *open_stream(struct session *s, struct peer **ret_stream)
{
	Control__Watch ask = CONTROL__WATCH__INIT;
	AUTO_MEM char *id = text_hex(pb_bytes(s->offered->request_id));
	struct ctl second = { 0 };

	ask.request = id;
	TRY(ctl_control(&second, ret_stream));
	return peer_send(*ret_stream, MSG_WATCH, 1, &ask);
}

/* The nonce ran out before derivd-ca verified: the same statement is signed once more (ENROLLMENT step 8). */
static struct err *sign_again(struct session *s)
{
	session_say(s, words(WORD_SIGN_AGAIN, NULL));
	s->committed = false;
	msg_free(take(s->signature));
	TRY(session_open_card(s));
	TRY(session_sign(s));
	session_close_card(s);
	return session_submit(s);
}

/* Pushes that matter now: the end of the session with its reason. */
static struct err *check_pushes(struct session *s)
{
	bool ready = false;

	TRY(peer_wait(s->control, 0, &ready));
	while (ready) {
		struct peer_message m = { 0 };
		struct err *e = NULL;

		TRY(peer_recv(s->control, 0, &m));
		if (m.msg->number == MSG_SESSION_ENDED) {
			const Control__SessionEnded *ended = m.body;

			e = ended->why ? kind_from_wire(ended->why) : err_new(&ERR_SESSION_OVER, "derivd ended it");
		}
		msg_free(m.body);
		if (e && err_is(e, &ERR_NONCE_EXPIRED) && s->o.pin_fd < 0) {
			err_free(e);
			e = sign_again(s);
		}
		TRY(e);
		TRY(peer_wait(s->control, 0, &ready));
	}
	return NULL;
}

struct err *session_follow(struct session *s)
{
	int64_t patience = s->o.wait_s * 1000, news = clock_boot_ms();
	AUTO(peer) struct peer *stream = NULL;

	if (s->o.no_wait)
		return later(s);
	TRY(open_stream(s, &stream));
	for (;;) {
		AUTO_MSG Control__Rows *rows = NULL;
		struct err *e = check_pushes(s);

		if (!e)
			e = follow_once(s, stream, &news, &rows);
		if (e && err_is(e, &ERR_GONE)) {
			/* derivd restarts; what is committed goes on, so we go on watching. */
			err_free(e);
			TRY(session_resume(s));
			peer_free(take(stream));
			TRY(open_stream(s, &stream));
			continue;
		}
		TRY(e);
		if (settled(rows->requests[0]))
			return show_end(s, rows->requests[0]);
		if (clock_boot_ms() - news > patience)
			return later(s);
	}
}
