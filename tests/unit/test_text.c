/* test_text.c: the strict parsers, and what foreign text looks like when it is shown. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "base/text.h"

#define STR(s) BYTES(s, sizeof(s) - 1)

static void hex_goes_there_and_back(void **state)
{
	AUTO(buf) struct buf *b = NULL;
	AUTO_MEM char *s = text_hex(BYTES("\x00\x7f\xff", 3));
	AUTO_MEM char *none = text_hex(BYTES(NULL, 0));

	assert_string_equal(s, "007fff");
	assert_string_equal(none, "");
	assert_ok(text_unhex("007FfF", &b));
	assert_true(bytes_eq(buf_bytes(b), BYTES("\x00\x7f\xff", 3)));
}

static void unhex_refuses(void **state)
{
	static const char *const bad[] = { "0", "0g", "g0", " 00", "00 ", "0x00", "00:00", "0\n",
		"\xff\xff", "+0" };
	struct buf *b = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(text_unhex(bad[i], &b), &ERR_FORMAT);
	assert_null(b);
}

/* RFC 4648 section 10, and the two characters that differ from base64. */
static void base64url_vectors(void **state)
{
	static const struct {
		const char *plain, *coded;
	} vectors[] = {
		{ "", "" },
		{ "f", "Zg" },
		{ "fo", "Zm8" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg" },
		{ "fooba", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xfe", "-__-" },
	};

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct bytes plain = BYTES(vectors[i].plain, strlen(vectors[i].plain));
		AUTO(buf) struct buf *b = NULL;
		AUTO_MEM char *s = text_base64url(plain);
		assert_string_equal(s, vectors[i].coded);
		assert_ok(text_unbase64url(s, &b));
		assert_true(bytes_eq(buf_bytes(b), plain));
	}
}

static void base64url_of_all_lengths(void **state)
{
	uint8_t data[200];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 11);
	for (size_t len = 0; len <= sizeof(data); len++) {
		AUTO(buf) struct buf *b = NULL;
		AUTO_MEM char *s = text_base64url(BYTES(data, len));
		assert_ok(text_unbase64url(s, &b));
		assert_true(bytes_eq(buf_bytes(b), BYTES(data, len)));
	}
}

static void unbase64url_refuses(void **state)
{
	/* Padding, base64's own characters, impossible lengths, bits left over, white space. */
	static const char *const bad[] = { "Zg==", "Zm8=", "+__-", "/w", "Z", "Zm9vZ", "Zh", "Zm9",
		"Zg ", " Zg", "Zm\n9v", "\xff\xff\xff\xff" };
	struct buf *b = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(text_unbase64url(bad[i], &b), &ERR_FORMAT);
	assert_null(b);
}

