/*
 * link.h: one connection inside the machine on an sd-event loop, for derivd and the gateway. Outgoing frames queue
 * up to a cap; a peer that lets the queue overflow is hung up on. A slow peer pauses its source: see link_pause
 * and link_is_full.
 */
#ifndef DERIVD_PROTO_LINK_H
#define DERIVD_PROTO_LINK_H

#include <systemd/sd-event.h>

#include "proto/kind.h"
#include "proto/msg.h"

struct link;

/* Bytes that may wait for one peer; from half of it on link_is_full says so. */
#define LINK_QUEUE_MAX (4 * 1024 * 1024)

struct link_ops {
	/* A message that passed table and limits. body is lent; serial 0: unsolicited. */
	void (*message)(struct link *l, const struct msg *msg, uint32_t serial, const void *body, void *userdata);
	/* Called once, from the loop, when the connection is over; why says so (ERR_GONE for an orderly end).
	 * The link must be freed in it or later. (Any callback may free its link; after that none follows.) */
	void (*gone)(struct link *l, struct err *take_why, void *userdata);
	/* The queue has drained below half: a paused source may go on. May be NULL. */
	void (*drained)(struct link *l, void *userdata);
};

/*
 * Hello is exchanged by the link itself: ops->message sees nothing before it, and ready (see link_set_ready) is called
 * after it; a peer that is silent for 10 s is gone. An Error with serial 0 ends the connection, others come as messages.
 * program: ours, for Hello. ops and userdata outlive the link. ERR_SYSTEM; the descriptor is taken then too.
 */
MUST_CHECK struct err *link_new(sd_event *event, int take_fd, enum msg_link link, enum msg_side own,
	const char *program, const struct link_ops *ops, void *userdata, struct link **ret_link);
void link_free(struct link *l);
DEFINE_AUTO(link, struct link *, link_free);

void link_set_ready(struct link *l, void (*ready)(struct link *l, void *userdata));
bool link_is_ready(const struct link *l);
int link_get_fd(const struct link *l);
void *link_get_userdata(const struct link *l);
void link_set_phase(struct link *l, enum msg_phase phase);

/*
 * Sends a message or queues it. A peer whose queue overflows is gone (ops->gone follows from the loop; what is sent after
 * that is dropped). An answer that breaks table or limits is a fault of ours: the peer gets ERR_INTERNAL in its place.
 */
void link_send(struct link *l, enum msg_number number, uint32_t serial, const void *body);
void link_send_error(struct link *l, uint32_t serial, const struct err *e);
/* A serial for a request of ours, never 0. */
uint32_t link_next_serial(struct link *l);
bool link_is_full(const struct link *l);
/* Stops and resumes reading from the peer. What a peer sent before it hung up is delivered in spite of a pause. */
void link_pause(struct link *l, bool pause);
/* Ends the connection once what is queued has been sent, at most 10 s from now; ops->gone follows from the loop. */
void link_close(struct link *l);

#endif
