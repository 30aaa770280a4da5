/*
 * test_backup.c: copies of databases in use, sums of a backup, and the upgrade of a store from every schema that there was
 * (tests/fixtures/schema), with the backup before it.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "daemon/backup/dbcopy.h"
#include "daemon/backup/place.h"
#include "daemon/backup/sums.h"
#include "daemon/core/audit.h"
#include "daemon/core/store_sql.h"
#include "proto/kind.h"

/* The newest schema of a release. */
#define SHIPPED 2
#define FIXTURE_MAX (4 * 1024 * 1024)

static char *dir;

static int setup(void **state)
{
	char template[] = "/tmp/derivd-unit-backup.XXXXXX";

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

/* What the fixture's release knew is what this one knows. */
static void check_store(const char *path)
{
	AUTO(store) struct store *s = NULL;
	AUTO(audit) struct audit *a = NULL;
	AUTO(rows) struct rows *credentials = NULL;
	struct filter f = { .most = STORE_PAGE_MAX };
	uint64_t waiting = 0, blocked = 0, open = 0;

	assert_ok(store_open(path, &s));
	assert_int_equal(store_get_schema(s), newest_schema());
	assert_ok(audit_new(s, &a));
	assert_int_equal(audit_head(a)->sequence, 41);
	assert_ok(audit_check_all(a));
	assert_ok(store_credential_list(s, &f, &credentials));
	assert_int_equal(credentials->n, 6);
	assert_ok(store_job_count(s, &waiting, &blocked));
	assert_int_equal(waiting, 5);
	assert_ok(store_request_count_open(s, &open));
	assert_int_equal(open, 1);
}

/* Each release adds the schema that it ships: a store as it left it, through sqlite3's .dump, with its user_version. */
static void a_store_of_every_schema_comes_up(void **state)
{
	unsigned int newest = newest_schema();

	for (unsigned int n = 1; n <= SHIPPED; n++) {
		AUTO_MEM char *path = xasprintf("%s/of-%u.db", dir, n);
		AUTO_MEM char *before = xasprintf("%s.schema-%u", path, n);

		make_store(path, n);
		check_store(path);
		assert_int_equal(access(before, F_OK) == 0, n < newest);
		if (n == newest)
			continue;
		assert_ok(dbcopy_check(before));
		assert_int_equal(number(before, "PRAGMA user_version"), n);
		assert_int_equal(number(before, "SELECT count(*) FROM audit"), 41);
	}
}

/* derivd was killed in the step: nothing of it is there, and the next start does it. */
static void an_upgrade_goes_on_after_a_crash(void **state)
{
	AUTO_MEM char *path = at("crash.db");
	AUTO_MEM char *before = at("crash.db.schema-1");
	AUTO_MEM char *part = at("crash.db.schema-1.part");
	int status = 0;

	make_store(path, 1);
	/* What a copy is when the power fails. */
	assert_ok(io_write_file(before, BYTES("SQLite", 6), 0600));
	assert_ok(io_write_file(part, BYTES("SQLite", 6), 0600));
	pid_t pid = fork();
	if (pid == 0) {
		sqlite3 *db = NULL;
		sqlite3_open(path, &db);
		sqlite3_exec(db,
			"PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; CREATE TABLE tally(x); DELETE "
			"FROM audit",
			NULL, NULL, NULL);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	check_store(path);
	assert_ok(dbcopy_check(before));
	assert_int_equal(number(before, "SELECT count(*) FROM audit"), 41);
	assert_int_not_equal(access(part, F_OK), 0);
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

	make_store(path, SHIPPED);
	execute(path, "PRAGMA user_version = 99");
	assert_err_text(store_open(path, &s), &ERR_STORE_NEWER, "schema 99");
	assert_err_text(store_open_as_is(path, &s), &ERR_STORE_NEWER, "schema 99");
	assert_int_not_equal(access(before, F_OK), 0);
	assert_non_null(strstr(kind_remedy(&ERR_STORE_NEWER), "restore a backup"));
}

static void a_copy_is_of_one_moment(void **state)
{
	AUTO_MEM char *path = at("busy.db");
	AUTO_MEM char *copy = at("copy.db");
	int status = 0;

	execute(path,
		"PRAGMA journal_mode = WAL; CREATE TABLE a(n); CREATE TABLE b(n, fill);"
		"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)"
		" INSERT INTO b SELECT 0, zeroblob(1000) FROM c");
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 100000; i++)
			execute(path, "BEGIN IMMEDIATE; INSERT INTO a VALUES(1);"
				      "INSERT INTO b VALUES(1, zeroblob(1000)); COMMIT");
		_exit(1);
	}
	for (int i = 0; i < 10; i++) {
		assert_ok(dbcopy_file(path, copy));
		assert_ok(dbcopy_check(copy));
		assert_int_equal(number(copy, "SELECT count(*) FROM a"),
			number(copy, "SELECT sum(n) FROM b"));
	}
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_true(number(copy, "SELECT count(*) FROM a") > 0);
	/* Whoever wants the file for itself hears that it is in use; a dead process does not count. */
	AUTO(store) struct store *holder = NULL;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_ok(store_open_as_is(path, &holder));
	assert_err_text(dbcopy_fold(path), &ERR_BUSY, "stop the services");
	store_free(take(holder));
	assert_ok(dbcopy_fold(path));
}

