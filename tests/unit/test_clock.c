/* test_clock.c: the clocks go forward, the boot id is the kernel's, random bytes differ. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

static void real_time_is_the_system_time(void **state)
{
	int64_t before = (int64_t)time(NULL);
	int64_t ms = clock_real_ms();

	/* time() may lag behind by one tick of the kernel. */
	assert_true(ms >= before * 1000 && ms < (before + 5) * 1000);
}

static void boot_time_goes_forward(void **state)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int64_t first = clock_boot_ms();

	assert_true(first > 0);
	nanosleep(&pause, NULL);
	int64_t passed = clock_boot_ms() - first;
	assert_true(passed >= 19 && passed < 10000);
}

static void boot_id_is_the_one_in_proc(void **state)
{
	uint8_t id[16] = { 0 }, again[16] = { 1 };
	char line[64] = "", plain[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	for (char *p = line, *q = plain; *p && *p != '\n'; p++) {
		if (*p != '-')
			*q++ = *p;
	}
	assert_ok(clock_boot_id(id));
	assert_ok(clock_boot_id(again));
	AUTO_MEM char *hex = text_hex(BYTES(id, sizeof(id)));
	assert_string_equal(hex, plain);
	assert_memory_equal(id, again, sizeof(id));
}

static void random_bytes_fill_all_and_differ(void **state)
{
	/* More than getrandom(2) promises to give in one call. */
	static uint8_t a[100000], b[100000];

	clock_random(a, sizeof(a));
	clock_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a + sizeof(a) - 16, (uint8_t[16]){ 0 }, 16);
	clock_random(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_time_is_the_system_time),
		cmocka_unit_test(boot_time_goes_forward),
		cmocka_unit_test(boot_id_is_the_one_in_proc),
		cmocka_unit_test(random_bytes_fill_all_and_differ),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
