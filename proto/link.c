/*
 * link.c: life and receiving of a link. At most one callback of the owner is called for each event of the loop, and
 * nothing is touched after it, so the owner may free the link in any of them.
 */
#include "proto/link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/proc.h"
#include "proto/frame.h"
#include "proto/link_impl.h"

#define HELLO_TIMEOUT_US (10 * 1000 * 1000)
/* For what is queued when a link is closed. */
#define CLOSE_TIMEOUT_US (10 * 1000 * 1000)
#define TIMER_ACCURACY_US (100 * 1000)

/* sd-event fails for lack of memory or by a fault of ours only. */
static void must(int r, const char *what)
{
	if (r < 0)
		err_abort("%s: %s", what, strerror(-r));
}

static int on_over(sd_event_source *source UNUSED, void *userdata)
{
	struct link *l = userdata;

	l->ops->gone(l, take(l->why), l->userdata);
	return 0;
}

void link_fail(struct link *l, struct err *take_why)
{
	if (l->over) {
		err_free(take_why);
		return;
	}
	l->why = take_why;
	link_drop_queue(l);
	l->io = sd_event_source_disable_unref(l->io);
	l->timer = sd_event_source_disable_unref(l->timer);
	must(sd_event_add_defer(l->event, &l->over, on_over, l), "sd_event_add_defer");
}

void link_watch(struct link *l)
{
	uint32_t events = 0;

	if (!l->io)
		return;
	if (l->first)
		events |= EPOLLOUT;
	if (!l->paused && !l->closing)
		events |= EPOLLIN;
	if (events == l->events)
		return;
	l->events = events;
	must(sd_event_source_set_io_events(l->io, events), "sd_event_source_set_io_events");
}

/* --- receiving --- */

static struct err *check_hello(struct link *l, const struct msg *msg, const void *body)
{
	if (msg->number != MSG_HELLO)
		return err_new(&ERR_PROTOCOL, "%s came before Hello", msg->name);
	const Common__Hello *h = body;
	if (strcmp(h->build, proc_build_id()) != 0)
		return err_new(&ERR_BUILD, "%s is of build %s, this program of %s", h->program,
			h->build, proc_build_id());
	l->phase = PH_READY;
	l->timer = sd_event_source_disable_unref(l->timer);
	return NULL;
}

/* Ends with a callback of the owner, or fails. */
static struct err *handle(struct link *l, const struct frame *f)
{
	enum msg_side other = l->own == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
	AUTO_MSG ProtobufCMessage *body = NULL;
	const struct msg *msg;

	TRY(msg_admit(f->number, buf_len(f->body), l->link, other, l->phase, &msg));
	TRY(msg_parse(msg, buf_bytes(f->body), &body));
	if (msg->number == MSG_ERROR && f->serial == 0)
		return err_wrap(kind_from_wire((const Common__Error *)(const void *)body),
			"the other side gave up");
	if (l->phase != PH_HELLO) {
		l->ops->message(l, msg, f->serial, body, l->userdata);
		return NULL;
	}
	TRY(check_hello(l, msg, body));
	if (l->ready)
		l->ready(l, l->userdata);
	return NULL;
}

static struct err *read_one(struct link *l)
{
	AUTO(frame) struct frame *f = NULL;

	TRY(frame_recv(l->fd, &f));
	return f ? handle(l, f) : NULL;
}

/* The peer hears of what it did wrong, or of a build that is not its own. */
static void fail_and_say(struct link *l, struct err *take_why)
{
	if (err_is(take_why, &ERR_PROTOCOL) || err_is(take_why, &ERR_BUILD))
		link_say(l, take_why);
	link_fail(l, take_why);
}

static bool owes_drained(struct link *l)
{
	if (!l->was_full || link_is_full(l))
		return false;
	l->was_full = false;
	return l->ops->drained;
}

