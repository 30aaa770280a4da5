/* scan.c: the protobuf wire format, read once without allocating. */
#include "proto/scan.h"

#include <string.h>

#include "base/buf.h"
#include "proto/kind.h"
#include "proto/limit.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LENGTH = 2, WIRE_32 = 5 };

/* One field as it stands on the wire; content is its value's bytes without tag and length. */
struct wire {
	uint32_t id;
	unsigned int type;
	struct bytes content;
};

static struct err *scan_message(
	const ProtobufCMessageDescriptor *type, struct bytes body, unsigned int depth);

static struct err *get_varint(struct cursor *c, uint64_t *ret_v)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t b;
		TRY(cursor_u8(c, &b));
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret_v = v;
			return NULL;
		}
	}
	return err_new(&ERR_FORMAT, "a number of more than ten bytes");
}

static struct err *get_content(struct cursor *c, unsigned int type, struct bytes *ret_content)
{
	const uint8_t *start = c->rest.data;
	uint64_t v;

	switch (type) {
	case WIRE_VARINT:
		TRY(get_varint(c, &v));
		*ret_content = BYTES(start, c->rest.data - start);
		return NULL;
	case WIRE_64:
		return cursor_bytes(c, 8, ret_content);
	case WIRE_32:
		return cursor_bytes(c, 4, ret_content);
	case WIRE_LENGTH:
		TRY(get_varint(c, &v));
		if (v > c->rest.len)
			return err_new(&ERR_FORMAT, "a field longer than what holds it");
		return cursor_bytes(c, (size_t)v, ret_content);
	default:
		return err_new(&ERR_FORMAT, "wire type %u", type);
	}
}

static struct err *get_field(struct cursor *c, struct wire *ret_wire)
{
	uint64_t tag;

	TRY(get_varint(c, &tag));
	if (tag > UINT32_MAX || tag >> 3 == 0)
		return err_new(&ERR_FORMAT, "a tag that is no field's");
	ret_wire->id = (uint32_t)(tag >> 3);
	ret_wire->type = (unsigned int)(tag & 7);
	return get_content(c, ret_wire->type, &ret_wire->content);
}

static unsigned int wire_type(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_LENGTH;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32;
	default:
		return WIRE_VARINT;
	}
}

/* Elements in a packed field. */
static struct err *count_packed(ProtobufCType type, struct bytes content, size_t *ret_n)
{
	struct cursor c = { content };
	struct bytes value;
	size_t n = 0;

	for (; c.rest.len; n++)
		TRY(get_content(&c, wire_type(type), &value));
	*ret_n = n;
	return NULL;
}

static struct err *scan_value(const ProtobufCFieldDescriptor *f, const struct limit *l,
	struct bytes content, unsigned int depth)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return err_wrap(scan_message(f->descriptor, content, depth + 1), "%s", f->name);
	if (wire_type(f->type) != WIRE_LENGTH)
		return NULL;
	if (!l || content.len > l->max)
		return err_new(&ERR_PROTOCOL, "%s: %zu bytes, at most %u are allowed", f->name,
			content.len, l ? l->max : 0);
	if (f->type == PROTOBUF_C_TYPE_STRING && content.len &&
		memchr(content.data, 0, content.len))
		return err_new(&ERR_PROTOCOL, "%s: a zero byte in a text", f->name);
	return NULL;
}

/* One occurrence of a field that the type has; *count is of its elements so far. */
static struct err *scan_field(const ProtobufCFieldDescriptor *f, const struct limit *l,
	const struct wire *w, unsigned int depth, size_t *count)
{
	bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
	size_t most = repeated ? (l ? l->max_count : 0) : 1;
	size_t n = 1;

	if (repeated && w->type == WIRE_LENGTH && wire_type(f->type) != WIRE_LENGTH)
		TRY(err_as(&ERR_PROTOCOL, count_packed(f->type, w->content, &n), "%s", f->name));
	else if (w->type != wire_type(f->type))
		return err_new(
			&ERR_PROTOCOL, "%s: wire type %u is not the field's", f->name, w->type);
	else
		TRY(scan_value(f, l, w->content, depth));
	*count += n;
	if (*count > most)
		return err_new(&ERR_PROTOCOL, "%s: %zu of them, at most %zu are allowed", f->name,
			*count, most);
	return NULL;
}

static struct err *scan_message(
	const ProtobufCMessageDescriptor *type, struct bytes body, unsigned int depth)
{
	size_t counts[SCAN_FIELDS_MAX] = { 0 };
	struct cursor c = { body };
	unsigned int unknown = 0;

	if (depth > SCAN_DEPTH_MAX || type->n_fields > SCAN_FIELDS_MAX)
		return err_new(&ERR_PROTOCOL, "messages within messages are too deep");
	while (c.rest.len) {
		struct wire w;
		TRY(err_as(&ERR_PROTOCOL, get_field(&c, &w), "%s is malformed", type->name));
		const ProtobufCFieldDescriptor *f =
			protobuf_c_message_descriptor_get_field(type, w.id);
		if (!f && ++unknown > SCAN_UNKNOWN_MAX)
			return err_new(&ERR_PROTOCOL, "%s: too many unknown fields", type->name);
		if (!f)
			continue;
		unsigned int i = (unsigned int)(f - type->fields);
		TRY(err_wrap(scan_field(f, limit_find(type, i), &w, depth, &counts[i]), "%s",
			type->name));
	}
	return NULL;
}

struct err *scan(const ProtobufCMessageDescriptor *type, struct bytes body)
{
	return scan_message(type, body, 1);
}
