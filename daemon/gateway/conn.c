/*
 * conn.c: see conn.h. The first message must be Hello; it is kept until derivd's Welcome has come, so that a derivd that
 * starts in between still gets it. When derivd was away, a device in READY is asked for a new Hello; until that comes, what
 * it sends is thrown away: it will repeat what is not answered.
 */
#include "daemon/gateway/conn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "proto/device.pb-c.h"
#include "proto/kind.h"

/* limit.def's for Down. */
#define REASON_MAX 256

enum conn_phase {
	CONN_FIRST,    /* nothing has come yet */
	CONN_GREETING, /* Hello came, Welcome did not */
	CONN_READY,
	CONN_AGAIN, /* asked for a new Hello */
	CONN_OVER,
};

struct conn {
	TAILQ_ENTRY(conn) entry;        /* of the queue that `queue` points to */
	TAILQ_ENTRY(conn) paused_entry; /* of hub->paused */
	TAILQ_ENTRY(conn) stranger_entry;
	struct hub *hub;
	struct conn_queue *queue;
	struct stream *stream;
	struct buf *hello; /* its body, while in GREETING */
	uint32_t hello_serial;
	uint8_t phase;
	bool is_paused : 1;
	bool is_stranger : 1;
	bool is_open : 1;   /* the handshake is done */
	bool was_again : 1; /* messages from before the new Hello may still come */
	int64_t since_ms;
	struct roster_entry roster;
};

static struct conn *of_roster(struct roster_entry *e)
{
	return (struct conn *)(void *)((uint8_t *)e - offsetof(struct conn, roster));
}

struct conn *conn_of_stream(const struct stream *s)
{
	return stream_get_userdata(s);
}

static void move(struct conn *c, struct conn_queue *queue)
{
	TAILQ_REMOVE(c->queue, c, entry);
	TAILQ_INSERT_TAIL(queue, c, entry);
	c->queue = queue;
}

static void set_paused(struct conn *c, bool paused)
{
	if (paused == c->is_paused)
		return;
	c->is_paused = paused;
	if (paused)
		TAILQ_INSERT_TAIL(&c->hub->paused, c, paused_entry);
	else
		TAILQ_REMOVE(&c->hub->paused, c, paused_entry);
}

static void set_stranger(struct conn *c, bool stranger)
{
	if (stranger == c->is_stranger)
		return;
	c->is_stranger = stranger;
	if (stranger)
		TAILQ_INSERT_TAIL(&c->hub->strangers, c, stranger_entry);
	else
		TAILQ_REMOVE(&c->hub->strangers, c, stranger_entry);
}

static void forget_hello(struct conn *c)
{
	buf_free(c->hello);
	c->hello = NULL;
}

bool conn_shed_stranger(struct hub *h)
{
	struct conn *c = TAILQ_FIRST(&h->strangers);

	if (!c || clock_boot_ms() - c->since_ms < (int64_t)h->settings->stranger_ms)
		return false;
	stream_close(c->stream, "others need the room, and derivd does not know this device",
		STREAM_ENDED);
	conn_free(c);
	h->tally.shed++;
	return true;
}

bool conn_open(struct hub *h, int take_fd, const struct sockaddr *from, const char **ret_why)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	if (!roster_enter(h->roster, from, &c->roster, ret_why)) {
		close(take_fd);
		free(c);
		return false;
	}
	c->hub = h;
	c->stream = stream_new(&h->env, h->tls, take_fd, c);
	if (!c->stream) {
		roster_leave(h->roster, &c->roster);
		free(c);
		*ret_why = "memory is short";
		return false;
	}
	c->queue = &h->fresh;
	TAILQ_INSERT_TAIL(c->queue, c, entry);
	return true;
}

void conn_free(struct conn *c)
{
	struct hub *h = c->hub;

	set_paused(c, false);
	set_stranger(c, false);
	TAILQ_REMOVE(c->queue, c, entry);
	roster_leave(h->roster, &c->roster);
	if (c->is_open)
		h->devices--;
	forget_hello(c);
	stream_free(c->stream);
	free(c);
}

void conn_free_all(struct hub *h)
{
	struct conn_queue *queues[] = { &h->fresh, &h->unannounced, &h->announced };
	struct conn *c;

	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		while ((c = TAILQ_FIRST(queues[i])))
			conn_free(c); /* NOLINT(clang-analyzer-unix.Malloc): out of its queue */
	}
}

/* --- to the device --- */

static void send_empty(struct conn *c, enum msg_number number)
{
	stream_send(c->stream, (uint16_t)number, 0, BYTES(NULL, 0));
}

/* serial 0: the last word before the connection ends. */
static void send_error(
	struct conn *c, uint32_t serial, const struct err_kind *kind, const char *text)
{
	AUTO(err) struct err *why = err_new(kind, "%s", text);
	AUTO_MSG Common__Error *m = kind_to_wire(why);
	AUTO(buf) struct buf *body = msg_pack_type(&m->base);

