/* session_seat.h: what the session_*.c files share: who may speak for a session. */
#ifndef DERIVD_CORE_SESSION_SEAT_H
#define DERIVD_CORE_SESSION_SEAT_H

#include "daemon/core/seats.h"
#include "daemon/core/session.h"

#define TOKEN_LEN 16

/* A session that this caller leads. ERR_SESSION_UNKNOWN, ERR_SESSION_OVER. */
struct lead {
	struct seat *seat; /* lent */
	struct request *request;
	struct session *session;
};
void lead_cleanup(struct lead *l);
#define AUTO_LEAD __attribute__((cleanup(lead_cleanup)))
MUST_CHECK struct err *session_lead(
	struct core *c, const struct caller *who, struct bytes request_id, struct lead *ret_lead);

/* The request and the seat that an answer of derivd-ca is for; both NULL when it comes too late. */
MUST_CHECK struct err *session_find_asked(struct core *c, const struct ask *ask,
	struct request **ret_request, struct seat **ret_seat);

/* An error to the call that waits; with derivd-ca's own reasons if there are any. */
void session_answer_error(
	struct core *c, const struct seat *seat, const struct err *e, const Common__Error *wire);

/* Pushes to derivctl what the device has said so far: that it uses the invitation, and what it has sent since. */
void session_push_begun(struct core *c, const struct seat *seat, const struct request *r);
MUST_CHECK struct err *session_push_statement(
	struct core *c, const struct seat *seat, const struct request *r, const struct session *s);
void session_push_opened(
	struct core *c, const struct seat *seat, const struct request *r, const struct session *s);

/* The offer to a device, which the QR code or its enrollment lets check it. */
MUST_CHECK struct err *session_send_offer(
	struct core *c, const struct session *s, uint64_t connection, uint32_t serial);
/* ERR_SESSION_UNKNOWN unless the token is the session's. */
MUST_CHECK struct err *session_check_token(const struct request *r, struct bytes token);

#endif
