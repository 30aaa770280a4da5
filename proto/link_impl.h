/* link_impl.h: what link.c (receiving, life) and link_send.c (the queue) share. For these two files only. */
#ifndef DERIVD_PROTO_LINK_IMPL_H
#define DERIVD_PROTO_LINK_IMPL_H

#include "proto/link.h"

struct queued;

struct link {
	int fd;
	enum msg_link link;
	enum msg_side own;
	enum msg_phase phase;
	const struct link_ops *ops;
	void *userdata;
	void (*ready)(struct link *l, void *userdata);

	sd_event *event;
	sd_event_source *io;
	uint32_t events; /* what io waits for */
	sd_event_source
		*over; /* armed once the connection is over: calls ops->gone from the loop */
	sd_event_source *timer; /* of Hello, then of closing */
	struct err *why;

	struct queued *first, *last;
	size_t queued_bytes;
	uint32_t last_serial;
	bool was_full; /* drained is owed */
	bool paused;
	bool closing;
};

/* The connection is over: nothing more is read or sent, and the loop will call ops->gone. The first reason counts. */
void link_fail(struct link *l, struct err *take_why);
/* Tells the loop what to wait for. */
void link_watch(struct link *l);
/* Sends what the socket takes. ERR_GONE, ERR_SYSTEM. */
MUST_CHECK struct err *link_flush(struct link *l);
/* Sends a last Error if nothing waits before it; never waits. */
void link_say(struct link *l, const struct err *why);
void link_drop_queue(struct link *l);

#endif
