/* test_conf.c: good files, drop-ins, and every kind of bad file with its place. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/io.h"

static char dir[] = "/tmp/derivd-unit-conf.XXXXXX";
static char path[64], drop_ins[64];

static cfg_opt_t cache_options[] = {
	CFG_INT("size", 10, CFGF_NONE),
	CFG_STR("ttl", "15min", CFGF_NONE),
	CFG_END(),
};

static cfg_opt_t profile_options[] = {
	CFG_STR("key", "ec-p256", CFGF_NONE),
	CFG_END(),
};

static cfg_opt_t options[] = {
	CFG_STR("name", "default", CFGF_NONE),
	CFG_STR("none", NULL, CFGF_NONE),
	CFG_INT("count", 5, CFGF_NONE),
	CFG_BOOL("flag", cfg_false, CFGF_NONE),
	CFG_STR_LIST("list", (char *)"{a, b}", CFGF_NONE),
	CFG_SEC("cache", cache_options, CFGF_NONE),
	CFG_SEC("profile", profile_options, CFGF_MULTI | CFGF_TITLE),
	CFG_END(),
};

static void write_main(const char *text)
{
	assert_ok(io_write_file(path, BYTES(text, strlen(text)), 0600));
}

static void write_drop_in(const char *name, const char *text)
{
	AUTO_MEM char *file = xasprintf("%s/%s", drop_ins, name);

	assert_ok(io_mkdirs(drop_ins, 0700));
	assert_ok(io_write_file(file, BYTES(text, strlen(text)), 0600));
}

static int clean(void **state)
{
	AUTO_MEM char *command = xasprintf("rm -rf '%s' '%s'", path, drop_ins);

	return system(command);
}

static void a_missing_file(void **state)
{
	AUTO(conf) cfg_t *cfg = NULL;

	assert_err_text(conf_load(path, false, options, &cfg), &ERR_NOTFOUND, path);
	assert_null(cfg);
	assert_ok(conf_load(path, true, options, &cfg));
	assert_string_equal(cfg_getstr(cfg, "name"), "default");
	assert_int_equal(cfg_size(cfg, "list"), 2);
}

static void values_and_sections(void **state)
{
	AUTO(conf) cfg_t *cfg = NULL;

	write_main("# a comment\n"
		   "name = \"a b\"\n"
		   "flag = true // another\n"
		   "list = {x, \"y\", 'z'}\n"
		   "cache { size = 7 }\n"
		   "profile one { key = rsa-2048 }\n"
		   "profile \"two words\" { }\n");
	assert_ok(conf_load(path, false, options, &cfg));
	assert_string_equal(cfg_getstr(cfg, "name"), "a b");
	assert_true(cfg_getbool(cfg, "flag"));
	assert_int_equal(cfg_size(cfg, "list"), 3);
	assert_int_equal(cfg_getint(cfg, "cache|size"), 7);
	assert_string_equal(cfg_getstr(cfg_gettsec(cfg, "profile", "one"), "key"), "rsa-2048");
	assert_string_equal(cfg_getstr(cfg_gettsec(cfg, "profile", "two words"), "key"), "ec-p256");
}

static void long_values_are_whole(void **state)
{
	AUTO(buf) struct buf *text = buf_new();
	AUTO(conf) cfg_t *cfg = NULL;

	buf_add_str(text, "name = \"");
	for (int i = 0; i < 100000; i++)
		buf_add_u8(text, (uint8_t)('a' + i % 26));
	buf_add_str(text, " ;#x\"\n");
	write_main(buf_str(text));
	assert_ok(conf_load(path, false, options, &cfg));
	assert_int_equal(strlen(cfg_getstr(cfg, "name")), 100004);
}

static void drop_ins_come_later_in_the_order_of_names(void **state)
{
	AUTO(conf) cfg_t *cfg = NULL;

	write_main("name = main\ncount = 1\nlist = {m}\ncache { size = 1 }\nprofile a { }\n");
	write_drop_in("20-b.conf", "name = twenty\ncache { ttl = 1h }\n");
	write_drop_in("10-a.conf", "name = ten\ncount = 10\nlist += {n}\nprofile b { }\n");
	write_drop_in("99-not", "name = not\n");
	write_drop_in(".hidden.conf", "name = hidden\n");
	write_drop_in("30.conf~", "name = backup\n");
	assert_ok(conf_load(path, false, options, &cfg));
	assert_string_equal(cfg_getstr(cfg, "name"), "twenty");
	assert_int_equal(cfg_getint(cfg, "count"), 10);
	assert_int_equal(cfg_size(cfg, "list"), 2);
	assert_int_equal(cfg_getint(cfg, "cache|size"), 1);
	assert_string_equal(cfg_getstr(cfg, "cache|ttl"), "1h");
	assert_int_equal(cfg_size(cfg, "profile"), 2);
}

static void drop_ins_alone(void **state)
{
	AUTO(conf) cfg_t *cfg = NULL;

	write_drop_in("a.conf", "name = alone\n");
	assert_ok(conf_load(path, true, options, &cfg));
	assert_string_equal(cfg_getstr(cfg, "name"), "alone");
}

/* Each of these with the line that the message must name. */
static void bad_files_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *text;
		int line;
	} cases[] = {
		{ "name = a\nunknown = 1\n", 2 },
		{ "\n\ncache {\n\nunknown = 1\n}\n", 5 },
		{ "# one\n# two\nunknown = 1\n", 3 },
		{ "name = a # one\n\t// two\n/* three\nfour */ unknown = 1\n", 4 },
		{ "name = \"# none\n// none\"\nunknown = 1\n", 3 },
		{ "name = http://a.example/#b\nunknown = 1\n", 2 },
		{ "list = {http://a.example, c}\nunknown = 1\n", 2 },
		{ "nosuch { }\n", 1 },
		{ "count = abc\n", 1 },
		{ "count = 12x\n", 1 },
		{ "count = 99999999999999999999\n", 1 },
		{ "flag = perhaps\n", 1 },
		{ "name\n= \n", 3 },
		{ "name = a b\n", 1 },
		{ "name =\n", 2 },
		{ "name = {a}\n", 1 },
		{ "list = {a\n", 2 },
		{ "list = {a,,b}\n", 1 },
		{ "}\n", 1 },
		{ "/* open\n\nname = a\n", 4 },
		{ "name = a /* open /", 1 },
		{ "cache {\n", 2 },
		{ "cache { size = 1\n\n", 3 },
		{ "profile { }\n", 1 },
		{ "profile a { }\nprofile b { }\nprofile a { }\n", 3 },
		{ "name += x\n", 1 },
		{ "include(\"/etc/passwd\")\n", 1 },
		{ "name = \"open\n\n", 3 },
		{ "\"\" = 1\n", 1 },
		{ "= 1\n", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(conf) cfg_t *cfg = NULL;
		write_main(cases[i].text);
		AUTO_MEM char *place = xasprintf("%s:%d:", path, cases[i].line);
		AUTO(err) struct err *e = conf_load(path, false, options, &cfg);
		if (!e)
			fail_msg("accepted: %s", cases[i].text);
		if (!err_is(e, &ERR_CONFIG) || !strstr(err_get_text(e), place))
			fail_msg("%s: %s", cases[i].text, err_get_text(e));
		assert_null(cfg);
	}
}

