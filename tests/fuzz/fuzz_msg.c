/*
 * fuzz_msg.c: message bodies. The first two bytes are the number of the message. What is taken must pass the check for
 * sending and come back the same.
 */
#include "base/buf.h"
#include "proto/msg.h"
#include "tests/fuzz/fuzz.h"

static void must(struct err *take_e)
{
	if (take_e)
		err_abort("%s", err_get_text(take_e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_MSG ProtobufCMessage *m = NULL, *again = NULL;
	AUTO(buf) struct buf *a = NULL, *b = NULL;

	if (size < 2)
		return 0;
	const struct msg *msg = msg_find((uint16_t)(data[0] << 8 | data[1]));
	if (!msg)
		return 0;
	AUTO(err) struct err *e = msg_parse(msg, BYTES(data + 2, size - 2), &m);
	if (e)
		return 0;
	must(msg_check(m));
	a = msg_pack_type(m);
	must(msg_parse_type(msg->type, buf_bytes(a), &again));
	b = msg_pack_type(again);
	if (!bytes_eq(buf_bytes(a), buf_bytes(b)))
		err_abort("%s: two encodings of one message", msg->name);
	return 0;
}
