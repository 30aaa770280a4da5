/*
 * stream.c: see stream.h. All calls of ops come from the loop. Level-triggered readiness and reading no further than
 * one TLS record at a time mean that nothing is left inside the library that the kernel would not tell of.
 */
#include "daemon/gateway/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "daemon/gateway/tls.h"
#include "proto/frame.h"

enum stream_state {
	STREAM_HANDSHAKE,
	STREAM_OPEN,
	STREAM_FLUSHING, /* hung up on: what waits is sent */
	STREAM_DRAINING, /* sent: the device's last bytes are thrown away, lest the kernel's reset overtakes ours */
};

struct stream {
	struct stream_env *env;
	void *userdata;
	SSL *ssl;
	sd_event_source *source;
	struct due_entry in_due;
	struct due_entry out_due;
	struct buf *in; /* of a message that has begun: length, header, body */
	size_t in_need; /* bytes of it that are needed before the next look */
	struct buf *out;
	size_t out_sent;
	uint64_t raw_read; /* bytes from the socket that have been charged */
	int64_t charged_ms;
	int32_t bytes_left;
	int32_t frames_left; /* thousandths */
	int fd;
	uint8_t state;
	uint8_t expect;
	bool paused : 1;
	bool want_write : 1;
	bool in_io : 1;
	bool overflow : 1;
};

/* A TLS record holds at most 16 KiB. Used by one stream at a time. */
static uint8_t scratch[SSL3_RT_MAX_PLAIN_LENGTH];

/* Records that one device may have handled before others get their turn. */
#define READS_A_TURN 8
#define WRITE_AT_ONCE (64 * 1024)
#define LENGTH_LEN 4

static void *of_entry(struct due_entry *entry, size_t offset)
{
	return (uint8_t *)entry - offset;
}

static size_t waiting(const struct stream *s)
{
	return s->out ? buf_len(s->out) - s->out_sent : 0;
}

/* The kernel's answer to a wrong epoll set is our own fault. */
static void set_interest(struct stream *s)
{
	bool reads = s->state == STREAM_DRAINING ||
		     (s->state <= STREAM_OPEN && !s->paused &&
			     !due_is_set(&s->in_due, DUE_THROTTLE) && waiting(s) < STREAM_OUT_FULL);
	bool writes = s->want_write || s->overflow || s->state == STREAM_FLUSHING || waiting(s) > 0;
	uint32_t events = (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0);

	if (sd_event_source_set_io_events(s->source, events) < 0)
		err_abort("a connection cannot be watched");
}

static void drop_in(struct stream *s)
{
	if (s->in)
		s->env->all_bytes -= buf_len(s->in);
	buf_free(s->in);
	s->in = NULL;
}

static void drop_out(struct stream *s)
{
	if (s->out)
		s->env->all_bytes -= buf_len(s->out);
	buf_free(s->out);
	s->out = NULL;
	s->out_sent = 0;
	due_clear(s->env->due, &s->out_due);
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	if (s->state == STREAM_HANDSHAKE)
		s->env->handshakes--;
	drop_in(s);
	drop_out(s);
	due_clear(s->env->due, &s->in_due);
	sd_event_source_disable_unref(s->source);
	SSL_free(s->ssl);
	close(s->fd);
	free(s);
}

void *stream_get_userdata(const struct stream *s)
{
	return s->userdata;
}

/* The wait that fits to the state of the input. It runs on: bytes that are no message do not prolong it. */
static void set_in_due(struct stream *s)
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
	drop_in(s);
	due_set(s->env->due, &s->in_due, DUE_LINGER);
	s->env->ops->closing(s, reason, end, s->userdata);
	if (!s->in_io)
		set_interest(s);
}

static void gone(struct stream *s)
{
	s->env->ops->gone(s, s->userdata);
}

/* Nothing more can be sent or received. */
static void broke_off(struct stream *s, const char *reason, enum stream_end end)
{
	if (s->state < STREAM_FLUSHING)
		stream_close(s, reason, end);
	drop_out(s);
	s->state = STREAM_DRAINING;
	shutdown(s->fd, SHUT_RDWR);
}

/* --- output --- */

void stream_send(struct stream *s, uint16_t number, uint32_t serial, struct bytes body)
{
	if (s->state != STREAM_OPEN && s->state != STREAM_FLUSHING)
		return;
	size_t more = LENGTH_LEN + FRAME_HEADER_LEN + body.len;
	if (waiting(s) + more > STREAM_OUT_MAX || s->env->all_bytes + more > STREAM_ALL_MAX) {
		s->overflow = true;
	} else {
		if (!s->out) {
			s->out = buf_new();
			due_set(s->env->due, &s->out_due, DUE_STALL);
		}
		frame_pack_stream(s->out, number, serial, body);
		s->env->all_bytes += more;
	}
	if (!s->in_io)
		set_interest(s);
}

