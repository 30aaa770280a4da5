/*
 * fuzz_frame_stream.c: frames of a stream, and the messages in them as a device or the gateway would take them. What is
 * taken off the front must be what packing makes of it.
 */
#include "base/buf.h"
#include "proto/frame.h"
#include "proto/msg.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX 65536

/* The message in the frame, if it may come; either way nothing but an error may come of it. */
static void parse(const struct frame *f, enum msg_side sender, enum msg_phase phase)
{
	AUTO_MSG ProtobufCMessage *m = NULL;
	const struct msg *msg;
	AUTO(err)
	struct err *e = msg_admit(f->number, buf_len(f->body), LINK_DEVICE, sender, phase, &msg);

	if (e)
		return;
	AUTO(err) struct err *ignored = msg_parse(msg, buf_bytes(f->body), &m);
}

/* Takes one frame off the front; false when there is none. */
static bool take_one(struct bytes *rest)
{
	AUTO(frame) struct frame *f = NULL;
	AUTO(buf) struct buf *again = buf_new();
	size_t used = 0;
	AUTO(err) struct err *e = frame_unpack_stream(*rest, BODY_MAX, &used, &f);

	if (e || used == 0)
		return false;
	frame_pack_stream(again, f->number, f->serial, buf_bytes(f->body));
	if (!bytes_eq(buf_bytes(again), BYTES(rest->data, used)))
		err_abort("a frame that is not what was read");
	parse(f, SIDE_CLIENT, PH_READY);
	parse(f, SIDE_SERVER, PH_READY);
	parse(f, SIDE_CLIENT, PH_HELLO);
	*rest = BYTES(rest->data + used, rest->len - used);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest = BYTES(data, size);

	while (take_one(&rest))
		;
	return 0;
}
