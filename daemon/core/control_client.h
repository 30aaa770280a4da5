/* control_client.h: one connection of derivctl, for control.c and control_stream.c. */
#ifndef DERIVD_CORE_CONTROL_CLIENT_H
#define DERIVD_CORE_CONTROL_CLIENT_H

#include "base/rate.h"
#include "daemon/core/control.h"
#include "proto/link.h"

/* Refusals that are recorded in a minute, one for each uid. */
#define DENIALS_MAX 16

struct client {
	struct client *next;
	struct control *control;
	struct link *link;
	uint64_t number;
	uint32_t uid;
	unsigned int roles;
	bool denied;           /* at most one audit row a connection */
	uint32_t heads_serial; /* of the AuditHeads that derivd-ca has; 0: none */
	bool streams;
	bool whole; /* not only one request's rows */
	uint8_t request[ID_LEN];
	uint64_t after;
};

struct control {
	sd_event *event;
	struct core *core;
	int listen_fd;
	sd_event_source *listener, *pause;
	struct client *client;
	unsigned int n;
	uint64_t last_number;
	/* What people without a role can cause, as often as they like. */
	struct rate denials, refused, broken;
	uint32_t denied_uid[DENIALS_MAX];
	void (*facts)(void *userdata, struct control_facts *ret_facts);
	void *userdata;
};

/* A stream of audit rows, from a Watch on; answers it. Part of an event. */
MUST_CHECK struct err *control_watch(
	struct client *t, const struct caller *who, const Control__Watch *m);
/* Sends what has been committed and fits. */
void control_stream(struct client *t);

#endif
