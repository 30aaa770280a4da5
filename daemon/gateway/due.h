/*
 * due.h: deadlines of many connections. All waits of one kind are of one length, so each kind is a queue that is in
 * the order of its deadlines by itself, and one timer of the loop serves them all: setting and clearing cost the
 * same with one connection and with 19,000.
 */
#ifndef DERIVD_GATEWAY_DUE_H
#define DERIVD_GATEWAY_DUE_H

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "base/def.h"
#include "base/err.h"

enum due_kind {
	DUE_HANDSHAKE, /* the TLS handshake, from accept */
	DUE_HELLO,     /* the first message after it */
	DUE_PING,      /* nothing came for so long: ask */
	DUE_PONG,      /* the answer to that */
	DUE_FRAME,     /* the rest of a message that has begun */
	DUE_THROTTLE,  /* a device that sent too much is read again */
	DUE_STALL,     /* a device that takes nothing of what waits for it */
	DUE_LINGER,    /* the last words to a device that is being hung up on */
	DUE_ADDRESS,   /* an address without connections is forgotten */
	DUE_KINDS
};

/* Part of the object that waits; zeroed at first. Nobody but due.c looks into it. */
struct due_entry {
	TAILQ_ENTRY(due_entry) entry;
	int64_t at_ms;
	uint8_t kind_plus_one;
};

struct due;

/* wait_ms: the length of each kind. expired is called from the loop, once for each entry, which is cleared before. */
struct due_ops {
	uint64_t wait_ms[DUE_KINDS];
	void (*expired)(struct due_entry *entry, enum due_kind kind, void *userdata);
};

MUST_CHECK struct err *due_new(
	sd_event *event, const struct due_ops *ops, void *userdata, struct due **ret_due);
/* Entries that still wait must not be used any more. */
void due_free(struct due *d);
DEFINE_AUTO(due, struct due *, due_free);
/* Other lengths from now on; who waits already keeps its deadline or gets an earlier one. */
void due_set_wait(struct due *d, enum due_kind kind, uint64_t wait_ms);

/* Starts a wait of that kind from now; an earlier wait of this entry is forgotten. */
void due_set(struct due *d, struct due_entry *entry, enum due_kind kind);
void due_clear(struct due *d, struct due_entry *entry);
/* The entry of that kind that waits longest, or NULL; and since when. */
struct due_entry *due_peek(struct due *d, enum due_kind kind);
int64_t due_age_ms(const struct due *d, const struct due_entry *entry);
bool due_is_set(const struct due_entry *entry, enum due_kind kind);

#endif
