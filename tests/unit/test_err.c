/* test_err.c: kinds, fates and texts survive the way up; NULL passes through. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

static void kinds_have_the_fates_of_the_header(void **state)
{
	static const struct {
		const struct err_kind *kind;
		const char *fate;
	} kinds[] = {
		{ &ERR_SYSTEM, "broken" },
		{ &ERR_FORMAT, "refuse" },
		{ &ERR_LIMIT, "refuse" },
		{ &ERR_CONFIG, "broken" },
		{ &ERR_GONE, "retry" },
		{ &ERR_TIMEOUT, "retry" },
		{ &ERR_NOTFOUND, "refuse" },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		AUTO(err) struct err *e = err_new(kinds[i].kind, "x");
		assert_string_equal(err_fate_name(err_get_fate(e)), kinds[i].fate);
		assert_true(err_is(e, kinds[i].kind));
		assert_ptr_equal(err_get_kind(e), kinds[i].kind);
	}
}

static void context_goes_before_the_cause(void **state)
{
	struct err *e = err_new(&ERR_FORMAT, "byte %d", 7);

	e = err_wrap(e, "item %s", "a");
	AUTO(err) struct err *top = err_wrap(e, "list");
	assert_string_equal(err_get_text(top), "list: item a: byte 7");
	assert_true(err_is(top, &ERR_FORMAT));
}

static void another_kind_keeps_the_text_of_the_cause(void **state)
{
	struct err *e = err_new(&ERR_FORMAT, "inner");
	AUTO(err) struct err *top = err_as(&ERR_CONFIG, e, "outer %d", 1);

	assert_string_equal(err_get_text(top), "outer 1: inner");
	assert_true(err_is(top, &ERR_CONFIG));
	assert_false(err_is(top, &ERR_FORMAT));
}

static void errno_texts_and_kinds(void **state)
{
	AUTO(err) struct err *missing = err_errno(ENOENT, "/x");
	AUTO(err) struct err *denied = err_errno(EACCES, "/y");

	assert_true(err_is(missing, &ERR_NOTFOUND));
	assert_string_equal(err_get_text(missing), "/x: No such file or directory");
	assert_true(err_is(denied, &ERR_SYSTEM));
	assert_string_equal(err_get_text(denied), "/y: Permission denied");
}

static void success_passes_through(void **state)
{
	assert_null(err_wrap(NULL, "context"));
	assert_null(err_as(&ERR_CONFIG, NULL, "context"));
	assert_false(err_is(NULL, &ERR_CONFIG));
	err_free(NULL);
}

static void percent_signs_in_a_cause_are_not_formats(void **state)
{
	struct err *e = err_new(&ERR_FORMAT, "%s", "%n%s");
	AUTO(err) struct err *top = err_wrap(e, "%s", "100%");

	assert_string_equal(err_get_text(top), "100%: %n%s");
}

static struct err *tries(struct err *take_e, bool *ret_reached)
{
	TRY(take_e);
	*ret_reached = true;
	return NULL;
}

static void try_returns_at_once(void **state)
{
	bool reached = false;
	AUTO(err) struct err *e = tries(err_new(&ERR_GONE, "x"), &reached);

	assert_non_null(e);
	assert_false(reached);
	assert_null(tries(NULL, &reached));
	assert_true(reached);
}

static void abort_says_why_and_cuts_long_texts(void **state)
{
	char text[2048] = "", line[1024] = "";
	int fds[2], status;

	memset(text, 'a', sizeof(text) - 1);
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		err_abort("why: %s", text);
	}
	close(fds[1]);
	ssize_t n = read(fds[0], line, sizeof(line) - 1);
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(n > 100 && n <= 512);
	assert_memory_equal(line, "<2>why: aaa", 11);
	assert_int_equal(line[n - 1], '\n');
	assert_null(strchr(line, 0) - line < n ? "a zero in the line" : NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_have_the_fates_of_the_header),
		cmocka_unit_test(context_goes_before_the_cause),
		cmocka_unit_test(another_kind_keeps_the_text_of_the_cause),
		cmocka_unit_test(errno_texts_and_kinds),
		cmocka_unit_test(success_passes_through),
		cmocka_unit_test(percent_signs_in_a_cause_are_not_formats),
		cmocka_unit_test(try_returns_at_once),
		cmocka_unit_test(abort_says_why_and_cuts_long_texts),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
