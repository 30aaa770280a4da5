/*
 * worker.h: the loop of derivd-card, derivd-ca and derivd-courier: one connection, one request at a time, every
 * request gets an answer, errors too. A message that the table does not allow ends the process: it is the peer's
 * connection alone that is lost.
 */
#ifndef DERIVD_PROTO_WORKER_H
#define DERIVD_PROTO_WORKER_H

#include "proto/peer.h"

/* Answers that wait for one settling at a time. */
#define WORKER_HELD_MAX 16

struct worker {
	struct peer *peer;
	void *state;     /* the program's own */
	uint32_t serial; /* of the request that is being served */
	bool answered;

	/* worker_run_settled: what is done before answers are sent, and those that wait for it. */
	const struct worker_ways *ways; /* or NULL */
	size_t n_held;
	struct worker_answer {
		enum msg_number number;
		uint32_t serial;
		struct buf *packed;
	} held[WORKER_HELD_MAX];
};

/*
 * One operation. request is lent. Send the answer with worker_reply (also MSG_ERROR, for an Error with reasons), or return an error, which is logged by fate and sent as Error. Returning
 * NULL without having answered is a fault of ours and asserts. Unsolicited messages: peer_send with serial 0.
 */
struct worker_op {
	enum msg_number number;
	struct err *(*run)(struct worker *w, const void *request);
	bool may_wait; /* its answer may wait for those of requests behind it: worker_run_settled */
};

/*
 * Exchanges Hello and serves the connection until the peer hangs up (NULL), breaks the protocol or ends it with an
 * Error (the error; the peer was told). ops ends with a number of 0. deadline_s: proc_deadline around each operation,
 * 0 for none.
 */
MUST_CHECK struct err *worker_run(int take_fd, enum msg_link link, const char *program,
	const struct worker_op *ops, unsigned int deadline_s, void *state);
/*
 * The same for a worker whose answers say what must be on the disk: settle(state) is called before any is sent, also before an
 * Error. While requests wait whose answers may wait, it goes on to the next, at most WORKER_HELD_MAX of them, and settles
 * once for all: the disk then costs each of many a fraction. When settle fails, each of these requests gets its error.
 * idle (may be NULL) is called before the next request is read, and again as long as it says true and nothing is asked: when it has
 * work to do ahead of time, it looks at worker_is_asked before it begins and while it works, and comes back at once.
 */
struct worker_ways {
	struct err *(*settle)(void *state);
	bool (*idle)(struct worker *w);
};
MUST_CHECK struct err *worker_run_settled(int take_fd, enum msg_link link, const char *program,
	const struct worker_op *ops, unsigned int deadline_s, void *state,
	const struct worker_ways *ways);
/* Is there a request, or has the peer gone? */
bool worker_is_asked(struct worker *w);
/*
 * For a program that cannot work, for example because of its configuration: logs why, and answers every request with it
 * until the peer hangs up, so that whoever asks learns of it. Errors as for worker_run.
 */
MUST_CHECK struct err *worker_refuse(
	int take_fd, enum msg_link link, const char *program, struct err *take_why);
/*
 * The same for a service that is about to end: one request, quickly, and nothing is logged. Errors as for worker_run, and
 * ERR_TIMEOUT.
 */
MUST_CHECK struct err *worker_turn_away(
	int take_fd, enum msg_link link, const char *program, const struct err *why);
/* Sends the answer to the request that is being served, or lets it wait. */
MUST_CHECK struct err *worker_reply(struct worker *w, enum msg_number number, const void *body);
/* Answers with Done. */
MUST_CHECK struct err *worker_done(struct worker *w);

#endif
