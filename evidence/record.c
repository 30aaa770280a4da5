/* record.c: fields behind their lengths; every reader checks a length before it looks at a byte. */
#include "evidence/record.h"

#include <string.h>

#include "base/text.h"

void record_put(struct buf *out, struct bytes field)
{
	buf_add_u32(out, (uint32_t)field.len);
	buf_add_bytes(out, field);
}

void record_put_str(struct buf *out, const char *s)
{
	record_put(out, BYTES(s, strlen(s)));
}

void record_put_u8(struct buf *out, uint8_t v)
{
	buf_add_u32(out, 1);
	buf_add_u8(out, v);
}

void record_put_u64(struct buf *out, uint64_t v)
{
	buf_add_u32(out, 8);
	buf_add_u64(out, v);
}

void record_put_nested(struct buf *out, const struct buf *inner)
{
	record_put(out, buf_bytes(inner));
}

struct err *record_get(
	struct cursor *c, const char *name, size_t min, size_t max, struct bytes *ret_field)
{
	struct cursor at = *c;
	struct bytes field = { 0 };
	uint32_t len = 0;

	TRY(err_wrap(cursor_u32(&at, &len), "%s", name));
	if (len < min || len > max)
		return err_new(&ERR_FORMAT, "%s: %u bytes, where %zu to %zu are allowed", name, len,
			min, max);
	TRY(err_wrap(cursor_bytes(&at, len, &field), "%s", name));
	*c = at;
	*ret_field = field;
	return NULL;
}

struct err *record_get_fixed(struct cursor *c, const char *name, size_t len, uint8_t *ret_bytes)
{
	struct bytes field;

	TRY(record_get(c, name, len, len, &field));
	memcpy(ret_bytes, field.data, len);
	return NULL;
}

struct err *record_get_str(struct cursor *c, const char *name, size_t max, char **ret_s)
{
	struct cursor at = *c;
	struct bytes field;

	TRY(record_get(&at, name, 0, max, &field));
	if (!text_is_printable(field))
		return err_new(&ERR_FORMAT, "%s: not a printable text", name);
	*c = at;
	*ret_s = bytes_strdup(field);
	return NULL;
}

struct err *record_get_u8(struct cursor *c, const char *name, uint8_t *ret_v)
{
	return record_get_fixed(c, name, 1, ret_v);
}

struct err *record_get_choice(
	struct cursor *c, const char *name, uint8_t min, uint8_t max, uint8_t *ret_v)
{
	struct cursor at = *c;
	uint8_t v;

	TRY(record_get_u8(&at, name, &v));
	if (v < min || v > max)
		return err_new(&ERR_FORMAT, "%s: %u, where %u to %u are known", name, v, min, max);
	*c = at;
	*ret_v = v;
	return NULL;
}

struct err *record_get_u64(struct cursor *c, const char *name, uint64_t *ret_v)
{
	struct bytes field;

	TRY(record_get(c, name, 8, 8, &field));
	struct cursor inner = { field };
	return cursor_u64(&inner, ret_v);
}

struct err *record_get_time(struct cursor *c, const char *name, int64_t *ret_ms)
{
	struct cursor at = *c;
	uint64_t v;

	TRY(record_get_u64(&at, name, &v));
	if (v > (uint64_t)RECORD_TIME_MAX_MS)
		return err_new(&ERR_FORMAT, "%s: a time after the year 9999", name);
	*c = at;
	*ret_ms = (int64_t)v;
	return NULL;
}

struct err *record_get_list(struct cursor *c, const char *name, struct cursor *ret_list)
{
	struct bytes field;

	TRY(record_get(c, name, 0, RECORD_MAX, &field));
	ret_list->rest = field;
	return NULL;
}
