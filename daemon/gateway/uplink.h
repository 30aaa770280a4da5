/*
 * uplink.h: the gateway's connection to derivd, opened again whenever it is lost, first at once and then at growing,
 * jittered intervals of at most 10 s.
 */
#ifndef DERIVD_GATEWAY_UPLINK_H
#define DERIVD_GATEWAY_UPLINK_H

#include <systemd/sd-event.h>

#include "base/def.h"
#include "base/err.h"
#include "proto/msg.h"

struct uplink;

/* All are called from the loop. */
struct uplink_ops {
	void (*ready)(void *userdata);
	/* derivd is away: what was sent lately may be lost. */
	void (*lost)(void *userdata);
	/* body is lent. */
	void (*message)(const struct msg *msg, const void *body, void *userdata);
	/* After uplink_is_full: it takes messages again. */
	void (*drained)(void *userdata);
};

/* path: derivd's socket; copied. The first attempt is made from the loop. */
MUST_CHECK struct err *uplink_new(sd_event *event, const char *path, const struct uplink_ops *ops,
	void *userdata, struct uplink **ret_uplink);
void uplink_free(struct uplink *u);
DEFINE_AUTO(uplink, struct uplink *, uplink_free);

bool uplink_is_ready(const struct uplink *u);
/* True while away, too: nothing should be sent. */
bool uplink_is_full(const struct uplink *u);
/* Dropped when derivd is away. */
void uplink_send(struct uplink *u, enum msg_number number, const void *body);

#endif
