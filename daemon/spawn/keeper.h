/* keeper.h: keeps the services running: main processes with restarts, and one process for each connection. */
#ifndef DERIVD_DAEMON_SPAWN_KEEPER_H
#define DERIVD_DAEMON_SPAWN_KEEPER_H

#include <systemd/sd-event.h>

#include "base/def.h"
#include "base/err.h"
#include "daemon/spawn/options.h"

struct keeper;

/* Listens and starts the main services. The options must outlive it. ERR_SYSTEM, ERR_CONFIG. */
MUST_CHECK struct err *keeper_new(
	sd_event *event, const struct options *o, struct keeper **ret_keeper);
void keeper_free(struct keeper *k);
DEFINE_AUTO(keeper, struct keeper *, keeper_free);

/* Asks the main services to read their configuration again. */
void keeper_reload(struct keeper *k);
/* Asks all processes to end; the event loop exits when they have, by force after ten seconds. */
void keeper_end(struct keeper *k, int exit_code);

#endif
