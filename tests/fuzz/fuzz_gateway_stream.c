/*
 * fuzz_gateway_stream.c: bytes of a device as derivd-gateway takes them apart. The first byte says in pieces of how many
 * they come; whatever the pieces, the messages are those that the other reader of streams (proto/frame.c) finds.
 */
#include "base/buf.h"
#include "proto/frame.h"
#include "tests/fuzz/fed.h"
#include "tests/fuzz/fuzz.h"

static struct err *on_header(
	struct stream *s UNUSED, uint16_t number UNUSED, size_t len, void *userdata UNUSED)
{
	if (len > STREAM_IN_MAX)
		err_abort("a message of %zu bytes", len);
	return NULL;
}

/* userdata is what is left for the other reader. */
static void on_frame(struct stream *s UNUSED, uint16_t number, uint32_t serial, struct bytes body,
	void *userdata)
{
	struct bytes *rest = userdata;
	AUTO(frame) struct frame *f = NULL;
	size_t used = 0;
	AUTO(err) struct err *e = frame_unpack_stream(*rest, STREAM_IN_MAX, &used, &f);

	if (e || !f || f->number != number || f->serial != serial ||
		!bytes_eq(buf_bytes(f->body), body))
		err_abort("message 0x%04x is another one", number);
	*rest = BYTES(rest->data + used, rest->len - used);
}

static void on_closing(struct stream *s UNUSED, const char *reason UNUSED,
	enum stream_end end UNUSED, void *userdata UNUSED)
{
	err_abort("hung up on");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct stream_ops ops = {
		.header = on_header, .frame = on_frame, .closing = on_closing
	};
	static struct fed fed;

	if (size < 2)
		return 0;
	const struct bytes all = BYTES(data + 1, size - 1);
	struct bytes rest = all;
	size_t piece = *data ? *data : all.len;
	AUTO(err) struct err *e = NULL;
	AUTO(frame) struct frame *missed = NULL;
	size_t used = 0;
	if (!fed.event)
		fed_start(&fed, &ops);
	struct stream *s = fed_open(&fed, &rest);
	for (size_t at = 0; !e && at < all.len; at += piece) {
		size_t n = all.len - at < piece ? all.len - at : piece;
		e = fed_feed(s, BYTES(all.data + at, n));
	}
	stream_free(s);
	if (fed.env.all_bytes || fed.env.strangers_bytes)
		err_abort("%zu bytes are still counted", fed.env.all_bytes);
	AUTO(err) struct err *other = frame_unpack_stream(rest, STREAM_IN_MAX, &used, &missed);
	if (missed)
		err_abort("message 0x%04x was missed", missed->number);
	return 0;
}
