/* test_core_store.c: rows go in and come out whole; turns, leases, prefixes, purges. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "base/clock.h"
#include "daemon/core/store_sql.h"
#include "proto/kind.h"

static char *path;
static struct store *s;

static void remove_file(void)
{
	AUTO_MEM char *wal = xasprintf("%s-wal", path);
	AUTO_MEM char *shm = xasprintf("%s-shm", path);

	unlink(path);
	unlink(wal);
	unlink(shm);
}

static int setup(void **state)
{
	path = xasprintf("/tmp/derivd-store-%d.db", (int)getpid());
	remove_file();
	assert_ok(store_open(path, &s));
	return 0;
}

static int teardown(void **state)
{
	store_free(s);
	remove_file();
	free(path);
	return 0;
}

static void again(void)
{
	store_free(s);
	s = NULL;
	assert_ok(store_open(path, &s));
}

static void fill(uint8_t *id, size_t len, unsigned int n)
{
	memset(id, 0, len);
	id[0] = (uint8_t)(n >> 8);
	id[1] = (uint8_t)n;
	id[len - 1] = 1;
}

static void add_request(unsigned int n)
{
	struct request r = { .operation = COMMON__OPERATION__ENROLL,
		.state = RS_OPENED,
		.open = true,
		.created_ms = 1000 + n,
		.uid = 1000 };
	char reader[] = "Reader 00 00";

	r.reader = reader;
	fill(r.id, ID_LEN, n);
	memset(r.token_hash, 7, SHA256_LEN);
	assert_ok(store_request_add(s, &r));
}

static void post(unsigned int n, enum job_what what, unsigned int rank, int64_t next_boot_ms)
{
	struct job j = { .what = what, .rank = rank, .next_boot_ms = next_boot_ms, .number = n };

	fill(j.id, ID_LEN, n);
	fill(j.device, SHA256_LEN, 9);
	assert_ok(store_job_post(s, &j));
}

/* Numbers of the jobs leased, as text. */
static char *lease(unsigned int most, int64_t now, bool only_revocations)
{
	AUTO(rows) struct rows *rows = NULL;
	AUTO(buf) struct buf *text = buf_new();
	const uint8_t boot[16] = { 1 };
	const struct lease l = {
		.boot_id = boot,
		.run = 1,
		.now_boot_ms = now,
		.most = most,
		.only_revocations = only_revocations,
	};

	assert_ok(store_job_lease(s, &l, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		const struct job *j = rows->row[i];
		assert_int_equal(j->state, JOB_LEASED);
		buf_addf(text, "%u ", (unsigned int)j->number);
	}
	return xstrdup(buf_str(text));
}

/* --- tests --- */

static void a_request_comes_out_as_it_went_in(void **state)
{
	AUTO(request) struct request *r = NULL;
	AUTO(request) struct request *same = NULL;
	AUTO(request) struct request *none = NULL;
	uint8_t id[ID_LEN], key[32];

	add_request(1);
	fill(id, ID_LEN, 1);
	assert_ok(store_request_get(s, id, &r));
	assert_int_equal(r->state, RS_OPENED);
	assert_true(r->open);
	assert_string_equal(r->reader, "Reader 00 00");
	assert_null(r->cause);
	memset(r->invitation, 5, sizeof(r->invitation));
	memset(r->device, 6, sizeof(r->device));
	r->state = RS_STATED;
	r->cause_kind = xstrdup("two-devices");
	r->cause = xstrdup("because");
	assert_ok(store_request_put(s, r));
	again();
	memset(key, 5, sizeof(key));
	assert_ok(store_request_invited(s, BYTES(key, 32), &same));
	assert_non_null(same);
	assert_int_equal(same->state, RS_STATED);
	assert_string_equal(same->cause, "because");
	memset(key, 4, sizeof(key));
	assert_ok(store_request_invited(s, BYTES(key, 32), &none));
	assert_null(none);
	id[0] = 0xff;
	assert_err(store_request_get(s, id, &none), &ERR_NO_SUCH);
}

static void a_newer_schema_is_refused(void **state)
{
	struct store *other = NULL;

	assert_int_equal(
		sqlite3_exec(s->db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	assert_err_text(store_open(path, &other), &ERR_STORE_NEWER, "schema 99");
}

/* The first schema, as a store of that time has it. */
static void an_older_store_is_brought_up_to_date(void **state)
{
	uint64_t waiting = 0, blocked = 0, open = 0;
	unsigned int newest = store_get_schema(s);
	struct store_counts counts;

	assert_true(newest >= 3);
	add_request(1);
	post(1, JOB_CERTIFY, 2, 0);
	post(2, JOB_CERTIFY, 2, 0);
	assert_int_equal(
		sqlite3_exec(s->db,
			"DROP TRIGGER job_added; DROP TRIGGER job_gone; DROP TRIGGER job_moved;"
			"DROP TRIGGER request_added; DROP TRIGGER request_moved; DROP TABLE tally;"
			"DROP TRIGGER request_counted; DROP TRIGGER request_recounted;"
			"DROP TRIGGER credential_counted; DROP TRIGGER credential_recounted;"
			"DROP TRIGGER device_counted; DROP TRIGGER device_recounted;"
			"DROP TABLE counted; DROP INDEX job_what;"
			"DROP TABLE notice; DROP TABLE trouble; DROP INDEX credential_warn;"
			"ALTER TABLE credential DROP COLUMN warned; ALTER TABLE credential DROP "
			"COLUMN told;"
			"ALTER TABLE device DROP COLUMN pins_epoch;"
			"UPDATE job SET state = 'failed' WHERE n = 1; PRAGMA user_version = 1",
			NULL, NULL, NULL),
		SQLITE_OK);
	again();
	assert_int_equal(store_get_schema(s), newest);
	assert_ok(store_job_count(s, &waiting, &blocked));
	assert_int_equal(waiting, 1);
	assert_int_equal(blocked, 1);
	assert_ok(store_request_count_open(s, &open));
	assert_int_equal(open, 1);
	assert_ok(store_count_all(s, &counts));
	assert_int_equal(counts.job[JOB_CERTIFY][JOB_FAILED], 1);
	assert_int_equal(counts.job[JOB_CERTIFY][JOB_WAITING], 1);
	assert_int_equal(counts.request[RS_OPENED], 1);
}

static void everything_is_counted_by_state(void **state)
{
	AUTO(job) struct job *j = NULL;
	AUTO(request) struct request *r = NULL;
	struct store_counts counts;
	uint64_t bytes = 0, room = 0;
	int64_t oldest = 0;
	uint8_t id[ID_LEN];

	add_request(1);
	add_request(2);
	fill(id, ID_LEN, 1);
	assert_ok(store_request_get(s, id, &r));
	r->state = RS_OFFERED;
	assert_ok(store_request_put(s, r));
	for (unsigned int i = 1; i <= 4; i++)
		post(i, i == 4 ? JOB_VERIFY : JOB_SIGN_ITEM, 1, 0);
	assert_ok(store_job_get(s, id, &j));
	j->what = JOB_DELIVER;
	assert_ok(store_job_put(s, j));
	fill(id, ID_LEN, 2);
	assert_ok(store_job_done(s, id));
	assert_ok(store_count_all(s, &counts));
	assert_int_equal(counts.request[RS_OPENED], 1);
	assert_int_equal(counts.request[RS_OFFERED], 1);
	assert_int_equal(counts.job[JOB_DELIVER][JOB_WAITING], 1);
	assert_int_equal(counts.job[JOB_SIGN_ITEM][JOB_WAITING], 1);
	assert_int_equal(counts.job[JOB_VERIFY][JOB_WAITING], 1);
	assert_ok(store_size(s, &bytes, &room));
	assert_true(bytes >= 4096 && room > 0);
	assert_ok(store_job_oldest(s, JOB_CRL, &oldest));
	assert_int_equal(oldest, 0);
}

/* Not the failed ones: they stay until somebody looks. */
static void the_oldest_job_is_known(void **state)
{
	struct job j = { .what = JOB_CERTIFY };
	int64_t oldest = 0;

	for (unsigned int i = 1; i <= 3; i++) {
		fill(j.id, ID_LEN, i);
		j.created_ms = 1000 * i;
		assert_ok(store_job_post(s, &j));
	}
	assert_ok(store_job_oldest(s, JOB_CERTIFY, &oldest));
	assert_int_equal(oldest, 1000);
	fill(j.id, ID_LEN, 1);
	j.state = JOB_FAILED;
	assert_ok(store_job_put(s, &j));
	assert_ok(store_job_oldest(s, JOB_CERTIFY, &oldest));
	assert_int_equal(oldest, 2000);
}

static void what_is_no_database_is_refused(void **state)
{
	struct store *other = NULL;

	assert_err(store_open("/proc/version", &other), &ERR_STORE);
	assert_err(store_open("/no/such/directory/derivd.db", &other), &ERR_STORE);
}

static void an_unknown_state_is_an_error(void **state)
{
	AUTO(request) struct request *r = NULL;
	uint8_t id[ID_LEN];

	add_request(1);
	fill(id, ID_LEN, 1);
	assert_int_equal(
		sqlite3_exec(s->db, "UPDATE request SET state = 'bewitched'", NULL, NULL, NULL),
		SQLITE_OK);
	assert_err_text(store_request_get(s, id, &r), &ERR_STORE, "bewitched");
}

static void an_event_is_undone_alone(void **state)
{
	AUTO(request) struct request *r = NULL;
	uint8_t id[ID_LEN];

	assert_ok(store_begin(s));
	assert_ok(store_mark(s));
	add_request(1);
	assert_ok(store_keep(s));
	assert_ok(store_mark(s));
	add_request(2);
	assert_true(store_undo(s));
	assert_ok(store_commit(s));
	again();
	fill(id, ID_LEN, 1);
	assert_ok(store_request_get(s, id, &r));
	fill(id, ID_LEN, 2);
	assert_err(store_request_get(s, id, &r), &ERR_NO_SUCH);
}

static void an_uncommitted_turn_is_lost(void **state)
{
	AUTO(request) struct request *r = NULL;
	uint8_t id[ID_LEN];

	assert_ok(store_begin(s));
	add_request(1);
	again();
	fill(id, ID_LEN, 1);
	assert_err(store_request_get(s, id, &r), &ERR_NO_SUCH);
}

static void a_full_disk_is_said_and_passes(void **state)
{
	struct err *e = NULL;

	assert_int_equal(
		sqlite3_exec(s->db, "PRAGMA max_page_count = 1", NULL, NULL, NULL), SQLITE_OK);
	for (unsigned int n = 0; n < 500 && !e; n++) {
		struct request r = { .operation = COMMON__OPERATION__ENROLL };
		char reader[201];
		memset(reader, 'x', 200);
		reader[200] = 0;
		r.reader = reader;
		fill(r.id, ID_LEN, n);
		memset(r.token_hash, 7, SHA256_LEN);
		e = store_request_add(s, &r);
	}
	assert_err(e, &ERR_STORE_FULL);
	assert_int_equal(sqlite3_exec(s->db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL),
		SQLITE_OK);
	add_request(1000);
}

static void ids_are_found_by_their_beginning(void **state)
{
	uint8_t id[SHA256_LEN], wanted[ID_LEN];

	add_request(0x1234);
	add_request(0x1235);
	add_request(0x2000);
	assert_ok(store_find(s, TABLE_REQUEST, "1234", id));
	fill(wanted, ID_LEN, 0x1234);
	assert_memory_equal(id, wanted, ID_LEN);
	assert_ok(store_find(s, TABLE_REQUEST, "2", id));
	assert_ok(store_find(s, TABLE_REQUEST, "12340000000000000000000000000001", id));
	assert_err(store_find(s, TABLE_REQUEST, "123", id), &ERR_AMBIGUOUS);
	assert_err(store_find(s, TABLE_REQUEST, "3", id), &ERR_NO_SUCH);
	assert_err(store_find(s, TABLE_REQUEST, "", id), &ERR_NO_SUCH);
	assert_err(store_find(s, TABLE_REQUEST, "12x", id), &ERR_NO_SUCH);
	assert_err(store_find(s, TABLE_REQUEST, "1234000000000000000000000000000100", id),
		&ERR_NO_SUCH);
	assert_err(store_find(s, TABLE_DEVICE, "1234", id), &ERR_NO_SUCH);
}

static void jobs_are_leased_by_rank_and_time(void **state)
{
	post(1, JOB_CERTIFY, 2, 100);
	post(2, JOB_CERTIFY, 2, 50);
	post(3, JOB_REVOKE, 0, 90);
	post(4, JOB_VERIFY, 1, 500);
	post(5, JOB_DELIVER, 0, 0);
	AUTO_MEM char *revocations = lease(10, 200, true);
	assert_string_equal(revocations, "3 ");
	AUTO_MEM char *two = lease(2, 200, false);
	/* Which two follows from their times; in which order they come, from nothing. */
	assert_string_equal(two, "1 2 ");
	AUTO_MEM char *none = lease(10, 200, false);
	assert_string_equal(none, "");
	AUTO_MEM char *later = lease(10, 500, false);
	assert_string_equal(later, "4 ");
}

static void a_devices_items_are_signed_one_after_the_other(void **state)
{
	AUTO(job) struct job *first = NULL;
	uint8_t id[ID_LEN];

	post(7, JOB_SIGN_ITEM, 3, 10);
	post(6, JOB_SIGN_ITEM, 3, 20);
	AUTO_MEM char *early = lease(10, 15, false);
	assert_string_equal(early, "");
	AUTO_MEM char *one = lease(10, 30, false);
	assert_string_equal(one, "6 ");
	fill(id, ID_LEN, 6);
	assert_ok(store_job_get(s, id, &first));
	first->state = JOB_FAILED;
	assert_ok(store_job_put(s, first));
	AUTO_MEM char *next = lease(10, 30, false);
	assert_string_equal(next, "7 ");
}

static void leases_of_another_run_are_void(void **state)
{
	uint64_t run = 0, n = 0, waiting = 0, blocked = 0;
	bool same = true;
	const uint8_t boot[16] = { 1 }, other[16] = { 2 };

	assert_ok(store_new_run(s, boot, &run, &same));
	assert_int_equal(run, 1);
	assert_false(same);
	post(1, JOB_CERTIFY, 2, 100);
	AUTO_MEM char *leased = lease(10, 200, false);
	assert_string_equal(leased, "1 ");
	again();
	assert_ok(store_new_run(s, boot, &run, &same));
	assert_int_equal(run, 2);
	assert_true(same);
	assert_ok(store_job_void(s, run, same, &n));
	assert_int_equal(n, 1);
	AUTO_MEM char *repeated = lease(10, 200, false);
	assert_string_equal(repeated, "1 ");
	/* After another boot the clock that back-off was counted with has gone. */
	uint8_t id[ID_LEN];
	fill(id, ID_LEN, 1);
	AUTO(job) struct job *j = NULL;
	assert_ok(store_job_get(s, id, &j));
	assert_int_equal(j->attempts, 2);
	j->state = JOB_RETRY;
	j->next_boot_ms = 1000000;
	assert_ok(store_job_put(s, j));
	assert_ok(store_new_run(s, other, &run, &same));
	assert_false(same);
	assert_ok(store_job_void(s, run, same, &n));
	AUTO_MEM char *soon = lease(10, 1, false);
	assert_string_equal(soon, "1 ");
	assert_ok(store_job_count(s, &waiting, &blocked));
	assert_int_equal(waiting, 1);
}

static void what_waits_does_not_wait_for_the_clock_of_another_boot(void **state)
{
	uint64_t n = 0;

	/* Posted after weeks of uptime, while derivd-ca was away; then the machine was started again. */
	post(1, JOB_CERTIFY, 2, 2000000000);
	post(2, JOB_CRL, 0, 2000000000);
	assert_ok(store_job_void(s, 2, true, &n));
	AUTO_MEM char *none = lease(10, 1, false);
	assert_string_equal(none, "");
	assert_ok(store_job_void(s, 3, false, &n));
	AUTO_MEM char *both = lease(10, 1, false);
	assert_string_equal(both, "2 1 ");
}

static void add_item(unsigned int n, enum item_state item_state)
{
	struct item i = { .number = n, .kind = 1, .state = item_state };

	fill(i.id, ID_LEN, n);
	fill(i.device, SHA256_LEN, 9);
	assert_ok(store_item_add(s, &i));
}

static void items_are_handed_out_up_to_the_first_gap(void **state)
{
	AUTO(rows) struct rows *rows = NULL;
	uint8_t device[SHA256_LEN];
	uint64_t behind = 9;

	fill(device, SHA256_LEN, 9);
	add_item(1, ITEM_SETTLED);
	add_item(2, ITEM_SIGNED);
	add_item(4, ITEM_SIGNED);
	add_item(5, ITEM_SIGNED);
	add_item(6, ITEM_WANTED);
	add_item(7, ITEM_SIGNED);
	assert_ok(store_item_next(s, device, 2, &rows, &behind));
	assert_int_equal(rows->n, 2);
	assert_int_equal(((struct item *)rows->row[0])->number, 2);
	assert_int_equal(((struct item *)rows->row[1])->number, 4);
	/* 5 is ready; 7 is not, with 6 before it. */
	assert_int_equal(behind, 1);
}

static void a_sealed_key_that_is_purged_is_gone_from_the_file(void **state)
{
	static const char secret[] = "this-stands-for-a-sealed-key-of-a-holder";
	uint8_t id[ID_LEN];
	AUTO(buf) struct buf *body = NULL;
	AUTO_MEM char *command = xasprintf("grep -q -a %s %s", secret, path);

	fill(id, ID_LEN, 1);
	assert_ok(store_sealed_add(s, id, SEALED_DEVICE, BYTES(secret, strlen(secret))));
	assert_ok(store_sealed_add(s, id, SEALED_ESCROW, BYTES("other", 5)));
	again();
	assert_int_equal(system(command), 0);
	assert_ok(store_sealed_purge(s, id, false));
	assert_ok(store_sealed_device(s, id, &body));
	assert_null(body);
	again();
	assert_int_not_equal(system(command), 0);
	int64_t left = 0;
	assert_ok(sql_number(s, &left, "SELECT count(*) FROM sealed", ""));
	assert_int_equal(left, 1);
}

static void a_sealed_key_that_is_purged_is_soon_gone_from_the_log_too(void **state)
{
	static const char secret[] = "this-stands-for-another-sealed-key";
	uint8_t id[ID_LEN];
	AUTO_MEM char *command = xasprintf("grep -q -a %s %s %s-wal", secret, path, path);

	fill(id, ID_LEN, 1);
	assert_ok(store_sealed_add(s, id, SEALED_DEVICE, BYTES(secret, strlen(secret))));
	assert_ok(store_sealed_purge(s, id, false));
	assert_int_equal(system(command), 0);
	store_tidy(s);
	assert_int_not_equal(system(command), 0);
	/* Within a turn nothing of it is touched. */
	assert_ok(store_begin(s));
	assert_ok(store_sealed_add(s, id, SEALED_DEVICE, BYTES(secret, strlen(secret))));
	store_tidy(s);
	assert_ok(store_commit(s));
	assert_int_equal(system(command), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_request_comes_out_as_it_went_in),
		TEST(a_newer_schema_is_refused),
		TEST(an_older_store_is_brought_up_to_date),
		TEST(everything_is_counted_by_state),
		TEST(the_oldest_job_is_known),
		TEST(what_is_no_database_is_refused),
		TEST(an_unknown_state_is_an_error),
		TEST(an_event_is_undone_alone),
		TEST(an_uncommitted_turn_is_lost),
		TEST(a_full_disk_is_said_and_passes),
		TEST(ids_are_found_by_their_beginning),
		TEST(jobs_are_leased_by_rank_and_time),
		TEST(a_devices_items_are_signed_one_after_the_other),
		TEST(leases_of_another_run_are_void),
		TEST(what_waits_does_not_wait_for_the_clock_of_another_boot),
		TEST(items_are_handed_out_up_to_the_first_gap),
		TEST(a_sealed_key_that_is_purged_is_gone_from_the_file),
		TEST(a_sealed_key_that_is_purged_is_soon_gone_from_the_log_too),
	};

	return cmocka_run_group_tests_name("core store", tests, NULL, NULL);
}
