/* text.h: small text work: hex, base64url, numbers, times, and making foreign text safe to show. */
#ifndef DERIVD_BASE_TEXT_H
#define DERIVD_BASE_TEXT_H

#include "base/def.h"
#include "base/err.h"

struct buf;

/* Lower-case hexadecimal; the caller frees. */
char *text_hex(struct bytes b);
/* Accepts upper and lower case, no separators. ERR_FORMAT. *ret_buf is the caller's. */
MUST_CHECK struct err *text_unhex(const char *s, struct buf **ret_buf);
/* base64url without padding, RFC 4648 section 5. */
char *text_base64url(struct bytes b);
MUST_CHECK struct err *text_unbase64url(const char *s, struct buf **ret_buf);

/* Strict UTF-8 (RFC 3629: no surrogates, no overlong forms), no zero byte. */
bool text_is_utf8(struct bytes b);
/* UTF-8 without control characters (C0, DEL, C1), line separators and bidirectional overrides. */
bool text_is_printable(struct bytes b);
/* A copy that is safe for a terminal or a log: what text_is_printable refuses stands as \xNN. */
char *text_safe(struct bytes b);

/* The first max bytes at most of a UTF-8 text, not ending within a character; "" for NULL. The caller frees. */
char *text_cut(const char *s, size_t max);

/* How many columns of a terminal the text takes: two for wide characters, none for combining ones, one for a byte that
 * is no UTF-8. */
size_t text_columns(struct bytes b);

/* Whole string, decimal, no sign, at most max. ERR_FORMAT. */
MUST_CHECK struct err *text_parse_u64(const char *s, uint64_t max, uint64_t *ret_v);
/* "90", "90s", "15min", "8h", "7d", "3y" (365 days): milliseconds; a bare number is seconds. ERR_FORMAT. */
MUST_CHECK struct err *text_parse_duration(const char *s, uint64_t *ret_ms);
/* "2026-11-22T18:20:56Z" from milliseconds since the epoch; the caller frees. */
char *text_time(int64_t real_ms);
/* "in 5 min", "2 h ago": coarse, for people; the caller frees. */
char *text_ago(int64_t real_ms, int64_t now_ms);

bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);

#endif
