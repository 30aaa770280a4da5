/* test_ctl_options.c: command lines, and the exit status that each kind of error ends with. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "proto/kind.h"

struct parsed {
	bool flag;
	const char *text;
	int64_t number;
	struct option_list list;
	const char *rest[2];
};

/* Words separated by spaces; "~" stands for an empty one. */
static struct err *parse(const char *line, struct parsed *p)
{
	static char words[256];
	char *argv[64] = { (char *)(uintptr_t) "command" };
	const struct option_row rows[] = {
		{ "flag", OPTION_FLAG, &p->flag },
		{ "text", OPTION_TEXT, &p->text },
		{ "number", OPTION_NUMBER, &p->number },
		{ "list", OPTION_LIST, &p->list },
		{ NULL, OPTION_FLAG, NULL },
	};
	int argc = 1;

	*p = (struct parsed){ .number = -1 };
	(void)snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "~") == 0 ? word + 1 : word;
	return options_parse(argc, argv, rows, 1, 2, p->rest);
}

static void both_ways_to_give_a_value(void **state)
{
	struct parsed p;

	assert_ok(parse("a --text one --number=7 --flag b", &p));
	assert_true(p.flag);
	assert_string_equal(p.text, "one");
	assert_int_equal(p.number, 7);
	assert_string_equal(p.rest[0], "a");
	assert_string_equal(p.rest[1], "b");
	assert_ok(parse("--text=a=b --text= x", &p));
	assert_string_equal(p.text, "");
	assert_ok(parse("--list x --list=y z", &p));
	assert_int_equal(p.list.n, 2);
	assert_string_equal(p.list.values[1], "y");
	assert_string_equal(p.rest[0], "z");
	assert_int_equal(p.number, -1);
}

static void after_two_dashes_all_is_plain(void **state)
{
	struct parsed p;

	assert_ok(parse("-- --flag --", &p));
	assert_false(p.flag);
	assert_string_equal(p.rest[0], "--flag");
	assert_string_equal(p.rest[1], "--");
	/* A value may look like an option. */
	assert_ok(parse("--text --flag x", &p));
	assert_string_equal(p.text, "--flag");
	assert_false(p.flag);
}

static void what_is_wrong_is_said(void **state)
{
	struct parsed p;

	assert_err_text(parse("x --flagg", &p), &CTL_ERR_USAGE, "--flagg");
	assert_err_text(parse("x --fla", &p), &CTL_ERR_USAGE, "--fla");
	assert_err_text(parse("x --flag=1", &p), &CTL_ERR_USAGE, "takes no value");
	assert_err_text(parse("x --text", &p), &CTL_ERR_USAGE, "needs a value");
	assert_err_text(parse("x --number ten", &p), &CTL_ERR_USAGE, "--number");
	assert_err_text(parse("x --number -1", &p), &CTL_ERR_USAGE, "--number");
	assert_err_text(parse("x --number 2147483648", &p), &CTL_ERR_USAGE, "--number");
	assert_err_text(parse("x --number ~", &p), &CTL_ERR_USAGE, "--number");
	assert_err_text(parse("x y z", &p), &CTL_ERR_USAGE, "'z'");
	assert_err_text(parse("--flag", &p), &CTL_ERR_USAGE, "missing");
}

static void a_list_has_its_maximum(void **state)
{
	char line[256] = "x";
	struct parsed p;

	for (int i = 0; i < OPTION_LIST_MAX; i++)
		strcat(line, " --list a");
	assert_ok(parse(line, &p));
	assert_int_equal(p.list.n, OPTION_LIST_MAX);
	strcat(line, " --list a");
	assert_err(parse(line, &p), &CTL_ERR_USAGE);
}

static void ids_are_hexadecimal(void **state)
{
	char id[66] = { 0 };

	memset(id, 'a', 64);
	assert_ok(ctl_check_id("3f2a"));
	assert_ok(ctl_check_id("3F"));
	assert_ok(ctl_check_id(id));
	id[64] = 'a';
	assert_err(ctl_check_id(id), &CTL_ERR_USAGE);
	assert_err(ctl_check_id(""), &CTL_ERR_USAGE);
	assert_err(ctl_check_id("3f 2a"), &CTL_ERR_USAGE);
	assert_err(ctl_check_id("0x3f"), &CTL_ERR_USAGE);
}

