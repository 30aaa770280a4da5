/* launch.h: starts one process of a service as systemd would: descriptors, environment, user. */
#ifndef DERIVD_DAEMON_SPAWN_LAUNCH_H
#define DERIVD_DAEMON_SPAWN_LAUNCH_H

#include <sys/types.h>

#include "base/def.h"
#include "base/err.h"
#include "daemon/spawn/options.h"

/*
 * Starts the service's program with fds as its passed descriptors, names being LISTEN_FDNAMES. The fds stay the
 * caller's. When exec fails the process says so in its log and ends with LAUNCH_EXEC_FAILED. ERR_SYSTEM.
 */
#define LAUNCH_EXEC_FAILED 203
MUST_CHECK struct err *launch(const struct options *o, const struct service *s, const int *fds,
	size_t n_fds, const char *names, pid_t *ret_pid);

#endif
