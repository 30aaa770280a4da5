/* gateway.c: see gateway.h. Messages of devices are parsed and checked here, each becomes an event. */
#include "daemon/core/gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "daemon/core/delivery.h"
#include "daemon/core/presence.h"
#include "daemon/core/session.h"
#include "daemon/core/turn.h"
#include "proto/gateway.pb-c.h"
#include "proto/link.h"

struct gateway {
	sd_event *event;
	struct core *core;
	int listen_fd;
	sd_event_source *listener;
	struct link *link; /* the newest gateway; one at a time */
	int64_t not_after_ms;
	void (*changed)(void *userdata);
	void *userdata;
};

/* --- to devices --- */

void gateway_send(struct gateway *g, uint64_t connection, enum msg_number number, uint32_t serial,
	const void *body)
{
	AUTO(buf) struct buf *bytes = NULL;
	Gateway__Relay m = GATEWAY__RELAY__INIT;

	/* A device that has left, or a gateway that is away: it asks again when it is back. */
	if (!g->link || !link_is_ready(g->link) || !presence_get(g->core->presence, connection))
		return;
	struct err *e = msg_pack(msg_find((uint16_t)number), body, &bytes);
	if (e) {
		log_error(e, "message 0x%04x for a device cannot be sent", (unsigned int)number);
		return;
	}
	m.connection = connection;
	m.message = (uint32_t)number;
	m.serial = serial;
	m.body = pb_lend(buf_bytes(bytes));
	link_send(g->link, MSG_GATEWAY_RELAY, 0, &m);
	if (link_is_full(g->link))
		link_pause(g->link, true);
}

/* What is wrong with this installation is nothing for the network. */
void gateway_send_error(
	struct gateway *g, uint64_t connection, uint32_t serial, const struct err *e)
{
	bool own = err_get_fate(e) == FATE_BROKEN;
	AUTO(err)
	struct err *busy = err_new(&ERR_BUSY, "the service has trouble; try again later");
	AUTO_MSG Common__Error *m = kind_to_wire(own ? busy : e);

	gateway_send(g, connection, MSG_DEVICE_ERROR, serial, m);
}

/* --- from devices --- */

struct said {
	struct connection *from;
	const struct msg *msg;
	uint32_t serial;
	const void *body;
};

static struct err *on_said(struct core *c, void *arg)
{
	const struct said *s = arg;

	switch (s->msg->number) {
	case MSG_DEVICE_HELLO:
		return delivery_greet(c, s->from, s->serial, s->body);
	case MSG_DEVICE_BEGIN:
		return session_begin(c, s->from, s->serial, s->body);
	case MSG_DEVICE_STATEMENT:
		return session_statement(c, s->from, s->serial, s->body);
	case MSG_DEVICE_OPENED:
		return session_opened(c, s->from, s->serial, s->body);
	case MSG_DEVICE_PULL:
		return delivery_pull(c, s->from, s->serial, s->body);
	case MSG_DEVICE_ACKNOWLEDGE:
		return delivery_acknowledge(c, s->from, s->serial, s->body);
	default:
		return err_new(&ERR_PROTOCOL, "%s is not for the server", s->msg->name);
	}
}

/* Everything of a device's message is checked here: the gateway does not look into it, and is not believed. */
static struct err *parse(const struct connection *from, const Gateway__Relay *m,
	const struct msg **ret_msg, ProtobufCMessage **ret_body)
{
	enum msg_phase phase =
		from->greeted && m->message != MSG_DEVICE_HELLO ? PH_READY : PH_HELLO;

	TRY(msg_admit((uint16_t)m->message, m->body.len, LINK_DEVICE, SIDE_CLIENT, phase, ret_msg));
	return msg_parse(*ret_msg, pb_bytes(m->body), ret_body);
}

/* PROTOCOL.device section 2: a message of a newer version is answered, anything out of order ends the connection. */
static void refuse(struct gateway *g, const Gateway__Relay *m, const struct err *why)
{
	bool newer = m->message > UINT16_MAX || !msg_find((uint16_t)m->message);
	Gateway__Drop drop = GATEWAY__DROP__INIT;

	gateway_send_error(g, m->connection, newer ? m->serial : 0, why);
	if (newer || !g->link)
		return;
	drop.connection = m->connection;
	drop.reason = (char *)(uintptr_t)err_get_kind(why)->name;
	link_send(g->link, MSG_GATEWAY_DROP, 0, &drop);
}

