/*
 * test_upgrade.c: the upgrade of a store from every schema that there was (tests/fixtures/schema), with the backup before it, also when
 * it is killed at any statement.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "daemon/backup/dbcopy.h"
#include "daemon/core/audit.h"
#include "daemon/core/store_sql.h"
#include "proto/kind.h"

#define FIXTURE_MAX (4 * 1024 * 1024)

static char *dir;

static int setup(void **state)
{
	char template[] = "/tmp/derivd-unit-upgrade.XXXXXX";

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

static char *at(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void execute(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t number(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

/* A store as a release of that schema left it. */
static void make_store(const char *path, unsigned int schema)
{
	AUTO_MEM char *fixture = xasprintf(
		"%s/tests/fixtures/schema/store-%u.sql", getenv("abs_top_srcdir"), schema);
	AUTO(buf) struct buf *sql = NULL;

	assert_ok(io_read_file(fixture, FIXTURE_MAX, &sql));
	execute(path, buf_str(sql));
	assert_int_equal(number(path, "PRAGMA user_version"), schema);
}

static unsigned int newest_schema(void)
{
	AUTO_MEM char *path = at("newest.db");
	AUTO(store) struct store *s = NULL;

	assert_ok(store_open(path, &s));
	return store_get_schema(s);
}

/* A store of a schema, as it was loaded from the fixture. */
struct fixture {
	char *path;
	unsigned int schema;
	int64_t audit, credentials, devices, jobs, open;
};

static void fixture_load(struct fixture *f, const char *name, unsigned int schema)
{
	f->path = at(name);
	f->schema = schema;
	make_store(f->path, schema);
	f->audit = number(f->path, "SELECT count(*) FROM audit");
	f->credentials = number(f->path, "SELECT count(*) FROM credential");
	f->devices = number(f->path, "SELECT count(*) FROM device");
	f->jobs = number(f->path, "SELECT count(*) FROM job");
	f->open = number(f->path, "SELECT count(*) FROM request WHERE open = 1");
	assert_true(f->audit > 40 && f->credentials >= 6 && f->jobs > 4 && f->open > 0);
}

/* Each table of before, with the columns that it had then, holds what it held; what derivd counts for itself may be counted anew. */
static void check_tables(const char *path, const char *before)
{
	AUTO_MEM char *attach = xasprintf("ATTACH '%s' AS before", before);
	sqlite3 *db = NULL;
	sqlite3_stmt *lost = NULL;
	unsigned int n = 0;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, attach, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db,
			"SELECT format('SELECT count(*) FROM (SELECT %s FROM before.%s EXCEPT "
			"SELECT %s FROM main.%s)', c, t, c, t) FROM (SELECT m.name AS t, "
			"group_concat(p.name) AS c FROM before.sqlite_schema m, "
			"pragma_table_info(m.name, 'before') p WHERE m.type = 'table' AND m.name "
			"NOT IN ('tally', 'counted') GROUP BY m.name)",
			-1, &lost, NULL),
		SQLITE_OK);
	while (sqlite3_step(lost) == SQLITE_ROW) {
		sqlite3_stmt *rows = NULL;
		assert_int_equal(sqlite3_prepare_v2(db, (const char *)sqlite3_column_text(lost, 0),
					 -1, &rows, NULL),
			SQLITE_OK);
		assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
		assert_int_equal(sqlite3_column_int64(rows, 0), 0);
		sqlite3_finalize(rows);
		n++;
	}
	assert_true(n >= 14);
	sqlite3_finalize(lost);
	sqlite3_close(db);
}

/* What the fixture's release knew is what this one knows. */
static void check_store(const struct fixture *f)
{
	AUTO(store) struct store *s = NULL;
	AUTO(audit) struct audit *a = NULL;
	AUTO(rows) struct rows *credentials = NULL;
	AUTO(rows) struct rows *devices = NULL;
	struct filter every = { .most = STORE_PAGE_MAX };
	uint64_t waiting = 0, blocked = 0, open = 0;

	assert_ok(store_open(f->path, &s));
	assert_int_equal(store_get_schema(s), newest_schema());
	assert_ok(audit_new(s, &a));
	assert_int_equal(audit_head(a)->sequence, f->audit);
	assert_ok(audit_check_all(a));
	assert_ok(store_credential_list(s, &every, &credentials));
	assert_int_equal(credentials->n, f->credentials);
	assert_ok(store_device_list(s, &every, &devices));
	assert_int_equal(devices->n, f->devices);
	assert_ok(store_job_count(s, &waiting, &blocked));
	assert_int_equal(waiting + blocked, f->jobs);
	assert_ok(store_request_count_open(s, &open));
	assert_int_equal(open, f->open);
}

