/*
 * stream.c: the states of a stream, from the handshake to the last byte. All calls of ops come from the loop. Level-triggered
 * readiness and reading no further than one TLS record at a time mean that nothing is left inside the library that the kernel
 * would not tell of.
 */
#include "daemon/gateway/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "daemon/gateway/stream_part.h"
#include "daemon/gateway/tls.h"

static void *of_entry(void *entry, size_t offset)
{
	return (uint8_t *)entry - offset;
}

void stream_set_interest(struct stream *s)
{
	bool reads = s->state == STREAM_DRAINING || (s->state <= STREAM_OPEN && !s->paused &&
							    !due_is_set(&s->in_due, DUE_THROTTLE) &&
							    stream_waiting(s) < STREAM_OUT_FULL);
	bool writes = (s->want_write && !s->paused) || s->state == STREAM_FLUSHING ||
		      stream_waiting(s) > 0;
	uint32_t events = (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0);

	poller_set(s->env->poller, &s->poll, events);
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	if (s->state == STREAM_HANDSHAKE)
		s->env->handshakes--;
	stream_drop_in(s);
	stream_drop_out(s);
	due_clear(s->env->due, &s->in_due);
	poller_remove(s->env->poller, &s->poll);
	SSL_free(s->ssl);
	close(s->fd);
	free(s);
}

void *stream_get_userdata(const struct stream *s)
{
	return s->userdata;
}

void stream_set_in_due(struct stream *s)
{
	enum due_kind kind = s->in || SSL_has_pending(s->ssl) ? DUE_FRAME : s->expect;

	if (!due_is_set(&s->in_due, kind))
		due_set(s->env->due, &s->in_due, kind);
}

void stream_expect(struct stream *s, enum due_kind kind)
{
	s->expect = (uint8_t)kind;
	if (s->state == STREAM_OPEN && !due_is_set(&s->in_due, DUE_THROTTLE))
		due_set(s->env->due, &s->in_due, kind);
}

void stream_close(struct stream *s, const char *reason, enum stream_end end)
{
	if (s->state >= STREAM_FLUSHING)
		return;
	if (s->state == STREAM_HANDSHAKE)
		s->env->handshakes--;
	s->state = STREAM_FLUSHING;
	stream_drop_in(s);
	due_set(s->env->due, &s->in_due, DUE_LINGER);
	s->env->ops->closing(s, reason, end, s->userdata);
	if (!s->in_io)
		stream_set_interest(s);
}

static void gone(struct stream *s)
{
	s->env->ops->gone(s, s->userdata);
}

void stream_broke_off(struct stream *s, const char *reason, enum stream_end end)
{
	if (s->state < STREAM_FLUSHING)
		stream_close(s, reason, end);
	stream_drop_out(s);
	s->state = STREAM_DRAINING;
	shutdown(s->fd, SHUT_RDWR);
}

/* The end of FLUSHING: close_notify (or the alert that the handshake's failure left), then the end of our side. */
static void end_output(struct stream *s)
{
	if (stream_waiting(s) > 0 || s->state != STREAM_FLUSHING)
		return;
	ERR_clear_error();
	if (SSL_is_init_finished(s->ssl))
		SSL_shutdown(s->ssl);
	shutdown(s->fd, SHUT_WR);
	s->state = STREAM_DRAINING;
}

void stream_resume(struct stream *s)
{
	s->paused = false;
	stream_set_interest(s);
}

static void handshake(struct stream *s)
{
	uint8_t identity[SHA256_LEN];

	ERR_clear_error();
	int r = SSL_do_handshake(s->ssl);
	int error = r == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, r);
	s->want_write = error == SSL_ERROR_WANT_WRITE;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return;
	if (r != 1) {
		const char *why = ERR_reason_error_string(ERR_peek_error());
		stream_close(s, why ? why : "hung up during the handshake", STREAM_BROKEN);
		return;
	}
	s->env->handshakes--;
	s->state = STREAM_OPEN;
	stream_expect(s, DUE_HELLO);
	tls_identity(s->ssl, identity);
	s->env->ops->open(s, identity, s->userdata);
}

/* At the end the device's own words do not count any more. */
static void drain(struct stream *s)
{
	for (int i = 0; i < STREAM_TURN; i++) {
		ssize_t n = recv(s->fd, stream_scratch, sizeof(stream_scratch), 0);
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		gone(s);
		return;
	}
}