/* Sends what can be sent. True when that was all that this event can do. */
static bool write_more(struct link *l)
{
	struct err *e = link_flush(l);

	if (!e && l->closing && !l->first)
		e = err_new(&ERR_GONE, "the connection was closed here");
	if (e) {
		link_fail(l, e);
		return true;
	}
	link_watch(l);
	if (!owes_drained(l))
		return false;
	l->ops->drained(l, l->userdata);
	return true;
}

/*
 * A peer that hung up is read to the end even while paused: it is at most what its socket held, and epoll would
 * report the hang-up without end.
 */
static int on_io(sd_event_source *source UNUSED, int fd UNUSED, uint32_t revents, void *userdata)
{
	struct link *l = userdata;
	bool over = revents & (EPOLLHUP | EPOLLERR);

	if (l->first && !over && write_more(l))
		return 0;
	if (over && l->closing) {
		link_fail(l, err_new(&ERR_GONE, "the other side hung up"));
		return 0;
	}
	if (!over && !(revents & EPOLLIN))
		return 0;
	struct err *e = read_one(l);
	if (e)
		fail_and_say(l, e);
	return 0;
}

static int on_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
	struct link *l = userdata;

	link_fail(l, err_new(&ERR_TIMEOUT, "%s",
			     l->closing ? "the other side does not take what is left"
					: "the other side did not say Hello"));
	return 0;
}

static void set_timer(struct link *l, uint64_t usec)
{
	l->timer = sd_event_source_disable_unref(l->timer);
	must(sd_event_add_time_relative(
		     l->event, &l->timer, CLOCK_BOOTTIME, usec, TIMER_ACCURACY_US, on_timer, l),
		"sd_event_add_time_relative");
}

/* --- life --- */

static void say_hello(struct link *l, const char *program)
{
	Common__Hello h = COMMON__HELLO__INIT;

	h.build = (char *)(uintptr_t)proc_build_id();
	h.program = (char *)(uintptr_t)program;
	link_send(l, MSG_HELLO, 0, &h);
}

struct err *link_new(sd_event *event, int take_fd, enum msg_link link, enum msg_side own,
	const char *program, const struct link_ops *ops, void *userdata, struct link **ret_link)
{
	AUTO(link) struct link *l = xcalloc(1, sizeof(*l));
	int flags = fcntl(take_fd, F_GETFL);

	l->fd = take_fd;
	l->event = sd_event_ref(event);
	l->link = link;
	l->own = own;
	l->phase = PH_HELLO;
	l->ops = ops;
	l->userdata = userdata;
	if (flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_errno(errno, "making a socket non-blocking");
	l->events = EPOLLIN;
	int r = sd_event_add_io(event, &l->io, l->fd, l->events, on_io, l);
	if (r < 0)
		return err_errno(-r, "watching a socket");
	set_timer(l, HELLO_TIMEOUT_US);
	say_hello(l, program);
	*ret_link = take(l);
	return NULL;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	link_drop_queue(l);
	sd_event_source_disable_unref(l->io);
	sd_event_source_disable_unref(l->timer);
	sd_event_source_disable_unref(l->over);
	sd_event_unref(l->event);
	err_free(l->why);
	close(l->fd);
	free(l);
}

void link_set_ready(struct link *l, void (*ready)(struct link *l, void *userdata))
{
	l->ready = ready;
}

bool link_is_ready(const struct link *l)
{
	return l->phase != PH_HELLO && !l->over && !l->closing;
}

int link_get_fd(const struct link *l)
{
	return l->fd;
}

void *link_get_userdata(const struct link *l)
{
	return l->userdata;
}

void link_set_phase(struct link *l, enum msg_phase phase)
{
	l->phase = phase;
}

void link_pause(struct link *l, bool pause)
{
	l->paused = pause;
	link_watch(l);
}

void link_close(struct link *l)
{
	if (l->over || l->closing)
		return;
	l->closing = true;
	if (!l->first) {
		link_fail(l, err_new(&ERR_GONE, "the connection was closed here"));
		return;
	}
	set_timer(l, CLOSE_TIMEOUT_US);
	link_watch(l);
}
