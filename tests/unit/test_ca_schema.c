/* test_ca_schema.c: a log of every form that there was (tests/fixtures/schema) comes up, and holds together. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "daemon/ca/ledger.h"
#include "proto/kind.h"

#define FIXTURE_MAX (4 * 1024 * 1024)

static void make_log(const char *path, int form)
{
	AUTO_MEM char *fixture =
		xasprintf("%s/tests/fixtures/schema/log-%d.sql", getenv("abs_top_srcdir"), form);
	AUTO(buf) struct buf *sql = NULL;
	sqlite3 *db = NULL;

	assert_ok(io_read_file(fixture, FIXTURE_MAX, &sql));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, buf_str(sql), NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int form_of(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int form = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return form;
}

static char *dir;

static int setup(void **state)
{
	char template[] = "/tmp/derivd-unit-log.XXXXXX";

	dir = xstrdup(mkdtemp(template));
	return 0;
}

static int teardown(void **state)
{
	AUTO_MEM char *command = xasprintf("rm -rf '%s'", dir);

	assert_int_equal(system(command), 0);
	free(dir);
	return 0;
}

static int newest_form(void)
{
	AUTO_MEM char *path = xasprintf("%s/fresh.db", dir);
	struct ledger *l = NULL;

	if (access(path, F_OK) != 0) {
		assert_ok(ledger_create(path, &l));
		ledger_free(l);
	}
	return form_of(path);
}

static void check_log(const char *path, int form)
{
	AUTO_MEM char *before = xasprintf("%s.schema-%d", path, form);
	AUTO(ledger) struct ledger *l = NULL;
	uint64_t rows = 0;

	assert_ok(ledger_open(path, &l));
	assert_ok(ledger_verify(l, &rows));
	assert_true(rows > 10);
	assert_int_equal(form_of(path), newest_form());
	assert_int_equal(access(before, F_OK) == 0, form < newest_form());
}

/* Each new form comes with a log as its programs left it. */
static void a_log_of_every_form_comes_up(void **state)
{
	for (int form = 1; form <= newest_form(); form++) {
		AUTO_MEM char *path = xasprintf("%s/of-%d.db", dir, form);

		make_log(path, form);
		check_log(path, form);
	}
}

static void a_newer_form_is_left_alone(void **state)
{
	AUTO_MEM char *path = xasprintf("%s/newer.db", dir);
	AUTO_MEM char *before = xasprintf("%s.schema-99", path);
	struct ledger *l = NULL;
	sqlite3 *db = NULL;

	make_log(path, newest_form());
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_err_text(ledger_open(path, &l), &ERR_STORE_NEWER, "form 99");
	assert_int_equal(form_of(path), 99);
	assert_int_not_equal(access(before, F_OK), 0);
}

/* --- an upgrade that is killed --- */

static unsigned int die_at;

static int on_statement(
	unsigned int what UNUSED, void *userdata UNUSED, void *p UNUSED, void *x UNUSED)
{
	if (--die_at == 0)
		raise(SIGKILL);
	return 0;
}

static int watch_statements(sqlite3 *db, char **error UNUSED, const void *api UNUSED)
{
	return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
}

/* Opens the log in a process that is killed at its nth statement; false: it had fewer, and came to its end. */
static bool open_and_die(const char *path, unsigned int n)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct ledger *l = NULL;
		die_at = n;
		sqlite3_auto_extension((void (*)(void))watch_statements);
		_exit(ledger_open(path, &l) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void an_upgrade_goes_on_after_a_crash_at_each_statement(void **state)
{
	unsigned int n = 0, undone = 0;
	bool died = true;

	while (died) {
		AUTO_MEM char *path = xasprintf("%s/crash-%u.db", dir, ++n);

		make_log(path, 1);
		died = open_and_die(path, n);
		undone += form_of(path) == 1;
		check_log(path, 1);
	}
	assert_true(undone > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_of_every_form_comes_up),
		cmocka_unit_test(a_newer_form_is_left_alone),
		cmocka_unit_test(an_upgrade_goes_on_after_a_crash_at_each_statement),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