/* Returns false when the connection is broken. */
static bool write_once(struct stream *s, bool *ret_again)
{
	size_t len = waiting(s) < WRITE_AT_ONCE ? waiting(s) : WRITE_AT_ONCE;

	ERR_clear_error();
	int n = SSL_write(s->ssl, buf_data(s->out) + s->out_sent, (int)len);
	*ret_again = n > 0;
	if (n > 0) {
		s->out_sent += (size_t)n;
		due_set(s->env->due, &s->out_due, DUE_STALL);
		return true;
	}
	int error = SSL_get_error(s->ssl, n);
	return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ;
}

static void flush(struct stream *s)
{
	bool again = true;

	for (int i = 0; i < READS_A_TURN && again && waiting(s) > 0; i++) {
		if (write_once(s, &again))
			continue;
		broke_off(s, "the device hung up while it was sent to", STREAM_ENDED);
		return;
	}
	if (waiting(s) == 0)
		drop_out(s);
}

/* The end of FLUSHING: close_notify (or the alert that the handshake's failure left), then the end of our side. */
static void end_output(struct stream *s)
{
	if (waiting(s) > 0 || s->state != STREAM_FLUSHING)
		return;
	ERR_clear_error();
	if (SSL_is_init_finished(s->ssl))
		SSL_shutdown(s->ssl);
	shutdown(s->fd, SHUT_WR);
	s->state = STREAM_DRAINING;
}

/* --- input --- */

/* Charges what was read since the last call; false when the device has to wait. */
static bool charge(struct stream *s, bool frame)
{
	int64_t now_ms = clock_boot_ms();
	int64_t passed_ms = now_ms - s->charged_ms;
	uint64_t raw = BIO_number_read(SSL_get_rbio(s->ssl));
	int64_t bytes = s->bytes_left + passed_ms * STREAM_BYTES_PER_S / 1000;
	int64_t frames = s->frames_left + passed_ms * STREAM_FRAMES_PER_S;

	if (bytes > STREAM_BYTES_BURST)
		bytes = STREAM_BYTES_BURST;
	if (frames > STREAM_FRAMES_BURST * 1000)
		frames = STREAM_FRAMES_BURST * 1000;
	s->bytes_left = (int32_t)(bytes - (int64_t)(raw - s->raw_read));
	s->frames_left = (int32_t)(frames - (frame ? 1000 : 0));
	s->raw_read = raw;
	s->charged_ms = now_ms;
	return s->bytes_left >= 0 && s->frames_left >= 0;
}

static void refuse(struct stream *s, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	stream_close(s, err_get_text(e), STREAM_BROKEN);
}

struct head {
	uint32_t len; /* of header and body */
	uint16_t number;
	uint32_t serial;
};

static struct err *parse_head(const struct buf *in, struct head *ret_head)
{
	struct cursor c = { .rest = buf_bytes(in) };
	struct head h;
	uint16_t flags;

	TRY(cursor_u32(&c, &h.len));
	TRY(cursor_u16(&c, &h.number));
	TRY(cursor_u16(&c, &flags));
	TRY(cursor_u32(&c, &h.serial));
	if (flags != 0)
		return err_new(&ERR_FORMAT, "a message with flags %#x", flags);
	if (h.len < FRAME_HEADER_LEN)
		return err_new(
			&ERR_FORMAT, "a message of %u bytes, shorter than its header", h.len);
	if (h.len - FRAME_HEADER_LEN > STREAM_IN_MAX)
		return err_new(&ERR_LIMIT, "a message of %u bytes; the most is %d", h.len,
			STREAM_IN_MAX + FRAME_HEADER_LEN);
	*ret_head = h;
	return NULL;
}

/* s->in has in_need bytes: the head alone, or the whole message. */
static struct err *have_enough(struct stream *s)
{
	const size_t head_len = LENGTH_LEN + FRAME_HEADER_LEN;
	struct head h;

	TRY(parse_head(s->in, &h));
	if (s->in_need == head_len) {
		TRY(s->env->ops->header(s, h.number, h.len - FRAME_HEADER_LEN, s->userdata));
		s->in_need = LENGTH_LEN + (size_t)h.len;
	}
	if (buf_len(s->in) < s->in_need)
		return NULL;
	AUTO(buf) struct buf *whole = take(s->in);
	s->env->all_bytes -= buf_len(whole);
	if (!charge(s, true))
		due_set(s->env->due, &s->in_due, DUE_THROTTLE);
	s->env->ops->frame(s, h.number, h.serial,
		BYTES(buf_data(whole) + head_len, buf_len(whole) - head_len), s->userdata);
	return NULL;
}

