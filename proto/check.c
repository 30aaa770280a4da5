/* check.c: msg_check: a message against limit.def, by protobuf-c's descriptors. */
#include <string.h>

#include "base/text.h"
#include "proto/kind.h"
#include "proto/limit.h"
#include "proto/msg.h"

/* One value of a field, by its kind: what a repeated field has several of. */
static struct err *check_length(const struct limit *l, size_t len)
{
	if (len == 0 && l->kind == LIMIT_MAYBE)
		return NULL;
	if (len < l->min)
		return err_new(&ERR_PROTOCOL, "%s.%s: %zu bytes, at least %u are needed",
			l->type->name, l->field, len, l->min);
	if (len > l->max)
		return err_new(&ERR_PROTOCOL, "%s.%s: %zu bytes, at most %u are allowed",
			l->type->name, l->field, len, l->max);
	return NULL;
}

/* Printable between line feeds and tabs. */
static bool lines_are_printable(const char *s)
{
	while (*s) {
		size_t len = strcspn(s, "\n\t");
		if (!text_is_printable(BYTES(s, len)))
			return false;
		s += len;
		if (*s)
			s++;
	}
	return true;
}

static struct err *check_string(const struct limit *l, const char *s)
{
	if (!s)
		s = "";
	TRY(check_length(l, strlen(s)));
	bool fine = l->kind == LIMIT_LINES ? lines_are_printable(s)
					   : text_is_printable(BYTES(s, strlen(s)));
	if (!fine)
		return err_new(
			&ERR_PROTOCOL, "%s.%s: not printable UTF-8 text", l->type->name, l->field);
	return NULL;
}

static struct err *check_enum(
	const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *f, int value)
{
	if (!protobuf_c_enum_descriptor_get_value(f->descriptor, value))
		return err_new(&ERR_PROTOCOL, "%s.%s: %d is no value of %s", type->name, f->name,
			value, ((const ProtobufCEnumDescriptor *)f->descriptor)->name);
	return NULL;
}

static struct err *check_message(const ProtobufCMessageDescriptor *type,
	const ProtobufCFieldDescriptor *f, const struct limit *l, const ProtobufCMessage *m)
{
	if (!m && l && l->kind == LIMIT_REQUIRED)
		return err_new(&ERR_PROTOCOL, "%s.%s is missing", type->name, f->name);
	if (!m)
		return NULL;
	return err_wrap(msg_check(m), "%s", f->name);
}

static struct err *check_value(const ProtobufCMessageDescriptor *type,
	const ProtobufCFieldDescriptor *f, const struct limit *l, const void *value)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return check_string(l, *(const char *const *)value);
	case PROTOBUF_C_TYPE_BYTES:
		return check_length(l, ((const ProtobufCBinaryData *)value)->len);
	case PROTOBUF_C_TYPE_ENUM:
		return check_enum(type, f, *(const int *)value);
	case PROTOBUF_C_TYPE_MESSAGE:
		return check_message(type, f, l, *(const ProtobufCMessage *const *)value);
	default:
		return NULL;
	}
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	default:
		return 0; /* numbers have no limits of their own */
	}
}

static struct err *check_repeated(
	const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const struct limit *l)
{
	const uint8_t *base = (const uint8_t *)m;
	size_t n = *(const size_t *)(base + f->quantifier_offset);
	const uint8_t *values = *(uint8_t *const *)(base + f->offset);

	if (n > l->max_count)
		return err_new(&ERR_PROTOCOL, "%s.%s: %zu of them, at most %u are allowed",
			l->type->name, l->field, n, l->max_count);
	for (size_t i = 0; i < n && size_of(f->type); i++)
		TRY(check_value(m->descriptor, f, l, values + i * size_of(f->type)));
	return NULL;
}

/* Fails closed on a field that somebody forgot in limit.def. */
static bool needs_row(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_REPEATED || f->type == PROTOBUF_C_TYPE_STRING ||
	       f->type == PROTOBUF_C_TYPE_BYTES;
}

struct err *msg_check(const ProtobufCMessage *body)
{
	const ProtobufCMessageDescriptor *type = body->descriptor;

	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &type->fields[i];
		const struct limit *l = limit_find(type, i);

		if (!l && needs_row(f))
			return err_new(&ERR_INTERNAL, "%s.%s has no row in limit.def", type->name,
				f->name);
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			TRY(check_repeated(body, f, l));
		else
			TRY(check_value(type, f, l, (const uint8_t *)body + f->offset));
	}
	return NULL;
}
