/*
 * caworker.h: the connections to derivd-ca. One is kept for sessions, so that mass work never makes a person wait; the others share
 * the jobs. Each is reopened with back-off, and what was asked on it is answered with an error when it is lost.
 */
#ifndef DERIVD_CORE_CAWORKER_H
#define DERIVD_CORE_CAWORKER_H

#include <systemd/sd-event.h>

#include "daemon/core/core.h"

struct caworker;

/* changed: reachability, or room for jobs, may be different now. path and core are lent. */
MUST_CHECK struct err *caworker_new(sd_event *event, struct core *core, const char *path,
	void (*changed)(void *userdata), void *userdata, struct caworker **ret_worker);
void caworker_free(struct caworker *w);
DEFINE_AUTO(caworker, struct caworker *, caworker_free);

/* Asks; the answer comes as an event of a turn, never from within this call. */
void caworker_ask(
	struct caworker *w, const struct ask *ask, enum msg_number number, const void *body);
/* How many jobs may be asked now. */
unsigned int caworker_room(const struct caworker *w);
bool caworker_is_asked(const struct caworker *w, const uint8_t job[static ID_LEN]);
/* Files of derivd-ca may be others than before: the next question on each connection goes to a new process. */
void caworker_reload(struct caworker *w);
/* Asks for derivd-ca's status, if the session's connection is up and idle; false: it is not. */
bool caworker_ask_status(struct caworker *w);

/* Connections, of them those that can be used, and questions without an answer. */
void caworker_count(const struct caworker *w, unsigned int *ret_connections,
	unsigned int *ret_ready, unsigned int *ret_asked);

#endif
