/* test_backup.c: copies of databases in use, and sums of a backup; for the upgrade see test_upgrade.c. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "daemon/backup/dbcopy.h"
#include "daemon/backup/place.h"
#include "daemon/backup/sums.h"
#include "daemon/core/store_sql.h"
#include "proto/kind.h"

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

	AUTO(store) struct store *s = NULL;

	assert_ok(store_open(path, &s));
	store_free(take(s));
	assert_ok(dbcopy_check(path));
	execute(path,
		"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'job_ready'");
	assert_err_text(dbcopy_check(path), &ERR_STORE, "damaged");
}

/* Otherwise systemd ends the start of a large store after TimeoutStartSec=, each time. */
static void an_upgrade_asks_for_time(void **state)
{
	AUTO_MEM char *path = at("large.db");
	AUTO_MEM char *socket_path = at("notify");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char said[256];
	AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	AUTO(store) struct store *s = NULL;

	assert_ok(store_open(path, &s));
	store_free(take(s));
	assert_true(strlen(socket_path) < sizeof(address.sun_path));
	strcpy(address.sun_path, socket_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", socket_path, 1);
	assert_ok(dbcopy_before_upgrade(path, 1));
	unsetenv("NOTIFY_SOCKET");
	ssize_t n = recv(fd, said, sizeof(said) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	said[n] = 0;
	assert_non_null(strstr(said, "EXTEND_TIMEOUT_USEC="));
}

static void sums_name_what_was_changed(void **state)
{
	AUTO_MEM char *one = at("one");
	AUTO_MEM char *folder = at("keys");
	AUTO_MEM char *two = at("keys/two.key");
	AUTO_MEM char *last = at(MANIFEST_FILE);
	AUTO_MEM char *list = at(SUMS_FILE);
	AUTO(buf) struct buf *lines = NULL;
	struct sums sums = { .n = 0 }, read;

	assert_ok(io_mkdirs(folder, 0700));
	assert_ok(io_write_file(last, BYTES("m", 1), 0600));
	assert_ok(io_write_file(one, BYTES("1", 1), 0600));
	assert_ok(io_write_file(two, BYTES("2", 1), 0600));
	assert_err_text(sums_check(dir, &read), &ERR_NOTFOUND, "not a whole backup");
	assert_ok(sums_add(&sums, "one"));
	assert_ok(sums_add(&sums, "keys/two.key"));
	assert_ok(sums_add(&sums, MANIFEST_FILE));
	assert_ok(sums_write(dir, &sums));
	assert_ok(sums_check(dir, &read));
	assert_int_equal(read.n, 3);
	assert_string_equal(read.name[1], "keys/two.key");
	/* A list that lost lines does not make a smaller backup. */
	assert_ok(io_read_file(list, 4096, &lines));
	assert_ok(io_write_file(list, BYTES(buf_data(lines), 66 + strlen("one") + 1), 0600));
	assert_err_text(sums_check(dir, &read), &ERR_FORMAT, "cut off");
	assert_ok(io_write_file(list, BYTES("", 0), 0600));
	assert_err_text(sums_check(dir, &read), &ERR_FORMAT, "cut off");
	assert_ok(io_write_file(list, buf_bytes(lines), 0600));
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
		cmocka_unit_test(a_copy_is_of_one_moment),
		cmocka_unit_test(what_is_no_database_is_no_backup),
		cmocka_unit_test(a_damaged_page_is_found),
		cmocka_unit_test(an_upgrade_asks_for_time),
		cmocka_unit_test(sums_name_what_was_changed),
		cmocka_unit_test(what_was_put_aside_stays),
		cmocka_unit_test(names_that_lead_elsewhere),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
