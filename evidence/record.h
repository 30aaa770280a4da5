/*
 * record.h: the form of everything that is signed: fields in a fixed order, each behind its length as a 32-bit
 * big-endian number, nothing else (PROTOCOL.intent section 2). One value has one encoding, so a reader that
 * re-encodes what it read must get the same bytes, and does check it.
 */
#ifndef DERIVD_EVIDENCE_RECORD_H
#define DERIVD_EVIDENCE_RECORD_H

#include "base/buf.h"

/* No record, and no field of one, is longer. */
#define RECORD_MAX 65536
/* The end of the year 9999, the last that X.509 can write. */
#define RECORD_TIME_MAX_MS INT64_C(253402300799999)

/* Writing: straight into a buffer. A list is one field that holds its elements, each again a field. */
void record_put(struct buf *out, struct bytes field);
void record_put_str(struct buf *out, const char *s);
/* One byte, and eight bytes big-endian. */
void record_put_u8(struct buf *out, uint8_t v);
void record_put_u64(struct buf *out, uint64_t v);
/* A field that holds what inner has: for lists and nested records. */
void record_put_nested(struct buf *out, const struct buf *inner);

/* Reading from a cursor. ERR_FORMAT names the field. Views are lent from the cursor's source. */
MUST_CHECK struct err *record_get(struct cursor *c, const char *name, size_t min, size_t max,
	struct bytes *ret_field);
MUST_CHECK struct err *record_get_fixed(struct cursor *c, const char *name, size_t len, uint8_t *ret_bytes);
/* Printable UTF-8 of at most max bytes; the caller frees. */
MUST_CHECK struct err *record_get_str(struct cursor *c, const char *name, size_t max, char **ret_s);
MUST_CHECK struct err *record_get_u8(struct cursor *c, const char *name, uint8_t *ret_v);
MUST_CHECK struct err *record_get_u64(struct cursor *c, const char *name, uint64_t *ret_v);
/* A byte from min to max; milliseconds since the epoch, up to the year 9999. */
MUST_CHECK struct err *record_get_choice(struct cursor *c, const char *name, uint8_t min, uint8_t max,
	uint8_t *ret_v);
MUST_CHECK struct err *record_get_time(struct cursor *c, const char *name, int64_t *ret_ms);
/* A cursor over a list's elements, which the caller reads until its rest is empty. Each list has a maximum of its own. */
MUST_CHECK struct err *record_get_list(struct cursor *c, const char *name, struct cursor *ret_list);

#endif
