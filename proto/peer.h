/*
 * peer.h: one blocking connection inside the machine: for workers, which serve one peer and exit, and for
 * derivctl. Every message in either direction passes the table and the limits.
 */
#ifndef DERIVD_PROTO_PEER_H
#define DERIVD_PROTO_PEER_H

#include "base/buf.h"
#include "proto/kind.h"
#include "proto/msg.h"

struct peer;

/* own: which side we are. The descriptor becomes non-blocking. */
struct peer *peer_new(int take_fd, enum msg_link link, enum msg_side own);
void peer_free(struct peer *p);
DEFINE_AUTO(peer, struct peer *, peer_free);

/* Connects to a socket of ours and exchanges Hello. ERR_UNREACHABLE (fate RETRY), ERR_DENIED, ERR_BUILD, or the error
 * with which the server refused. */
MUST_CHECK struct err *peer_connect(const char *path, enum msg_link link, const char *program,
	struct peer **ret_peer);
/* The exchange of build ids; afterwards the phase is PH_READY. timeout_ms: -1 for ever. ERR_BUILD. */
MUST_CHECK struct err *peer_hello(struct peer *p, const char *program, int timeout_ms);

int peer_get_fd(const struct peer *p);
void peer_set_phase(struct peer *p, enum msg_phase phase);
enum msg_phase peer_get_phase(const struct peer *p);

/* One message that came in. body is the receiver's: msg_free. */
struct peer_message {
	const struct msg *msg;
	uint32_t serial;
	void *body;
};

/*
 * Sends one message. ERR_GONE; ERR_TIMEOUT when the peer takes nothing for 30 s; ERR_LIMIT and ERR_PROTOCOL when the
 * message is over its limits, ERR_INTERNAL when it is not ours to send here and now (nothing was sent then).
 */
MUST_CHECK struct err *peer_send(struct peer *p, enum msg_number number, uint32_t serial, const void *body);
/* The halves of peer_send: the message as it will be sent, checked; and sending it. */
MUST_CHECK struct err *peer_pack(struct peer *p, enum msg_number number, const void *body, struct buf **ret_packed);
MUST_CHECK struct err *peer_send_packed(struct peer *p, enum msg_number number, uint32_t serial, const struct buf *packed);
/*
 * The next message, kept ones first; timeout_ms: -1 for ever. ERR_TIMEOUT, ERR_GONE, ERR_PROTOCOL. After ERR_PROTOCOL
 * the connection is of no more use. An Error message comes as a message: kind_from_wire.
 */
MUST_CHECK struct err *peer_recv(struct peer *p, int timeout_ms, struct peer_message *ret_message);
/* Is a message there already, or within timeout_ms? */
MUST_CHECK struct err *peer_wait(struct peer *p, int timeout_ms, bool *ret_ready);
/*
 * Sends a request and waits for its answer, which must be of the number expected; an Error message becomes a
 * struct err. Unsolicited messages (serial 0) that come meanwhile are kept for peer_recv, at most 64.
 * *ret_body is the caller's: msg_free. timeout_ms: for the whole call; an answer that comes after it is dropped.
 */
MUST_CHECK struct err *peer_call(struct peer *p, enum msg_number number, const void *body,
	enum msg_number expected, int timeout_ms, void *ret_body);
/*
 * The halves of peer_call, for who has more to wait for than this peer. peer_ask sends a request. peer_answer gives its
 * answer if that has come or comes within timeout_ms, an Error too; ret_answer->msg is NULL: not yet. peer_settle makes of
 * an answer what peer_call returns. Who gives up waiting has to free the peer.
 */
MUST_CHECK struct err *peer_ask(struct peer *p, enum msg_number number, const void *body, uint32_t *ret_serial);
MUST_CHECK struct err *peer_answer(struct peer *p, uint32_t serial, int timeout_ms, struct peer_message *ret_answer);
MUST_CHECK struct err *peer_settle(struct peer_message *take_answer, enum msg_number expected, void *ret_body);
/* Answers a request with an error. */
MUST_CHECK struct err *peer_send_error(struct peer *p, uint32_t serial, const struct err *e);

#endif
