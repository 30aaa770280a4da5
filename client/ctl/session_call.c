/* session_call.c: requests to derivd and to the card's worker, and going on after derivd was away. */
#include <string.h>

#include "base/clock.h"
#include "client/ctl/session.h"

/* derivd waits a minute for derivd-ca, which may have to fetch revocation lists. */
#define ANSWER_MS (75 * 1000)
/*
 * Longer than derivd-card's own hard timers, which end it first. At a PIN pad a PIN may be asked for twice, for as long as
 * card.conf says, and the session's end is limit enough.
 */
#define CARD_MS (120 * 1000)
#define RETRY_MS 500
/* Who stops the session does not want to wait. */
#define STOP_MS (5 * 1000)
#define PATIENCE_MS (15 * 1000)

void session_lose(struct session *s)
{
	peer_free(take(s->ctl->control));
	s->control = NULL;
}

/* --- going on after derivd was away --- */

static struct err *resume_once(
	struct session *s, int timeout_ms, Control__SessionResumed **ret_resumed)
{
	Control__SessionResume ask = CONTROL__SESSION_RESUME__INIT;

	ask.request_id = s->offered->request_id;
	ask.token = s->offered->token;
	TRY(ctl_control(s->ctl, &s->control));
	TRY(peer_call(s->control, MSG_SESSION_RESUME, &ask, MSG_SESSION_RESUMED, timeout_ms,
		ret_resumed));
	peer_set_phase(s->control, PH_OPEN);
	return NULL;
}

static bool has_ended(const Control__SessionResumed *r)
{
	return strcmp(r->state, "cancelled") == 0 || strcmp(r->state, "rejected") == 0;
}

struct err *session_resume(struct session *s, Control__SessionResumed **ret_resumed)
{
	int64_t until = clock_boot_ms() + SESSION_RESUME_MS;
	AUTO_MSG Control__SessionResumed *resumed = NULL;
	struct err *e;

	session_say(s, words(WORD_RECONNECT, NULL));
	session_event(s, "reconnecting", NULL);
	for (;;) {
		session_lose(s);
		e = resume_once(s, CTL_ANSWER_MS, &resumed);
		if (!e)
			break;
		if (err_get_fate(e) != FATE_RETRY || clock_boot_ms() >= until) {
			session_lose(s);
			return err_wrap(e, _("the session cannot be resumed"));
		}
		err_free(e);
		/* Without a connection: nothing in here resumes once more. */
		session_lose(s);
		TRY(session_pause(s, RETRY_MS));
	}
	if (!s->committed && has_ended(resumed))
		return err_new(&ERR_SESSION_OVER, _("the session was %s while derivd was away"),
			resumed->state);
	session_event(s, "reconnected", json_pack("{s:s}", "state", resumed->state));
	if (ret_resumed)
		*ret_resumed = take(resumed);
	return NULL;
}

struct err *session_is_kept(struct session *s, bool *ret_kept)
{
	AUTO_MSG Control__SessionResumed *resumed = NULL;

	session_lose(s);
	TRY(resume_once(s, STOP_MS, &resumed));
	*ret_kept = strcmp(resumed->state, "committed") == 0 ||
		    strcmp(resumed->state, "verified") == 0 ||
		    strcmp(resumed->state, "rejected") == 0;
	return NULL;
}

/* --- requests to derivd --- */

/*
 * Had derivd done it already when it went away, so that only the answer was lost? The others may be asked for twice. A miss that
 * derivd has not counted we count ourselves.
 */
static bool was_done(
	enum msg_number number, const void *body, const Control__SessionResumed *resumed)
{
	const Control__SessionDigits *digits = body;

	if (number == MSG_SESSION_INVITE)
		return strcmp(resumed->state, "offered") != 0;
	if (number == MSG_SESSION_DIGITS)
		return !digits->match || strcmp(resumed->state, "disclosed") != 0;
	return false;
}

static struct err *ask_once(
	struct session *s, enum msg_number number, const void *body, struct wait *w)
{
	struct err *e;

	*w = (struct wait){ .limit_ms = ANSWER_MS, .came = CAME_LOSS };
	if (!s->control)
		return NULL;
	e = peer_ask(s->control, number, body, &w->serial);
	if (err_is(e, &ERR_GONE) && s->offered) {
		err_free(e);
		session_lose(s);
		return NULL;
	}
	TRY(e);
	w->peer = s->control;
	return session_wait(s, w);
}

struct err *session_call(struct session *s, enum msg_number number, const void *body,
	enum msg_number expected, void *ret_body)
{
	struct wait w;

	for (;;) {
		AUTO_MSG Control__SessionResumed *resumed = NULL;

		TRY(ask_once(s, number, body, &w));
		if (w.came == CAME_ANSWER)
			return peer_settle(&w.message, expected, ret_body);
		if (w.came == CAME_TIME) {
			session_lose(s);
			return err_new(&ERR_TIMEOUT, _("derivd did not answer in time"));
		}
		TRY(session_resume(s, &resumed));
		if (was_done(number, body, resumed))
			return NULL;
	}
}

static bool may_pass(const struct err *e)
{
	return err_is(e, &ERR_CA_UNREACHABLE) || err_is(e, &ERR_BUSY);
}

struct err *session_call_patiently(struct session *s, enum msg_number number, const void *body,
	enum msg_number expected, void *ret_body)
{
	int64_t until = clock_boot_ms() + PATIENCE_MS;
	bool said = false;

	for (;;) {
		struct err *e = session_call(s, number, body, expected, ret_body);

		if (!s->control || !may_pass(e) || clock_boot_ms() >= until)
			return e;
		if (!said)
			session_say(s, words(WORD_PATIENCE, "text", err_get_text(e), NULL));
		session_event(s, "waiting", json_pack("{s:s}", "kind", err_get_kind(e)->name));
		said = true;
		err_free(e);
		TRY(session_pause(s, RETRY_MS));
	}
}

/* --- the card's worker --- */

struct err *session_card_ended(struct err *take_e)
{
	err_free(take_e);
	return err_new(&ERR_MODULE_HUNG,
		_("derivd-card ended before it answered: the card or its driver crashed or hung, "
		  "or somebody ended it"));
}

struct err *session_call_card(struct session *s, enum msg_number number, const void *body,
	struct peer_message *ret_answer)
{
	bool pad = s->facts && s->facts->pin_pad;
	struct wait w = { .limit_ms = pad ? SESSION_MS : CARD_MS, .peer = s->card };
	struct err *e = peer_ask(s->card, number, body, &w.serial);

	if (err_is(e, &ERR_GONE))
		return session_card_ended(e);
	TRY(e);
	TRY(session_wait(s, &w));
	if (w.came == CAME_TIME)
		return err_new(&ERR_MODULE_HUNG, _("derivd-card did not answer in time"));
	*ret_answer = w.message;
	return NULL;
}
