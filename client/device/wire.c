/* wire.c: see wire.h. wire_tls.c makes the connection. */
#include "client/device/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/io.h"
#include "client/device/fault.h"
#include "client/device/wire_tls.h"
#include "proto/device.pb-c.h"
#include "proto/frame.h"

#define SEND_MS 30000
#define READ_CHUNK 16384
/* The largest body of all that a server may send. */
#define BODY_MAX 1048576

struct wire {
	SSL *ssl;
	int fd;
	int stop_fd;
	enum msg_phase phase;
	struct buf *in;
	int64_t heard_ms;
};

struct err *wire_connect(const struct state *s, EVP_PKEY *identity, struct bytes certificate,
	int stop_fd, int64_t until_ms, struct wire **ret_wire)
{
	AUTO(wire) struct wire *w = xcalloc(1, sizeof(*w));

	w->fd = -1;
	w->stop_fd = stop_fd;
	w->phase = PH_HELLO;
	w->in = buf_new();
	TRY(wire_tls_open(s, identity, certificate, stop_fd, until_ms, &w->ssl, &w->fd));
	w->heard_ms = clock_boot_ms();
	*ret_wire = take(w);
	return NULL;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	if (w->ssl)
		SSL_shutdown(w->ssl);
	ERR_clear_error();
	SSL_free(w->ssl);
	fd_cleanup(&w->fd);
	buf_free(w->in);
	free(w);
}

void wire_set_phase(struct wire *w, enum msg_phase phase)
{
	w->phase = phase;
}

int64_t wire_heard_ms(const struct wire *w)
{
	return w->heard_ms;
}

static struct err *send_bytes(struct wire *w, struct bytes b)
{
	const int64_t until_ms = clock_boot_ms() + SEND_MS;
	size_t sent = 0;

	while (sent < b.len) {
		size_t n = 0;
		ERR_clear_error();
		int r = SSL_write_ex(w->ssl, b.data + sent, b.len - sent, &n);
		sent += n;
		if (r != 1)
			TRY(wire_tls_wait(w->ssl, w->fd, w->stop_fd, r, until_ms, "sending"));
	}
	return NULL;
}

struct err *wire_send(
	struct wire *w, enum msg_number number, uint32_t serial, const ProtobufCMessage *body)
{
	AUTO(buf) struct buf *bytes = NULL;
	AUTO(buf) struct buf *out = buf_new();

	TRY(msg_pack(msg_find((uint16_t)number), body, &bytes));
	frame_pack_stream(out, (uint16_t)number, serial, buf_bytes(bytes));
	return send_bytes(w, buf_bytes(out));
}

/* --- receiving --- */

/* One read; *ret_timeout when until_ms passed before anything came. */
static struct err *read_more(struct wire *w, int64_t until_ms, bool *ret_timeout)
{
	size_t len = buf_len(w->in), n = 0;

	*ret_timeout = false;
	for (;;) {
		ERR_clear_error();
		int r = SSL_read_ex(w->ssl, buf_grow(w->in, READ_CHUNK), READ_CHUNK, &n);
		buf_cut(w->in, len + n);
		if (r == 1)
			break;
		struct err *e = wire_tls_wait(w->ssl, w->fd, w->stop_fd, r, until_ms, "receiving");
		*ret_timeout = err_is(e, &ERR_TIMEOUT);
		if (*ret_timeout) {
			err_free(e);
			return NULL;
		}
		TRY(e);
	}
	w->heard_ms = clock_boot_ms();
	return NULL;
}

static void consume(struct wire *w, size_t used)
{
	struct buf *rest = buf_new();

	buf_add(rest, buf_data(w->in) + used, buf_len(w->in) - used);
	buf_free(w->in);
	w->in = rest;
}

static struct err *answer_ping(struct wire *w, uint32_t serial)
{
	Device__Pong pong = DEVICE__PONG__INIT;

	return wire_send(w, MSG_DEVICE_PONG, serial, &pong.base);
}

/* ret_message->msg stays NULL for what has been dealt with. */
static struct err *handle(struct wire *w, const struct frame *f, struct wire_message *ret_message)
{
	const struct msg *msg = msg_find(f->number);

	/* A later version of the server may say more. */
	if (!msg || msg->link != LINK_DEVICE)
		return NULL;
	TRY(msg_admit(f->number, buf_len(f->body), LINK_DEVICE, SIDE_SERVER, w->phase, &msg));
	if (f->number == MSG_DEVICE_PING)
		return answer_ping(w, f->serial);
	if (f->number == MSG_DEVICE_PONG)
		return NULL;
	TRY(msg_parse(msg, buf_bytes(f->body), &ret_message->body));
	ret_message->msg = msg;
	ret_message->serial = f->serial;
	return NULL;
}

struct err *wire_recv(struct wire *w, int64_t until_ms, struct wire_message *ret_message)
{
	bool timeout = false;

	memset(ret_message, 0, sizeof(*ret_message));
	/* Whatever comes without end, pings or what is not known here: the caller's time is kept. */
	do {
		AUTO(frame) struct frame *f = NULL;
		size_t used;
		TRY(frame_unpack_stream(buf_bytes(w->in), BODY_MAX, &used, &f));
		if (f) {
			consume(w, used);
			TRY(err_wrap(handle(w, f, ret_message), "from the gateway"));
		} else {
			TRY(read_more(w, until_ms, &timeout));
		}
	} while (!ret_message->msg && !timeout && clock_boot_ms() < until_ms);
	return NULL;
}
