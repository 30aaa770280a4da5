/*
 * mail.h: what is to be told, held back until the turn that causes it is committed (DESIGN section 2.4). Messages are copied.
 * A turn that fails drops its mail. What a seat has to learn of a commit goes the same way.
 */
#ifndef DERIVD_CORE_MAIL_H
#define DERIVD_CORE_MAIL_H

#include "daemon/core/core.h"

struct mailbag *mailbag_new(void);
void mailbag_free(struct mailbag *b);

void mail_caller(
	struct core *c, uint64_t caller, enum msg_number number, uint32_t serial, const void *body);
void mail_caller_error(struct core *c, uint64_t caller, uint32_t serial, const struct err *e);
/* Done to a request. */
void mail_done(struct core *c, uint64_t caller, uint32_t serial);
/* connection 0 is nobody. */
void mail_device(struct core *c, uint64_t connection, enum msg_number number, uint32_t serial,
	const void *body);
void mail_device_error(struct core *c, uint64_t connection, uint32_t serial, const struct err *e);
/* The request's session is over: its seat is given up once that is committed. */
void mail_leave(struct core *c, const uint8_t request[static ID_LEN]);
/* The evidence is committed: from then on no clock runs against the session. */
void mail_past_line(struct core *c, const uint8_t request[static ID_LEN]);
void mail_ask(struct core *c, const struct ask *ask, enum msg_number number, const void *body);

void mail_mark(struct core *c);
void mail_undo(struct core *c);
/* Hands everything to the ports, in order. */
void mail_deliver(struct core *c);
void mail_drop(struct core *c);

#endif
