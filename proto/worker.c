/* worker.c: one connection, one request at a time. */
#include "proto/worker.h"

#include <assert.h>

#include "base/log.h"
#include "base/proc.h"

#define HELLO_TIMEOUT_MS 10000

static const struct worker_op *find(const struct worker_op *ops, uint16_t number)
{
	for (; ops->number; ops++) {
		if (ops->number == number)
			return ops;
	}
	return NULL;
}

/* A refusal is everyday; what an administrator must look at is logged as an error. */
static void log_failure(const struct msg *msg, struct err *take_e)
{
	if (err_get_fate(take_e) != FATE_REFUSE) {
		log_error(take_e, "%s failed", msg->name);
		return;
	}
	log_info(
		"%s refused: %s (%s)", msg->name, err_get_text(take_e), err_get_kind(take_e)->name);
	err_free(take_e);
}

static struct err *fail(struct worker *w, const struct msg *msg, struct err *take_e)
{
	struct err *e = w->answered ? NULL : peer_send_error(w->peer, w->serial, take_e);

	/* Who hangs up while we work wants no answer any more: nothing has failed. */
	if (err_is(take_e, &ERR_GONE) && (w->answered || err_is(e, &ERR_GONE))) {
		log_debug("%s: %s", msg->name, err_get_text(take_e));
		err_free(take_e);
		return e;
	}
	log_failure(msg, take_e);
	return e;
}

static struct err *serve(struct worker *w, const struct worker_op *ops, unsigned int deadline_s,
	const struct peer_message *request)
{
	const struct worker_op *op = find(ops, request->msg->number);

	w->serial = request->serial;
	w->answered = false;
	if (!op)
		return err_new(&ERR_PROTOCOL, "%s is not served here", request->msg->name);
	if (deadline_s)
		proc_deadline(deadline_s);
	struct err *e = op->run(w, request->body);
	if (deadline_s)
		proc_deadline(0);
	if (e)
		return fail(w, request->msg, e);
	assert(w->answered);
	return NULL;
}

static struct err *serve_next(
	struct worker *w, const struct worker_op *ops, unsigned int deadline_s)
{
	struct peer_message m;

	TRY(peer_recv(w->peer, -1, &m));
	AUTO_MSG void *body = m.body;
	if (m.msg->number == MSG_ERROR)
		return err_wrap(kind_from_wire(body), "the other side gave up");
	return serve(w, ops, deadline_s, &m);
}

/* A last word to a peer that broke the protocol, if it still listens. */
static void say_why(struct worker *w, const struct err *why)
{
	if (err_is(why, &ERR_GONE))
		return;
	AUTO(err) struct err *e = peer_send_error(w->peer, 0, why);
	if (e)
		log_debug("the reason could not be sent: %s", err_get_text(e));
}

static struct err *converse(
	struct worker *w, const char *program, const struct worker_op *ops, unsigned int deadline_s)
{
	TRY(peer_hello(w->peer, program, HELLO_TIMEOUT_MS));
	for (;;)
		TRY(serve_next(w, ops, deadline_s));
}

struct err *worker_run(int take_fd, enum msg_link link, const char *program,
	const struct worker_op *ops, unsigned int deadline_s, void *state)
{
	AUTO(peer) struct peer *p = peer_new(take_fd, link, SIDE_SERVER);
	struct worker w = { .peer = p, .state = state };
	AUTO(err) struct err *e = converse(&w, program, ops, deadline_s);

	say_why(&w, e);
	return err_is(e, &ERR_GONE) ? NULL : take(e);
}

/* --- when nothing can be served --- */

static struct err *refuse_all(struct peer *p, const char *program, const struct err *why)
{
	TRY(peer_hello(p, program, HELLO_TIMEOUT_MS));
	for (;;) {
		struct peer_message m;

		TRY(peer_recv(p, -1, &m));
		msg_free(m.body);
		if (m.msg->number == MSG_ERROR)
			return NULL;
		TRY(peer_send_error(p, m.serial, why));
	}
}

struct err *worker_refuse(
	int take_fd, enum msg_link link, const char *program, struct err *take_why)
{
	AUTO(peer) struct peer *p = peer_new(take_fd, link, SIDE_SERVER);
	AUTO(err) struct err *why = take_why;

	/* At once: the peer may stay for long. */
	log_error(err_new(err_get_kind(why), "%s", err_get_text(why)), "%s", program);
	AUTO(err) struct err *e = refuse_all(p, program, why);
	return err_is(e, &ERR_GONE) ? NULL : take(e);
}

struct err *worker_reply(struct worker *w, enum msg_number number, const void *body)
{
	assert(!w->answered);
	TRY(peer_send(w->peer, number, w->serial, body));
	w->answered = true;
	return NULL;
}

struct err *worker_done(struct worker *w)
{
	Common__Done done = COMMON__DONE__INIT;

	return worker_reply(w, MSG_DONE, &done);
}
