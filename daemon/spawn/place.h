/* place.h: what lies in DIR: directories, sockets, and the small files that say how things are. */
#ifndef DERIVD_DAEMON_SPAWN_PLACE_H
#define DERIVD_DAEMON_SPAWN_PLACE_H

#include "base/def.h"
#include "base/err.h"
#include "daemon/spawn/options.h"

/*
 * Makes run, log, and lib with a directory for each service that has a state. *ret_lock_fd keeps a second derivd-spawn
 * out of DIR as long as it is open. ERR_SYSTEM; ERR_CONFIG when there is another one.
 */
MUST_CHECK struct err *place_prepare(const struct options *o, int *ret_lock_fd);
/* The listening socket, non-blocking. A TCP socket's port goes to DIR/run/port. ERR_SYSTEM, ERR_CONFIG. */
MUST_CHECK struct err *place_listen(
	const struct options *o, const struct service_socket *socket, int *ret_fd);
/* The datagram socket DIR/run/notify, on which the kernel attests the sender's pid. ERR_SYSTEM. */
MUST_CHECK struct err *place_notify_socket(const struct options *o, int *ret_fd);
/* DIR/log/PROGRAM.log, to append. ERR_SYSTEM, ERR_NOTFOUND. */
MUST_CHECK struct err *place_open_log(const struct options *o, const char *program, int *ret_fd);

/* Writes DIR/run/KIND or DIR/run/KIND-PROGRAM (program may be NULL) with a line of text; failures are logged. */
void place_tell(const struct options *o, const char *kind, const char *program, const char *text);
/* Removes that file; it need not be there. */
void place_untell(const struct options *o, const char *kind, const char *program);
/* Returns when DIR/run/ready is there. ERR_TIMEOUT after a minute. */
MUST_CHECK struct err *place_wait_ready(const struct options *o);

#endif
