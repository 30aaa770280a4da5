/* text.c: hex, base64url, numbers, durations and times. What is foreign and is to be shown:
 * text_safe.c. */
#include "base/text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

static const char BASE64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *text_hex(struct bytes b)
{
	static const char digits[] = "0123456789abcdef";
	char *s = xcalloc(b.len + 1, 2);

	for (size_t i = 0; i < b.len; i++) {
		s[2 * i] = digits[b.data[i] >> 4];
		s[2 * i + 1] = digits[b.data[i] & 15];
	}
	return s;
}

static int unhex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

struct err *text_unhex(const char *s, struct buf **ret_buf)
{
	AUTO(buf) struct buf *b = buf_new();
	size_t len = strlen(s);

	if (len % 2)
		return err_new(&ERR_FORMAT, "an odd number of hexadecimal digits (%zu)", len);
	for (size_t i = 0; i < len; i += 2) {
		int high = unhex_digit(s[i]), low = unhex_digit(s[i + 1]);
		if (high < 0 || low < 0)
			return err_new(&ERR_FORMAT, "no hexadecimal digit at position %zu",
				high < 0 ? i : i + 1);
		buf_add_u8(b, (uint8_t)(high << 4 | low));
	}
	*ret_buf = take(b);
	return NULL;
}

char *text_base64url(struct bytes b)
{
	AUTO(buf) struct buf *out = buf_new();

	for (size_t i = 0; i < b.len; i += 3) {
		size_t n = b.len - i < 3 ? b.len - i : 3;
		uint32_t v = (uint32_t)b.data[i] << 16;
		if (n > 1)
			v |= (uint32_t)b.data[i + 1] << 8;
		if (n > 2)
			v |= b.data[i + 2];
		for (size_t k = 0; k <= n; k++)
			buf_add_u8(out, (uint8_t)BASE64URL[v >> (18 - 6 * k) & 63]);
	}
	return bytes_strdup(buf_bytes(out));
}

/* One group of two to four characters into one to three bytes. Unused bits must be zero: one text a
 * value. */
static struct err *unbase64_group(const char *s, size_t n, struct buf *b)
{
	uint32_t v = 0;

	for (size_t k = 0; k < 4; k++) {
		const char *at = k < n ? memchr(BASE64URL, s[k], 64) : BASE64URL;
		if (!at)
			return err_new(&ERR_FORMAT, "a character that base64url does not have");
		v = v << 6 | (uint32_t)(at - BASE64URL);
	}
	if (v & ((1u << (8 * (4 - n))) - 1))
		return err_new(&ERR_FORMAT, "base64url with bits left over");
	for (size_t k = 0; k + 1 < n; k++)
		buf_add_u8(b, (uint8_t)(v >> (16 - 8 * k)));
	return NULL;
}

struct err *text_unbase64url(const char *s, struct buf **ret_buf)
{
	AUTO(buf) struct buf *b = buf_new();
	size_t len = strlen(s);

	if (len % 4 == 1)
		return err_new(&ERR_FORMAT, "base64url of impossible length %zu", len);
	for (size_t i = 0; i < len; i += 4)
		TRY(unbase64_group(s + i, len - i < 4 ? len - i : 4, b));
	*ret_buf = take(b);
	return NULL;
}

/* The digits at the start of s; *ret_rest is what follows them. */
static struct err *parse_digits(const char *s, uint64_t max, const char **ret_rest, uint64_t *ret_v)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (digit > max || v > (max - digit) / 10)
			return err_new(&ERR_FORMAT, "a number greater than %" PRIu64, max);
		v = v * 10 + digit;
	}
	if (p == s)
		return err_new(&ERR_FORMAT, "not a number");
	if (*s == '0' && p - s > 1)
		return err_new(&ERR_FORMAT, "a number that begins with 0");
	*ret_rest = p;
	*ret_v = v;
	return NULL;
}

struct err *text_parse_u64(const char *s, uint64_t max, uint64_t *ret_v)
{
	const char *rest;
	uint64_t v;

	TRY(parse_digits(s, max, &rest, &v));
	if (*rest)
		return err_new(&ERR_FORMAT, "not a number: only the digits 0 to 9 are allowed");
	*ret_v = v;
	return NULL;
}

static const struct unit {
	const char *name;
	uint64_t ms;
} UNITS[] = {
	{ "", 1000 },
	{ "s", 1000 },
	{ "min", 60 * 1000 },
	{ "h", 3600 * 1000 },
	{ "d", 86400 * 1000ull },
	{ "y", 365 * 86400 * 1000ull },
};

struct err *text_parse_duration(const char *s, uint64_t *ret_ms)
{
	const char *rest;
	uint64_t v;

	TRY(parse_digits(s, INT64_MAX, &rest, &v));
	for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
		if (strcmp(rest, UNITS[i].name) != 0)
			continue;
		if (v > (uint64_t)INT64_MAX / UNITS[i].ms)
			return err_new(&ERR_FORMAT, "a duration that is too long");
		*ret_ms = v * UNITS[i].ms;
		return NULL;
	}
	return err_new(&ERR_FORMAT, "a duration is a number and one of s, min, h, d, y");
}

char *text_time(int64_t real_ms)
{
	/* Rounds down also before 1970. */
	time_t t = (time_t)(real_ms / 1000 - (real_ms % 1000 < 0));
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		err_abort("a time out of range: %" PRId64, real_ms);
	return xasprintf("%04ld-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900L, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The greatest unit of which there is at least one, rounded down. */
static char *coarse(uint64_t ms)
{
	size_t i = ARRAY_LEN(UNITS) - 1;

	while (i > 1 && ms < UNITS[i].ms)
		i--;
	return xasprintf("%" PRIu64 " %s", ms / UNITS[i].ms, UNITS[i].name);
}

char *text_ago(int64_t real_ms, int64_t now_ms)
{
	bool past = real_ms <= now_ms;
	/* Unsigned: the difference of two int64_t may not fit one. */
	uint64_t ms =
		past ? (uint64_t)now_ms - (uint64_t)real_ms : (uint64_t)real_ms - (uint64_t)now_ms;

	if (ms < 1000)
		return xstrdup("now");
	AUTO_MEM char *span = coarse(ms);
	return past ? xasprintf("%s ago", span) : xasprintf("in %s", span);
}

bool text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *s, const char *suffix)
{
	size_t len = strlen(s), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(s + len - suffix_len, suffix) == 0;
}
