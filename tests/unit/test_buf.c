/* test_buf.c: the buffer, the cursor and the small allocators. */
#include "tests/unit/unit.h"

#include "base/buf.h"

static void integers_are_big_endian(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	buf_add_u8(b, 1);
	buf_add_u16(b, 0x0203);
	buf_add_u32(b, 0x04050607);
	buf_add_u64(b, 0x08090a0b0c0d0e0f);
	assert_int_equal(buf_len(b), 15);
	for (size_t i = 0; i < 15; i++)
		assert_int_equal(buf_data(b)[i], i + 1);
}

static void text_is_terminated_after_each_write(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	assert_string_equal(buf_str(b), "");
	for (int i = 0; i < 1000; i++) {
		buf_addf(b, "%c", 'a' + i % 26);
		assert_int_equal(strlen(buf_str(b)), i + 1);
	}
	buf_cut(b, 3);
	assert_string_equal(buf_str(b), "abc");
	buf_add_str(b, "xyz");
	buf_addf(b, "%05d", 42);
	assert_string_equal(buf_str(b), "abcxyz00042");
	buf_clear(b);
	assert_int_equal(buf_len(b), 0);
	assert_string_equal(buf_str(b), "");
}

static void grown_room_is_zero_even_where_something_was(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	buf_add_str(b, "secret");
	buf_cut(b, 0);
	const uint8_t *room = buf_grow(b, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(room[i], 0);
	assert_int_equal(buf_len(b), 6);
}

static void clear_overwrites_what_was_there(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	buf_add_str(b, "secret");
	const uint8_t *data = buf_data(b);
	buf_clear(b);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(data[i], 0);
}

static void large_content_survives_growth(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	for (uint32_t i = 0; i < 50000; i++)
		buf_add_u32(b, i);
	struct cursor c = { buf_bytes(b) };
	for (uint32_t i = 0; i < 50000; i++) {
		uint32_t v = 0;
		assert_ok(cursor_u32(&c, &v));
		assert_int_equal(v, i);
	}
	assert_ok(cursor_end(&c));
}

static void empty_bytes_may_be_null(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	buf_add(b, NULL, 0);
	buf_add_bytes(b, BYTES(NULL, 0));
	assert_int_equal(buf_len(b), 0);
	assert_true(bytes_eq(BYTES(NULL, 0), BYTES("", 0)));
	assert_true(bytes_eq_const(BYTES(NULL, 0), BYTES("", 0)));
	AUTO_MEM char *s = bytes_strdup(BYTES(NULL, 0));
	assert_string_equal(s, "");
}

static void bytes_compare_by_content_and_length(void **state)
{
	assert_true(bytes_eq(BYTES("abc", 3), BYTES("abcd", 3)));
	assert_false(bytes_eq(BYTES("abc", 3), BYTES("abcd", 4)));
	assert_false(bytes_eq(BYTES("abc", 3), BYTES("abd", 3)));
	assert_true(bytes_eq_const(BYTES("abc", 3), BYTES("abcd", 3)));
	assert_false(bytes_eq_const(BYTES("abc", 3), BYTES("abcd", 4)));
	assert_false(bytes_eq_const(BYTES("abc", 3), BYTES("abd", 3)));
}

static void cursor_reads_what_was_written(void **state)
{
	AUTO(buf) struct buf *b = buf_new();
	uint8_t u8 = 0;
	uint16_t u16 = 0;
	uint64_t u64 = 0;
	struct bytes rest = { 0 };

	buf_add_u8(b, 0xff);
	buf_add_u16(b, 0xfffe);
	buf_add_u64(b, UINT64_MAX - 1);
	buf_add_str(b, "abc");
	struct cursor c = { buf_bytes(b) };
	assert_ok(cursor_u8(&c, &u8));
	assert_ok(cursor_u16(&c, &u16));
	assert_ok(cursor_u64(&c, &u64));
	assert_err(cursor_end(&c), &ERR_FORMAT);
	assert_ok(cursor_bytes(&c, 3, &rest));
	assert_ok(cursor_end(&c));
	assert_int_equal(u8, 0xff);
	assert_int_equal(u16, 0xfffe);
	assert_true(u64 == UINT64_MAX - 1);
	assert_true(bytes_eq(rest, BYTES("abc", 3)));
}

static void a_read_too_long_changes_nothing(void **state)
{
	struct cursor c = { BYTES("\1\2\3", 3) };
	uint32_t u32 = 77;
	uint64_t u64 = 77;
	struct bytes b = BYTES("x", 1);

	assert_err(cursor_u32(&c, &u32), &ERR_FORMAT);
	assert_err(cursor_u64(&c, &u64), &ERR_FORMAT);
	assert_err(cursor_bytes(&c, 4, &b), &ERR_FORMAT);
	assert_err(cursor_bytes(&c, SIZE_MAX, &b), &ERR_FORMAT);
	assert_int_equal(u32, 77);
	assert_int_equal(u64, 77);
	assert_int_equal(b.len, 1);
	assert_int_equal(c.rest.len, 3);
}

static void an_empty_source_gives_empty_bytes_only(void **state)
{
	struct cursor c = { BYTES(NULL, 0) };
	struct bytes b = BYTES("x", 1);
	uint8_t u8;

	assert_ok(cursor_bytes(&c, 0, &b));
	assert_int_equal(b.len, 0);
	assert_err(cursor_u8(&c, &u8), &ERR_FORMAT);
	assert_ok(cursor_end(&c));
}

static void allocators_give_zeros_and_take_nothing(void **state)
{
	AUTO_MEM uint8_t *p = xcalloc(100, 3);
	AUTO_MEM void *none = xcalloc(0, 0);
	AUTO_MEM char *s = xasprintf("%s-%d", "a", 1);
	AUTO_MEM char *copy = xstrdup(s);

	for (size_t i = 0; i < 300; i++)
		assert_int_equal(p[i], 0);
	assert_non_null(none);
	assert_string_equal(copy, "a-1");
	p = xrealloc(p, 1000, 3);
	assert_int_equal(p[299], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_big_endian),
		cmocka_unit_test(text_is_terminated_after_each_write),
		cmocka_unit_test(grown_room_is_zero_even_where_something_was),
		cmocka_unit_test(clear_overwrites_what_was_there),
		cmocka_unit_test(large_content_survives_growth),
		cmocka_unit_test(empty_bytes_may_be_null),
		cmocka_unit_test(bytes_compare_by_content_and_length),
		cmocka_unit_test(cursor_reads_what_was_written),
		cmocka_unit_test(a_read_too_long_changes_nothing),
		cmocka_unit_test(an_empty_source_gives_empty_bytes_only),
		cmocka_unit_test(allocators_give_zeros_and_take_nothing),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