static void a_bad_drop_in_is_named(void **state)
{
	cfg_t *cfg = NULL;

	write_main("cache { size = 1 }\n");
	write_drop_in("x.conf", "\ncache { sise = 2 }\n");
	assert_err_text(conf_load(path, false, options, &cfg), &ERR_CONFIG, "x.conf:2:");
	write_drop_in("x.conf", "profile a { }\n");
	write_drop_in("y.conf", "profile a { }\n");
	assert_err_text(conf_load(path, false, options, &cfg), &ERR_CONFIG, "y.conf:1:");
	assert_null(cfg);
}

static void a_message_cannot_carry_control_characters(void **state)
{
	cfg_t *cfg = NULL;

	write_main("\x1b[2J = 1\n");
	struct err *e = conf_load(path, false, options, &cfg);
	assert_non_null(e);
	assert_null(strchr(err_get_text(e), 0x1b));
	err_free(e);
}

static void what_is_no_text_is_refused(void **state)
{
	cfg_t *cfg = NULL;
	AUTO(buf) struct buf *big = buf_new();

	assert_ok(io_write_file(path, BYTES("name = a\0b\n", 11), 0600));
	assert_err_text(conf_load(path, false, options, &cfg), &ERR_CONFIG, "UTF-8");
	write_main("name = \"\xff\"\n");
	assert_err_text(conf_load(path, false, options, &cfg), &ERR_CONFIG, "UTF-8");
	memset(buf_grow(big, CONF_FILE_MAX + 1), '\n', CONF_FILE_MAX + 1);
	assert_ok(io_write_file(path, buf_bytes(big), 0600));
	assert_err(conf_load(path, false, options, &cfg), &ERR_CONFIG);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_err(conf_load(path, true, options, &cfg), &ERR_CONFIG);
	assert_null(cfg);
}

