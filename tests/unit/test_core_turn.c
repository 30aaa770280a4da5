/* test_core_turn.c: nothing is told before the commit; an event fails alone, a commit for all; the audit chain. */
#include "tests/unit/engine.h"

#include "base/clock.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/reconcile.h"
#include "daemon/core/seats.h"
#include "daemon/core/store_sql.h"

static struct core *c;

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

static const struct audit_about SOMETHING = { .event = EV_QUEUE_RETRY };

static struct err *tell(struct core *core, void *arg)
{
	uint32_t *serial = arg;

	TRY(audit_add(core->audit, &SOMETHING, "event %u", *serial));
	mail_done(core, 7, *serial);
	return NULL;
}

static struct err *tell_and_fail(struct core *core, void *arg)
{
	TRY(tell(core, arg));
	return err_new(&ERR_WRONG_STATE, "no");
}

static struct from from(uint32_t serial)
{
	return (struct from){ .kind = FROM_CALLER, .whom = 7, .serial = serial };
}

static uint64_t rows(void)
{
	int64_t n = 0;

	assert_ok(sql_number(c->store, &n, "SELECT count(*) FROM audit", ""));
	return (uint64_t)n;
}

static void nothing_is_told_before_the_commit(void **state)
{
	uint32_t serial = 1;
	struct from who = from(1);

	assert_true(turn_run(c, &who, tell, &serial));
	assert_int_equal(post.n, 0);
	assert_true(turn_end(c));
	assert_int_equal(post.n, 1);
	assert_int_equal(post.letter[0].number, MSG_DONE);
	assert_int_equal(post.commits, 1);
	assert_true(turn_end(c));
	assert_int_equal(post.commits, 1);
}

static void an_event_fails_alone(void **state)
{
	uint32_t one = 1, two = 2, three = 3;
	struct from a = from(1), b = from(2), d = from(3);
	uint64_t before = rows();

	assert_true(turn_run(c, &a, tell, &one));
	assert_false(turn_run(c, &b, tell_and_fail, &two));
	assert_true(turn_run(c, &d, tell, &three));
	assert_true(turn_end(c));
	assert_int_equal(rows(), before + 2);
	assert_int_equal(post.n, 3);
	assert_int_equal(post.letter[0].number, MSG_DONE);
	assert_int_equal(post.letter[1].number, MSG_ERROR);
	assert_int_equal(post.letter[1].serial, 2);
	assert_ptr_equal(post.letter[1].kind, &ERR_WRONG_STATE);
	assert_int_equal(post.letter[2].serial, 3);
	assert_ok(audit_check_tail(c->audit, 1000));
}

static struct err *write_much(struct core *core, void *arg)
{
	AUTO(buf) struct buf *b = buf_new();
	uint8_t id[ID_LEN] = { 1 };

	buf_grow(b, 1 << 20);
	TRY(store_sealed_add(core->store, id, SEALED_ESCROW, buf_bytes(b)));
	return tell(core, arg);
}

