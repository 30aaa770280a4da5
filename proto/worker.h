/*
 * worker.h: the loop of derivd-card, derivd-ca and derivd-courier: one connection, one request at a time, every
 * request gets an answer, errors too. A message that the table does not allow ends the process: it is the peer's
 * connection alone that is lost.
 */
#ifndef DERIVD_PROTO_WORKER_H
#define DERIVD_PROTO_WORKER_H

#include "proto/peer.h"

struct worker {
	struct peer *peer;
	void *state; /* the program's own */
};

/*
 * One operation. request is lent. Send the answer with worker_reply, or return an error, which is logged by fate
 * and sent as Error. Returning NULL without having answered is a fault of ours and asserts.
 */
struct worker_op {
	enum msg_number number;
	struct err *(*run)(struct worker *w, const void *request);
};

/*
 * Serves the connection until the peer hangs up (NULL) or breaks the protocol (the error). ops ends with a
 * number of 0. deadline_s: proc_deadline around each operation, 0 for none.
 */
MUST_CHECK struct err *worker_run(int take_fd, enum msg_link link, const char *program,
	const struct worker_op *ops, unsigned int deadline_s, void *state);
MUST_CHECK struct err *worker_reply(struct worker *w, enum msg_number number, const void *body);
MUST_CHECK struct err *worker_done(struct worker *w);

#endif
