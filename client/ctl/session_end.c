/* session_end.c: the evidence goes to derivd, and what comes of it is shown until the device has everything. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/ctl/session.h"

/* The state is looked at whenever audit rows have come, and in between too. */
#define STEP_MS 3000

/* --- evidence --- */

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
			return err_new(&ERR_CARD_CHANGED,
				_("the offer names a certificate that the card does not have"));
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

static char *request_of(const struct session *s)
{
	return text_hex(pb_bytes(s->offered->request_id));
}

/* Stopped while the evidence is handed over: whether it was too late only derivd can say. NULL: it was. */
static struct err *stopped(struct session *s, const char *id, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;
	AUTO(err) struct err *unknown = NULL;
	bool kept = false;

	unknown = session_is_kept(s, &kept);
	if (unknown)
		return err_new(&ERR_UNREACHABLE,
			_("stopped, but whether derivd has kept request %s is not known; look at "
			  "it "
			  "with derivctl request show, and end it with derivctl request cancel"),
			id);
	/* What comes of it nobody wants to watch. */
	s->o.no_wait = true;
	return kept ? NULL : take(e);
}

struct err *session_submit(struct session *s)
{
	AUTO_MEM char *id = request_of(s);
	struct err *e = send_evidence(s);

	if (err_is(e, &CTL_ERR_CANCELLED))
		e = stopped(s, id, e);
	/* derivd may have committed it and gone away before it could say so. */
	if (e && !s->control)
		return err_wrap(e,
			_("whether derivd has kept request %s is not known; look at it with "
			  "derivctl "
			  "request show"),
			id);
	TRY(e);
	s->committed = true;
	s->ends_ms = INT64_MAX;
	session_event(s, "committed", json_pack("{s:s}", "request", id));
	return NULL;
}

/* --- how it stands --- */

static bool is_one_of(const char *state, const char *const *states, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(state, states[i]) == 0)
			return true;
	return false;
}

static bool credential_settled(const Control__CredentialRow *c)
{
	static const char *const settled[] = { "active", "suspended", "superseded", "revoked",
		"expired", "rejected", "cancelled", "unclaimed" };

	return is_one_of(c->state, settled, ARRAY_LEN(settled));
}

/* Is there nothing more to wait for? An ended request without credentials was cancelled or rejected. */
static bool settled(const Control__RequestRow *r)
{
	static const char *const ended[] = { "cancelled", "rejected" };

	for (size_t i = 0; i < r->n_credentials; i++)
		if (!credential_settled(r->credentials[i]))
			return false;
	return r->n_credentials > 0 || is_one_of(r->state, ended, ARRAY_LEN(ended));
}

static struct err *get_request(struct session *s, Control__Rows **ret_rows)
{
	Control__List ask = CONTROL__LIST__INIT;
	AUTO_MSG Control__Rows *rows = NULL;
	AUTO_MEM char *id = request_of(s);

	ask.what = CONTROL__WHAT__REQUESTS;
	ask.id = id;
	ask.most = 1;
	TRY(session_call(s, MSG_LIST, &ask, MSG_ROWS, &rows));
	if (rows->n_requests != 1)
		return err_new(&ERR_NO_SUCH, _("derivd does not know the request %s any more"), id);
	*ret_rows = take(rows);
	return NULL;
}

static void say_credential(struct session *s, const Control__CredentialRow *c)
{
	AUTO_MEM char *until = text_time(c->not_after_ms);

	if (strcmp(c->state, "active") == 0)
		session_say(s, words(WORD_NOW_LINE, "purpose", words_name(c->purpose), "until",
				       until, NULL));
	else if (c->cause[0] != '\0')
		session_say(s, words(WORD_NOT_LINE, "purpose", words_name(c->purpose), "state",
				       words_name(c->state), "cause", c->cause, NULL));
	else
		session_say(s, words(WORD_NOT_LINE_BARE, "purpose", words_name(c->purpose), "state",
				       words_name(c->state), NULL));
}

static struct err *say_end(struct session *s, const Control__RequestRow *r)
{
	const char *cause = "";
	size_t active = 0;

	for (size_t i = 0; i < r->n_credentials; i++) {
		const Control__CredentialRow *c = r->credentials[i];

		active += strcmp(c->state, "active") == 0;
		if (!cause[0] && strcmp(c->state, "active") != 0)
			cause = c->cause;
	}
	session_event(s, "settled", json_from_message(&r->base));
	if (r->n_credentials > 0)
		session_say(s, words(active > 0 ? WORD_NOW_HAS : WORD_NOW_NOTHING, NULL));
	for (size_t i = 0; i < r->n_credentials; i++)
		say_credential(s, r->credentials[i]);
	if (active > 0)
		session_say(s, words(WORD_LOST, "device", r->device, NULL));
	if (r->n_credentials == 0)
		return err_new(&ERR_CA_REJECTED, _("the request ended %s%s%s"),
			words_name(r->state), r->cause[0] ? ": " : "", r->cause);
	if (active < r->n_credentials)
		return err_new(&ERR_CA_REJECTED, _("%zu of %zu credentials were not issued%s%s"),
			r->n_credentials - active, r->n_credentials, cause[0] ? ": " : "", cause);
	return NULL;
}

