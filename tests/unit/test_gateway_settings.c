/* test_gateway_settings.c: gateway.conf: defaults, values, and every wrong one with its name. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "daemon/gateway/settings.h"

static char dir[] = "/tmp/derivd-unit-gateway.XXXXXX";
static char path[64];

static struct err *load(const char *text, struct settings **ret_settings)
{
	assert_ok(io_write_file(path, BYTES(text, strlen(text)), 0600));
	return settings_load(path, ret_settings);
}

static void without_a_file_the_defaults_hold(void **state)
{
	AUTO(settings) struct settings *s = NULL;

	unlink(path);
	assert_ok(settings_load(path, &s));
	assert_int_equal(s->max_connections, 20000);
	assert_int_equal(s->ping_ms, 4 * 60 * 1000);
	assert_string_equal(s->key_path, "/etc/test/gateway.key");
}

static void values_are_taken_and_paths_resolved(void **state)
{
	AUTO(settings) struct settings *s = NULL;

	assert_ok(load("max-connections = 7\nping-after = \"90s\"\nkey = \"/abs/k\"\n", &s));
	assert_int_equal(s->max_connections, 7);
	assert_int_equal(s->ping_ms, 90000);
	assert_string_equal(s->key_path, "/abs/k");
	assert_string_equal(s->certificate_path, "/etc/test/gateway.pem");
}

static void credentials_come_before_the_configuration_directory(void **state)
{
	AUTO(settings) struct settings *s = NULL;

	setenv("CREDENTIALS_DIRECTORY", "/run/creds", 1);
	assert_ok(load("", &s));
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_string_equal(s->key_path, "/run/creds/gateway.key");
}

static void wrong_values_are_named(void **state)
{
	static const struct {
		const char *text, *part;
	} wrong[] = {
		{ "max-connections = 0\n", "max-connections" },
		{ "max-connections = 1000001\n", "max-connections" },
		{ "max-handshakes = -1\n", "max-handshakes" },
		{ "pong-time = \"0\"\n", "pong-time" },
		{ "stall-time = \"25h\"\n", "stall-time" },
		{ "stranger-time = \"soon\"\n", "stranger-time" },
		{ "colour = \"red\"\n", "colour" },
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		AUTO(settings) struct settings *s = NULL;
		assert_err_text(load(wrong[i].text, &s), &ERR_CONFIG, wrong[i].part);
	}
}

static int setup(void **state)
{
	setenv("CONFIGURATION_DIRECTORY", "/etc/test", 1);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/gateway.conf", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_the_defaults_hold),
		cmocka_unit_test(values_are_taken_and_paths_resolved),
		cmocka_unit_test(credentials_come_before_the_configuration_directory),
		cmocka_unit_test(wrong_values_are_named),
	};

	return cmocka_run_group_tests_name("gateway settings", tests, setup, teardown);
}
