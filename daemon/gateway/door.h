/*
 * door.h: the listening socket. When too many handshakes are unfinished, the oldest one makes room; when even that is
 * young, new connections wait in the kernel. Nothing that comes in here can make the gateway stop serving.
 */
#ifndef DERIVD_GATEWAY_DOOR_H
#define DERIVD_GATEWAY_DOOR_H

#include "daemon/gateway/hub.h"

struct door;

/* fd: the listening TCP socket; lent. ERR_SYSTEM. */
MUST_CHECK struct err *door_new(struct hub *h, int fd, struct door **ret_door);
void door_free(struct door *d);
DEFINE_AUTO(door, struct door *, door_free);
/*
 * For a gateway that cannot come up: hangs up on who comes within some seconds. Nobody is left waiting there: a connection that
 * nobody takes would make systemd start the gateway again at once.
 */
void door_turn_away(int fd);
/*
 * Raises the limit of descriptors to what the settings ask for, or lowers max_connections to what the limit allows and says
 * so in the journal.
 */
void door_fit_descriptors(struct settings *s);

#endif
