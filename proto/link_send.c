/*
 * link_send.c: the queue of a link. A message goes out at once while nothing waits; else it waits, packed, until
 * the loop says that the socket takes more. SEQPACKET takes a message whole or not at all.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "proto/frame.h"
#include "proto/link_impl.h"

/* What a queued message costs beside its body. */
#define QUEUED_COST 128

struct queued {
	struct queued *next;
	uint16_t number;
	uint32_t serial;
	struct buf *bytes;
};

static size_t cost(const struct queued *q)
{
	return buf_len(q->bytes) + QUEUED_COST;
}

static void drop_first(struct link *l)
{
	struct queued *q = l->first;

	l->first = q->next;
	if (!l->first)
		l->last = NULL;
	l->queued_bytes -= cost(q);
	buf_free(q->bytes);
	free(q);
}

void link_drop_queue(struct link *l)
{
	while (l->first)
		drop_first(l);
}

struct err *link_flush(struct link *l)
{
	while (l->first) {
		struct queued *q = l->first;
		bool sent = false;
		TRY(frame_send(l->fd, q->number, q->serial, buf_bytes(q->bytes), &sent));
		if (!sent)
			return NULL;
		drop_first(l);
	}
	return NULL;
}

static void enqueue(struct link *l, uint16_t number, uint32_t serial, struct buf *take_bytes)
{
	struct queued *q = xcalloc(1, sizeof(*q));

	q->number = number;
	q->serial = serial;
	q->bytes = take_bytes;
	if (l->last)
		l->last->next = q;
	else
		l->first = q;
	l->last = q;
	l->queued_bytes += cost(q);
}

static void post(struct link *l, uint16_t number, uint32_t serial, struct buf *take_bytes)
{
	bool idle = !l->first;

	enqueue(l, number, serial, take_bytes);
	struct err *e = idle ? link_flush(l) : NULL;
	if (!e && l->first != l->last && l->queued_bytes > LINK_QUEUE_MAX)
		e = err_new(
			&ERR_LIMIT, "%zu bytes wait for a peer that takes none", l->queued_bytes);
	if (e)
		link_fail(l, e);
	l->was_full = l->was_full || link_is_full(l);
	link_watch(l);
}

static struct err *pack(
	struct link *l, enum msg_number number, const void *body, struct buf **ret_bytes)
{
	const struct msg *msg;

	TRY(err_as(&ERR_INTERNAL, msg_admit((uint16_t)number, 0, l->link, l->own, l->phase, &msg),
		"sending"));
	return err_wrap(msg_pack(msg, body, ret_bytes), "sending");
}

/* A message of ours that breaks our own rules: a request is answered with an error, else the connection ends. */
static void unsendable(struct link *l, enum msg_number number, uint32_t serial, struct err *take_e)
{
	AUTO(err) struct err *e = err_as(&ERR_INTERNAL, take_e, "an answer that cannot be sent");

	if (serial == 0 || number == MSG_ERROR) {
		link_fail(l, take(e));
		return;
	}
	link_send_error(l, serial, e);
	log_error(take(e), "message 0x%04x", (unsigned int)number);
}

void link_send(struct link *l, enum msg_number number, uint32_t serial, const void *body)
{
	struct buf *bytes = NULL;

	if (l->over || l->closing)
		return;
	struct err *e = pack(l, number, body, &bytes);
	if (e)
		unsendable(l, number, serial, e);
	else
		post(l, (uint16_t)number, serial, bytes);
}

void link_send_error(struct link *l, uint32_t serial, const struct err *e)
{
	AUTO_MSG Common__Error *m = kind_to_wire(e);

	link_send(l, MSG_ERROR, serial, m);
}

void link_say(struct link *l, const struct err *why)
{
	AUTO_MSG Common__Error *m = kind_to_wire(why);
	AUTO(buf) struct buf *bytes = msg_pack_type(&m->base);
	bool sent = false;

	if (l->first)
		return;
	AUTO(err) struct err *e = frame_send(l->fd, MSG_ERROR, 0, buf_bytes(bytes), &sent);
	if (e || !sent)
		log_debug("the reason could not be sent: %s", e ? err_get_text(e) : "no room");
}

uint32_t link_next_serial(struct link *l)
{
	if (++l->last_serial == 0)
		++l->last_serial;
	return l->last_serial;
}

bool link_is_full(const struct link *l)
{
	return l->queued_bytes >= LINK_QUEUE_MAX / 2;
}