static void utf8_is_strict(void **state)
{
	static const struct {
		struct bytes b;
		bool ok;
	} cases[] = {
		{ STR(""), true },
		{ STR("abc"), true },
		{ STR("\x7f"), true },
		{ STR("\xc2\x80"), true },
		{ STR("\xdf\xbf"), true },
		{ STR("\xe0\xa0\x80"), true },
		{ STR("\xed\x9f\xbf"), true },
		{ STR("\xee\x80\x80"), true },
		{ STR("\xf0\x90\x80\x80"), true },
		{ STR("\xf4\x8f\xbf\xbf"), true },
		{ STR("a\0b"), false },
		{ STR("\x80"), false },
		{ STR("\xbf"), false },
		{ STR("\xc0\x80"), false }, /* overlong */
		{ STR("\xc1\xbf"), false },
		{ STR("\xe0\x9f\xbf"), false },
		{ STR("\xf0\x8f\xbf\xbf"), false },
		{ STR("\xed\xa0\x80"), false }, /* surrogates */
		{ STR("\xed\xbf\xbf"), false },
		{ STR("\xf4\x90\x80\x80"), false }, /* past U+10FFFF */
		{ STR("\xf5\x80\x80\x80"), false },
		{ STR("\xf8\x88\x80\x80\x80"), false },
		{ STR("\xff"), false },
		{ STR("\xc2"), false }, /* cut off */
		{ STR("\xe2\x82"), false },
		{ STR("\xf0\x9f\x98"), false },
		{ STR("\xc2\x41"), false },
		{ STR("\xe2\x28\xa1"), false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (text_is_utf8(cases[i].b) != cases[i].ok)
			fail_msg("case %zu", i);
	}
}

/* A character at the very end must not make the decoder look past it. */
static void utf8_stops_at_the_length(void **state)
{
	const char euro[] = "\xe2\x82\xac";

	assert_true(text_is_utf8(BYTES(euro, 3)));
	for (size_t len = 1; len < 3; len++) {
		char *exact = xcalloc(1, len);
		memcpy(exact, euro, len);
		assert_false(text_is_utf8(BYTES(exact, len)));
		free(exact);
	}
}

static void what_may_be_shown(void **state)
{
	assert_true(text_is_printable(STR("J\xc3\xb6rg \xe2\x82\xac 5 \xf0\x9f\x98\x80")));
	assert_true(text_is_printable(STR("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"))); /* Hebrew */
	assert_false(text_is_printable(STR("a\nb")));
	assert_false(text_is_printable(STR("\x1b[2J")));
	assert_false(text_is_printable(STR("\x7f")));
	assert_false(text_is_printable(STR("\xc2\x9b")));     /* C1: CSI */
	assert_false(text_is_printable(STR("\xe2\x80\xa8"))); /* line separator */
	assert_false(text_is_printable(STR("\xe2\x80\xae"))); /* right-to-left override */
	assert_false(text_is_printable(STR("\xe2\x81\xa6"))); /* isolate */
	assert_false(text_is_printable(STR("a\0")));
	assert_false(text_is_printable(STR("\xff")));
}

static void safe_text_keeps_the_rest(void **state)
{
	static const struct {
		struct bytes b;
		const char *shown;
	} cases[] = {
		{ STR(""), "" },
		{ STR("J\xc3\xb6rg"), "J\xc3\xb6rg" },
		{ STR("a\nb\0c"), "a\\x0ab\\x00c" },
		{ STR("\x1b[31mred"), "\\x1b[31mred" },
		{ STR("x\xe2\x80\xae\x79"), "x\\xe2\\x80\\xaey" },
		{ STR("\xff\xc3"), "\\xff\\xc3" },
		{ STR("\xc3\x28"), "\\xc3(" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_MEM char *s = text_safe(cases[i].b);
		assert_string_equal(s, cases[i].shown);
	}
}

/* Whatever comes in, what goes out may be shown. */
static void safe_text_is_printable_for_any_bytes(void **state)
{
	uint32_t seed = 12345;

	for (int round = 0; round < 2000; round++) {
		uint8_t data[24];
		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1664525 + 1013904223;
			data[i] = (uint8_t)(seed >> 24);
		}
		AUTO_MEM char *s = text_safe(BYTES(data, sizeof(data)));
		assert_true(text_is_printable(BYTES(s, strlen(s))));
	}
}

static void numbers(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "1.0", "0x1", "01", "00",
		"a", "1a", "18446744073709551616", "99999999999999999999999" };
	uint64_t v = 7;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(text_parse_u64(bad[i], UINT64_MAX, &v), &ERR_FORMAT);
	assert_err(text_parse_u64("101", 100, &v), &ERR_FORMAT);
	assert_err(text_parse_u64("5", 4, &v), &ERR_FORMAT);
	assert_err(text_parse_u64("1", 0, &v), &ERR_FORMAT);
	assert_true(v == 7);
	assert_ok(text_parse_u64("18446744073709551615", UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	assert_ok(text_parse_u64("100", 100, &v));
	assert_true(v == 100);
	assert_ok(text_parse_u64("0", 0, &v));
	assert_true(v == 0);
}

static void durations(void **state)
{
	static const struct {
		const char *s;
		uint64_t ms;
	} good[] = {
		{ "0", 0 },
		{ "90", 90000 },
		{ "90s", 90000 },
		{ "15min", 900000 },
		{ "8h", 28800000 },
		{ "7d", 604800000 },
		{ "3y", 94608000000 },
	};
	static const char *const bad[] = { "", "s", "min", "1 h", "1m", "1w", "-1h", "1.5h",
		"1h30min", "1H", "292471209y", "9223372036854775807", "99999999999999999999s" };
	uint64_t ms = 7;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(text_parse_duration(bad[i], &ms), &ERR_FORMAT);
	assert_true(ms == 7);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_ok(text_parse_duration(good[i].s, &ms));
		assert_true(ms == good[i].ms);
	}
}

static void times(void **state)
{
	static const struct {
		int64_t ms;
		const char *s;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 999, "1970-01-01T00:00:00Z" },
		{ -1, "1969-12-31T23:59:59Z" },
		{ 1795371656000, "2026-11-22T18:20:56Z" },
		{ 951782400000, "2000-02-29T00:00:00Z" },
		{ 253402300799000, "9999-12-31T23:59:59Z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_MEM char *s = text_time(cases[i].ms);
		assert_string_equal(s, cases[i].s);
	}
	AUTO_MEM char *first = text_time(INT64_MIN);
	AUTO_MEM char *last = text_time(INT64_MAX);
	assert_non_null(first);
	assert_non_null(last);
}

static void spans_for_people(void **state)
{
	static const struct {
		int64_t when, now;
		const char *s;
	} cases[] = {
		{ 0, 0, "now" },
		{ 999, 0, "now" },
		{ 5 * 60000, 0, "in 5 min" },
		{ 0, 2 * 3600000 + 5, "2 h ago" },
		{ 0, 59999, "59 s ago" },
		{ 0, 86400000, "1 d ago" },
		{ 400 * 86400000ll, 0, "in 1 y" },
		{ INT64_MIN, INT64_MAX, "584942417 y ago" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_MEM char *s = text_ago(cases[i].when, cases[i].now);
		assert_string_equal(s, cases[i].s);
	}
}

static void cuts_fall_between_characters(void **state)
{
	static const struct {
		const char *s;
		size_t max;
		const char *cut;
	} cases[] = {
		{ "abc", 5, "abc" },
		{ "abc", 3, "abc" },
		{ "abc", 2, "ab" },
		{ "a\u00e4b", 2, "a" },
		{ "a\u00e4b", 3, "a\u00e4" },
		{ "\U0001f600", 3, "" },
		{ "abc", 0, "" },
		{ NULL, 4, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_MEM char *s = text_cut(cases[i].s, cases[i].max);
		assert_string_equal(s, cases[i].cut);
	}
}

static void beginnings_and_ends(void **state)
{
	assert_true(text_starts("abc", "ab"));
	assert_true(text_starts("abc", ""));
	assert_false(text_starts("ab", "abc"));
	assert_true(text_ends("a.conf", ".conf"));
	assert_false(text_ends("conf", ".conf"));
	assert_true(text_ends("", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_goes_there_and_back),
		cmocka_unit_test(unhex_refuses),
		cmocka_unit_test(base64url_vectors),
		cmocka_unit_test(base64url_of_all_lengths),
		cmocka_unit_test(unbase64url_refuses),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(utf8_stops_at_the_length),
		cmocka_unit_test(what_may_be_shown),
		cmocka_unit_test(safe_text_keeps_the_rest),
		cmocka_unit_test(safe_text_is_printable_for_any_bytes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(durations),
		cmocka_unit_test(times),
		cmocka_unit_test(spans_for_people),
		cmocka_unit_test(cuts_fall_between_characters),
		cmocka_unit_test(beginnings_and_ends),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
