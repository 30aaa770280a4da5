/* test_gateway_stream.c: messages out of pieces, and who may make the gateway keep how much. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "proto/frame.h"
#include "proto/kind.h"
#include "tests/fuzz/fed.h"

static struct fed fed;

static struct {
	int frames;
	int closed;
	enum stream_end end;
} seen;

static struct err *on_header(struct stream *s, uint16_t number, size_t len, void *userdata)
{
	return NULL;
}

static void on_frame(
	struct stream *s, uint16_t number, uint32_t serial, struct bytes body, void *userdata)
{
	seen.frames++;
}

static void on_closing(struct stream *s, const char *reason, enum stream_end end, void *userdata)
{
	seen.closed++;
	seen.end = end;
}

static const struct stream_ops OPS = {
	.header = on_header,
	.frame = on_frame,
	.closing = on_closing,
};

static int setup(void **state)
{
	memset(&seen, 0, sizeof(seen));
	fed_start(&fed, &OPS);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(fed.env.all_bytes, 0);
	assert_int_equal(fed.env.strangers_bytes, 0);
	fed_stop(&fed);
	return 0;
}

static struct buf *message(size_t len)
{
	AUTO(buf) struct buf *body = buf_new();
	struct buf *out = buf_new();

	buf_grow(body, len);
	frame_pack_stream(out, 0x0605, 1, buf_bytes(body));
	return out;
}

static void a_message_may_come_byte_by_byte(void **state)
{
	AUTO(buf) struct buf *m = message(100);
	struct stream *s = fed_open(&fed, NULL);

	for (size_t i = 0; i < buf_len(m); i++) {
		assert_int_equal(seen.frames, 0);
		assert_ok(fed_feed(s, BYTES(buf_data(m) + i, 1)));
	}
	assert_int_equal(seen.frames, 1);
	stream_free(s);
}

static void a_message_over_all_sizes_is_refused_by_its_head(void **state)
{
	AUTO(buf) struct buf *m = message(STREAM_IN_MAX + 1);
	struct stream *s = fed_open(&fed, NULL);

	assert_err(fed_feed(s, BYTES(buf_data(m), 12)), &ERR_LIMIT);
	stream_free(s);
}

/* What strangers may leave lying is theirs: those whom derivd knows do not notice. */
static void strangers_take_no_room_from_those_who_are_known(void **state)
{
	AUTO(buf) struct buf *m = message(STREAM_IN_MAX);
	struct bytes half = BYTES(buf_data(m), STREAM_IN_MAX);
	struct stream *strangers[STREAM_STRANGERS_MAX / STREAM_IN_MAX];
	struct stream *known = fed_open(&fed, NULL), *late = fed_open(&fed, NULL);
	uint8_t body[1000] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		strangers[i] = fed_open(&fed, NULL);
		assert_ok(fed_feed(strangers[i], half));
	}
	assert_err_text(fed_feed(late, half), &ERR_BUSY, "memory");
	stream_send(late, 0x0610, 0, BYTES(body, sizeof(body)));
	assert_int_equal(seen.closed, 1);
	assert_int_equal(seen.end, STREAM_SLOW);
	stream_know(known);
	assert_ok(fed_feed(known, buf_bytes(m)));
	assert_int_equal(seen.frames, 1);
	stream_send(known, 0x060b, 1, BYTES(body, sizeof(body)));
	assert_int_equal(seen.closed, 1);
	/* Who becomes known gives back what was a stranger's. */
	stream_know(strangers[0]);
	struct stream *next = fed_open(&fed, NULL);
	assert_ok(fed_feed(next, half));
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++)
		stream_free(strangers[i]);
	stream_free(next);
	stream_free(late);
	stream_free(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_may_come_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_message_over_all_sizes_is_refused_by_its_head, setup, teardown),
		cmocka_unit_test_setup_teardown(
			strangers_take_no_room_from_those_who_are_known, setup, teardown),
	};

	return cmocka_run_group_tests_name("gateway stream", tests, NULL, NULL);
}
