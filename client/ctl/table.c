/* table.c: see table.h. */
#include "client/ctl/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#define COLUMNS_MAX 12
/* Longer bytes are for --json. */
#define BYTES_SHOWN 40

static char *time_value(int64_t ms)
{
	AUTO_MEM char *at = NULL, *ago = NULL;

	if (ms == 0)
		return xstrdup("");
	at = text_time(ms);
	ago = text_ago(ms, clock_real_ms());
	return xasprintf("%s (%s)", at, ago);
}

static char *bytes_text(const ProtobufCBinaryData *d)
{
	if (d->len > BYTES_SHOWN)
		return xasprintf("(%zu bytes)", d->len);
	return text_hex(BYTES(d->data, d->len));
}

/* A field as text for people; the caller frees. Lists and nested messages are "". */
static char *field_text(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *member = (const uint8_t *)m + f->offset;
	const ProtobufCEnumValue *name;

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return xstrdup("");
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return text_safe(BYTES(*(char *const *)member, strlen(*(char *const *)member)));
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_text(member);
	case PROTOBUF_C_TYPE_BOOL:
		return xstrdup(*(const protobuf_c_boolean *)member ? "yes" : "no");
	case PROTOBUF_C_TYPE_ENUM:
		name = protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)member);
		return xstrdup(name ? name->name : "?");
	case PROTOBUF_C_TYPE_UINT32:
		return xasprintf("%u", *(const uint32_t *)member);
	case PROTOBUF_C_TYPE_UINT64:
		return xasprintf("%llu", (unsigned long long)*(const uint64_t *)member);
	case PROTOBUF_C_TYPE_INT64:
		if (text_ends(f->name, "_ms"))
			return time_value(*(const int64_t *)member);
		return xasprintf("%lld", (long long)*(const int64_t *)member);
	default:
		return xstrdup("");
	}
}

static size_t width_of(const char *s)
{
	return text_columns(BYTES(s, strlen(s)));
}

/* To at most max columns, whole characters. */
static void cut(char *s, size_t max)
{
	size_t len = strlen(s);

	while (max > 0 && text_columns(BYTES(s, len)) > max) {
		do {
			len--;
		} while (((unsigned char)s[len] & 0xc0) == 0x80);
		s[len] = '\0';
	}
}

static char *cell(const struct table_column *c, const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, c->field);
	char *text;

	assert(f);
	text = field_text(m, f);
	cut(text, c->max);
	return text;
}

static void print_cell(const char *text, size_t width, bool last)
{
	(void)fputs(text, stdout);
	for (size_t i = width_of(text); !last && i < width + 2; i++)
		(void)fputc(' ', stdout);
}

void table_print(const struct table_column *columns, ProtobufCMessage *const *rows, size_t n_rows)
{
	size_t widths[COLUMNS_MAX] = { 0 }, n = 0;

	if (n_rows == 0)
		return;
	for (; columns[n].field; n++) {
		assert(n < COLUMNS_MAX);
		widths[n] = width_of(columns[n].title);
		for (size_t r = 0; r < n_rows; r++) {
			AUTO_MEM char *text = cell(&columns[n], rows[r]);

			if (width_of(text) > widths[n])
				widths[n] = width_of(text);
		}
	}
	for (size_t c = 0; c < n; c++)
		print_cell(columns[c].title, widths[c], c + 1 == n);
	(void)fputc('\n', stdout);
	for (size_t r = 0; r < n_rows; r++) {
		for (size_t c = 0; c < n; c++) {
			AUTO_MEM char *text = cell(&columns[c], rows[r]);

			print_cell(text, widths[c], c + 1 == n);
		}
		(void)fputc('\n', stdout);
	}
}

void table_print_fields(const ProtobufCMessage *m)
{
	for (unsigned int i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		AUTO_MEM char *text = field_text(m, f);
		AUTO_MEM char *name = xstrdup(f->name);

		if (text[0] == '\0')
			continue;
		if (text_ends(name, "_ms"))
			name[strlen(name) - strlen("_ms")] = '\0';
		for (char *p = name; *p != '\0'; p++)
			if (*p == '_')
				*p = ' ';
		(void)printf("%-20s %s\n", name, text);
	}
}
