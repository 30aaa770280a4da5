/*
 * noticeworker.h: the connection to derivd-courier's second service. It is opened when there is something to tell and closed when
 * there is not: no process waits there for nothing. A courier that is away, or slow, holds up notices and nothing else.
 */
#ifndef DERIVD_CORE_NOTICEWORKER_H
#define DERIVD_CORE_NOTICEWORKER_H

#include <systemd/sd-event.h>

#include "daemon/core/core.h"

struct noticeworker;

/* changed: there may be room again. path and core are lent. */
MUST_CHECK struct err *noticeworker_new(sd_event *event, struct core *core, const char *path,
	void (*changed)(void *userdata), void *userdata, struct noticeworker **ret_worker);
void noticeworker_free(struct noticeworker *w);
DEFINE_AUTO(noticeworker, struct noticeworker *, noticeworker_free);

/* Asks; the answer comes as an event of a turn, never from within this call. */
void noticeworker_ask(
	struct noticeworker *w, const struct ask *ask, enum msg_number number, const void *body);
/* May another one be asked? */
bool noticeworker_room(const struct noticeworker *w);
bool noticeworker_is_asked(const struct noticeworker *w, const uint8_t job[static ID_LEN]);

#endif
