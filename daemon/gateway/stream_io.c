/* stream_io.c: bytes from and to a device: frames out of TLS records, what they cost, and what waits. */
#include <openssl/err.h>

#include "base/clock.h"
#include "daemon/gateway/stream_part.h"
#include "proto/frame.h"
#include "proto/kind.h"

#define WRITE_AT_ONCE (64 * 1024)
#define LENGTH_LEN 4
#define COMPACT_AT (256 * 1024)

uint8_t stream_scratch[SSL3_RT_MAX_PLAIN_LENGTH];

size_t stream_waiting(const struct stream *s)
{
	return s->out ? buf_len(s->out) - s->out_sent : 0;
}

/* --- what is held --- */

/* False when there is no room for n bytes more. */
static bool hold(struct stream *s, size_t n)
{
	struct stream_env *env = s->env;

	if (env->all_bytes + n > STREAM_ALL_MAX ||
		(!s->known && env->strangers_bytes + n > STREAM_STRANGERS_MAX))
		return false;
	env->all_bytes += n;
	env->strangers_bytes += s->known ? 0 : n;
	return true;
}

static void let_go(struct stream *s, size_t n)
{
	s->env->all_bytes -= n;
	s->env->strangers_bytes -= s->known ? 0 : n;
}

void stream_know(struct stream *s)
{
	if (s->known)
		return;
	s->env->strangers_bytes -= (s->in ? buf_len(s->in) : 0) + (s->out ? buf_len(s->out) : 0);
	s->known = true;
}

void stream_drop_in(struct stream *s)
{
	if (s->in)
		let_go(s, buf_len(s->in));
	buf_free(s->in);
	s->in = NULL;
}

void stream_drop_out(struct stream *s)
{
	if (s->out)
		let_go(s, buf_len(s->out));
	buf_free(s->out);
	s->out = NULL;
	s->out_sent = 0;
	due_clear(s->env->due, &s->out_due);
}

/* --- output --- */

/* Lets go of what has been sent: a device that never catches up must not make its queue grow. */
static void compact(struct stream *s)
{
	if (!s->out || s->out_sent < COMPACT_AT)
		return;
	struct buf *rest = buf_new();
	buf_add(rest, buf_data(s->out) + s->out_sent, stream_waiting(s));
	let_go(s, s->out_sent);
	buf_free(s->out);
	s->out = rest;
	s->out_sent = 0;
}

void stream_send(struct stream *s, uint16_t number, uint32_t serial, struct bytes body)
{
	if (s->state != STREAM_OPEN && s->state != STREAM_FLUSHING)
		return;
	compact(s);
	size_t more = LENGTH_LEN + FRAME_HEADER_LEN + body.len;
	if (stream_waiting(s) + more > STREAM_OUT_MAX || !hold(s, more)) {
		s->overflow = true;
	} else {
		if (!s->out) {
			s->out = buf_new();
			due_set(s->env->due, &s->out_due, DUE_STALL);
		}
		frame_pack_stream(s->out, number, serial, body);
	}
	if (s->in_io)
		return;
	if (s->overflow)
		stream_close(s, STREAM_TOO_LITTLE, STREAM_SLOW);
	else
		stream_set_interest(s);
}

/* Returns false when the connection is broken. */
static bool write_once(struct stream *s, bool *ret_again)
{
	size_t len = stream_waiting(s) < WRITE_AT_ONCE ? stream_waiting(s) : WRITE_AT_ONCE;

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

void stream_flush(struct stream *s)
{
	bool again = true;

	for (int i = 0; i < STREAM_TURN && again && stream_waiting(s) > 0; i++) {
		if (write_once(s, &again))
			continue;
		stream_broke_off(s, "the device hung up while it was sent to", STREAM_ENDED);
		return;
	}
	if (stream_waiting(s) == 0)
		stream_drop_out(s);
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

	/* What is our trouble is no fault of the device's: it comes again. */
	stream_close(s, err_get_text(e), err_is(e, &ERR_BUSY) ? STREAM_ENDED : STREAM_BROKEN);
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
	let_go(s, buf_len(whole));
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
		if (!hold(s, n))
			return err_new(&ERR_BUSY, "the gateway is short of memory");
		buf_add(s->in, b.data, n);
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
	int n = SSL_read(s->ssl, stream_scratch, sizeof(stream_scratch));
	if (n > 0) {
		s->want_write = false;
		struct err *e = feed(s, BYTES(stream_scratch, n));
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
		stream_broke_off(s, "the connection broke", STREAM_ENDED);
	} else {
		stream_close(s, "the device broke the rules of TLS", STREAM_BROKEN);
	}
	return false;
}

void stream_read(struct stream *s)
{
	for (int i = 0; i < STREAM_TURN && s->state == STREAM_OPEN; i++) {
		if (due_is_set(&s->in_due, DUE_THROTTLE))
			return;
		s->paused = !s->env->ops->may_read(s, s->userdata);
		if (s->paused || stream_waiting(s) >= STREAM_OUT_FULL || !read_once(s))
			break;
	}
	if (s->state != STREAM_OPEN || due_is_set(&s->in_due, DUE_THROTTLE))
		return;
	if (charge(s, false))
		stream_set_in_due(s);
	else
		due_set(s->env->due, &s->in_due, DUE_THROTTLE);
}
