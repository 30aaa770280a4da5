/* sample.c: see sample.h. Messages are written as wire bytes, so that the packer is not what makes them right. */
#include "tests/fuzz/sample.h"

#include "proto/limit.h"

/* Longer values are rare: most bugs are at the ends of short ones. */
#define USUAL_LEN 40
#define USUAL_COUNT 3

uint32_t sample_below(uint64_t *state, uint32_t n)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(2685821657736338717)) >> 32) % n;
}

static uint32_t between(uint64_t *state, uint32_t min, uint32_t max, uint32_t usual)
{
	if (max > min + usual && sample_below(state, 50))
		max = min + usual;
	return min + sample_below(state, max - min + 1);
}

static void put_varint(struct buf *out, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		buf_add_u8(out, (uint8_t)(v | 0x80));
	buf_add_u8(out, (uint8_t)v);
}

static void put_bytes(struct buf *out, uint32_t id, struct bytes b)
{
	put_varint(out, (uint64_t)id << 3 | 2);
	put_varint(out, b.len);
	buf_add_bytes(out, b);
}

static struct buf *random_content(
	const ProtobufCFieldDescriptor *f, const struct limit *l, uint64_t *state)
{
	static const char shown[] = "abcXYZ 0123456789./:-_%";
	struct buf *b = buf_new();
	uint32_t len = between(state, l->min, l->max, USUAL_LEN);

	for (uint32_t i = 0; i < len; i++) {
		uint8_t byte = f->type == PROTOBUF_C_TYPE_STRING
				       ? (uint8_t)shown[sample_below(state, sizeof(shown) - 1)]
				       : (uint8_t)sample_below(state, 256);
		buf_add_u8(b, byte);
	}
	return b;
}

static uint64_t random_number(const ProtobufCFieldDescriptor *f, uint64_t *state)
{
	if (f->type == PROTOBUF_C_TYPE_ENUM) {
		const ProtobufCEnumDescriptor *e = f->descriptor;
		return (uint64_t)e->values[sample_below(state, e->n_values)].value;
	}
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		return sample_below(state, 2);
	return sample_below(state, 3) ? sample_below(state, 1000) : sample_below(state, UINT32_MAX);
}

static void put_one(
	struct buf *out, const ProtobufCFieldDescriptor *f, const struct limit *l, uint64_t *state)
{
	AUTO(buf) struct buf *content = NULL;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		content = sample_message(f->descriptor, state);
	else if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES)
		content = random_content(f, l, state);
	if (content) {
		put_bytes(out, f->id, buf_bytes(content));
		return;
	}
	put_varint(out, (uint64_t)f->id << 3);
	put_varint(out, random_number(f, state));
}

/* Must the field be there for the message to pass? */
static bool is_needed(const struct limit *l)
{
	if (!l)
		return false;
	return l->kind == LIMIT_REQUIRED || (l->kind != LIMIT_MAYBE && l->min > 0);
}

struct buf *sample_message(const ProtobufCMessageDescriptor *type, uint64_t *state)
{
	struct buf *out = buf_new();

	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &type->fields[i];
		const struct limit *l = limit_find(type, i);
		bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
		uint32_t n = repeated       ? between(state, 0, l->max_count, USUAL_COUNT)
			     : is_needed(l) ? 1
					    : sample_below(state, 2);
		for (uint32_t k = 0; k < n; k++)
			put_one(out, f, l, state);
	}
	return out;
}

/* A piece of b: *ret_at and the length. */
static uint32_t piece(struct bytes b, uint64_t *state, uint32_t *ret_at)
{
	*ret_at = sample_below(state, (uint32_t)b.len);
	return 1 + sample_below(state, (uint32_t)b.len - *ret_at);
}

static struct buf *damage_once(struct bytes b, uint64_t *state)
{
	struct buf *out = buf_new();
	uint32_t at, len = piece(b, state, &at);
	struct bytes head = BYTES(b.data, at), middle = BYTES(b.data + at, len);
	struct bytes tail = BYTES(b.data + at + len, b.len - at - len);

	switch (sample_below(state, 6)) {
	case 0: /* a bit */
		buf_add_bytes(out, b);
		buf_cut(out, at);
		buf_add_u8(out, (uint8_t)(b.data[at] ^ (1u << sample_below(state, 8))));
		buf_add(out, b.data + at + 1, b.len - at - 1);
		return out;
	case 1: /* a byte in */
		buf_add_bytes(out, head);
		buf_add_u8(out, (uint8_t)sample_below(state, 256));
		buf_add_bytes(out, middle);
		break;
	case 2: /* a piece out */
		buf_add_bytes(out, head);
		break;
	case 3: /* a piece twice */
		buf_add_bytes(out, head);
		buf_add_bytes(out, middle);
		buf_add_bytes(out, middle);
		break;
	case 4: /* the end off */
		buf_add_bytes(out, head);
		return out;
	default: /* a piece to the end */
		buf_add_bytes(out, head);
		buf_add_bytes(out, tail);
		buf_add_bytes(out, middle);
		return out;
	}
	buf_add_bytes(out, tail);
	return out;
}

struct buf *sample_damage(struct bytes b, uint64_t *state)
{
	AUTO(buf) struct buf *out = buf_new();

	buf_add_bytes(out, b);
	for (uint32_t n = 1 + sample_below(state, 4); n > 0 && buf_len(out) > 0; n--) {
		struct buf *next = damage_once(buf_bytes(out), state);
		buf_free(out);
		out = next;
	}
	return take(out);
}
