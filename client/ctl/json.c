/* json.c: see json.h. */
#include "client/ctl/json.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/secret.h"
#include "base/text.h"
#include "proto/kind.h"

static json_t *text_value(const char *s)
{
	json_t *j = json_string(s ? s : "");

	if (!j) {
		AUTO_MEM char *safe = text_safe(BYTES(s, strlen(s)));

		j = json_string(safe);
	}
	return j;
}

static json_t *bytes_value(const ProtobufCBinaryData *d)
{
	AUTO_MEM char *hex = text_hex(BYTES(d->data, d->len));

	return json_string(hex);
}

static json_t *enum_value(const ProtobufCEnumDescriptor *type, int v)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, v);

	return value ? json_string(value->name) : json_integer(v);
}

static json_t *member_value(const ProtobufCFieldDescriptor *f, const void *member)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return text_value(*(char *const *)member);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_value(member);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)member);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_value(f->descriptor, *(const int *)member);
	case PROTOBUF_C_TYPE_UINT32:
		return json_integer(*(const uint32_t *)member);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		return json_integer(*(const int64_t *)member);
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(ProtobufCMessage *const *)member
			       ? json_from_message(*(ProtobufCMessage *const *)member)
			       : NULL;
	default:
		/* Our .proto files use no other type. */
		abort();
	}
}

static size_t member_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_UINT32:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		return sizeof(uint64_t);
	default:
		return sizeof(void *);
	}
}

static json_t *list_value(const ProtobufCFieldDescriptor *f, const uint8_t *message)
{
	size_t n = *(const size_t *)(message + f->quantifier_offset);
	const uint8_t *members = *(uint8_t *const *)(message + f->offset);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, member_value(f, members + i * member_size(f)));
	return list;
}

/* A time for people beside the number for programs. */
static void add_time(json_t *object, const ProtobufCFieldDescriptor *f, const uint8_t *message)
{
	AUTO_MEM char *name = xstrdup(f->name);
	int64_t ms = *(const int64_t *)(message + f->offset);
	AUTO_MEM char *text = NULL;

	if (ms == 0)
		return;
	text = text_time(ms);
	name[strlen(name) - strlen("_ms")] = '\0';
	json_object_set_new(object, name, json_string(text));
}

json_t *json_from_message(const ProtobufCMessage *m)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const uint8_t *base = (const uint8_t *)m;
		json_t *value;

		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			value = list_value(f, base);
		else
			value = member_value(f, base + f->offset);
		if (value)
			json_object_set_new(object, f->name, value);
		if (f->type == PROTOBUF_C_TYPE_INT64 && text_ends(f->name, "_ms"))
			add_time(object, f, base);
	}
	return object;
}

static void wipe_and_free(void *p)
{
	if (p)
		wipe(p, malloc_usable_size(p));
	free(p);
}

void json_start(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}

void json_print(const json_t *j)
{
	(void)json_dumpf(j, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	(void)fflush(stdout);
}

void json_print_at_once(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	(void)fflush(stdout);
	if (text) {
		err_free(io_write_full(STDOUT_FILENO, BYTES(text, strlen(text))));
		err_free(io_write_full(STDOUT_FILENO, BYTES("\n", 1)));
	}
	wipe_and_free(text);
}

void json_print_error(const struct err *e)
{
	AUTO(json) json_t *object = json_object();
	json_t *inner = json_object();

	json_object_set_new(inner, "kind", json_string(err_get_kind(e)->name));
	json_object_set_new(inner, "fate", json_string(err_fate_name(err_get_fate(e))));
	json_object_set_new(inner, "text", text_value(err_get_text(e)));
	json_object_set_new(inner, "remedy", json_string(kind_remedy(err_get_kind(e))));
	json_object_set_new(object, "error", inner);
	json_print(object);
}
