/*
 * session.h: the person's part of an enrollment (ENROLLMENT steps 2 to 7), from both sides. Every function is an event of a turn, or
 * part of one; answers go through the mail.
 */
#ifndef DERIVD_CORE_SESSION_H
#define DERIVD_CORE_SESSION_H

#include "daemon/core/presence.h"
#include "daemon/core/request.h"

/* A control connection that asks. */
struct caller {
	uint64_t number;
	uint32_t serial;
	uint32_t uid;
};

/* --- what derivctl asks (session_open.c, session_sign.c) --- */

MUST_CHECK struct err *session_open(
	struct core *c, const struct caller *who, const Control__SessionOpen *m);
MUST_CHECK struct err *session_invite(
	struct core *c, const struct caller *who, const Control__SessionInvite *m);
MUST_CHECK struct err *session_reveal(
	struct core *c, const struct caller *who, const Control__SessionReveal *m);
MUST_CHECK struct err *session_digits(
	struct core *c, const struct caller *who, const Control__SessionDigits *m);
MUST_CHECK struct err *session_prepare(
	struct core *c, const struct caller *who, const Control__SessionPrepare *m);
MUST_CHECK struct err *session_evidence(
	struct core *c, const struct caller *who, const Control__SessionEvidence *m);
MUST_CHECK struct err *session_resume(
	struct core *c, const struct caller *who, const Control__SessionResume *m);
MUST_CHECK struct err *session_cancel(
	struct core *c, const struct caller *who, const Control__SessionCancel *m);
/* A control connection is gone: its session has the grace time. Needs no turn. */
void session_left(struct core *c, uint64_t caller);

/* --- what derivd-ca answered --- */

/* Exactly one of body and error; wire: the error as it came, with its reasons, or NULL when derivd-ca could not be asked. */
struct answer {
	const void *body;
	const struct err *error;
	const Common__Error *wire;
};
MUST_CHECK struct err *session_assessed(
	struct core *c, const struct ask *ask, const struct answer *a);
MUST_CHECK struct err *session_prepared(
	struct core *c, const struct ask *ask, const struct answer *a);
/* Which call waits for this answer; caller 0: none. */
void session_asker(
	struct core *c, const struct ask *ask, uint64_t *ret_caller, uint32_t *ret_serial);

/* --- what the device says (session_device.c) --- */

MUST_CHECK struct err *session_begin(
	struct core *c, struct connection *from, uint32_t serial, const Device__Begin *m);
MUST_CHECK struct err *session_statement(
	struct core *c, struct connection *from, uint32_t serial, const Device__Statement *m);
MUST_CHECK struct err *session_opened(
	struct core *c, struct connection *from, uint32_t serial, const Device__Opened *m);
/* An enrolled device has connected: an offer that it has not answered is sent again. */
MUST_CHECK struct err *session_greeted(struct core *c, struct connection *from);

/* --- for the others --- */

/* Ends a request that has not been verified. kind and text say why, to everybody. */
MUST_CHECK struct err *session_end(struct core *c, struct request *r, enum request_event event,
	const struct err_kind *kind, const char *actor, const char *fmt, ...) PRINTF(6, 7);
/* Gives up one session whose time is over (seats_next says when). */
MUST_CHECK struct err *session_expire(struct core *c);
/* After a restart: an empty seat for each open session; those for whom there is none are given up. An event. */
MUST_CHECK struct err *session_restore(struct core *c);
/* "uid 1000"; the caller frees. */
char *session_actor(uint32_t uid);
/* "device 4f2a…"; the caller frees. */
char *session_device_actor(const uint8_t device[static SHA256_LEN]);
void session_tell_device(
	struct core *c, const uint8_t device[static SHA256_LEN], Device__Stage stage);

#endif
