/*
 * alive.h: what the service manager is told of a long-lived program: that it starts, that it serves, that it is not stuck. Without
 * a manager that listens (NOTIFY_SOCKET) nothing happens. See sd_notify(3).
 *
 * The watchdog is fed by the turns of the event loop, never by a timer of its own: a loop that does not turn is what it is there to
 * find. Work that keeps the loop from turning for long, and advances, says so at each step.
 */
#ifndef DERIVD_BASE_ALIVE_H
#define DERIVD_BASE_ALIVE_H

#include <systemd/sd-event.h>

#include "base/def.h"
#include "base/err.h"

/* How long a start that has said that it advances may stay silent from then on. */
#define ALIVE_START_SECONDS 60

/* Each turn of this loop feeds the watchdog, if the unit has WatchdogSec=. ERR_SYSTEM. */
MUST_CHECK struct err *alive_watch(sd_event *event);

/*
 * A piece of long work is one step further. Cheap: may be called thousands of times a second. Before alive_ready() it keeps the
 * start from running into TimeoutStartSec=, afterwards it feeds the watchdog.
 */
void alive_step(void);

/* For "systemctl status": what the program does now. */
void alive_say(const char *status);

/* It serves from now on. status: as above. */
void alive_ready(const char *status);

#endif
