/* test_core_notice.c: who is told what and how often, with a clock that a test moves: each end once, and never a flood. */
#include "tests/unit/engine.h"

#include "daemon/core/lifecycle.h"
#include "daemon/core/notice.h"
#include "daemon/core/outbox.h"
#include "daemon/core/request.h"
#include "daemon/core/store_sql.h"
#include "tests/unit/fake_clock.h"

#define DAY_MS (24 * 3600 * 1000LL)
#define MANY 1000
#define DEVICES 20

static struct core *c;
static const struct from NOBODY = { .kind = FROM_NOBODY };

static int setup(void **state)
{
	c = engine_open(true);
	c->ca.seen = true;
	c->channels.known = c->channels.holders = c->channels.operators = true;
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

static void run(struct err *(*event)(struct core *, void *), void *arg)
{
	assert_true(turn_run(c, &NOBODY, event, arg));
	assert_true(turn_end(c));
}

/* --- events --- */

static struct err *sweep(struct core *core, void *arg)
{
	return lifecycle_sweep(core, arg);
}

static struct err *pump(struct core *core, void *arg)
{
	return notice_pump(core, arg);
}

/* Of the one request that all are of; derivd-courier would look into it. */
static struct err *add_receipt(struct core *core)
{
	static const uint8_t request[ID_LEN] = { 1 }, intent[SHA256_LEN] = { 2 };
	struct request r = { .operation = COMMON__OPERATION__ENROLL,
		.state = RS_VERIFIED,
		.id = { 1 },
		.token_hash = { 1 } };
	Common__Signed m = COMMON__SIGNED__INIT;
	uint8_t bytes[64] = { 3 };

	m.body = m.signature = pb_lend(BYTES(bytes, sizeof(bytes)));
	AUTO(buf) struct buf *receipt = msg_pack_type(&m.base);
	TRY(store_request_add(core->store, &r));
	TRY(store_evidence_put(core->store, request, BYTES(bytes, sizeof(bytes))));
	return store_receipt_put(
		core->store, request, buf_bytes(receipt), BYTES(intent, SHA256_LEN));
}

/* n credentials of one holder, on the devices in turn. */
struct wanted {
	unsigned int n, devices;
	int64_t not_after_ms;
};

static struct err *add_credentials(struct core *core, void *arg)
{
	const struct wanted *w = arg;

	TRY(add_receipt(core));
	for (unsigned int i = 1; i <= w->n; i++) {
		struct credential k = { .purpose = COMMON__PURPOSE__AUTHENTICATION + i % 3,
			.origin = COMMON__ORIGIN__DEVICE,
			.state = CS_ACTIVE };
		char profile[] = "p", serial[16];
		memcpy(k.id, &i, sizeof(i));
		memcpy(k.slot, &i, sizeof(i));
		k.request[0] = 1;
		k.device[0] = (uint8_t)(1 + i % w->devices);
		k.holder[0] = 7;
		k.profile = profile;
		snprintf(serial, sizeof(serial), "%08x", i);
		TRY(store_credential_add(core->store, &k));
		k.serial = serial;
		k.not_after_ms = w->not_after_ms;
		TRY(store_credential_put(core->store, &k));
	}
	return NULL;
}

static struct err *revoke_all(struct core *core, void *arg UNUSED)
{
	static const struct cause cause = { .actor = "officer", .kind = "revoked" };
	struct filter f = { .most = STORE_PAGE_MAX };
	size_t n;

	do {
		AUTO(rows) struct rows *rows = NULL;
		TRY(store_credential_list(core->store, &f, &rows));
		n = rows->n;
		for (size_t i = 0; i < n; i++) {
			struct credential *k = rows->row[i];
			f.after = k->n;
			TRY(credential_step(core, k, CE_REVOKE, &cause));
		}
	} while (n == STORE_PAGE_MAX);
	return NULL;
}

struct outcome {
	struct ask ask;
	struct answer answer;
};

static struct err *settle(struct core *core, void *arg)
{
	const struct outcome *o = arg;

	return outbox_settle(core, &o->ask, &o->answer);
}

static void leased(uint8_t ret_id[static ID_LEN])
{
	AUTO(rows) struct rows *rows = NULL;

	assert_ok(store_job_leased(c->store, &rows));
	assert_int_equal(rows->n, 1);
	memcpy(ret_id, ((const struct job *)rows->row[0])->id, ID_LEN);
}

/* Sends what may be sent now; returns how many notices that is. */
static unsigned int send_all(const struct err *refusal)
{
	Courier__Noticed done = COURIER__NOTICED__INIT;
	unsigned int n = 0, got = 1;

	done.mailed = true;
	for (;;) {
		struct outcome o = { .ask = { .kind = ASK_NOTICE } };
		post.n = 0;
		run(pump, &got);
		if (!got)
			return n;
		/* Nobody was asked: it waits. */
		if (!post.n)
			continue;
		leased(o.ask.id);
		o.answer.error = refusal;
		o.answer.body = refusal ? NULL : &done;
		run(settle, &o);
		n++;
	}
}

static void pass(int64_t ms)
{
	fake_real_ms += ms;
	fake_boot_ms += ms;
}

static void days(unsigned int n)
{
	bool more;

	for (unsigned int i = 0; i < n; i++) {
		pass(DAY_MS);
		post.n = 0;
		run(sweep, &more);
	}
}

/* --- tests --- */

static void each_credential_s_end_is_told_once(void **state)
{
	struct wanted w = { .n = 3, .devices = 1, .not_after_ms = fake_real_ms + 30 * DAY_MS };

	run(add_credentials, &w);
	days(15);
	assert_int_equal(count("SELECT count(*) FROM notice"), 0);
	/* Two weeks before: all three in one notice. */
	days(2);
	pass(NOTICE_GATHER_MS);
	assert_int_equal(send_all(NULL), 1);
	assert_int_equal(count("SELECT count(*) FROM notice WHERE kind = 2 AND purposes = 14"), 1);
	days(5);
	engine_close(c);
	c = engine_open(false);
	c->ca.seen = true;
	c->channels.known = c->channels.holders = true;
	days(8);
	assert_int_equal(send_all(NULL), 0);
	assert_int_equal(count("SELECT count(*) FROM credential WHERE state = 'expired'"), 3);
}

static void a_thousand_revocations_are_no_flood(void **state)
{
	struct wanted w = {
		.n = MANY, .devices = DEVICES, .not_after_ms = fake_real_ms + 300 * DAY_MS
	};
	unsigned int hours = 0, told = 0;

	run(add_credentials, &w);
	run(revoke_all, NULL);
	assert_int_equal(count("SELECT count(*) FROM job WHERE what = 'revoke'"), MANY);
	assert_int_equal(count("SELECT count(*) FROM notice"), DEVICES);
	pass(NOTICE_GATHER_MS);
	while (told < DEVICES) {
		unsigned int n = send_all(NULL);
		assert_true(n > 0 && n <= c->settings->notices_per_hour);
		assert_int_equal(c->channels.later_boot_ms != 0, hours > 0 || n < DEVICES);
		told += n;
		hours++;
		pass(NOTICE_HOUR_MS + 2000);
	}
	assert_int_equal(told, DEVICES);
	assert_int_equal(hours, (DEVICES + 5) / 6);
	assert_int_equal(send_all(NULL), 0);
}

/* What was sent "in a year" holds nobody up once the clock is right again, and is no leave for a flood either. */
static void a_clock_that_was_ahead_holds_nothing_up(void **state)
{
	struct wanted w = {
		.n = MANY, .devices = DEVICES, .not_after_ms = fake_real_ms + 900 * DAY_MS
	};
	unsigned int n;

	run(add_credentials, &w);
	run(revoke_all, NULL);
	pass(NOTICE_GATHER_MS);
	fake_real_ms += 365 * DAY_MS;
	assert_int_equal(send_all(NULL), c->settings->notices_per_hour);
	fake_real_ms -= 365 * DAY_MS;
	pass(NOTICE_HOUR_MS + 2000);
	n = send_all(NULL);
	assert_int_equal(n, c->settings->notices_per_hour);
	fake_real_ms -= 60 * 1000;
	assert_int_equal(send_all(NULL), 0);
}

static void a_revocation_is_told_once(void **state)
{
	struct wanted w = { .n = 1, .devices = 1, .not_after_ms = fake_real_ms + 300 * DAY_MS };

	run(add_credentials, &w);
	run(revoke_all, NULL);
	pass(NOTICE_GATHER_MS);
	assert_int_equal(send_all(NULL), 1);
	/* As in a store that was put back to before it. */
	assert_int_equal(sqlite3_exec(c->store->db, "UPDATE credential SET state = 'active'", NULL,
				 NULL, NULL),
		SQLITE_OK);
	run(revoke_all, NULL);
	pass(NOTICE_GATHER_MS);
	assert_int_equal(send_all(NULL), 0);
}

static void a_refusal_is_told_to_operators_once(void **state)
{
	struct wanted w = { .n = 5, .devices = 5, .not_after_ms = fake_real_ms + 300 * DAY_MS };
	AUTO(err) struct err *no = err_new(&ERR_NOTICE_REFUSED, "550 no such mailbox");

	run(add_credentials, &w);
	run(revoke_all, NULL);
	pass(NOTICE_GATHER_MS);
	assert_int_equal(send_all(no), 5);
	assert_int_equal(count("SELECT count(*) FROM job WHERE state = 'failed'"), 5);
	/* One notice for all of them; refused itself, it makes no other. */
	assert_int_equal(count("SELECT n FROM trouble WHERE error = 'notice-refused'"), 5);
	pass(NOTICE_GATHER_MS);
	assert_int_equal(send_all(no), 1);
	pass(NOTICE_GATHER_MS);
	assert_int_equal(send_all(no), 0);
	assert_int_equal(
		count("SELECT count(*) FROM job WHERE what = 'notice' AND state = 'failed'"), 6);
	/* Nobody mends it: it does not stand in the queue for ever, and the chain says how it ended. */
	days(29);
	assert_int_equal(
		count("SELECT count(*) FROM job WHERE what = 'notice' AND state = 'failed'"), 6);
	days(2);
	assert_int_equal(
		count("SELECT count(*) FROM job WHERE what = 'notice' AND state = 'failed'"), 0);
	assert_int_equal(
		count("SELECT count(*) FROM audit WHERE instr(body, CAST('a month ago' AS BLOB))"),
		6);
}

static void without_a_channel_each_is_said(void **state)
{
	struct wanted w = { .n = 3, .devices = 3, .not_after_ms = fake_real_ms + 10 * DAY_MS };
	bool more;

	c->channels.holders = c->channels.operators = false;
	run(add_credentials, &w);
	run(sweep, &more);
	assert_int_equal(count("SELECT count(*) FROM job WHERE what = 'notice'"), 0);
	assert_int_equal(count("SELECT count(*) FROM audit WHERE instr(body, CAST('NOBODY IS TOLD' "
			       "AS BLOB))"),
		3);
	run(revoke_all, NULL);
	assert_int_equal(count("SELECT count(*) FROM audit WHERE instr(body, CAST('NOBODY IS TOLD' "
			       "AS BLOB))"),
		6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_credential_s_end_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_clock_that_was_ahead_holds_nothing_up, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_thousand_revocations_are_no_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(a_revocation_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_refusal_is_told_to_operators_once, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_channel_each_is_said, setup, teardown),
	};

	return cmocka_run_group_tests_name("core notice", tests, NULL, engine_remove);
}
