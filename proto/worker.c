/* worker.c: one connection, one request at a time. */
#include "proto/worker.h"

#include <assert.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/proc.h"

#define HELLO_TIMEOUT_MS 10000
/* Of somebody who is turned away: for Hello, and for the question. */
#define AWAY_TIMEOUT_MS 500

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
	const struct log_field fields[] = {
		{ "ERROR_KIND", err_get_kind(take_e)->name },
		{ NULL, NULL },
	};
	log_note(NOTE_REQUEST_REFUSED, fields, "%s refused: %s (%s)", msg->name,
		err_get_text(take_e), err_get_kind(take_e)->name);
	err_free(take_e);
}

/* --- answers --- */

/* Nothing waits any more, whatever comes of it. */
static void drop_held(struct worker *w)
{
	while (w->n_held)
		buf_free(w->held[--w->n_held].packed);
}

/* All that wait get the error in place of their answers. */
static struct err *refuse_held(struct worker *w, const struct err *why)
{
	for (size_t i = 0; i < w->n_held; i++)
		TRY(peer_send_error(w->peer, w->held[i].serial, why));
	return NULL;
}

static struct err *send_held(struct worker *w)
{
	struct err *e = w->ways->settle(w->state);

	if (e) {
		struct err *unsent = refuse_held(w, e);
		log_error(e, "%zu answers cannot be given", w->n_held);
		return unsent;
	}
	for (size_t i = 0; i < w->n_held; i++)
		TRY(peer_send_packed(
			w->peer, w->held[i].number, w->held[i].serial, w->held[i].packed));
	return NULL;
}

static struct err *flush(struct worker *w)
{
	if (!w->n_held)
		return NULL;
	struct err *e = send_held(w);
	drop_held(w);
	return e;
}

static struct err *give(struct worker *w, enum msg_number number, const void *body)
{
	struct buf *packed = NULL;

	if (!w->ways)
		return peer_send(w->peer, number, w->serial, body);
	assert(w->n_held < WORKER_HELD_MAX);
	TRY(peer_pack(w->peer, number, body, &packed));
	w->held[w->n_held++] = (struct worker_answer){ number, w->serial, packed };
	return NULL;
}

static struct err *give_error(struct worker *w, const struct err *e)
{
	AUTO_MSG Common__Error *m = kind_to_wire(e);

	return give(w, MSG_ERROR, m);
}

static struct err *fail(struct worker *w, const struct msg *msg, struct err *take_e)
{
	struct err *e = w->answered ? NULL : give_error(w, take_e);

	/* Who hangs up while we work wants no answer any more: nothing has failed. */
	if (err_is(take_e, &ERR_GONE) && (w->answered || err_is(e, &ERR_GONE))) {
		log_debug("%s: %s", msg->name, err_get_text(take_e));
		err_free(take_e);
		return e;
	}
	log_failure(msg, take_e);
	return e;
}

/* --- requests --- */

static struct err *serve(
	struct worker *w, const struct worker_op *op, const struct peer_message *request)
{
	w->serial = request->serial;
	w->answered = false;
	if (!op->may_wait)
		TRY(flush(w));
	struct err *e = op->run(w, request->body);
	if (e)
		return fail(w, request->msg, e);
	assert(w->answered);
	return NULL;
}

/* Can what is held wait for the next request, which is there already? */
static struct err *may_go_on(struct worker *w, const struct worker_op *op, bool *ret_more)
{
	*ret_more = false;
	return op->may_wait && w->n_held && w->n_held < WORKER_HELD_MAX
		       ? peer_wait(w->peer, 0, ret_more)
		       : NULL;
}

/* The deadline stays armed as long as answers wait. */
static struct err *serve_in_time(struct worker *w, const struct worker_op *op,
	unsigned int deadline_s, const struct peer_message *request)
{
	bool more;

	if (deadline_s)
		proc_deadline(deadline_s);
	TRY(serve(w, op, request));
	TRY(may_go_on(w, op, &more));
	if (more)
		return NULL;
	TRY(flush(w));
	if (deadline_s)
		proc_deadline(0);
	return NULL;
}

bool worker_is_asked(struct worker *w)
{
	bool ready = false;
	AUTO(err) struct err *e = peer_wait(w->peer, 0, &ready);

	/* What is wrong is found out by whoever reads. */
	return ready || e;
}

static void use_time(struct worker *w)
{
	if (!w->ways || !w->ways->idle)
		return;
	while (w->ways->idle(w) && !worker_is_asked(w))
		;
}

static struct err *serve_next(
	struct worker *w, const struct worker_op *ops, unsigned int deadline_s)
{
	struct peer_message m;

	if (!w->n_held)
		use_time(w);
	TRY(peer_recv(w->peer, -1, &m));
	AUTO_MSG void *body = m.body;
	if (m.msg->number == MSG_ERROR)
		return err_wrap(kind_from_wire(body), "the other side gave up");
	const struct worker_op *op = find(ops, m.msg->number);
	if (!op)
		return err_new(&ERR_PROTOCOL, "%s is not served here", m.msg->name);
	return serve_in_time(w, op, deadline_s, &m);
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

struct err *worker_run_settled(int take_fd, enum msg_link link, const char *program,
	const struct worker_op *ops, unsigned int deadline_s, void *state,
	const struct worker_ways *ways)
{
	AUTO(peer) struct peer *p = peer_new(take_fd, link, SIDE_SERVER);
	struct worker w = { .peer = p, .state = state, .ways = ways };
	AUTO(err) struct err *e = converse(&w, program, ops, deadline_s);

	/* Of what was done before the connection ended, its peer may still hear. */
	AUTO(err) struct err *unsent = flush(&w);
	if (unsent)
		log_debug("answers could not be sent: %s", err_get_text(unsent));
	say_why(&w, e);
	return err_is(e, &ERR_GONE) ? NULL : take(e);
}

struct err *worker_run(int take_fd, enum msg_link link, const char *program,
	const struct worker_op *ops, unsigned int deadline_s, void *state)
{
	return worker_run_settled(take_fd, link, program, ops, deadline_s, state, NULL);
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

struct err *worker_turn_away(
	int take_fd, enum msg_link link, const char *program, const struct err *why)
{
	AUTO(peer) struct peer *p = peer_new(take_fd, link, SIDE_SERVER);
	struct peer_message m;

	TRY(peer_hello(p, program, AWAY_TIMEOUT_MS));
	TRY(peer_recv(p, AWAY_TIMEOUT_MS, &m));
	msg_free(m.body);
	return peer_send_error(p, m.serial, why);
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
	TRY(give(w, number, body));
	w->answered = true;
	return NULL;
}

struct err *worker_done(struct worker *w)
{
	Common__Done done = COMMON__DONE__INIT;

	return worker_reply(w, MSG_DONE, &done);
}