	stream_send(c->stream, MSG_DEVICE_ERROR, serial, buf_bytes(body));
}

/* --- to derivd --- */

static void relay_up(struct conn *c, uint16_t number, uint32_t serial, struct bytes body)
{
	Gateway__Relay m = GATEWAY__RELAY__INIT;

	m.connection = c->roster.number;
	m.message = number;
	m.serial = serial;
	m.body = pb_lend(body);
	uplink_send(c->hub->uplink, MSG_GATEWAY_RELAY, &m);
}

void conn_announce(struct conn *c)
{
	char address[ROSTER_TEXT_MAX];
	Gateway__Up m = GATEWAY__UP__INIT;

	roster_address_text(&c->roster, address);
	m.connection = c->roster.number;
	m.identity_hash = pb_lend(BYTES(c->roster.identity, SHA256_LEN));
	m.address = address;
	uplink_send(c->hub->uplink, MSG_GATEWAY_UP, &m);
	move(c, &c->hub->announced);
	if (c->phase == CONN_GREETING) {
		relay_up(c, MSG_DEVICE_HELLO, c->hello_serial, buf_bytes(c->hello));
		return;
	}
	/* Once is enough: a second one would meet a device that has said Hello and waits for Welcome. */
	if (c->phase == CONN_AGAIN)
		return;
	c->phase = CONN_AGAIN;
	c->was_again = true;
	send_empty(c, MSG_DEVICE_RESTARTED);
}

void conn_forget_all(struct hub *h)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&h->announced)))
		move(c, &h->unannounced);
}

void conn_resume_all(struct hub *h)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&h->paused))) {
		set_paused(c, false);
		stream_resume(c->stream);
	}
}

/* --- from the device: the calls of the stream --- */

static void on_open(UNUSED struct stream *s, const uint8_t *identity, void *userdata)
{
	struct conn *c = userdata;

	c->is_open = true;
	c->since_ms = clock_boot_ms();
	set_stranger(c, true);
	c->hub->devices++;
	struct roster_entry *earlier = roster_identify(c->hub->roster, &c->roster, identity);
	if (!earlier)
		return;
	/* A phone that changed networks: its old connection is dead, though nobody said so. */
	stream_close(of_roster(earlier)->stream, "the device has a newer connection", STREAM_ENDED);
}

static bool may_read(UNUSED struct stream *s, void *userdata)
{
	struct conn *c = userdata;
	/* While derivd is away, devices are read: a Hello is kept, the rest can be thrown away. */
	bool may = !uplink_is_ready(c->hub->uplink) || !uplink_is_full(c->hub->uplink);

	set_paused(c, !may);
	return may;
}

static struct err *on_header(
	UNUSED struct stream *s, uint16_t number, size_t body_len, void *userdata)
{
	const struct conn *c = userdata;
	const struct msg *msg = msg_find(number);
	bool hello = number == MSG_DEVICE_HELLO;

	/* Unknown ones are answered with an error; but a stranger begins with Hello. */
	if (c->phase != CONN_FIRST && (!msg || msg->link != LINK_DEVICE))
		return NULL;
	if (c->phase == CONN_GREETING && !c->was_again)
		return err_new(&ERR_PROTOCOL, "a message came before Welcome was sent");
	bool greets = c->phase == CONN_FIRST || (c->phase == CONN_AGAIN && hello);
	return msg_admit(
		number, body_len, LINK_DEVICE, SIDE_CLIENT, greets ? PH_HELLO : PH_READY, &msg);
}

static void take_hello(struct conn *c, uint32_t serial, struct bytes body)
{
	forget_hello(c);
	c->hello = buf_new();
	buf_add_bytes(c->hello, body);
	c->hello_serial = serial;
	c->phase = CONN_GREETING;
	if (c->queue == &c->hub->announced) {
		relay_up(c, MSG_DEVICE_HELLO, serial, body);
		return;
	}
	if (c->queue == &c->hub->fresh)
		move(c, &c->hub->unannounced);
	hub_announce(c->hub);
}

static void on_frame(
	struct stream *s, uint16_t number, uint32_t serial, struct bytes body, void *userdata)
{
	struct conn *c = userdata;
	const struct msg *msg = msg_find(number);

	stream_expect(s, DUE_PING);
	if (!msg || msg->link != LINK_DEVICE) {
		/* Without a serial it is no request; and an error without one would say that the connection ends. */
		if (serial)
			send_error(c, serial, &ERR_PROTOCOL, "this message is not known here");
	} else if (number == MSG_DEVICE_HELLO) {
		take_hello(c, serial, body);
	} else if (number == MSG_DEVICE_PING) {
		stream_send(s, MSG_DEVICE_PONG, serial, BYTES(NULL, 0));
	} else if (number != MSG_DEVICE_PONG && c->phase == CONN_READY &&
		   c->queue == &c->hub->announced) {
		relay_up(c, number, serial, body);
	}
}

