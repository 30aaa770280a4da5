/* test_rate.c: so many a minute, and the rest is counted. */
#include "tests/unit/unit.h"

#include "base/rate.h"

static void so_many_a_minute_and_the_rest_is_counted(void **state)
{
	struct rate r = { 0 };
	uint64_t left_out = 99;

	assert_true(rate_take(&r, 2, 5000, &left_out));
	assert_int_equal(left_out, 0);
	assert_true(rate_take(&r, 2, 5001, &left_out));
	for (unsigned int i = 0; i < 3; i++)
		assert_false(rate_take(&r, 2, 5002 + i, &left_out));
	assert_false(rate_take(&r, 2, 5000 + RATE_WINDOW_MS - 1, &left_out));
	assert_true(rate_take(&r, 2, 5000 + RATE_WINDOW_MS, &left_out));
	assert_int_equal(left_out, 4);
	assert_true(rate_take(&r, 2, 5000 + RATE_WINDOW_MS, &left_out));
	assert_int_equal(left_out, 0);
}

static void a_minute_ends_by_itself(void **state)
{
	struct rate r = { 0 };
	uint64_t left_out;

	assert_true(rate_take(&r, 1, 0, &left_out));
	assert_int_equal(r.n, 1);
	rate_turn(&r, RATE_WINDOW_MS - 1);
	assert_int_equal(r.n, 1);
	rate_turn(&r, RATE_WINDOW_MS);
	assert_int_equal(r.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_a_minute_and_the_rest_is_counted),
		cmocka_unit_test(a_minute_ends_by_itself),
	};

	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
