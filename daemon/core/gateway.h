/* gateway.h: the connection of derivd-gateway: which devices are there, and what they say. Nothing on it is trusted. */
#ifndef DERIVD_CORE_GATEWAY_H
#define DERIVD_CORE_GATEWAY_H

#include <systemd/sd-event.h>

#include "daemon/core/core.h"

struct gateway;

/* listen_fd is lent. changed: connected or gone. */
MUST_CHECK struct err *gateway_new(sd_event *event, struct core *core, int listen_fd,
	void (*changed)(void *userdata), void *userdata, struct gateway **ret_gateway);
void gateway_free(struct gateway *g);
DEFINE_AUTO(gateway, struct gateway *, gateway_free);
bool gateway_is_connected(const struct gateway *g);
/* When its TLS certificate ends, as the gateway said last; 0: it has not. Stays when it has gone. */
int64_t gateway_not_after(const struct gateway *g);

/* For the ports. */
void gateway_send(struct gateway *g, uint64_t connection, enum msg_number number, uint32_t serial,
	const void *body);
void gateway_send_error(
	struct gateway *g, uint64_t connection, uint32_t serial, const struct err *e);

#endif