/* The copy that was made before the upgrade is the store as it was. */
static void check_before(const struct fixture *f)
{
	AUTO_MEM char *before = xasprintf("%s.schema-%u", f->path, f->schema);

	if (f->schema == newest_schema()) {
		assert_int_not_equal(access(before, F_OK), 0);
		return;
	}
	assert_ok(dbcopy_check(before));
	assert_int_equal(number(before, "PRAGMA user_version"), f->schema);
	assert_int_equal(number(before, "SELECT count(*) FROM audit"), f->audit);
	check_tables(f->path, before);
}

/* Each step of the schema comes with a store as its programs left it (tests/fixtures/schema/make-store). */
static void a_store_of_every_schema_comes_up(void **state)
{
	unsigned int newest = newest_schema();

	for (unsigned int n = 1; n <= newest; n++) {
		AUTO_MEM char *name = xasprintf("of-%u.db", n);
		struct fixture f;

		fixture_load(&f, name, n);
		check_store(&f);
		check_before(&f);
		free(f.path);
	}
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

/* Opens the store in a process that is killed at its nth statement; false: it had fewer, and came to its end. */
static bool open_and_die(const char *path, unsigned int n)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct store *s = NULL;
		die_at = n;
		sqlite3_auto_extension((void (*)(void))watch_statements);
		_exit(store_open(path, &s) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

/* Nothing of the upgrade is there, or all of it; and the next start goes on. */
static void an_upgrade_goes_on_after_a_crash_at_each_statement(void **state)
{
	unsigned int newest = newest_schema(), n = 0, undone = 0;
	bool died = true;

	while (died) {
		AUTO_MEM char *name = xasprintf("crash-%u.db", ++n);
		struct fixture f;

		fixture_load(&f, name, 1);
		died = open_and_die(f.path, n);
		int64_t schema = number(f.path, "PRAGMA user_version");
		assert_true(schema == 1 || schema == newest);
		undone += schema == 1;
		check_store(&f);
		check_before(&f);
		free(f.path);
	}
	/* Not one statement for each step, but many. */
	assert_true(undone > 5 * newest);
}

/* What a copy is when the power fails is made anew. */
static void half_a_copy_is_made_anew(void **state)
{
	AUTO_MEM char *before = at("half.db.schema-1");
	AUTO_MEM char *part = at("half.db.schema-1.part");
	struct fixture f;

	fixture_load(&f, "half.db", 1);
	assert_ok(io_write_file(before, BYTES("SQLite", 6), 0600));
	assert_ok(io_write_file(part, BYTES("SQLite", 6), 0600));
	check_store(&f);
	check_before(&f);
	assert_int_not_equal(access(part, F_OK), 0);
	free(f.path);
}

static void without_the_backup_there_is_no_upgrade(void **state)
{
	AUTO_MEM char *path = at("full.db");
	AUTO_MEM char *part = at("full.db.schema-1.part");
	AUTO_MEM char *inside = at("full.db.schema-1.part/x");
	struct store *s = NULL;

	make_store(path, 1);
	/* A directory that cannot be removed stands in its place. */
	assert_ok(io_mkdirs(inside, 0700));
	assert_err_text(store_open(path, &s), &ERR_STORE, "backup before the upgrade");
	assert_int_equal(number(path, "PRAGMA user_version"), 1);
}

static void a_newer_schema_is_left_alone(void **state)
{
	AUTO_MEM char *path = at("newer.db");
	AUTO_MEM char *before = at("newer.db.schema-99");
	struct store *s = NULL;

	make_store(path, newest_schema());
	execute(path, "PRAGMA user_version = 99");
	assert_err_text(store_open(path, &s), &ERR_STORE_NEWER, "schema 99");
	assert_err_text(store_open_as_is(path, &s), &ERR_STORE_NEWER, "schema 99");
	assert_int_not_equal(access(before, F_OK), 0);
	assert_non_null(strstr(kind_remedy(&ERR_STORE_NEWER), "restore a backup"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_of_every_schema_comes_up),
		cmocka_unit_test(an_upgrade_goes_on_after_a_crash_at_each_statement),
		cmocka_unit_test(half_a_copy_is_made_anew),
		cmocka_unit_test(without_the_backup_there_is_no_upgrade),
		cmocka_unit_test(a_newer_schema_is_left_alone),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