/* --- following --- */

static struct err *later(struct session *s)
{
	AUTO_MEM char *id = request_of(s);

	session_say(s, words(WORD_LATER, "request", id, NULL));
	return err_new(&CTL_ERR_PENDING,
		_("request %s is signed and kept; its delivery goes on without this session"), id);
}

/* after: the last row that was shown, so that none comes twice when derivd was away. */
static struct err *open_stream(struct session *s, uint64_t after)
{
	Control__Watch ask = CONTROL__WATCH__INIT;
	AUTO_MEM char *id = request_of(s);
	struct ctl second = { 0 };
	uint32_t serial;

	ask.request = id;
	ask.after = after;
	TRY(ctl_control(&second, &s->stream));
	return peer_ask(s->stream, MSG_WATCH, &ask, &serial);
}

static void say_step(struct session *s, const Control__AuditRow *row)
{
	AUTO_MEM char *when = text_time(row->when_ms);

	/* What the row says is as it stands in the chain; its event has a name in each language. */
	if (lang_is_english())
		session_say(s, words(WORD_STEP, "time", when, "text", row->text, NULL));
	else
		session_say(s, words(WORD_STEP_NAMED, "time", when, "event", words_name(row->event),
				       "text", row->text, NULL));
	session_event(s, "step", json_pack("{s:o}", "row", json_from_message(&row->base)));
}

/* All rows that have come. ERR_GONE, or why there will be none. */
static struct err *read_rows(struct session *s, uint64_t *after)
{
	bool ready = false;

	TRY(peer_wait(s->stream, 0, &ready));
	while (ready) {
		struct peer_message m = { 0 };
		struct err *e = NULL;

		TRY(peer_recv(s->stream, 0, &m));
		if (m.msg->number == MSG_AUDIT_ROW) {
			say_step(s, m.body);
			*after = ((const Control__AuditRow *)m.body)->sequence;
		} else if (m.msg->number == MSG_ERROR) {
			e = kind_from_wire(m.body);
		}
		msg_free(m.body);
		TRY(e);
		TRY(peer_wait(s->stream, 0, &ready));
	}
	return NULL;
}

/* Opens the stream if there is none. When derivd is away we come back with the session: what is committed goes on. */
static struct err *have_stream(struct session *s, uint64_t after)
{
	while (!s->stream) {
		struct err *e = open_stream(s, after);

		if (!e)
			return NULL;
		peer_free(take(s->stream));
		if (err_get_fate(e) != FATE_RETRY)
			return e;
		err_free(e);
		TRY(session_resume(s, NULL));
	}
	return NULL;
}

static struct err *hear_rows(struct session *s, uint64_t *after)
{
	struct err *e = read_rows(s, after);

	if (!err_is(e, &ERR_GONE))
		return e;
	err_free(e);
	peer_free(take(s->stream));
	return NULL;
}

/* The nonce ran out before derivd-ca verified: the same statement is signed once more (ENROLLMENT step 8). */
static struct err *sign_again(struct session *s)
{
	s->committed = false;
	msg_free(take(s->signature));
	s->ends_ms = clock_boot_ms() + SESSION_MS;
	session_say(s, words(WORD_SIGN_AGAIN, NULL));
	session_event(s, "sign-again", NULL);
	TRY(session_reopen_card(s));
	TRY(session_watch_card(s));
	TRY(session_sign(s));
	session_unwatch_card(s);
	session_close_card(s);
	TRY(session_submit(s));
	session_say(s, words(WORD_TAKE_CARD, NULL));
	return NULL;
}

/* Waits for news, and shows them. */
static struct err *follow_once(struct session *s, uint64_t *after, bool *ret_news)
{
	struct wait w = { .rows = true, .limit_ms = STEP_MS };
	struct err *e = have_stream(s, *after);

	if (!e)
		e = session_wait(s, &w);
	*ret_news = true;
	/* derivd waits for a new signature; if none can come it is told so. */
	if (err_is(e, &ERR_NONCE_EXPIRED))
		s->committed = false;
	if (err_is(e, &ERR_NONCE_EXPIRED) && s->o.pin_fd < 0) {
		err_free(e);
		return sign_again(s);
	}
	TRY(e);
	*ret_news = w.came == CAME_ROWS;
	return w.came == CAME_ROWS ? hear_rows(s, after) : NULL;
}

static struct err *follow(struct session *s)
{
	int64_t patience = s->o.wait_s * 1000, news_ms = clock_boot_ms();
	uint64_t after = 0;

	for (;;) {
		AUTO_MSG Control__Rows *rows = NULL;
		bool news = false;

		TRY(follow_once(s, &after, &news));
		if (news)
			news_ms = clock_boot_ms();
		TRY(get_request(s, &rows));
		if (settled(rows->requests[0]))
			return say_end(s, rows->requests[0]);
		if (clock_boot_ms() - news_ms > patience)
			return later(s);
	}
}

struct err *session_follow(struct session *s)
{
	struct err *e = s->o.no_wait ? later(s) : follow(s);

	/* Who stops it now stops watching, nothing else. */
	if (!s->committed || !err_is(e, &CTL_ERR_CANCELLED))
		return e;
	err_free(e);
	return later(s);
}
