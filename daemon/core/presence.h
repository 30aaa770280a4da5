/* presence.h: which devices are connected. In memory only: the gateway tells it again after each start. */
#ifndef DERIVD_CORE_PRESENCE_H
#define DERIVD_CORE_PRESENCE_H

#include "daemon/core/store.h"

struct presence;

struct connection {
	uint64_t number;
	uint8_t identity[SHA256_LEN]; /* SHA-256 of its key, as the gateway saw it: the device id */
	char *address;
	bool greeted;             /* Hello came */
	bool refused;             /* as a newcomer; the chain has it once a connection */
	uint8_t request[ID_LEN];  /* the session that its Begin belongs to; zeros */
	struct connection *older; /* of the same device */
};

/* As many as gateway.conf lets a gateway have, and of one device more than an honest one ever has. */
#define PRESENCE_MAX 1000000
#define PRESENCE_SAME_MAX 16

/* max: connections at a time. */
struct presence *presence_new(size_t max);
void presence_free(struct presence *p);

/*
 * A new connection; the newest one of a device is the one that hints and pushes go to. NULL when the number is taken or there
 * are too many: whoever broke into the gateway may say Up without end.
 */
struct connection *presence_up(struct presence *p, uint64_t number,
	const uint8_t identity[static SHA256_LEN], const char *address);
void presence_down(struct presence *p, uint64_t number);
/* All of them: the gateway has gone. */
void presence_clear(struct presence *p);
/* Lent; NULL when there is none. */
struct connection *presence_get(struct presence *p, uint64_t number);
/* The newest greeted connection of a device, or NULL. */
struct connection *presence_find(struct presence *p, const uint8_t identity[static SHA256_LEN]);
size_t presence_count(const struct presence *p);

#endif
