/* peer.c: a non-blocking socket and poll, so that no peer can hold us longer than we wait. */
#include "proto/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "proto/frame.h"

/* A peer that takes nothing for so long is as good as gone. */
#define SEND_TIMEOUT_MS 30000
#define HELLO_TIMEOUT_MS 10000
/* Unsolicited messages that wait while a call is under way. */
#define KEPT_MAX 64
/* Calls that ran out of time, whose answers may still come and are dropped. */
#define LATE_MAX 8

struct peer {
	int fd;
	enum msg_link link;
	enum msg_side own;
	enum msg_phase phase;
	uint32_t last_serial;
	size_t next_late;
	uint32_t late[LATE_MAX];
	size_t n_kept;
	struct peer_message kept[KEPT_MAX]; /* oldest first */
};

struct peer *peer_new(int take_fd, enum msg_link link, enum msg_side own)
{
	struct peer *p = xcalloc(1, sizeof(*p));
	int flags = fcntl(take_fd, F_GETFL);

	if (flags < 0 || fcntl(take_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		err_abort("descriptor %d cannot be made non-blocking", take_fd);
	p->fd = take_fd;
	p->link = link;
	p->own = own;
	p->phase = PH_HELLO;
	return p;
}

void peer_free(struct peer *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_kept; i++)
		msg_free(p->kept[i].body);
	close(p->fd);
	free(p);
}

int peer_get_fd(const struct peer *p)
{
	return p->fd;
}

void peer_set_phase(struct peer *p, enum msg_phase phase)
{
	p->phase = phase;
}

enum msg_phase peer_get_phase(const struct peer *p)
{
	return p->phase;
}

/* --- waiting --- */

/* -1: for ever. */
static int64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : clock_boot_ms() + timeout_ms;
}

