/* test_ctl_digits.c: what counts as the six digits that the device shows. */
#include "tests/unit/unit.h"

#include "client/ctl/session_device.c"

static bool match(const char *line, uint32_t number)
{
	return digits_match(BYTES(line, strlen(line)), number);
}

static void spaces_and_dashes_do_not_matter(void **state)
{
	assert_true(match("123456", 123456));
	assert_true(match("12 34 56", 123456));
	assert_true(match(" 12-34-56  ", 123456));
	assert_true(match("000000", 0));
	assert_true(match("00 00 07", 7));
	assert_true(match("999999", 999999));
}

static void everything_else_does(void **state)
{
	static const char *const wrong[] = { "", " ", "12345", "1234567", "123457", "12345a",
		"+12345", "0x1e240", "123456.", "123456\t", "\u0661\u0662\u0663\u0664\u0665\u0666",
		"12 34 56 0", "1234567890123456" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (match(wrong[i], 123456))
			fail_msg("\"%s\" counts as 123456", wrong[i]);
	/* Leading zeros are digits like others. */
	assert_false(match("7", 7));
	assert_false(match("123456", 1123456));
	/* More digits than a number holds. */
	assert_false(match("4295090752", 123456));
}

static void what_the_device_shows_is_what_matches(void **state)
{
	for (uint32_t number = 0; number < 1000000; number += 37) {
		char shown[9];
		digits_text(number, shown);
		assert_true(match(shown, number));
		assert_false(match(shown, (number + 1) % 1000000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spaces_and_dashes_do_not_matter),
		cmocka_unit_test(everything_else_does),
		cmocka_unit_test(what_the_device_shows_is_what_matches),
	};

	return cmocka_run_group_tests_name("ctl_digits", tests, NULL, NULL);
}
