/*
 * conn.h: one device: what it may send now and what derivd may send to it, by number, direction, phase and size. Bodies
 * are not looked into. Pings end here.
 */
#ifndef DERIVD_GATEWAY_CONN_H
#define DERIVD_GATEWAY_CONN_H

#include <sys/socket.h>

#include "daemon/gateway/hub.h"
#include "proto/gateway.pb-c.h"

extern const struct stream_ops CONN_STREAM_OPS;

/* A new connection on this socket, unless a cap forbids it; then the socket is closed and *ret_why says which. */
bool conn_open(struct hub *h, int take_fd, const struct sockaddr *from, const char **ret_why);
/* At once: for load shedding and the end of the gateway. */
void conn_free(struct conn *c);
/* The connection of a stream. */
struct conn *conn_of_stream(const struct stream *s);
/* Ends the oldest connection of a stranger, if it had time enough to become known. */
bool conn_shed_stranger(struct hub *h);
/* Frees all connections. */
void conn_free_all(struct hub *h);
/* Sends Up and what must follow it: the kept Hello, or the request for a new one. */
void conn_announce(struct conn *c);
/* derivd is away: the connections that it knew are to be announced again. */
void conn_forget_all(struct hub *h);
/* derivd takes messages again. */
void conn_resume_all(struct hub *h);
void conn_relay(struct hub *h, const Gateway__Relay *relay);
void conn_drop(struct hub *h, const Gateway__Drop *drop);

#endif
