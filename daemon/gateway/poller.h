/*
 * poller.h: readiness of many sockets behind one source of the loop. sd-event asks the kernel anew for each source that it
 * dispatches, and the kernel looks at every socket that is ready: when thousands are, as when a network goes away, that is a
 * square. Here a batch is taken at a time.
 */
#ifndef DERIVD_GATEWAY_POLLER_H
#define DERIVD_GATEWAY_POLLER_H

#include <systemd/sd-event.h>

#include "base/def.h"
#include "base/err.h"

struct poller;

/* Part of the object that has the socket; zeroed at first. */
struct poller_entry {
	/* EPOLLIN and so on. The entry may remove itself or others in it. */
	void (*ready)(struct poller_entry *entry, uint32_t events);
	int fd;
	uint32_t events;
};

/* ERR_SYSTEM. */
MUST_CHECK struct err *poller_new(sd_event *event, struct poller **ret_poller);
/* All entries must have been removed. */
void poller_free(struct poller *p);
DEFINE_AUTO(poller, struct poller *, poller_free);

/* Watches fd, level-triggered; false when the kernel has no memory for it. */
bool poller_add(struct poller *p, struct poller_entry *entry, int fd, uint32_t events,
	void (*ready)(struct poller_entry *entry, uint32_t events));
void poller_set(struct poller *p, struct poller_entry *entry, uint32_t events);
/* No call comes for it any more, also not one that is due already. Before the descriptor is closed. */
void poller_remove(struct poller *p, struct poller_entry *entry);

#endif
