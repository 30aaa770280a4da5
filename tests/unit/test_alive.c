/* test_alive.c: what the service manager hears, and how often. The clock stands still until a test moves it. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alive.h"
#include "tests/unit/fake_clock.h"

static char path[] = "/tmp/derivd-unit-alive.XXXXXX";
static int manager = -1;

/* What came since the last call, "" for nothing. */
static const char *heard(void)
{
	static char text[512];
	ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static void set_interval(const char *us)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	setenv("WATCHDOG_USEC", us, 1);
}

static void a_start_that_advances_gets_more_time_now_and_then(void **state)
{
	alive_step();
	assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=60000000");
	for (int i = 0; i < 1000; i++)
		alive_step();
	assert_string_equal(heard(), "");
	fake_boot_ms += 5000;
	alive_step();
	assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=60000000");
}

static void a_status_is_one_line(void **state)
{
	alive_say("a\nREADY=1");
	assert_string_equal(heard(), "STATUS=a\\x0aREADY=1");
	alive_ready("serving");
	assert_string_equal(heard(), "READY=1\nSTATUS=serving");
}

static void without_a_watchdog_nobody_feeds_one(void **state)
{
	fake_boot_ms += 5000;
	alive_step();
	assert_string_equal(heard(), "");
}

static void long_work_feeds_the_watchdog_four_times_in_its_interval(void **state)
{
	set_interval("8000000");
	alive_ready("serving");
	heard();
	alive_step();
	assert_string_equal(heard(), "WATCHDOG=1");
	fake_boot_ms += 1999;
	alive_step();
	assert_string_equal(heard(), "");
	fake_boot_ms += 1;
	alive_step();
	assert_string_equal(heard(), "WATCHDOG=1");
}

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	assert_true(mkstemp(path) >= 0);
	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
	unsetenv("WATCHDOG_USEC");
	return setenv("NOTIFY_SOCKET", path, 1);
}

static int teardown(void **state)
{
	return unlink(path);
}

int main(void)
{
	/* In this order: a program starts, is ready, and has a watchdog then. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_that_advances_gets_more_time_now_and_then),
		cmocka_unit_test(a_status_is_one_line),
		cmocka_unit_test(without_a_watchdog_nobody_feeds_one),
		cmocka_unit_test(long_work_feeds_the_watchdog_four_times_in_its_interval),
	};

	return cmocka_run_group_tests_name("alive", tests, setup, teardown);
}
