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
	void *state;     /* the program's own */
	uint32_t serial; /* of the request that is being served */
	bool answered;
};

/*
 * One operation. request is lent. Send the answer with worker_reply (also MSG_ERROR, for an Error with reasons), or return an error, which is logged by fate and sent as Error. Returning
 * NULL without having answered is a fault of ours and asserts. Unsolicited messages: peer_send with serial 0.
 */
struct worker_op {
	enum msg_number number;
	struct err *(*run)(struct worker *w, const void *request);
};

/*
 * Exchanges Hello and serves the connection until the peer hangs up (NULL), breaks the protocol or ends it with an
 * Error (the error; the peer was told). ops ends with a number of 0. deadline_s: proc_deadline around each operation,
 * 0 for none.
 */
MUST_CHECK struct err *worker_run(int take_fd, enum msg_link link, const char *program,
	const struct worker_op *ops, unsigned int deadline_s, void *state);
/*
 * For a program that cannot work, for example because of its configuration: logs why, and answers every request with it
 * until the peer hangs up, so that whoever asks learns of it. Errors as for worker_run.
 */
MUST_CHECK struct err *worker_refuse(
	int take_fd, enum msg_link link, const char *program, struct err *take_why);
/* Sends the answer to the request that is being served. */
MUST_CHECK struct err *worker_reply(struct worker *w, enum msg_number number, const void *body);
/* Answers with Done. */
MUST_CHECK struct err *worker_done(struct worker *w);

#endif
