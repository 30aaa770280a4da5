/* service.h: the services that derivd-spawn starts, as the units in systemd/ have them. */
#ifndef DERIVD_DAEMON_SPAWN_SERVICE_H
#define DERIVD_DAEMON_SPAWN_SERVICE_H

#include <sys/types.h>

#include "base/def.h"

/* A listening socket of a service. */
struct service_socket {
	const char *name;   /* FileDescriptorName= */
	const char *file;   /* in DIR/run; NULL: the TCP socket of --listen */
	mode_t mode;        /* SocketMode= */
	const char *client; /* the only program that connects: the file is its user's; or NULL */
};

#define SERVICE_SOCKETS_MAX 2
#define SERVICES 7

struct service {
	const char *program; /* the unit's name, too */
	const char *binary;  /* NULL: of that name */
	const char *argument; /* or NULL */
	struct service_socket sockets[SERVICE_SOCKETS_MAX];
	size_t n_sockets;
	bool accept; /* one process for each connection; else one main process that says READY=1 */
	bool state;  /* has DIR/lib/PROGRAM */
	const char *home; /* whose DIR/lib/PROGRAM it works in, if that is another one's */
	/* accept: processes at once, and those for connections from one user. */
	size_t connections_max;
	size_t connections_per_uid_max;
};

extern const struct service SERVICE_TABLE[SERVICES];

/* NULL when there is no such program. */
const struct service *service_find(const char *program);
/* The index in SERVICE_TABLE. */
size_t service_index(const struct service *s);
/* Whether any service has a socket file of this name. */
bool service_has_socket_file(const char *file);

#endif