static void on_waited(struct stream *s, enum due_kind kind, void *userdata)
{
	const struct conn *c = userdata;

	if (kind == DUE_HELLO) {
		stream_close(s, "the device did not say Hello", STREAM_LATE);
	} else if (kind == DUE_PONG) {
		stream_close(s, "the device is not there any more", STREAM_ENDED);
	} else if (c->phase == CONN_READY || c->phase == CONN_AGAIN) {
		send_empty(conn_of_stream(s), MSG_DEVICE_PING);
		stream_expect(s, DUE_PONG);
	} else {
		stream_close(s, "derivd did not answer the device's Hello", STREAM_ENDED);
	}
}

static void count(struct hub *h, bool is_open, enum stream_end end)
{
	if (!is_open)
		h->tally.failed++;
	else if (end == STREAM_BROKEN || end == STREAM_LATE)
		h->tally.broken++;
	else if (end == STREAM_SLOW)
		h->tally.slow++;
}

static void on_closing(
	UNUSED struct stream *s, const char *reason, enum stream_end end, void *userdata)
{
	struct conn *c = userdata;
	struct hub *h = c->hub;
	Gateway__Down m = GATEWAY__DOWN__INIT;

	AUTO_MEM char *shown = text_cut(reason, REASON_MAX);
	log_debug("connection %llu: %s", (unsigned long long)c->roster.number, shown);
	count(h, c->is_open, end);
	if (end == STREAM_BROKEN && c->is_open)
		send_error(c, 0, &ERR_PROTOCOL, shown);
	else if (end == STREAM_LATE && c->is_open)
		send_error(c, 0, &ERR_TIMEOUT, shown);
	c->phase = CONN_OVER;
	forget_hello(c);
	set_paused(c, false);
	if (c->queue == &h->announced) {
		m.connection = c->roster.number;
		m.reason = shown;
		uplink_send(h->uplink, MSG_GATEWAY_DOWN, &m);
	}
	move(c, &h->fresh);
}

static void on_gone(UNUSED struct stream *s, void *userdata)
{
	conn_free(userdata);
}

const struct stream_ops CONN_STREAM_OPS = {
	.open = on_open,
	.may_read = may_read,
	.header = on_header,
	.frame = on_frame,
	.waited = on_waited,
	.closing = on_closing,
	.gone = on_gone,
};

/* --- from derivd --- */

static struct conn *find(struct hub *h, uint64_t number)
{
	struct roster_entry *e = roster_find(h->roster, number);
	struct conn *c = e ? of_roster(e) : NULL;

	/* Gone meanwhile, or not of this derivd: neither is a fault. */
	return c && c->queue == &h->announced ? c : NULL;
}

/* What the gateway says itself does not come from derivd. */
static bool is_own(uint32_t number)
{
	return number == MSG_DEVICE_PING || number == MSG_DEVICE_PONG ||
	       number == MSG_DEVICE_RESTARTED;
}

static struct err *admit_down(const struct conn *c, const Gateway__Relay *m)
{
	enum msg_phase phase = c->phase == CONN_READY ? PH_READY : PH_HELLO;
	const struct msg *msg;

	if (m->message > UINT16_MAX || is_own(m->message))
		return err_new(&ERR_PROTOCOL, "message 0x%04x is not derivd's to send", m->message);
	return msg_admit((uint16_t)m->message, m->body.len, LINK_DEVICE, SIDE_SERVER, phase, &msg);
}

void conn_relay(struct hub *h, const Gateway__Relay *relay)
{
	struct conn *c = find(h, relay->connection);

	if (!c)
		return;
	struct err *e = admit_down(c, relay);
	if (e) {
		/* Our own house broke the rule. The device is not told things out of turn. */
		log_error(err_as(&ERR_INTERNAL, e, "derivd's message to a device"),
			"connection %llu", (unsigned long long)relay->connection);
		stream_close(c->stream, "derivd sent what it must not", STREAM_ENDED);
		return;
	}
	if (relay->message != MSG_DEVICE_WELCOME && relay->message != MSG_DEVICE_ERROR) {
		set_stranger(c, false);
		stream_know(c->stream);
	}
	if (relay->message == MSG_DEVICE_WELCOME) {
		c->phase = CONN_READY;
		c->was_again = false;
		forget_hello(c);
	}
	stream_send(c->stream, (uint16_t)relay->message, relay->serial, pb_bytes(relay->body));
	/* A Hello that was refused: nothing else could be said on this connection. */
	if (relay->message == MSG_DEVICE_ERROR && c->phase == CONN_GREETING)
		stream_close(c->stream, "derivd refused the device's Hello", STREAM_ENDED);
}

void conn_drop(struct hub *h, const Gateway__Drop *drop)
{
	struct conn *c = find(h, drop->connection);

	if (c)
		stream_close(c->stream, *drop->reason ? drop->reason : "derivd asked for it",
			STREAM_ENDED);
}
