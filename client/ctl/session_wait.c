/*
 * session_wait.c: waiting for one thing while watching for all the others: what derivd pushes, the card, the keyboard,
 * signals, time, and whether anybody still reads what we write.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/ctl/session.h"

/* Before the end of a person's time there is a warning: so long before, or halfway if that is later. */
#define WARN_MS (30 * 1000)

/* --- derivd --- */

/* Takes a push that is not waited for: the end of the session ends the wait too. */
static struct err *hear_other(struct peer_message *take_message)
{
	AUTO_MSG void *body = take(take_message->body);
	const Control__SessionEnded *ended = body;

	if (take_message->msg->number == MSG_ERROR)
		return kind_from_wire(body);
	if (take_message->msg->number != MSG_SESSION_ENDED)
		return NULL;
	return ended->why ? kind_from_wire(ended->why)
			  : err_new(&ERR_SESSION_OVER, _("derivd ended the session"));
}

static struct err *hear_pushes(struct session *s, struct wait *w)
{
	bool ready = false;

	TRY(peer_wait(s->control, 0, &ready));
	while (ready && w->came == CAME_NOTHING) {
		struct peer_message m = { 0 };

		TRY(peer_recv(s->control, 0, &m));
		if (w->push && m.msg->number == w->push) {
			w->message = m;
			w->came = CAME_PUSH;
			return NULL;
		}
		if (w->begun && m.msg->number == MSG_SESSION_BEGUN)
			w->came = CAME_BEGUN;
		TRY(hear_other(&m));
		TRY(peer_wait(s->control, 0, &ready));
	}
	return NULL;
}

static struct err *hear_answer(struct peer *p, struct wait *w)
{
	TRY(peer_answer(p, w->serial, 0, &w->message));
	if (w->message.msg)
		w->came = CAME_ANSWER;
	return NULL;
}

static struct err *hear_card(struct session *s, struct wait *w)
{
	struct err *e = hear_answer(s->card, w);

	return err_is(e, &ERR_GONE) ? session_card_ended(e) : e;
}

static struct err *hear_control(struct session *s, struct wait *w)
{
	bool asked = w->peer && w->peer == s->control;
	struct err *e = asked ? hear_answer(s->control, w) : hear_pushes(s, w);

	if (!err_is(e, &ERR_GONE) || !s->offered)
		return e;
	err_free(e);
	session_lose(s);
	if (asked) {
		w->came = CAME_LOSS;
		return NULL;
	}
	return session_resume(s, NULL);
}

/* --- the person --- */

static struct err *check_signals(struct session *s, struct wait *w)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (number == SIGWINCH)
			w->came = w->size ? CAME_SIZE : CAME_NOTHING;
		else if (number == SIGINT || number == SIGQUIT)
			return err_new(&CTL_ERR_CANCELLED, _("stopped at the keyboard"));
		else if (number != SIGTSTP) /* a session with a card cannot be put aside */
			return err_new(
				&CTL_ERR_CANCELLED, _("stopped by SIG%s"), sigabbrev_np(number));
	}
	return NULL;
}

static int64_t cap_of(const struct session *s, const struct wait *w)
{
	return w->cap_ms && w->cap_ms < s->ends_ms ? w->cap_ms : s->ends_ms;
}

static void extend(struct session *s, struct wait *w)
{
	int64_t cap = cap_of(s, w), until = clock_boot_ms() + w->limit_ms;

	/* The last of all minutes is announced once. */
	if (until < cap)
		w->warned = false;
	w->until_ms = until < cap ? until : cap;
}

static struct err *check_input(struct session *s, struct wait *w)
{
	switch (term_input(w->typing)) {
	case TERM_CANCEL:
		return err_new(&CTL_ERR_CANCELLED, _("stopped at the keyboard"));
	case TERM_END:
		return err_new(&CTL_ERR_CANCELLED, _("the input ended"));
	case TERM_LINE:
		w->came = CAME_LINE;
		break;
	case TERM_KEY:
		extend(s, w);
		break;
	case TERM_NOTHING:
		break;
	}
	return NULL;
}

static void warn(struct session *s, struct wait *w, int64_t left_ms)
{
	bool last = w->until_ms >= cap_of(s, w);
	AUTO_MEM char *seconds = xasprintf("%d", (int)((left_ms + 999) / 1000));
	AUTO_MEM char *text =
		words(last ? WORD_TIME_LAST : WORD_TIME_LEFT, "seconds", seconds, NULL);

	w->warned = true;
	session_event(s, "time-left",
		json_pack("{s:i, s:b}", "seconds", (int)((left_ms + 999) / 1000), "last", last));
	if (!s->ctl->json)
		term_notice(w->typing, text);
}

