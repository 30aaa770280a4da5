/* away.h: a derivd that cannot come up: it says why to whoever asks, for a moment, and ends so that the right thing follows. */
#ifndef DERIVD_CORE_AWAY_H
#define DERIVD_CORE_AWAY_H

#include "base/err.h"

/* A listening socket that was passed in, made non-blocking. Lent. ERR_CONFIG, ERR_SYSTEM. */
MUST_CHECK struct err *away_listener(const char *name, int *ret_fd);

/*
 * Tells the service manager, and those who wait at the sockets or come within a moment. Nobody is left waiting there: a connection
 * that nobody takes would make systemd start derivd again at once.
 */
void away_tell(const struct err *why);

/* As proc_exit_status(); a store of a newer release is as much the administrator's to mend as a mistake in a file. */
int away_exit_status(const struct err *e);

#endif