static void on_relay(struct gateway *g, const Gateway__Relay *m)
{
	struct connection *from = presence_get(g->core->presence, m->connection);
	const struct from requester = {
		.kind = FROM_DEVICE,
		.whom = m->connection,
		.serial = m->serial,
	};
	AUTO_MSG ProtobufCMessage *body = NULL;
	struct said said = { .from = from, .serial = m->serial };

	if (!from)
		return;
	AUTO(err) struct err *e = parse(from, m, &said.msg, &body);
	if (e) {
		refuse(g, m, e);
		return;
	}
	said.body = body;
	turn_run(g->core, &requester, on_said, &said);
}

static struct err *on_left(struct core *c, void *arg)
{
	return delivery_left(c, arg);
}

static void down(struct gateway *g, uint64_t number)
{
	static const struct from nobody = { .kind = FROM_NOBODY };
	struct connection *from = presence_get(g->core->presence, number);
	uint8_t identity[SHA256_LEN];

	if (!from)
		return;
	memcpy(identity, from->identity, SHA256_LEN);
	presence_down(g->core->presence, number);
	if (!presence_find(g->core->presence, identity))
		turn_run(g->core, &nobody, on_left, identity);
}

static void on_message(struct link *l UNUSED, const struct msg *msg, uint32_t serial UNUSED,
	const void *body, void *userdata)
{
	struct gateway *g = userdata;
	const Gateway__Up *up = body;

	/* It understands us: what ended the connection before is over. */
	free(take(g->core->gateway_trouble));

	switch (msg->number) {
	case MSG_GATEWAY_UP:
		if (!presence_up(
			    g->core->presence, up->connection, up->identity_hash.data, up->address))
			log_note(NOTE_PEER_ODD, NULL,
				"connection %llu of the gateway is not taken: its number is in "
				"use, or there are too many",
				(unsigned long long)up->connection);
		break;
	case MSG_GATEWAY_DOWN:
		down(g, ((const Gateway__Down *)body)->connection);
		break;
	case MSG_GATEWAY_SYNCED:
		g->not_after_ms = ((const Gateway__Synced *)body)->not_after_ms;
		break;
	case MSG_GATEWAY_RELAY:
		on_relay(g, body);
		break;
	default:
		break;
	}
	g->changed(g->userdata);
}

/* --- the gateway itself --- */

static void forget_link(struct gateway *g)
{
	link_free(take(g->link));
	presence_clear(g->core->presence);
	g->changed(g->userdata);
}

static void on_gone(struct link *l UNUSED, struct err *take_why, void *userdata)
{
	struct gateway *g = userdata;
	struct core *c = g->core;

	free(c->gateway_trouble);
	c->gateway_trouble = xstrdup(err_get_text(take_why));
	c->gateway_kind = err_get_kind(take_why);
	log_error(take_why, "derivd-gateway");
	forget_link(g);
}

static void on_drained(struct link *l, void *userdata UNUSED)
{
	link_pause(l, false);
}

static const struct link_ops LINK_OPS = {
	.message = on_message,
	.gone = on_gone,
	.drained = on_drained,
};

static int on_accept(
	sd_event_source *source UNUSED, int fd, uint32_t revents UNUSED, void *userdata)
{
	struct gateway *g = userdata;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (peer < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			log_error(err_errno(errno, "accept"), "derivd-gateway");
		return 0;
	}
	if (g->link) {
		log_note(NOTE_GATEWAY_AGAIN, NULL, "another derivd-gateway has come: the one before is let go");
		forget_link(g);
	}
	struct err *e = link_new(
		g->event, peer, LINK_GATEWAY, SIDE_SERVER, "derivd", &LINK_OPS, g, &g->link);
	if (e)
		log_error(e, "derivd-gateway");
	g->changed(g->userdata);
	return 0;
}

bool gateway_is_connected(const struct gateway *g)
{
	return g->link && link_is_ready(g->link);
}

int64_t gateway_not_after(const struct gateway *g)
{
	return g->not_after_ms;
}

struct err *gateway_new(sd_event *event, struct core *core, int listen_fd,
	void (*changed)(void *userdata), void *userdata, struct gateway **ret_gateway)
{
	AUTO(gateway) struct gateway *g = xcalloc(1, sizeof(*g));

	g->event = sd_event_ref(event);
	g->core = core;
	g->listen_fd = listen_fd;
	g->changed = changed;
	g->userdata = userdata;
	int r = sd_event_add_io(event, &g->listener, listen_fd, EPOLLIN, on_accept, g);
	if (r < 0)
		return err_errno(-r, "watching the gateway's socket");
	*ret_gateway = take(g);
	return NULL;
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	link_free(g->link);
	sd_event_source_disable_unref(g->listener);
	sd_event_unref(g->event);
	free(g);
}
