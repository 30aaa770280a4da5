/* test_core_outbox.c: what becomes of jobs that derivd-ca or a device refuses; sessions for which there is no seat. */
#include "tests/unit/engine.h"

#include "base/clock.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/outbox.h"
#include "daemon/core/seats.h"
#include "daemon/core/store_sql.h"

static struct core *c;
static const struct from NOBODY = { .kind = FROM_NOBODY };

static int setup(void **state)
{
	c = engine_open(true);
	return 0;
}

static int teardown(void **state)
{
	engine_close(c);
	return 0;
}

static int64_t count(const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(c->store->db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static struct err *sweep(struct core *core, void *arg)
{
	return lifecycle_sweep(core, arg);
}

static struct err *pump(struct core *core, void *arg)
{
	return outbox_pump(core, 8, arg);
}

struct settling {
	struct ask ask;
	struct answer answer;
};

static struct err *settle(struct core *core, void *arg)
{
	const struct settling *s = arg;

	return outbox_settle(core, &s->ask, &s->answer);
}

static struct err *ca_status(struct core *core, void *arg)
{
	return core_ca_status(core, arg);
}

static void run(struct err *(*event)(struct core *, void *), void *arg)
{
	assert_true(turn_run(c, &NOBODY, event, arg));
	assert_true(turn_end(c));
}

static void first_job(uint8_t ret_id[static ID_LEN])
{
	struct filter f = { .most = 1 };
	AUTO(rows) struct rows *rows = NULL;

	assert_ok(store_job_list(c->store, &f, &rows));
	assert_int_equal(rows->n, 1);
	memcpy(ret_id, ((const struct job *)rows->row[0])->id, ID_LEN);
}

static void a_crl_that_is_refused_is_asked_for_again(void **state)
{
	struct settling s = { .ask = { .kind = ASK_JOB } };
	AUTO(err) struct err *no = err_new(&ERR_POLICY, "not today");
	unsigned int leased = 0;
	bool more;

	c->ca.seen = true;
	run(sweep, &more);
	assert_int_equal(count("SELECT count(*) FROM job WHERE what = 'crl'"), 1);
	assert_int_equal(
		sqlite3_exec(c->store->db, "UPDATE job SET next_boot_ms = 0", NULL, NULL, NULL),
		SQLITE_OK);
	run(pump, &leased);
	assert_int_equal(leased, 1);
	first_job(s.ask.id);
	s.answer.error = no;
	run(settle, &s);
	assert_int_equal(count("SELECT count(*) FROM job WHERE state = 'blocked'"), 1);
	/* And the next hours make no more of them. */
	run(sweep, &more);
	run(sweep, &more);
	assert_int_equal(count("SELECT count(*) FROM job WHERE what = 'crl'"), 1);
}

static void a_crl_is_wanted_until_it_is_there(void **state)
{
	struct settling s = { .ask = { .kind = ASK_JOB } };
	Ca__CrlPublished m = CA__CRL_PUBLISHED__INIT;
	unsigned int leased = 0;
	bool more;

	c->ca.seen = true;
	/* The turn that asked for it failed: the next sweep asks again, not the one an hour later. */
	assert_true(turn_run(c, &NOBODY, sweep, &more));
	store_abandon(c->store);
	audit_abandon(c->audit);
	mail_drop(c);
	c->events = c->n_requesters = 0;
	run(sweep, &more);
	assert_int_equal(count("SELECT count(*) FROM job WHERE what = 'crl'"), 1);
	assert_int_equal(
		sqlite3_exec(c->store->db, "UPDATE job SET next_boot_ms = 0", NULL, NULL, NULL),
		SQLITE_OK);
	run(pump, &leased);
	first_job(s.ask.id);
	s.answer.body = &m;
	run(settle, &s);
	assert_int_equal(count("SELECT count(*) FROM job"), 0);
	run(sweep, &more);
	assert_int_equal(count("SELECT count(*) FROM job"), 0);
}

static void add_refused(uint64_t number, unsigned int kind, struct item *ret_item)
{
	struct item i = { .number = number, .kind = kind, .purpose = 1, .state = ITEM_DECLINED };
	struct job j = { .what = JOB_DELIVER, .number = number };

	memset(i.id, (int)number, ID_LEN);
	memset(i.device, 9, SHA256_LEN);
	memcpy(j.id, i.id, ID_LEN);
	memcpy(j.device, i.device, SHA256_LEN);
	assert_ok(store_item_add(c->store, &i));
	assert_ok(store_job_post(c->store, &j));
	j.state = JOB_FAILED;
	assert_ok(store_job_put(c->store, &j));
	*ret_item = i;
}

/* It could lack what derivd-ca's log has forgotten (calog.h). */
static void no_crl_before_the_log_was_looked_at(void **state)
{
	Ca__CaStatus status = CA__CA_STATUS__INIT;
	unsigned int leased = 0;
	bool more;

	run(sweep, &more);
	assert_int_equal(
		sqlite3_exec(c->store->db, "UPDATE job SET next_boot_ms = 0", NULL, NULL, NULL),
		SQLITE_OK);
	run(pump, &leased);
	assert_int_equal(
		count("SELECT count(*) FROM job WHERE state = 'waiting' AND attempts = 0"), 1);
	status.issuer = (char[]){ "CN=CA" };
	assert_true(turn_run(c, &NOBODY, ca_status, &status));
	assert_true(turn_end(c));
	assert_int_equal(
		sqlite3_exec(c->store->db, "UPDATE job SET next_boot_ms = 0", NULL, NULL, NULL),
		SQLITE_OK);
	run(pump, &leased);
	assert_int_equal(count("SELECT count(*) FROM job WHERE state = 'leased'"), 1);
}

static void a_refusal_leaves_the_queue_when_it_was_made_good(void **state)
{
	struct item first, other, later;

	add_refused(1, CA__ITEM_KIND__CERTIFICATE, &first);
	add_refused(2, CA__ITEM_KIND__APP, &other);
	add_refused(3, CA__ITEM_KIND__CERTIFICATE, &later);
	assert_int_equal(count("SELECT total(n) FROM counted WHERE thing = 'job' AND state IN "
			       "('blocked', 'failed')"),
		3);
	assert_ok(store_item_made_good(c->store, &later));
	assert_int_equal(count("SELECT count(*) FROM job WHERE number = 1"), 0);
	assert_int_equal(count("SELECT count(*) FROM job"), 2);
	/* A device that is revoked needs nothing any more. */
	assert_ok(store_item_drop(c->store, NULL, later.device));
	assert_int_equal(count("SELECT count(*) FROM job"), 0);
	assert_int_equal(count("SELECT total(n) FROM counted WHERE thing = 'job' AND state IN "
			       "('blocked', 'failed')"),
		0);
}

static void sessions_without_a_seat_do_not_keep_derivd_from_starting(void **state)
{
	for (unsigned int i = 0; i < SEATS_MAX + 6; i++) {
		struct request r = {
			.operation = COMMON__OPERATION__ENROLL, .state = RS_INVITED, .open = true
		};
		struct session s = { .misses = 0 };
		r.id[0] = (uint8_t)(i + 1);
		memset(r.token_hash, 7, SHA256_LEN);
		r.created_ms = clock_real_ms();
		memcpy(s.request, r.id, ID_LEN);
		assert_ok(store_request_add(c->store, &r));
		assert_ok(store_session_put(c->store, &s));
	}
	engine_close(c);
	c = engine_open(false);
	assert_int_equal(count("SELECT count(*) FROM session"), SEATS_MAX);
	assert_int_equal(count("SELECT count(*) FROM request WHERE state = 'cancelled' AND "
			       "cause_kind = 'busy'"),
		6);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_crl_that_is_refused_is_asked_for_again),
		TEST(a_crl_is_wanted_until_it_is_there),
		TEST(no_crl_before_the_log_was_looked_at),
		TEST(a_refusal_leaves_the_queue_when_it_was_made_good),
		TEST(sessions_without_a_seat_do_not_keep_derivd_from_starting),
	};

	return cmocka_run_group_tests_name("core outbox", tests, NULL, engine_remove);
}