/* How long poll may sleep. */
static int check_time(struct session *s, struct wait *w)
{
	int64_t left = w->until_ms - clock_boot_ms();
	int64_t before = w->limit_ms / 2 < WARN_MS ? w->limit_ms / 2 : WARN_MS;
	bool warns = w->typing && !w->warned;

	if (left <= 0) {
		w->came = CAME_TIME;
		return 0;
	}
	if (warns && left <= before) {
		warn(s, w, left);
		warns = false;
	}
	return (int)(warns ? left - before : left);
}

/* --- one turn --- */

enum { FD_SIGNAL, FD_OUTPUT, FD_CONTROL, FD_CARD, FD_WATCH, FD_STREAM, FD_TYPING, FDS };

static int fd_of(const struct peer *p)
{
	return p ? peer_get_fd(p) : -1;
}

static struct err *turn(struct session *s, struct wait *w)
{
	bool card = w->peer && w->peer == s->card;
	struct pollfd fds[FDS] = {
		[FD_SIGNAL] = { .fd = s->signal_fd, .events = POLLIN },
		[FD_OUTPUT] = { .fd = STDOUT_FILENO }, /* errors only: its reader has gone */
		[FD_CONTROL] = { .fd = fd_of(s->control), .events = POLLIN },
		[FD_CARD] = { .fd = card ? fd_of(s->card) : -1, .events = POLLIN },
		[FD_WATCH] = { .fd = fd_of(s->watch), .events = POLLIN },
		[FD_STREAM] = { .fd = w->rows ? fd_of(s->stream) : -1, .events = POLLIN },
		[FD_TYPING] = { .fd = w->typing ? term_get_fd(w->typing) : -1, .events = POLLIN },
	};
	int poll_ms = check_time(s, w);

	if (w->came != CAME_NOTHING)
		return NULL;
	if (w->typing && term_has_input(w->typing))
		poll_ms = 0;
	if (poll(fds, FDS, poll_ms) < 0)
		return errno == EINTR ? NULL : err_errno(errno, "poll");
	if (fds[FD_SIGNAL].revents)
		TRY(check_signals(s, w));
	if (fds[FD_OUTPUT].revents)
		return err_new(&CTL_ERR_CANCELLED, _("nobody reads the output any more"));
	if (fds[FD_WATCH].revents)
		TRY(session_check_card(s));
	if (fds[FD_CARD].revents)
		TRY(hear_card(s, w));
	if (fds[FD_CONTROL].revents && w->came == CAME_NOTHING)
		TRY(hear_control(s, w));
	if (fds[FD_STREAM].revents && w->came == CAME_NOTHING)
		w->came = CAME_ROWS;
	if (w->typing && w->came == CAME_NOTHING &&
		(fds[FD_TYPING].revents || term_has_input(w->typing)))
		TRY(check_input(s, w));
	return NULL;
}

/* --- for the others --- */

struct err *session_wait(struct session *s, struct wait *w)
{
	w->came = CAME_NOTHING;
	extend(s, w);
	/* What came while we were busy elsewhere is with the peer object, where poll cannot see it. */
	if (s->control && w->peer != s->control)
		TRY(hear_control(s, w));
	while (w->came == CAME_NOTHING)
		TRY(turn(s, w));
	return NULL;
}

struct err *session_pause(struct session *s, int64_t ms)
{
	struct wait w = { .limit_ms = ms };

	TRY(session_wait(s, &w));
	return clock_boot_ms() < s->ends_ms ? NULL : session_too_late();
}

struct err *session_too_late(void)
{
	return err_new(&ERR_TIMED_OUT, _("nothing happened for too long"));
}

struct err *session_ask(struct session *s, struct term *where, const char *prompt, bool hidden,
	struct bytes *ret_line)
{
	struct wait w = {
		.typing = where,
		.limit_ms = s->o.time_limit_s ? s->o.time_limit_s * 1000 : SESSION_ANSWER_MS,
	};
	struct err *e;

	term_prompt(where, s->ctl->json ? "" : prompt, hidden);
	e = session_wait(s, &w);
	if (!e && w.came == CAME_TIME)
		e = session_too_late();
	if (e) {
		term_unprompt(where);
		return e;
	}
	*ret_line = term_line(where);
	return NULL;
}
