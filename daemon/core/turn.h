/*
 * turn.h: a turn of the loop is one transaction. Each event runs inside a savepoint of its own; the end of the turn commits,
 * and only then the mail leaves and the journal hears of it. A commit that fails fails every event of the turn.
 */
#ifndef DERIVD_CORE_TURN_H
#define DERIVD_CORE_TURN_H

#include "daemon/core/core.h"

/* A turn ends by itself after so many events, however busy the loop is. */
#define TURN_EVENTS_MAX 64

/* Who gets the error when an event, or its turn, fails. */
enum from_kind { FROM_NOBODY, FROM_CALLER, FROM_DEVICE };
struct from {
	enum from_kind kind;
	uint64_t whom;
	uint32_t serial;
};

/*
 * Runs one event. An error undoes what it wrote and posted, and is told to from. True when the event went well; it has not
 * happened before turn_end says so.
 */
bool turn_run(struct core *c, const struct from *from,
	struct err *(*event)(struct core *c, void *arg), void *arg);
/* The end of derivd: commits, and tells nobody any more; what waits for an answer asks again. */
void turn_close(struct core *c);
/* Commits and delivers. True when there was nothing to do or it worked. */
bool turn_end(struct core *c);

#endif
