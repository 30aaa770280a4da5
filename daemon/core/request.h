/*
 * request.h: the engine's heart: events move requests and credentials through request.def. Knows neither sockets nor workers: it
 * reads and writes rows, and posts jobs and mail. All of it happens inside an event of a turn.
 */
#ifndef DERIVD_CORE_REQUEST_H
#define DERIVD_CORE_REQUEST_H

#include <stdio.h>

#include "daemon/core/core.h"

/* Why something happens, and by whom; lent. kind and text may be NULL. actor NULL: derivd itself. */
struct cause {
	const char *actor;
	const char *kind;
	const char *text;
};

/*
 * Moves a request, writes the row (all of it) and its audit row. ERR_WRONG_STATE when request.def has no such move. The caller's
 * struct has the new state afterwards.
 */
MUST_CHECK struct err *request_step(
	struct core *c, struct request *r, enum request_event event, const struct cause *cause);
/* The same for a credential; then its request is looked at: is anything of it still on its way? */
MUST_CHECK struct err *credential_step(struct core *c, struct credential *k,
	enum credential_event event, const struct cause *cause);
/* Is there such a move? */
bool request_can(const struct request *r, enum request_event event);
bool credential_can(const struct credential *k, enum credential_event event);

/* Closes a verified request once nothing of it is on its way; credential_step does it after each step. */
MUST_CHECK struct err *request_settle(struct core *c, const uint8_t id[static ID_LEN]);

/* What people are shown: after VERIFIED, what the credentials say: "issuing", "complete", "failed"; else the state's name. */
MUST_CHECK struct err *request_shown_state(
	struct core *c, const struct request *r, const char **ret_name);

/* request.def as a drawing for dot(1). */
void request_print_states(FILE *out);

#endif
