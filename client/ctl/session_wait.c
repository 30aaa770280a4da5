/* session_wait.c: waiting for one thing while watching for the others. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/ctl/session.h"

#define WARN_MS (30 * 1000)
#define RETRY_MS 500

/* What derivd pushes besides what we wait for. Takes the message unless it is the wanted one. */
static struct err *unwanted(struct peer_message *m)
{
	struct err *e = NULL;

	if (m->msg->number == MSG_SESSION_ENDED) {
		const Control__SessionEnded *ended = m->body;

		e = ended->why ? kind_from_wire(ended->why) : err_new(&ERR_SESSION_OVER, "derivd ended the session");
	}
	msg_free(m->body);
	memset(m, 0, sizeof(*m));
	return e;
}

static struct err *next_message(struct session *s, enum msg_number number, struct peer_message *ret_message,
	bool *ret_found)
{
	bool ready = false;

	for (;;) {
		struct peer_message m = { 0 };

		TRY(peer_wait(s->control, 0, &ready));
		if (!ready)
			return NULL;
		TRY(peer_recv(s->control, 0, &m));
		if (m.msg->number == number) {
			*ret_message = m;
			*ret_found = true;
			return NULL;
		}
		TRY(unwanted(&m));
	}
}

struct err *session_resume(struct session *s)
{
	int64_t until = clock_boot_ms() + RESUME_MS;
	struct err *e;

	session_say(s, words(WORD_RECONNECT, NULL));
	for (;;) {
		Control__SessionResume ask = CONTROL__SESSION_RESUME__INIT;
		AUTO_MSG Control__SessionResumed *resumed = NULL;

		peer_free(take(s->ctl->control));
		ask.request_id = s->offered->request_id;
		ask.token = s->offered->token;
		e = ctl_control(s->ctl, &s->control);
		if (!e)
			e = peer_call(s->control, MSG_SESSION_RESUME, &ask, MSG_SESSION_RESUMED, CTL_ANSWER_MS, &resumed);
		if (!e) {
			peer_set_phase(s->control, PH_OPEN);
			return NULL;
		}
		if (err_get_fate(e) != FATE_RETRY || clock_boot_ms() >= until)
			return e;
		err_free(e);
		(void)poll(NULL, 0, RETRY_MS);
	}
}

struct err *session_call(struct session *s, enum msg_number number, const void *body, enum msg_number expected,
	void *ret_body)
{
	struct err *e = peer_call(s->control, number, body, expected, CTL_ANSWER_MS, ret_body);

	if (!e || !err_is(e, &ERR_GONE) || !s->offered)
		return e;
	err_free(e);
	TRY(session_resume(s));
	return peer_call(s->control, number, body, expected, CTL_ANSWER_MS, ret_body);
}

static struct err *check_signal(struct session *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return NULL;
	return err_new(&CTL_ERR_CANCELLED, "stopped by signal %u", info.ssi_signo);
}

struct waiting {
	unsigned int wants;
	enum msg_number number;
	int64_t limit_ms, until_ms;
	bool warned;
	bool found, line;
	struct peer_message *message;
};

static void extend(struct session *s, struct waiting *w)
{
	w->until_ms = clock_boot_ms() + w->limit_ms;
	if (w->until_ms > s->ends_ms)
		w->until_ms = s->ends_ms;
	w->warned = false;
}

static struct err *check_input(struct session *s, struct waiting *w)
{
	switch (term_input(s->term)) {
	case TERM_CANCEL:
		return err_new(&CTL_ERR_CANCELLED, "stopped at the keyboard");
	case TERM_LINE:
		w->found = w->line = true;
		break;
	case TERM_KEY:
		extend(s, w);
		break;
	case TERM_NOTHING:
		break;
	}
	return NULL;
}

static struct err *check_time(struct session *s, struct waiting *w, int *ret_poll_ms)
{
	int64_t left = w->until_ms - clock_boot_ms();

	if (left <= 0)
		return err_new(&ERR_TIMED_OUT, "nothing happened for too long");
	if (!w->warned && left <= WARN_MS && w->limit_ms > 2 * WARN_MS) {
		session_say(s, words(WORD_TIME_LEFT, NULL));
		w->warned = true;
	}
	*ret_poll_ms = (int)(left > WARN_MS && !w->warned ? left - WARN_MS : left);
	return NULL;
}

static struct err *wait_once(struct session *s, struct waiting *w)
{
	struct pollfd fds[4];
	nfds_t n = 0;
	int poll_ms;

	TRY(check_time(s, w, &poll_ms));
	fds[n++] = (struct pollfd){ .fd = peer_get_fd(s->control), .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = s->watch ? peer_get_fd(s->watch) : -1, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = (w->wants & WANT_LINE) ? term_get_fd(s->term) : -1, .events = POLLIN };
	if ((w->wants & WANT_LINE) && term_has_input(s->term))
		poll_ms = 0;
	if (poll(fds, n, poll_ms) < 0 && errno != EINTR)
		return err_errno(errno, "poll");
	TRY(check_signal(s));
	if (fds[2].revents)
		TRY(session_check_card(s));
	if (fds[0].revents)
		TRY(next_message(s, w->number, w->message, &w->found));
	if (!w->found && (w->wants & WANT_LINE) && (fds[3].revents || term_has_input(s->term)))
		TRY(check_input(s, w));
	return NULL;
}

struct err *session_wait(struct session *s, unsigned int wants, enum msg_number number, int64_t limit_ms,
	struct peer_message *ret_message, bool *ret_line)
{
	struct peer_message message = { 0 };
	struct waiting w = { .wants = wants, .number = number, .limit_ms = limit_ms, .message = &message };
	struct err *e;

	extend(s, &w);
	/* What came while we were busy elsewhere is with the peer object, where poll cannot see it. */
	e = next_message(s, number, &message, &w.found);
	while (!e && !w.found) {
		e = wait_once(s, &w);
		if (e && err_is(e, &ERR_GONE) && s->offered) {
			err_free(e);
			e = session_resume(s);
		}
	}
	if (e)
		return e;
	if (ret_line)
		*ret_line = w.line;
	if (ret_message)
		*ret_message = message;
	return NULL;
}

struct err *session_ask(struct session *s, const char *prompt, bool hidden, struct bytes *ret_line)
{
	struct err *e;

	term_prompt(s->term, s->ctl->json ? "" : prompt, hidden);
	e = session_wait(s, WANT_LINE, 0, WAIT_ANSWER_MS, NULL, NULL);
	if (e) {
		term_unprompt(s->term);
		return e;
	}
	*ret_line = term_line(s->term);
	return NULL;
}