static void the_environment_stays_outside(void **state)
{
	AUTO(conf) cfg_t *cfg = NULL;

	write_main("# don't ${count\nname = \"CN=${HOME}\"\nlist = {'${HOME}', \"\\${HOME}\", a}\n"
		   "/* \" */ profile \"${USER}\" { key = \"it's ${HOME}\" }\n");
	assert_ok(conf_load(path, false, options, &cfg));
	assert_string_equal(cfg_getstr(cfg, "name"), "CN=${HOME}");
	assert_string_equal(cfg_getnstr(cfg, "list", 0), "${HOME}");
	assert_string_equal(cfg_getnstr(cfg, "list", 1), "${HOME}");
	assert_string_equal(
		cfg_getstr(cfg_gettsec(cfg, "profile", "${USER}"), "key"), "it's ${HOME}");
}

/* No text may make the reader crash or hang; most are refused, some parse. */
static void any_text_is_survived(void **state)
{
	static const char alphabet[] = "{}\"'=+,()|\\#/*$ \nabcname1cachesizeprofile";
	uint32_t seed = 1;

	for (int round = 0; round < 3000; round++) {
		char text[48];
		for (size_t i = 0; i < sizeof(text) - 1; i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		text[sizeof(text) - 1] = 0;
		FILE *f = fopen(path, "we");
		assert_non_null(f);
		fputs(text, f);
		fclose(f);
		AUTO(conf) cfg_t *cfg = NULL;
		AUTO(err) struct err *e = conf_load(path, false, options, &cfg);
		assert_true((e == NULL) == (cfg != NULL));
		assert_true(!e || err_is(e, &ERR_CONFIG));
	}
}

static void durations_and_numbers_in_range(void **state)
{
	AUTO(conf) cfg_t *cfg = NULL;
	uint64_t ms = 7;
	int64_t v = 7;

	write_main("name = \"soon\\x1b\"\ncount = 100\ncache { size = -1 }\n");
	assert_ok(conf_load(path, false, options, &cfg));
	assert_ok(conf_duration(cfg, "cache|ttl", &ms));
	assert_true(ms == 900000);
	assert_err_text(conf_duration(cfg, "name", &ms), &ERR_CONFIG, "name = \"soon\\x1b\"");
	assert_err_text(conf_duration(cfg, "none", &ms), &ERR_CONFIG, "none");
	assert_true(ms == 900000);
	assert_ok(conf_int(cfg, "count", 1, 100, &v));
	assert_true(v == 100);
	assert_err_text(conf_int(cfg, "count", 1, 99, &v), &ERR_CONFIG, "count = 100");
	assert_err_text(conf_int(cfg, "cache|size", 0, 99, &v), &ERR_CONFIG, "cache|size = -1");
	assert_true(v == 100);
}

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x.conf", dir);
	snprintf(drop_ins, sizeof(drop_ins), "%s/x.conf.d", dir);
	return 0;
}

static int remove_dir(void **state)
{
	AUTO_MEM char *command = xasprintf("rm -rf '%s'", dir);

	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_missing_file, clean),
		cmocka_unit_test_setup(values_and_sections, clean),
		cmocka_unit_test_setup(long_values_are_whole, clean),
		cmocka_unit_test_setup(drop_ins_come_later_in_the_order_of_names, clean),
		cmocka_unit_test_setup(drop_ins_alone, clean),
		cmocka_unit_test_setup(bad_files_are_refused_with_their_place, clean),
		cmocka_unit_test_setup(a_bad_drop_in_is_named, clean),
		cmocka_unit_test_setup(a_message_cannot_carry_control_characters, clean),
		cmocka_unit_test_setup(what_is_no_text_is_refused, clean),
		cmocka_unit_test_setup(the_environment_stays_outside, clean),
		cmocka_unit_test_setup(any_text_is_survived, clean),
		cmocka_unit_test_setup(durations_and_numbers_in_range, clean),
	};

	return cmocka_run_group_tests_name("conf", tests, make_dir, remove_dir);
}