static void texts_may_be_shown(void **state)
{
	assert_ok(ctl_check_text("--label", NULL, 4));
	assert_ok(ctl_check_text("--label", "J\u00f6rg", 5));
	assert_err_text(ctl_check_text("--label", "J\u00f6rg", 4), &CTL_ERR_USAGE, "--label");
	assert_err(ctl_check_text("--label", "a\033[2J", 64), &CTL_ERR_USAGE);
	assert_err(ctl_check_text("--label", "a\xff", 64), &CTL_ERR_USAGE);
}

static void purposes_and_reasons_by_name(void **state)
{
	Common__Purpose p = COMMON__PURPOSE__PURPOSE_UNSET;
	uint32_t reason = 99;

	assert_ok(ctl_purpose_parse("signing,encryption", 7, &p));
	assert_int_equal(p, COMMON__PURPOSE__SIGNING);
	assert_err(ctl_purpose_parse("sign", 4, &p), &CTL_ERR_USAGE);
	assert_err(ctl_purpose_parse("", 0, &p), &CTL_ERR_USAGE);
	for (int i = 1; i <= 4; i++) {
		const char *name = ctl_purpose_name((Common__Purpose)i);
		assert_ok(ctl_purpose_parse(name, strlen(name), &p));
		assert_int_equal(p, i);
	}
	assert_ok(ctl_reason_parse("key-compromise", &reason));
	assert_int_equal(reason, 1);
	assert_ok(ctl_reason_parse("9", &reason));
	assert_int_equal(reason, 9);
	assert_ok(ctl_reason_parse("unspecified", &reason));
	assert_int_equal(reason, 0);
	/* A CA's key, a number that RFC 5280 leaves out, and nonsense. */
	assert_err(ctl_reason_parse("2", &reason), &CTL_ERR_USAGE);
	assert_err(ctl_reason_parse("7", &reason), &CTL_ERR_USAGE);
	assert_err(ctl_reason_parse("lost", &reason), &CTL_ERR_USAGE);
}

static void pages_go_forward(void **state)
{
	uint64_t cursor = 0;

	assert_ok(ctl_next_page(100, &cursor));
	assert_int_equal(cursor, 100);
	assert_ok(ctl_next_page(101, &cursor));
	assert_err(ctl_next_page(101, &cursor), &ERR_PROTOCOL);
	assert_err(ctl_next_page(7, &cursor), &ERR_PROTOCOL);
	assert_ok(ctl_next_page(0, &cursor));
	assert_int_equal(cursor, 0);
}

/* What goes to both outputs is not part of this test's TAP. */
static int quiet_end(const struct ctl *c, struct err *take_e)
{
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO),
	    nowhere = open("/dev/null", O_WRONLY);
	int status;

	(void)fflush(stdout);
	assert_int_equal(dup2(nowhere, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(dup2(nowhere, STDERR_FILENO), STDERR_FILENO);
	status = ctl_end(c, take_e);
	(void)fflush(stdout);
	close(nowhere);
	assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(dup2(err, STDERR_FILENO), STDERR_FILENO);
	close(out);
	close(err);
	return status;
}

static void each_kind_has_its_exit_status(void **state)
{
	static const struct {
		const struct err_kind *kind;
		int status;
	} cases[] = {
		{ &ERR_SYSTEM, 1 },
		{ &ERR_INTERNAL, 1 },
		{ &CTL_ERR_USAGE, 2 },
		{ &ERR_PIN_LOCKED, 3 },
		{ &ERR_TIMED_OUT, 3 },
		{ &ERR_UNREACHABLE, 4 },
		{ &ERR_CARD_REMOVED, 4 },
		{ &ERR_CONFIG, 5 },
		{ &ERR_AUDIT_BAD, 5 },
		{ &CTL_ERR_CANCELLED, 6 },
		{ &CTL_ERR_PENDING, 7 },
	};

	for (int json = 0; json < 2; json++) {
		const struct ctl c = { .json = json };
		assert_int_equal(quiet_end(&c, NULL), 0);
		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			assert_int_equal(
				quiet_end(&c, err_new(cases[i].kind, "a text")), cases[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_to_give_a_value),
		cmocka_unit_test(after_two_dashes_all_is_plain),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_list_has_its_maximum),
		cmocka_unit_test(ids_are_hexadecimal),
		cmocka_unit_test(texts_may_be_shown),
		cmocka_unit_test(purposes_and_reasons_by_name),
		cmocka_unit_test(pages_go_forward),
		cmocka_unit_test(each_kind_has_its_exit_status),
	};

	return cmocka_run_group_tests_name("ctl_options", tests, NULL, NULL);
}