static void a_full_disk_fails_all_and_passes(void **state)
{
	uint32_t one = 1, two = 2;
	struct from a = from(1), b = from(2);
	uint64_t before = rows(), head = audit_head(c->audit)->sequence;

	sqlite3_exec(c->store->db, "PRAGMA max_page_count = 1", NULL, NULL, NULL);
	turn_run(c, &a, tell, &one);
	turn_run(c, &b, write_much, &two);
	turn_end(c);
	sqlite3_exec(c->store->db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
	assert_int_equal(rows(), before);
	assert_int_equal(audit_head(c->audit)->sequence, head);
	assert_int_equal(post.n, 2);
	for (size_t i = 0; i < post.n; i++) {
		assert_int_equal(post.letter[i].number, MSG_ERROR);
		assert_ptr_equal(post.letter[i].kind, &ERR_STORE_FULL);
	}
	assert_true(turn_run(c, &a, tell, &one));
	assert_true(turn_end(c));
	assert_int_equal(rows(), before + 1);
	assert_ok(audit_check_tail(c->audit, 1000));
}

static struct err *ask_and_fail(struct core *core, void *arg)
{
	struct seat *seat = arg;
	struct ask ask = { .kind = ASK_PREPARE, .ticket = seats_new_ticket(core->seats) };
	const Ca__Status m = CA__STATUS__INIT;

	memcpy(ask.id, seat->request, ID_LEN);
	seat->ticket = ask.ticket;
	mail_ask(core, &ask, MSG_CA_STATUS, &m);
	return err_new(&ERR_WRONG_STATE, "no");
}

static void a_question_that_is_not_asked_is_not_waited_for(void **state)
{
	const uint8_t request[ID_LEN] = { 1 };
	struct from who = from(1);
	struct seat *seat = NULL;

	assert_ok(seats_take(c->seats, request, INT64_MAX, &seat));
	assert_false(turn_run(c, &who, ask_and_fail, seat));
	assert_true(turn_end(c));
	assert_int_equal(seat->ticket, 0);
	assert_int_equal(post.n, 1);
}

static struct err *pass_the_line(struct core *core, void *arg)
{
	mail_past_line(core, arg);
	return NULL;
}

static struct err *pass_the_line_and_fail(struct core *core, void *arg)
{
	TRY(pass_the_line(core, arg));
	return err_new(&ERR_WRONG_STATE, "no");
}

static void a_sessions_clock_runs_until_the_evidence_is_committed(void **state)
{
	uint8_t request[ID_LEN] = { 1 }, left[ID_LEN] = { 2 };
	struct from who = from(1);
	struct seat *seat = NULL, *empty = NULL;

	assert_ok(seats_take(c->seats, request, 1000, &seat));
	assert_ok(seats_take(c->seats, left, 1000, &empty));
	seat->caller = 7;
	assert_false(turn_run(c, &who, pass_the_line_and_fail, request));
	assert_true(turn_end(c));
	assert_int_equal(seats_next(c->seats), 1000);
	assert_true(turn_run(c, &who, pass_the_line, request));
	assert_true(turn_run(c, &who, pass_the_line, left));
	assert_int_equal(seat->until_boot_ms, 1000);
	assert_true(turn_end(c));
	assert_ptr_equal(seats_find(c->seats, request), seat);
	assert_null(seats_find(c->seats, left));
	assert_int_equal(seats_next(c->seats), INT64_MAX);
}

static void a_turn_ends_however_busy_the_loop_is(void **state)
{
	uint32_t serial = 1;
	struct from who = { .kind = FROM_NOBODY };

	for (unsigned int i = 0; i < TURN_EVENTS_MAX - 1; i++)
		assert_true(turn_run(c, &who, tell, &serial));
	assert_int_equal(post.commits, 0);
	assert_true(turn_run(c, &who, tell, &serial));
	assert_int_equal(post.commits, 1);
}

static void change(const char *sql)
{
	assert_int_equal(sqlite3_exec(c->store->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void a_changed_row_is_found(void **state)
{
	uint32_t serial = 1;
	struct from who = from(1);

	for (unsigned int i = 0; i < 5; i++)
		turn_run(c, &who, tell, &serial);
	turn_end(c);
	assert_ok(audit_check_tail(c->audit, 1000));
	change("UPDATE audit SET body = (SELECT body FROM audit WHERE sequence = 2) WHERE sequence "
	       "= "
	       "3");
	assert_err_text(audit_check_tail(c->audit, 1000), &ERR_STORE, "row 3");
	/* And derivd, started on it, issues nothing. */
	engine_close(c);
	c = engine_open(false);
	assert_non_null(c->frozen);
	assert_err(core_may_issue(c), &ERR_WRONG_STATE);
}

static struct err *status(struct core *core, void *arg)
{
	return core_ca_status(core, arg);
}

static struct err *sweep(struct core *core, void *arg)
{
	return lifecycle_sweep(core, arg);
}

/* The log has nothing that the store lacks. */
static struct err *caught_up(struct core *core, void *arg UNUSED)
{
	const struct ask ask = { .kind = ASK_RECONCILE };
	const Ca__Reconciled m = CA__RECONCILED__INIT;
	const struct answer a = { .body = &m };

	return reconcile_came(core, &ask, &a);
}

static struct err *ca_is_away(struct core *core, void *arg UNUSED)
{
	const struct ask ask = { .kind = ASK_RECONCILE };
	AUTO(err) struct err *e = err_new(&ERR_CA_UNREACHABLE, "gone");
	const struct answer a = { .error = e };

	return reconcile_came(core, &ask, &a);
}

static void a_store_that_was_put_back_is_found(void **state)
{
	Ca__CaStatus m = CA__CA_STATUS__INIT;
	Common__AuditHead head = COMMON__AUDIT_HEAD__INIT;
	struct from nobody = { .kind = FROM_NOBODY };
	uint8_t hash[SHA256_LEN] = { 9 };

	assert_err(core_may_issue(c), &ERR_CA_UNREACHABLE);
	head.sequence = audit_head(c->audit)->sequence;
	head.hash = pb_lend(BYTES(audit_head(c->audit)->hash, SHA256_LEN));
	m.audit = &head;
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	assert_ok(core_may_issue(c));
	/* derivd-ca has seen more than there is. */
	engine_close(c);
	c = engine_open(false);
	head.sequence = 1000;
	head.hash = pb_lend(BYTES(hash, SHA256_LEN));
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	assert_err_text(core_may_issue(c), &ERR_WRONG_STATE, "rolled back");
	/* The operator takes it upon himself, by that head's hash. */
	engine_close(c);
	c = engine_open(false);
	memcpy(c->settings->accept_head, hash, SHA256_LEN);
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	/* First it has to know what derivd-ca knows. */
	assert_err(core_may_issue(c), &ERR_BUSY);
	assert_int_equal(post.letter[post.n - 1].number, MSG_CA_RECONCILE);
	assert_true(turn_run(c, &nobody, caught_up, NULL));
	assert_true(turn_run(c, &nobody, caught_up, NULL));
	assert_true(turn_end(c));
	assert_ok(core_may_issue(c));
	/* And not again with the next start, also when the line is out of derivd.conf. */
	engine_close(c);
	c = engine_open(false);
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	assert_ok(core_may_issue(c));
	/* Another loss is another matter. */
	engine_close(c);
	c = engine_open(false);
	head.sequence = 1001;
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	assert_err(core_may_issue(c), &ERR_WRONG_STATE);
}

/* Of derivd-ca's configuration, which is said once, and not with each status. */
static void a_change_of_the_ca_is_told_once(void **state)
{
	Ca__CaStatus m = CA__CA_STATUS__INIT;
	struct from nobody = { .kind = FROM_NOBODY };
	char waits[] = "configuration-not-approved", alone[] = "approved-alone", empty[] = "";
	char *const kinds[] = { waits, waits, alone, empty, empty };
	static const uint64_t rows[] = { 1, 1, 2, 3, 3 };
	const uint8_t none[SHA256_LEN] = { 0 };
	struct notice *n = NULL;

	uint64_t before = audit_head(c->audit)->sequence;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		m.change_kind = kinds[i];
		m.change = empty;
		assert_true(turn_run(c, &nobody, status, &m));
		assert_true(turn_end(c));
		assert_int_equal(audit_head(c->audit)->sequence - before, rows[i]);
	}
	assert_ok(store_notice_waiting(c->store, COURIER__NOTICE_KIND__OPERATORS, none, &n));
	assert_non_null(n);
	notice_free(n);
	/* Nothing is kept from being issued by derivd: derivd-ca decides. */
	assert_ok(core_may_issue(c));
}

/* A backup that was put back has the mark: it catches up, through failures, and then the mark is gone. */
static void a_restored_store_catches_up(void **state)
{
	Ca__CaStatus m = CA__CA_STATUS__INIT;
	struct from nobody = { .kind = FROM_NOBODY };
	int64_t taken = 0;
	uint64_t rows = 0;

	assert_ok(store_restored_put(c->store, 1700000000000, 5));
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	assert_err(core_may_issue(c), &ERR_BUSY);
	assert_false(turn_run(c, &nobody, ca_is_away, NULL));
	assert_true(turn_end(c));
	assert_err(core_may_issue(c), &ERR_BUSY);
	/* The next status asks again; a store that fails begins again. */
	post.n = 0;
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	assert_int_equal(post.letter[post.n - 1].number, MSG_CA_RECONCILE);
	assert_ok(store_restored_get(c->store, &taken, &rows));
	assert_int_equal(rows, 5);
	assert_true(turn_run(c, &nobody, caught_up, NULL));
	assert_true(turn_run(c, &nobody, caught_up, NULL));
	assert_true(turn_end(c));
	assert_ok(core_may_issue(c));
	assert_ok(store_restored_get(c->store, &taken, &rows));
	assert_int_equal(taken, 0);
}

static int64_t number_of(const char *sql)
{
	int64_t n = 0;

	assert_ok(sql_number(c->store, &n, sql, ""));
	return n;
}

static void swept(const char *when)
{
	struct from nobody = { .kind = FROM_NOBODY };
	bool more = true;

	assert_true(turn_run(c, &nobody, sweep, &more));
	assert_true(turn_end(c));
	print_message("# %s\n", when);
	assert_false(more);
	assert_int_equal(number_of("SELECT count(*) FROM credential WHERE state = 'queued'"), 1);
}

/* A store that was put back does not know what devices have fetched since: nothing is revoked as unclaimed over that. */
static void what_was_fetched_since_the_backup_is_not_revoked(void **state)
{
	Ca__CaStatus m = CA__CA_STATUS__INIT;
	struct from nobody = { .kind = FROM_NOBODY };
	struct credential k = { .id = { 1 },
		.purpose = COMMON__PURPOSE__AUTHENTICATION,
		.state = CS_QUEUED,
		.origin = COMMON__ORIGIN__DEVICE };

	k.slot[0] = k.request[0] = k.device[0] = k.holder[0] = 7;
	k.profile = (char[]){ "p" };
	k.serial = (char[]){ "01" };
	k.not_after_ms = clock_real_ms() + INT64_C(1000) * 86400 * 1000;
	k.claim_until_ms = clock_real_ms() - 1;
	assert_ok(store_credential_add(c->store, &k));
	assert_ok(store_credential_put(c->store, &k));
	assert_ok(store_restored_put(c->store, 1700000000000, 5));
	swept("before derivd-ca has answered");
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	swept("while it catches up");
	assert_true(turn_run(c, &nobody, caught_up, NULL));
	assert_true(turn_run(c, &nobody, caught_up, NULL));
	assert_true(turn_end(c));
	assert_ok(core_may_issue(c));
	swept("afterwards, when devices can say so again");
	assert_true(number_of("SELECT claim_until_ms FROM credential") > clock_real_ms());
}

static void a_row_that_is_gone_is_found(void **state)
{
	Ca__CaStatus m = CA__CA_STATUS__INIT;
	Common__AuditHead head = COMMON__AUDIT_HEAD__INIT;
	struct from nobody = { .kind = FROM_NOBODY };
	uint32_t serial = 1;
	struct from who = from(1);

	for (unsigned int i = 0; i < 3; i++)
		turn_run(c, &who, tell, &serial);
	turn_end(c);
	head.sequence = 2;
	head.hash = pb_lend(BYTES(audit_head(c->audit)->hash, SHA256_LEN));
	m.audit = &head;
	change("DELETE FROM audit WHERE sequence = 2");
	assert_true(turn_run(c, &nobody, status, &m));
	assert_true(turn_end(c));
	assert_err_text(core_may_issue(c), &ERR_WRONG_STATE, "gone");
}

static void a_clock_that_is_behind_is_recorded_once(void **state)
{
	struct from nobody = { .kind = FROM_NOBODY };
	bool more;
	int64_t n = 0;

	engine_close(c);
	c = engine_open(false);
	change("UPDATE audit SET newest_ms = newest_ms + 3600000 WHERE sequence = (SELECT "
	       "max(sequence) FROM audit)");
	engine_close(c);
	c = engine_open(false);
	assert_err(core_may_begin(c), &ERR_CLOCK_BEHIND);
	assert_true(turn_run(c, &nobody, sweep, &more));
	assert_true(turn_end(c));
	assert_ok(sql_number(c->store, &n,
		"SELECT count(*) FROM audit WHERE instr(body, CAST('clock-behind' AS BLOB)) > 0",
		""));
	assert_int_equal(n, 1);
	assert_ok(audit_check_tail(c->audit, 1000));
}

static void a_row_can_be_read_again(void **state)
{
	const uint8_t request[ID_LEN] = { 1, 2, 3 }, device[SHA256_LEN] = { 4 };
	const struct audit_about about = {
		.event = EV_DECLINED,
		.actor = "device 04",
		.request = request,
		.device = device,
		.purpose = COMMON__PURPOSE__SIGNING,
		.error = "remote",
	};
	struct filter f = { .request = request, .most = 10 };
	AUTO(rows) struct rows *list = NULL;
	AUTO(audit_row) struct audit_row *row = NULL;

	assert_ok(audit_add(c->audit, &about, "said \"%s\"", "\033[31mno\n"));
	assert_ok(store_audit_list(c->store, &f, &list));
	assert_int_equal(list->n, 1);
	assert_ok(audit_parse(buf_bytes(((struct audit_stored *)list->row[0])->body), &row));
	assert_string_equal(row->event, "declined");
	assert_string_equal(row->actor, "device 04");
	assert_string_equal(row->purpose, "signing");
	assert_memory_equal(row->request, request, ID_LEN);
	assert_memory_equal(row->device, device, SHA256_LEN);
	assert_null(strchr(row->text, '\033'));
	assert_null(strchr(row->text, '\n'));
}

static void damaged_rows_are_refused(void **state)
{
	AUTO(rows) struct rows *list = NULL;
	struct filter f = { .most = 1 };

	assert_ok(store_audit_list(c->store, &f, &list));
	const struct audit_stored *stored = list->row[0];
	for (size_t len = 0; len < buf_len(stored->body); len++) {
		AUTO(audit_row) struct audit_row *row = NULL;
		assert_err(audit_parse(BYTES(buf_data(stored->body), len), &row), &ERR_STORE);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_told_before_the_commit),
		TEST(an_event_fails_alone),
		TEST(a_full_disk_fails_all_and_passes),
		TEST(a_question_that_is_not_asked_is_not_waited_for),
		TEST(a_sessions_clock_runs_until_the_evidence_is_committed),
		TEST(a_turn_ends_however_busy_the_loop_is),
		TEST(a_changed_row_is_found),
		TEST(a_change_of_the_ca_is_told_once),
		TEST(a_store_that_was_put_back_is_found),
		TEST(a_restored_store_catches_up),
		TEST(what_was_fetched_since_the_backup_is_not_revoked),
		TEST(a_row_that_is_gone_is_found),
		TEST(a_clock_that_is_behind_is_recorded_once),
		TEST(a_row_can_be_read_again),
		TEST(damaged_rows_are_refused),
	};

	return cmocka_run_group_tests_name("core turn", tests, NULL, engine_remove);
}
