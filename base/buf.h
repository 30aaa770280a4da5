/*
 * buf.h: a growing byte buffer to write into, and a cursor to read from bytes of somebody else.
 * All integers are big-endian. Out of memory aborts. Memory that a buffer leaves behind is
 * overwritten, as a habit; what must stay out of swap and dumps belongs into a secret (secret.h).
 */
#ifndef DERIVD_BASE_BUF_H
#define DERIVD_BASE_BUF_H

#include "base/def.h"
#include "base/err.h"

struct buf;

struct buf *buf_new(void);
void buf_free(struct buf *b);
DEFINE_AUTO(buf, struct buf *, buf_free);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_bytes(struct buf *b, struct bytes bytes);
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
/* The text without its terminating zero. */
void buf_add_str(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Makes room for len zero bytes at the end and lends it; they count as written. */
uint8_t *buf_grow(struct buf *b, size_t len);
/* Cuts the buffer to len bytes, which must not be more than it has. */
void buf_cut(struct buf *b, size_t len);
/* Empties it; the memory is kept and overwritten with zeros. */
void buf_clear(struct buf *b);

const uint8_t *buf_data(const struct buf *b);
size_t buf_len(const struct buf *b);
struct bytes buf_bytes(const struct buf *b);
/* The content as a string (a zero follows the last byte always); lent until the next write. */
const char *buf_str(const struct buf *b);

/* Copies: the caller frees with free(). */
uint8_t *bytes_dup(struct bytes b);
char *bytes_strdup(struct bytes b);
bool bytes_eq(struct bytes a, struct bytes b);
/* The same in a time that depends on the lengths only. */
bool bytes_eq_const(struct bytes a, struct bytes b);

/* A cursor. Each read either succeeds whole or returns ERR_FORMAT and leaves cursor and outputs
 * alone. */
struct cursor {
	struct bytes rest;
};

MUST_CHECK struct err *cursor_u8(struct cursor *c, uint8_t *ret_v);
MUST_CHECK struct err *cursor_u16(struct cursor *c, uint16_t *ret_v);
MUST_CHECK struct err *cursor_u32(struct cursor *c, uint32_t *ret_v);
MUST_CHECK struct err *cursor_u64(struct cursor *c, uint64_t *ret_v);
/* The next len bytes, lent from the source. */
MUST_CHECK struct err *cursor_bytes(struct cursor *c, size_t len, struct bytes *ret_bytes);
/* ERR_FORMAT when anything is left: every parser ends with it. */
MUST_CHECK struct err *cursor_end(const struct cursor *c);

/* AUTO_MEM char *s = NULL; frees a plain allocation of any type on leaving the scope. */
void mem_cleanup(void *pointer_to_pointer);
#define AUTO_MEM __attribute__((cleanup(mem_cleanup)))

/* malloc family that aborts when there is no memory. xcalloc zeroes. */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

#endif
