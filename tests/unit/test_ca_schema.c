/* test_ca_schema.c: a log of every form that there was (tests/fixtures/schema) comes up, and holds together. */
#include "tests/unit/unit.h"

#include <stdlib.h>
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

/* Each new form comes with a log as its programs left it. */
static void a_log_of_every_form_comes_up(void **state)
{
	char template[] = "/tmp/derivd-unit-log.XXXXXX";
	const char *dir = mkdtemp(template);
	AUTO_MEM char *remove = xasprintf("rm -rf '%s'", dir);
	AUTO_MEM char *fresh = xasprintf("%s/fresh.db", dir);
	struct ledger *l = NULL;

	assert_ok(ledger_create(fresh, &l));
	ledger_free(l);
	int newest = form_of(fresh);
	for (int form = 1; form <= newest; form++) {
		AUTO_MEM char *path = xasprintf("%s/of-%d.db", dir, form);
		AUTO_MEM char *before = xasprintf("%s.schema-%d", path, form);
		uint64_t rows = 0;

		make_log(path, form);
		assert_ok(ledger_open(path, &l));
		assert_ok(ledger_verify(l, &rows));
		assert_true(rows > 10);
		ledger_free(l);
		assert_int_equal(form_of(path), newest);
		assert_int_equal(access(before, F_OK) == 0, form < newest);
	}
	assert_int_equal(system(remove), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_of_every_form_comes_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