static int left_of(int64_t deadline)
{
	if (deadline < 0)
		return -1;
	int64_t left = deadline - clock_boot_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static struct err *wait_for(struct peer *p, short events, int64_t deadline, bool *ret_ready)
{
	struct pollfd pfd = { .fd = p->fd, .events = events };
	int n;

	do {
		n = poll(&pfd, 1, left_of(deadline));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(errno, "poll");
	*ret_ready = n > 0;
	return NULL;
}

struct err *peer_wait(struct peer *p, int timeout_ms, bool *ret_ready)
{
	if (p->n_kept) {
		*ret_ready = true;
		return NULL;
	}
	return wait_for(p, POLLIN, deadline_of(timeout_ms), ret_ready);
}

/* --- sending --- */

static struct err *send_bytes(struct peer *p, uint16_t number, uint32_t serial, struct bytes bytes)
{
	int64_t deadline = deadline_of(SEND_TIMEOUT_MS);
	bool sent = false, ready = true;

	for (;;) {
		TRY(frame_send(p->fd, number, serial, bytes, &sent));
		if (sent)
			return NULL;
		if (!ready)
			return err_new(&ERR_TIMEOUT, "the other side takes no messages");
		TRY(wait_for(p, POLLOUT, deadline, &ready));
	}
}

struct err *peer_pack(
	struct peer *p, enum msg_number number, const void *body, struct buf **ret_packed)
{
	const struct msg *msg;

	TRY(err_as(&ERR_INTERNAL, msg_admit((uint16_t)number, 0, p->link, p->own, p->phase, &msg),
		"sending"));
	return err_wrap(msg_pack(msg, body, ret_packed), "sending");
}

struct err *peer_send_packed(
	struct peer *p, enum msg_number number, uint32_t serial, const struct buf *packed)
{
	return send_bytes(p, (uint16_t)number, serial, buf_bytes(packed));
}

struct err *peer_send(struct peer *p, enum msg_number number, uint32_t serial, const void *body)
{
	AUTO(buf) struct buf *packed = NULL;

	TRY(peer_pack(p, number, body, &packed));
	return peer_send_packed(p, number, serial, packed);
}

struct err *peer_send_error(struct peer *p, uint32_t serial, const struct err *e)
{
	AUTO_MSG Common__Error *m = kind_to_wire(e);

	return peer_send(p, MSG_ERROR, serial, m);
}

/* --- receiving --- */

static struct err *recv_frame(struct peer *p, int64_t deadline, struct frame **ret_frame)
{
	struct frame *f = NULL;
	bool ready = true;

	for (;;) {
		TRY(frame_recv(p->fd, &f));
		if (f)
			break;
		if (!ready)
			return err_new(&ERR_TIMEOUT, "the other side did not answer in time");
		TRY(wait_for(p, POLLIN, deadline, &ready));
	}
	*ret_frame = f;
	return NULL;
}

/* The answer to a call that was given up; forgotten with this. */
static bool is_late(struct peer *p, uint32_t serial)
{
	for (size_t i = 0; i < LATE_MAX; i++) {
		if (serial == 0 || p->late[i] != serial)
			continue;
		p->late[i] = 0;
		return true;
	}
	return false;
}

static struct err *read_one(struct peer *p, int64_t deadline, struct peer_message *ret_message)
{
	enum msg_side other = p->own == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
	ProtobufCMessage *body;
	const struct msg *msg;
	bool late;

	do {
		AUTO(frame) struct frame *f = NULL;
		TRY(recv_frame(p, deadline, &f));
		TRY(msg_admit(f->number, buf_len(f->body), p->link, other, p->phase, &msg));
		late = is_late(p, f->serial);
		if (late)
			continue;
		TRY(msg_parse(msg, buf_bytes(f->body), &body));
		*ret_message = (struct peer_message){ msg, f->serial, body };
	} while (late);
	return NULL;
}

struct err *peer_recv(struct peer *p, int timeout_ms, struct peer_message *ret_message)
{
	if (p->n_kept == 0)
		return read_one(p, deadline_of(timeout_ms), ret_message);
	*ret_message = p->kept[0];
	p->n_kept--;
	memmove(&p->kept[0], &p->kept[1], p->n_kept * sizeof(p->kept[0]));
	return NULL;
}

/* --- calls --- */

static struct err *keep(struct peer *p, struct peer_message *take_message)
{
	if (p->n_kept == KEPT_MAX) {
		msg_free(take_message->body);
		return err_new(
			&ERR_PROTOCOL, "more than %d unsolicited messages during a call", KEPT_MAX);
	}
	p->kept[p->n_kept++] = *take_message;
	return NULL;
}

struct err *peer_settle(struct peer_message *take_answer, enum msg_number expected, void *ret_body)
{
	AUTO_MSG void *body = take(take_answer->body);
	const struct msg *msg = take_answer->msg;

	if (msg->number == MSG_ERROR)
		return kind_from_wire(body);
	if (msg->number != expected)
		return err_new(&ERR_PROTOCOL, "%s is not the answer to this request", msg->name);
	memcpy(ret_body, &body, sizeof(body));
	body = NULL;
	return NULL;
}

/*
 * The peer hung up while we sent. Often it said why: a build that differs, too many connections.
 */
static struct err *why_gone(struct peer *p, struct err *take_e)
{
	AUTO(err) struct err *gone = take_e;
	struct peer_message m;

	if (!err_is(gone, &ERR_GONE))
		return take(gone);
	for (;;) {
		AUTO(err) struct err *e = read_one(p, deadline_of(0), &m);
		if (e)
			return take(gone);
		if (m.msg->number == MSG_ERROR)
			break;
		msg_free(m.body);
	}
	return peer_settle(&m, MSG_ERROR, NULL);
}

static uint32_t next_serial(struct peer *p)
{
	if (++p->last_serial == 0)
		++p->last_serial;
	return p->last_serial;
}

struct err *peer_ask(struct peer *p, enum msg_number number, const void *body, uint32_t *ret_serial)
{
	uint32_t serial = next_serial(p);

	TRY(why_gone(p, peer_send(p, number, serial, body)));
	*ret_serial = serial;
	return NULL;
}

/* Reads up to the answer; ERR_TIMEOUT when it does not come. */
static struct err *read_answer(struct peer *p, uint32_t serial, int64_t deadline, struct peer_message *ret_answer)
{
	for (;;) {
		struct peer_message m;
		TRY(read_one(p, deadline, &m));
		if (m.serial == 0 && m.msg->number != MSG_ERROR) {
			TRY(keep(p, &m));
			continue;
		}
		if (m.serial == 0 || m.serial == serial) {
			*ret_answer = m;
			return NULL;
		}
		msg_free(m.body);
		return err_new(&ERR_PROTOCOL, "%s answers a request that was not made", m.msg->name);
	}
}

struct err *peer_answer(struct peer *p, uint32_t serial, int timeout_ms, struct peer_message *ret_answer)
{
	struct err *e = read_answer(p, serial, deadline_of(timeout_ms), ret_answer);

	if (!err_is(e, &ERR_TIMEOUT))
		return e;
	err_free(e);
	ret_answer->msg = NULL;
	return NULL;
}

struct err *peer_call(struct peer *p, enum msg_number number, const void *body,
	enum msg_number expected, int timeout_ms, void *ret_body)
{
	int64_t deadline = deadline_of(timeout_ms);
	struct peer_message answer;
	uint32_t serial;

	TRY(peer_ask(p, number, body, &serial));
	struct err *e = read_answer(p, serial, deadline, &answer);
	if (err_is(e, &ERR_TIMEOUT))
		p->late[p->next_late++ % LATE_MAX] = serial;
	TRY(e);
	return peer_settle(&answer, expected, ret_body);
}

/* --- the first exchange --- */

static struct err *check_hello(struct peer_message *take_message)
{
	AUTO_MSG void *body = take(take_message->body);

	if (take_message->msg->number == MSG_ERROR)
		return kind_from_wire(body);
	const Common__Hello *h = body;
	if (strcmp(h->build, proc_build_id()) != 0)
		return err_new(&ERR_BUILD, "%s is of build %s, this program of %s", h->program,
			h->build, proc_build_id());
	return NULL;
}

struct err *peer_hello(struct peer *p, const char *program, int timeout_ms)
{
	Common__Hello h = COMMON__HELLO__INIT;
	struct peer_message m;

	h.build = (char *)(uintptr_t)proc_build_id();
	h.program = (char *)(uintptr_t)program;
	TRY(why_gone(p, peer_send(p, MSG_HELLO, 0, &h)));
	TRY(read_one(p, deadline_of(timeout_ms), &m));
	TRY(check_hello(&m));
	p->phase = PH_READY;
	return NULL;
}

struct err *peer_connect(
	const char *path, enum msg_link link, const char *program, struct peer **ret_peer)
{
	int fd;
	struct err *e = io_connect_unix(path, &fd);

	if (e && access(path, W_OK) < 0 && errno == EACCES)
		return err_as(&ERR_DENIED, e, "connecting");
	TRY(err_as(&ERR_UNREACHABLE, e, "connecting"));
	AUTO(peer) struct peer *p = peer_new(fd, link, SIDE_CLIENT);
	TRY(err_wrap(peer_hello(p, program, HELLO_TIMEOUT_MS), "%s", path));
	*ret_peer = take(p);
	return NULL;
}
