/* noticeworker.c: one connection, and what was asked on it, in order. */
#include "daemon/core/noticeworker.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/core/notice.h"
#include "daemon/core/outbox.h"
#include "daemon/core/turn.h"
#include "proto/link.h"

/* More than the courier gives itself for one notice. */
#define ANSWER_WAIT_MS 150000
#define IDLE_MS 30000
#define ASKED_MAX 2 /* a notice, and the question for channels */
#define TIMER_SLACK_US 10000

struct asked {
	struct ask ask;
	enum msg_number number;
	uint32_t serial; /* 0: not sent yet */
	void *body;      /* until it is sent */
};

struct noticeworker {
	sd_event *event;
	struct core *core;
	char *path;
	void (*changed)(void *userdata);
	void *userdata;
	struct link *link;
	sd_event_source *timer; /* to connect, to give up on an answer, to close */
	struct asked asked[ASKED_MAX];
	size_t n_asked;
};

static void set_timer(struct noticeworker *w, int64_t in_ms)
{
	if (sd_event_source_set_time_relative(w->timer, (uint64_t)in_ms * 1000) < 0 ||
		sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT) < 0)
		err_abort("a timer cannot be set");
}

/* --- answers --- */

struct answered {
	const struct ask *ask;
	struct answer answer;
};

static struct err *on_answer(struct core *c, void *arg)
{
	const struct answered *a = arg;

	if (a->ask->kind == ASK_CHANNELS)
		return notice_channels(c, &a->answer);
	return outbox_settle(c, a->ask, &a->answer);
}

static void answer(
	struct noticeworker *w, const struct ask *ask, const void *body, const struct err *error)
{
	static const struct from nobody = { .kind = FROM_NOBODY };
	struct answered a = { .ask = ask, .answer = { .body = body, .error = error } };

	turn_run(w->core, &nobody, on_answer, &a);
}

/* It leaves the list. */
static struct ask take_asked(struct noticeworker *w, size_t at)
{
	struct ask ask = w->asked[at].ask;

	msg_free(w->asked[at].body);
	w->n_asked--;
	memmove(w->asked + at, w->asked + at + 1, (w->n_asked - at) * sizeof(*w->asked));
	return ask;
}

/* All that was asked is answered with it. */
static void lost(struct noticeworker *w, struct err *take_why)
{
	AUTO(err) struct err *why = take_why;
	AUTO(err)
	struct err *e = err_new(
		&ERR_UNREACHABLE, "derivd-courier does not answer: %s", err_get_text(why));

	while (w->n_asked) {
		const struct ask ask = take_asked(w, 0);
		answer(w, &ask, NULL, e);
	}
	w->changed(w->userdata);
}

static void on_gone(struct link *link, struct err *take_why, void *userdata)
{
	struct noticeworker *w = userdata;

	link_free(link);
	w->link = NULL;
	lost(w, take_why);
}

static bool fits(enum msg_number question, enum msg_number number)
{
	if (number == MSG_ERROR)
		return true;
	return number == (question == MSG_NOTICE_SEND ? MSG_NOTICE_SENT : MSG_NOTICE_CHANNELS_REPLY);
}

static void on_message(struct link *link UNUSED, const struct msg *msg, uint32_t serial,
	const void *body, void *userdata)
{
	struct noticeworker *w = userdata;
	size_t i = 0;

	while (i < w->n_asked && w->asked[i].serial != serial)
		i++;
	if (i == w->n_asked)
		return;
	if (!fits(w->asked[i].number, (enum msg_number)msg->number)) {
		link_free(take(w->link));
		lost(w, err_new(&ERR_PROTOCOL, "it answered with %s", msg->name));
		return;
	}
	const struct ask ask = take_asked(w, i);
	AUTO(err) struct err *e = msg->number == MSG_ERROR ? kind_from_wire(body) : NULL;
	answer(w, &ask, e ? NULL : body, e);
	set_timer(w, w->n_asked ? ANSWER_WAIT_MS : IDLE_MS);
	w->changed(w->userdata);
}

/* --- connecting --- */

static void send_all(struct noticeworker *w)
{
	for (size_t i = 0; i < w->n_asked; i++) {
		struct asked *a = &w->asked[i];
		if (a->serial)
			continue;
		a->serial = link_next_serial(w->link);
		link_send(w->link, a->number, a->serial, a->body);
		msg_free(take(a->body));
	}
	set_timer(w, ANSWER_WAIT_MS);
}

static void on_ready(struct link *link UNUSED, void *userdata)
{
	send_all(userdata);
}

static const struct link_ops LINK_OPS = {
	.message = on_message,
	.gone = on_gone,
};

static struct err *open_link(struct noticeworker *w)
{
	int fd = -1;

	TRY(io_connect_unix(w->path, &fd));
	TRY(link_new(w->event, fd, LINK_NOTICE, SIDE_CLIENT, "derivd", &LINK_OPS, w, &w->link));
	link_set_ready(w->link, on_ready);
	set_timer(w, ANSWER_WAIT_MS);
	return NULL;
}

static int on_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
	struct noticeworker *w = userdata;

	if (w->link) {
		/* Nothing to do, or no answer: a new connection is a new process. */
		link_free(take(w->link));
		lost(w, err_new(&ERR_TIMEOUT, "no answer in time"));
		return 0;
	}
	struct err *e = w->n_asked ? open_link(w) : NULL;
	if (e)
		lost(w, e);
	return 0;
}

/* --- asking --- */

void noticeworker_ask(
	struct noticeworker *w, const struct ask *ask, enum msg_number number, const void *body)
{
	/* Channels are asked for again soon; a notice is posted only when there is room. */
	if (w->n_asked == ASKED_MAX)
		return;
	/* A process has read courier.conf once: what it says now a new one knows. */
	if (ask->kind == ASK_CHANNELS && !w->n_asked)
		link_free(take(w->link));
	w->asked[w->n_asked++] =
		(struct asked){ .ask = *ask, .number = number, .body = msg_dup(body) };
	if (!w->link)
		set_timer(w, 0);
	else if (link_is_ready(w->link))
		send_all(w);
}

bool noticeworker_room(const struct noticeworker *w)
{
	return w->n_asked == 0;
}

bool noticeworker_is_asked(const struct noticeworker *w, const uint8_t job[static ID_LEN])
{
	for (size_t i = 0; i < w->n_asked; i++) {
		if (w->asked[i].ask.kind == ASK_NOTICE &&
			memcmp(w->asked[i].ask.id, job, ID_LEN) == 0)
			return true;
	}
	return false;
}

/* --- life --- */

struct err *noticeworker_new(sd_event *event, struct core *core, const char *path,
	void (*changed)(void *userdata), void *userdata, struct noticeworker **ret_worker)
{
	AUTO(noticeworker) struct noticeworker *w = xcalloc(1, sizeof(*w));

	w->event = sd_event_ref(event);
	w->core = core;
	w->path = xstrdup(path);
	w->changed = changed;
	w->userdata = userdata;
	int r = sd_event_add_time_relative(
		event, &w->timer, CLOCK_BOOTTIME, 0, TIMER_SLACK_US, on_timer, w);
	if (r < 0)
		return err_errno(-r, "a timer");
	*ret_worker = take(w);
	return NULL;
}

void noticeworker_free(struct noticeworker *w)
{
	if (!w)
		return;
	while (w->n_asked)
		take_asked(w, 0);
	link_free(w->link);
	sd_event_source_disable_unref(w->timer);
	sd_event_unref(w->event);
	free(w->path);
	free(w);
}
