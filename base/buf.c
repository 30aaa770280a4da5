/* buf.c: bytes.data always has room for one byte more than the length, which holds a zero for
 * buf_str. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
};

#define FIRST_CAP 64

struct buf *buf_new(void)
{
	return xcalloc(1, sizeof(struct buf));
}

void buf_free(struct buf *b)
{
	if (!b)
		return;
	if (b->data)
		explicit_bzero(b->data, b->cap);
	free(b->data);
	free(b);
}

/* Room for len bytes more and the zero. realloc would leave the old bytes behind. */
static void reserve(struct buf *b, size_t len)
{
	if (len >= SIZE_MAX / 2 - b->len)
		err_abort("a buffer of %zu and %zu bytes", b->len, len);
	size_t want = b->len + len + 1;
	if (want <= b->cap)
		return;
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	while (cap < want)
		cap *= 2;
	uint8_t *data = xcalloc(1, cap);
	if (b->data) {
		memcpy(data, b->data, b->len);
		explicit_bzero(b->data, b->cap);
		free(b->data);
	}
	b->data = data;
	b->cap = cap;
}

uint8_t *buf_grow(struct buf *b, size_t len)
{
	reserve(b, len);
	uint8_t *room = b->data + b->len;
	memset(room, 0, len + 1);
	b->len += len;
	return room;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	reserve(b, len);
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
}

void buf_add_bytes(struct buf *b, struct bytes bytes)
{
	buf_add(b, bytes.data, bytes.len);
}

static void add_int(struct buf *b, uint64_t v, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
	buf_add(b, bytes, size);
}

void buf_add_u8(struct buf *b, uint8_t v)
{
	add_int(b, v, 1);
}

void buf_add_u16(struct buf *b, uint16_t v)
{
	add_int(b, v, 2);
}

void buf_add_u32(struct buf *b, uint32_t v)
{
	add_int(b, v, 4);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	add_int(b, v, 8);
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	char *room = (char *)buf_grow(b, (size_t)n);
	vsnprintf(room, (size_t)n + 1, fmt, again);
	va_end(again);
}

void buf_cut(struct buf *b, size_t len)
{
	assert(len <= b->len);
	if (b->data)
		memset(b->data + len, 0, b->len - len);
	b->len = len;
}

void buf_clear(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	b->len = 0;
}

const uint8_t *buf_data(const struct buf *b)
{
	return b->data;
}

size_t buf_len(const struct buf *b)
{
	return b->len;
}

struct bytes buf_bytes(const struct buf *b)
{
	return BYTES(b->data, b->len);
}

const char *buf_str(const struct buf *b)
{
	return b->data ? (const char *)b->data : "";
}

uint8_t *bytes_dup(struct bytes b)
{
	return (uint8_t *)bytes_strdup(b);
}

char *bytes_strdup(struct bytes b)
{
	if (b.len == SIZE_MAX)
		err_abort("a copy of %zu bytes", b.len);
	char *s = xcalloc(1, b.len + 1);
	if (b.len)
		memcpy(s, b.data, b.len);
	return s;
}

bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_eq_const(struct bytes a, struct bytes b)
{
	volatile uint8_t differ = 0;

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		differ |= a.data[i] ^ b.data[i];
	return differ == 0;
}

struct err *cursor_bytes(struct cursor *c, size_t len, struct bytes *ret_bytes)
{
	if (len > c->rest.len)
		return err_new(
			&ERR_FORMAT, "cut off: %zu bytes wanted, %zu left", len, c->rest.len);
	*ret_bytes = BYTES(c->rest.data, len);
	if (len)
		c->rest = BYTES(c->rest.data + len, c->rest.len - len);
	return NULL;
}

static struct err *read_int(struct cursor *c, size_t size, uint64_t *ret_v)
{
	struct bytes b;
	uint64_t v = 0;

	TRY(cursor_bytes(c, size, &b));
	for (size_t i = 0; i < size; i++)
		v = v << 8 | b.data[i];
	*ret_v = v;
	return NULL;
}

struct err *cursor_u8(struct cursor *c, uint8_t *ret_v)
{
	uint64_t v;

	TRY(read_int(c, 1, &v));
	*ret_v = (uint8_t)v;
	return NULL;
}

struct err *cursor_u16(struct cursor *c, uint16_t *ret_v)
{
	uint64_t v;

	TRY(read_int(c, 2, &v));
	*ret_v = (uint16_t)v;
	return NULL;
}

struct err *cursor_u32(struct cursor *c, uint32_t *ret_v)
{
	uint64_t v;

	TRY(read_int(c, 4, &v));
	*ret_v = (uint32_t)v;
	return NULL;
}

struct err *cursor_u64(struct cursor *c, uint64_t *ret_v)
{
	return read_int(c, 8, ret_v);
}

struct err *cursor_end(const struct cursor *c)
{
	if (c->rest.len)
		return err_new(&ERR_FORMAT, "%zu bytes too many at the end", c->rest.len);
	return NULL;
}

void mem_cleanup(void *pointer_to_pointer)
{
	void *p;

	memcpy(&p, pointer_to_pointer, sizeof(p));
	free(p);
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		err_abort("no memory for %zu times %zu bytes", n, size);
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	void *q = reallocarray(p, n ? n : 1, size ? size : 1);

	if (!q)
		err_abort("no memory for %zu times %zu bytes", n, size);
	return q;
}

char *xstrdup(const char *s)
{
	return bytes_strdup(BYTES(s, strlen(s)));
}

char *xasprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		err_abort("no memory for a text");
	return s;
}
