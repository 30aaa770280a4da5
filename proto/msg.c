/* msg.c: the table of messages, and messages between bytes and structs. */
#include "proto/msg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/secret.h"
#include "proto/ca.pb-c.h"
#include "proto/card.pb-c.h"
#include "proto/common.pb-c.h"
#include "proto/control.pb-c.h"
#include "proto/courier.pb-c.h"
#include "proto/device.pb-c.h"
#include "proto/frame.h"
#include "proto/gateway.pb-c.h"
#include "proto/kind.h"
#include "proto/scan.h"

static const struct msg table[] = {
#define MSG(number, name, link, sender, phases, max, package, type)                                \
	{ number, #name, LINK_##link, SIDE_##sender, phases, max,                                  \
		&package##__##type##__descriptor },
#include "proto/messages.def"
#undef MSG
};

static int compare(const void *key, const void *row)
{
	return (int)*(const uint16_t *)key - (int)((const struct msg *)row)->number;
}

const struct msg *msg_find(uint16_t number)
{
	return bsearch(&number, table, ARRAY_LEN(table), sizeof(table[0]), compare);
}

const struct msg *msg_table(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(table);
	return table;
}

/* Rows for ANY are for the sockets inside the machine. */
static bool is_for(const struct msg *msg, enum msg_link link)
{
	return msg->link == link || (msg->link == LINK_ANY && link != LINK_DEVICE);
}

struct err *msg_admit(uint16_t number, size_t len, enum msg_link link, enum msg_side sender,
	enum msg_phase phase, const struct msg **ret_msg)
{
	const struct msg *msg = msg_find(number);

	if (!msg)
		return err_new(&ERR_PROTOCOL, "message 0x%04x is not known here", number);
	if (!is_for(msg, link))
		return err_new(&ERR_PROTOCOL, "%s is not a message of this socket", msg->name);
	if (!(msg->sender & sender))
		return err_new(&ERR_PROTOCOL, "%s is not for this side to send", msg->name);
	if (!(msg->phases & phase))
		return err_new(&ERR_PROTOCOL, "%s may not come now", msg->name);
	if (len > msg->max)
		return err_new(&ERR_PROTOCOL, "%s has %zu bytes, at most %u are allowed", msg->name,
			len, msg->max);
	*ret_msg = msg;
	return NULL;
}

/*
 * protobuf-c's memory, each piece behind its size, so that all of it can be wiped: a message may hold a PIN. The
 * head keeps what follows aligned for everything.
 */
union head {
	size_t size;
	max_align_t align;
};

static void *wiping_alloc(void *data UNUSED, size_t size)
{
	union head *h = xcalloc(1, sizeof(*h) + size);

	h->size = size;
	return h + 1;
}

static void wiping_free(void *data UNUSED, void *p)
{
	if (!p)
		return;
	union head *h = (union head *)p - 1;
	wipe(h, sizeof(*h) + h->size);
	free(h);
}

static ProtobufCAllocator wiping = { .alloc = wiping_alloc, .free = wiping_free };

void msg_free(void *body)
{
	if (body)
		protobuf_c_message_free_unpacked(body, &wiping);
}

void msg_cleanup(void *pointer_to_pointer)
{
	void *body;

	memcpy(&body, pointer_to_pointer, sizeof(body));
	msg_free(body);
}

struct err *msg_parse_type(
	const ProtobufCMessageDescriptor *type, struct bytes body, ProtobufCMessage **ret_body)
{
	if (body.len > FRAME_BODY_MAX)
		return err_new(&ERR_PROTOCOL, "%s has %zu bytes, at most %u are allowed",
			type->name, body.len, FRAME_BODY_MAX);
	TRY(scan(type, body));
	ProtobufCMessage *m = protobuf_c_message_unpack(type, &wiping, body.len, body.data);
	if (!m)
		return err_new(&ERR_PROTOCOL, "%s does not parse", type->name);
	struct err *e = msg_check(m);
	if (e) {
		msg_free(m);
		return e;
	}
	*ret_body = m;
	return NULL;
}

struct err *msg_parse(const struct msg *msg, struct bytes body, ProtobufCMessage **ret_body)
{
	if (body.len > msg->max)
		return err_new(&ERR_PROTOCOL, "%s has %zu bytes, at most %u are allowed", msg->name,
			body.len, msg->max);
	return msg_parse_type(msg->type, body, ret_body);
}

struct buf *msg_pack_type(const ProtobufCMessage *body)
{
	struct buf *b = buf_new();

	protobuf_c_message_pack(body, buf_grow(b, protobuf_c_message_get_packed_size(body)));
	return b;
}

struct err *msg_pack(const struct msg *msg, const ProtobufCMessage *body, struct buf **ret_bytes)
{
	assert(body->descriptor == msg->type);
	TRY(err_wrap(msg_check(body), "%s", msg->name));
	size_t len = protobuf_c_message_get_packed_size(body);
	if (len > msg->max)
		return err_new(&ERR_LIMIT, "%s would have %zu bytes, at most %u are allowed",
			msg->name, len, msg->max);
	*ret_bytes = msg_pack_type(body);
	return NULL;
}

ProtobufCBinaryData pb_lend(struct bytes b)
{
	return (ProtobufCBinaryData){ .len = b.len, .data = (uint8_t *)(uintptr_t)b.data };
}

void *msg_dup(const ProtobufCMessage *body)
{
	AUTO(buf) struct buf *b = msg_pack_type(body);
	ProtobufCMessage *m =
		protobuf_c_message_unpack(body->descriptor, &wiping, buf_len(b), buf_data(b));

	assert(m);
	return m;
}