static void on_ready(struct poller_entry *entry, uint32_t events)
{
	struct stream *s = of_entry(entry, offsetof(struct stream, poll));

	if (s->state == STREAM_DRAINING) {
		drain(s);
		return;
	}
	s->in_io = true;
	/* The kernel tells of this also while the device is not to be read, and would without end. */
	if (s->state == STREAM_OPEN && events & (EPOLLHUP | EPOLLERR) && !(entry->events & EPOLLIN))
		stream_broke_off(s, "the device hung up while it was not read", STREAM_ENDED);
	if (s->state == STREAM_HANDSHAKE)
		handshake(s);
	else if (s->state == STREAM_OPEN && (events & ~(uint32_t)EPOLLOUT || s->want_write))
		stream_read(s);
	if (s->overflow && s->state == STREAM_OPEN)
		stream_close(s, STREAM_TOO_LITTLE, STREAM_SLOW);
	if (s->state == STREAM_OPEN || s->state == STREAM_FLUSHING)
		stream_flush(s);
	end_output(s);
	s->in_io = false;
	stream_set_interest(s);
}

/* A KeyUpdate is short and makes much work, and OpenSSL takes any number of them: each is charged as a message. */
static void on_tls_message(int is_sent, UNUSED int version, int type, const void *content,
	size_t len, UNUSED SSL *ssl, void *userdata)
{
	struct stream *s = userdata;
	const uint8_t *kind = content;

	if (!is_sent && type == SSL3_RT_HANDSHAKE && len > 0 && *kind == SSL3_MT_KEY_UPDATE)
		s->frames_left -= 1000;
}

struct stream *stream_new(struct stream_env *env, SSL_CTX *ctx, int take_fd, void *userdata)
{
	AUTO_FD int fd = take_fd;
	SSL *ssl = tls_accept(ctx, fd);

	if (!ssl)
		return NULL;
	struct stream *s = xcalloc(1, sizeof(*s));
	if (!poller_add(env->poller, &s->poll, fd, EPOLLIN, on_ready)) {
		SSL_free(ssl);
		free(s);
		return NULL;
	}
	s->env = env;
	s->userdata = userdata;
	s->ssl = ssl;
	SSL_set_msg_callback(ssl, on_tls_message);
	SSL_set_msg_callback_arg(ssl, s);
	s->fd = fd_take(&fd);
	s->state = STREAM_HANDSHAKE;
	s->charged_ms = clock_boot_ms();
	s->bytes_left = STREAM_BYTES_BURST;
	s->frames_left = STREAM_FRAMES_BURST * 1000;
	env->handshakes++;
	due_set(env->due, &s->in_due, DUE_HANDSHAKE);
	return s;
}

struct stream *stream_of_entry(struct due_entry *entry)
{
	return of_entry(entry, offsetof(struct stream, in_due));
}

static bool is_excused(const struct stream *s, enum due_kind kind)
{
	if (kind != DUE_HELLO && kind != DUE_PING && kind != DUE_PONG && kind != DUE_FRAME)
		return false;
	/* Who is not read cannot be heard. */
	if (s->paused || stream_waiting(s) >= STREAM_OUT_FULL)
		return true;
	/* Who is busy taking what was sent is there; DUE_STALL watches that. */
	return kind != DUE_HELLO && kind != DUE_FRAME && stream_waiting(s) > 0;
}

void stream_expired(struct due_entry *entry, enum due_kind kind)
{
	if (kind == DUE_STALL) {
		struct stream *stalled = of_entry(entry, offsetof(struct stream, out_due));
		stream_broke_off(
			stalled, "the device takes nothing of what waits for it", STREAM_SLOW);
		stream_set_interest(stalled);
		return;
	}
	struct stream *s = stream_of_entry(entry);
	if (is_excused(s, kind)) {
		due_set(s->env->due, entry, kind);
		return;
	}
	switch (kind) {
	case DUE_LINGER:
		gone(s);
		return;
	case DUE_THROTTLE:
		stream_set_in_due(s);
		break;
	case DUE_HANDSHAKE:
		stream_close(s, "the handshake took too long", STREAM_LATE);
		break;
	case DUE_FRAME:
		stream_close(s, "a message took too long", STREAM_LATE);
		break;
	default:
		s->env->ops->waited(s, kind, s->userdata);
		return;
	}
	stream_set_interest(s);
}