static void what_is_no_database_is_no_backup(void **state)
{
	AUTO_MEM char *path = at("none.db");
	AUTO_MEM char *copy = at("none-copy.db");

	assert_err(dbcopy_file(path, copy), &ERR_NOTFOUND);
	assert_ok(io_write_file(path, BYTES("This is a text, and no database at all.", 39), 0600));
	assert_err(dbcopy_file(path, copy), &ERR_STORE);
	assert_int_not_equal(access(copy, F_OK), 0);
}

static void a_damaged_page_is_found(void **state)
{
	AUTO_MEM char *path = at("damaged.db");

	make_store(path, 1);
	assert_ok(dbcopy_check(path));
	execute(path,
		"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'job_ready'");
	assert_err_text(dbcopy_check(path), &ERR_STORE, "damaged");
}

static void sums_name_what_was_changed(void **state)
{
	AUTO_MEM char *one = at("one");
	AUTO_MEM char *folder = at("keys");
	AUTO_MEM char *two = at("keys/two.key");
	struct sums sums = { .n = 0 }, read;

	assert_ok(io_mkdirs(folder, 0700));
	assert_ok(io_write_file(one, BYTES("1", 1), 0600));
	assert_ok(io_write_file(two, BYTES("2", 1), 0600));
	assert_err_text(sums_check(dir, &read), &ERR_NOTFOUND, "not a whole backup");
	assert_ok(sums_add(&sums, "one"));
	assert_ok(sums_add(&sums, "keys/two.key"));
	assert_ok(sums_write(dir, &sums));
	assert_ok(sums_check(dir, &read));
	assert_int_equal(read.n, 2);
	assert_string_equal(read.name[1], "keys/two.key");
	assert_ok(io_write_file(two, BYTES("3", 1), 0600));
	assert_err_text(sums_check(dir, &read), &ERR_FORMAT, "keys/two.key was changed");
	unlink(two);
	assert_err(sums_check(dir, &read), &ERR_NOTFOUND);
}

static void what_was_put_aside_stays(void **state)
{
	AUTO_MEM char *path = at("kept");
	AUTO_MEM char *first = at("kept.before-20261122T230000Z");
	AUTO_MEM char *second = at("kept.before-20261122T230000Z-2");
	AUTO_MEM char *inside = at("kept/x");
	AUTO_MEM char *kept = at("kept.before-20261122T230000Z/x");

	assert_ok(place_aside(path, "20261122T230000Z"));
	assert_ok(io_mkdirs(inside, 0700));
	assert_ok(place_aside(path, "20261122T230000Z"));
	assert_ok(io_write_file(path, BYTES("2", 1), 0600));
	assert_ok(place_aside(path, "20261122T230000Z"));
	assert_int_equal(access(kept, F_OK), 0);
	assert_int_equal(access(first, F_OK), 0);
	assert_int_equal(access(second, F_OK), 0);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void names_that_lead_elsewhere(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../x", "/etc/passwd", "a/../b", "a//b",
		"a/b/c", "a/", ".x", "a/.x", "a b", "a\nb",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	AUTO_MEM char *path = at(SUMS_FILE);
	struct sums sums = { .n = 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(sums_add(&sums, bad[i]), &ERR_LIMIT);
	for (size_t i = 0; i < SUMS_MAX; i++)
		assert_ok(sums_add(&sums, "x"));
	assert_err(sums_add(&sums, "x"), &ERR_LIMIT);
	assert_ok(io_write_file(path, BYTES("not a sum\n", 10), 0600));
	assert_err(sums_check(dir, &sums), &ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_of_every_schema_comes_up),
		cmocka_unit_test(an_upgrade_goes_on_after_a_crash),
		cmocka_unit_test(without_the_backup_there_is_no_upgrade),
		cmocka_unit_test(a_newer_schema_is_left_alone),
		cmocka_unit_test(a_copy_is_of_one_moment),
		cmocka_unit_test(what_is_no_database_is_no_backup),
		cmocka_unit_test(a_damaged_page_is_found),
		cmocka_unit_test(sums_name_what_was_changed),
		cmocka_unit_test(what_was_put_aside_stays),
		cmocka_unit_test(names_that_lead_elsewhere),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