static struct err *feed(struct stream *s, struct bytes b)
{
	while (b.len > 0 && s->state == STREAM_OPEN) {
		if (!s->in) {
			s->in = buf_new();
			s->in_need = LENGTH_LEN + FRAME_HEADER_LEN;
		}
		size_t missing = s->in_need - buf_len(s->in);
		size_t n = missing < b.len ? missing : b.len;
		if (s->env->all_bytes + n > STREAM_ALL_MAX)
			return err_new(&ERR_LIMIT, "the gateway is short of memory");
		buf_add(s->in, b.data, n);
		s->env->all_bytes += n;
		b = BYTES(b.data + n, b.len - n);
		if (n == missing)
			TRY(have_enough(s));
	}
	return NULL;
}

/* One record; false when there is none. */
static bool read_once(struct stream *s)
{
	ERR_clear_error();
	int n = SSL_read(s->ssl, scratch, sizeof(scratch));
	if (n > 0) {
		struct err *e = feed(s, BYTES(scratch, n));
		if (e)
			refuse(s, e);
		return true;
	}
	int error = SSL_get_error(s->ssl, n);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		s->want_write = error == SSL_ERROR_WANT_WRITE;
	} else if (error == SSL_ERROR_ZERO_RETURN) {
		stream_close(s, "the device hung up", STREAM_ENDED);
	} else if (error == SSL_ERROR_SYSCALL) {
		broke_off(s, "the connection broke", STREAM_ENDED);
	} else {
		stream_close(s, "the device broke the rules of TLS", STREAM_BROKEN);
	}
	return false;
}

static void read_some(struct stream *s)
{
	for (int i = 0; i < READS_A_TURN && s->state == STREAM_OPEN; i++) {
		if (due_is_set(&s->in_due, DUE_THROTTLE))
			return;
		s->paused = !s->env->ops->may_read(s, s->userdata);
		if (s->paused || waiting(s) >= STREAM_OUT_FULL || !read_once(s))
			break;
	}
	if (s->state != STREAM_OPEN || due_is_set(&s->in_due, DUE_THROTTLE))
		return;
	if (charge(s, false))
		set_in_due(s);
	else
		due_set(s->env->due, &s->in_due, DUE_THROTTLE);
}

void stream_resume(struct stream *s)
{
	s->paused = false;
	set_interest(s);
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
	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t n = recv(s->fd, scratch, sizeof(scratch), 0);
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		gone(s);
		return;
	}
}

static int on_io(UNUSED sd_event_source *source, UNUSED int fd, uint32_t events, void *userdata)
{
	struct stream *s = userdata;

	if (s->state == STREAM_DRAINING) {
		drain(s);
		return 0;
	}
	s->in_io = true;
	if (s->state == STREAM_HANDSHAKE)
		handshake(s);
	else if (s->state == STREAM_OPEN && (events & ~(uint32_t)EPOLLOUT || s->want_write))
		read_some(s);
	if (s->overflow && s->state == STREAM_OPEN)
		stream_close(s, "the device takes too little of what waits for it", STREAM_SLOW);
	if (s->state == STREAM_OPEN || s->state == STREAM_FLUSHING)
		flush(s);
	end_output(s);
	s->in_io = false;
	set_interest(s);
	return 0;
}

struct stream *stream_new(struct stream_env *env, SSL_CTX *ctx, int take_fd, void *userdata)
{
	AUTO_FD int fd = take_fd;
	SSL *ssl = tls_accept(ctx, fd);

	if (!ssl)
		return NULL;
	struct stream *s = xcalloc(1, sizeof(*s));
	if (sd_event_add_io(env->event, &s->source, fd, EPOLLIN, on_io, s) < 0) {
		SSL_free(ssl);
		free(s);
		return NULL;
	}
	s->env = env;
	s->userdata = userdata;
	s->ssl = ssl;
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

void stream_expired(struct due_entry *entry, enum due_kind kind)
{
	if (kind == DUE_STALL) {
		struct stream *stalled = of_entry(entry, offsetof(struct stream, out_due));
		broke_off(stalled, "the device takes nothing of what waits for it", STREAM_SLOW);
		set_interest(stalled);
		return;
	}
	struct stream *s = stream_of_entry(entry);
	switch (kind) {
	case DUE_LINGER:
		gone(s);
		return;
	case DUE_THROTTLE:
		set_in_due(s);
		break;
	case DUE_HANDSHAKE:
		stream_close(s, "the handshake took too long", STREAM_BROKEN);
		break;
	case DUE_FRAME:
		stream_close(s, "a message took too long", STREAM_BROKEN);
		break;
	default:
		s->env->ops->waited(s, kind, s->userdata);
		return;
	}
	set_interest(s);
}
