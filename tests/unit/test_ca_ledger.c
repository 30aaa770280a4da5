/* test_ca_ledger.c: derivd-ca's log: its chain, races of several processes on it, full disks, and what tampering leaves. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/ca/ledger_part.h"
#include "evidence/cert.h"
#include "evidence/seal.h"
#include "proto/msg.h"
#include "tests/unit/ca_world.h"

#define AUTHENTICATION COMMON__PURPOSE__AUTHENTICATION
#define ENCRYPTION COMMON__PURPOSE__ENCRYPTION

static uint64_t verify(struct world *w)
{
	uint64_t rows = 0;

	assert_ok(ledger_verify(w->s->ledger, &rows));
	return rows;
}

/* Changes the file as somebody with the file in hand would. */
static void tamper(struct world *w, const char *sql)
{
	AUTO_MEM char *path = world_path(w, "state/log.db");
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static struct world_run *issue(struct world *w)
{
	struct world_run *r = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;

	world_enroll(r);
	assert_ok(world_certify(r, AUTHENTICATION, &c));
	return r;
}

static void tampering_is_found(void **state)
{
	static const struct {
		const char *sql;
		const char *text;
	} cases[] = {
		{ "UPDATE certificate SET not_after = not_after + 1", "does not fit" },
		{ "UPDATE certificate SET der = zeroblob(length(der))", "does not fit" },
		{ "DELETE FROM certificate", "does not fit" },
		{ "UPDATE receipt SET holder_id = zeroblob(32)", "does not fit" },
		{ "INSERT INTO revoked VALUES (99, zeroblob(20), 1, 1, 1, zeroblob(32))",
			"has 1 rows" },
		{ "UPDATE piece SET data = zeroblob(10) WHERE id = (SELECT max(id) FROM piece)",
			"not the one" },
		{ "DROP TRIGGER chain_update; UPDATE chain SET time_ms = time_ms - 1 WHERE row = 3",
			"does not fit" },
		{ "INSERT INTO piece VALUES (999999, zeroblob(9))", "table piece" },
		{ "DROP TRIGGER chain_delete; DELETE FROM chain WHERE row = 3", "is missing" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(world) struct world *w = world_new(NULL);
		AUTO(world_run) struct world_run *r = issue(w);
		uint64_t rows;
		verify(w);
		tamper(w, cases[i].sql);
		AUTO(err) struct err *e = ledger_verify(w->s->ledger, &rows);
		if (!e || !err_is(e, &ERR_STORE) || !strstr(err_get_text(e), cases[i].text))
			fail_msg("%s: %s", cases[i].sql, e ? err_get_text(e) : "not found");
	}
}

/* Cutting the end off leaves a chain that holds: derivd's audit heads find that (derivctl audit verify). */
static void the_chain_refuses_changes(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO_MEM char *path = world_path(w, "state/log.db");
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE chain SET time_ms = 0", NULL, NULL, NULL),
		SQLITE_CONSTRAINT);
	assert_int_equal(
		sqlite3_exec(db, "DELETE FROM chain", NULL, NULL, NULL), SQLITE_CONSTRAINT);
	sqlite3_close(db);
}

static void a_newer_release_wrote_it(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	struct state *s = NULL;

	tamper(w, "PRAGMA user_version = 99");
	assert_err(state_open(&s), &ERR_STORE_NEWER);
}

static void it_is_not_there(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO_MEM char *path = world_path(w, "state/log.db");
	struct state *s = NULL;

	assert_int_equal(remove(path), 0);
	assert_err_text(state_open(&s), &ERR_CA_MISCONFIGURED, "init");
}

/* --- a full disk --- */

static void fill_up(struct world *w, bool full)
{
	AUTO_MEM char *sql = xasprintf("PRAGMA max_page_count = %d", full ? 1 : 1 << 30);

	assert_ok(ledger_run(w->s->ledger, sql));
}

static void a_full_disk_leaves_nothing_half_done(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO_MSG Ca__Made *made = NULL;

	world_enroll(r);
	uint64_t before = verify(w);
	fill_up(w, true);
	assert_err(world_make(r, ENCRYPTION), &ERR_STORE_FULL);
	/* Small rows find room in pages that are there, until these are full, too. */
	struct err *e = NULL;
	for (int i = 0; i < 250 && !e; i++) {
		AUTO_MSG Ca__Revoked *m = NULL;
		uint8_t device[SHA256_LEN] = { (uint8_t)i, 1 };
		e = world_revoke_device(w, device, &m);
	}
	assert_err(e, &ERR_STORE_FULL);
	assert_err(world_make(r, ENCRYPTION), &ERR_STORE_FULL);
	assert_true(verify(w) >= before);
	/* Room again: it goes on by itself. */
	fill_up(w, false);
	assert_ok(world_certify(r, AUTHENTICATION, &c));
	assert_ok(world_make(r, ENCRYPTION));
	verify(w);
}

/* --- several processes --- */

static void wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("a child ended with 0x%x", (unsigned int)status);
}

/* Runs one operation in several processes that start at the same moment; what each answers goes through a pipe. */
#define RACERS 4
struct race {
	struct world_run *run;
	void (*child)(struct world_run *r, int out);
};

static void race(const struct race *it, uint8_t answers[RACERS][SHA256_LEN])
{
	int start[2], out[2];
	pid_t pids[RACERS];
	char go[RACERS] = { 0 };

	assert_int_equal(pipe(start), 0);
	assert_int_equal(pipe(out), 0);
	/* A connection to the log must not be carried over a fork. */
	state_free(it->run->w->s);
	it->run->w->s = NULL;
	for (int i = 0; i < RACERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			it->run->w->s = world_open();
			assert_int_equal(read(start[0], go, 1), 1);
			it->child(it->run, out[1]);
			_exit(0);
		}
	}
	assert_int_equal(write(start[1], go, RACERS), RACERS);
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(read(out[0], answers[i], SHA256_LEN), SHA256_LEN);
	for (int i = 0; i < RACERS; i++)
		wait_for(pids[i]);
	for (int i = 0; i < 2; i++) {
		close(start[i]);
		close(out[i]);
	}
	it->run->w->s = world_open();
}

static void answer(int out, struct bytes what)
{
	uint8_t hash[SHA256_LEN];

	sha256(what, hash);
	if (write(out, hash, SHA256_LEN) != SHA256_LEN)
		_exit(1);
}

static void all_are_equal(uint8_t answers[RACERS][SHA256_LEN])
{
	for (int i = 1; i < RACERS; i++)
		assert_memory_equal(answers[0], answers[i], SHA256_LEN);
}

static void race_verify(struct world_run *r, int out)
{
	assert_ok(world_verify(r));
	answer(out, pb_bytes(r->verified->receipt->body));
}

static void race_make(struct world_run *r, int out)
{
	assert_ok(world_make(r, ENCRYPTION));
	answer(out, pb_bytes(r->made->ticket->body));
}

static void race_certify(struct world_run *r, int out)
{
	Ca__Certified *c = NULL;

	assert_ok(world_certify(r, AUTHENTICATION, &c));
	answer(out, pb_bytes(c->certificate));
}

/* However many ask at once: one receipt, one key, one certificate. */
static void races_have_one_winner(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	uint8_t answers[RACERS][SHA256_LEN];

	assert_ok(world_assess(r));
	world_state(r);
	assert_ok(world_prepare(r));
	world_sign(r);
	race(&(struct race){ r, race_verify }, answers);
	all_are_equal(answers);
	assert_ok(world_verify(r));
	race(&(struct race){ r, race_make }, answers);
	all_are_equal(answers);
	race(&(struct race){ r, race_certify }, answers);
	all_are_equal(answers);
	Ca__Status q = CA__STATUS__INIT;
	AUTO_MSG Ca__CaStatus *status = NULL;
	assert_ok(op_status(w->s, &q, &status));
	assert_int_equal(status->certificates, 1);
	verify(w);
}

static uint8_t device_of_race[SHA256_LEN];

/* Each takes numbers of its own, in an order that nobody knows: the numbers that are given only grow. */
static void race_items(struct world_run *r, int out)
{
	uint8_t given = 0;

	for (uint64_t n = 1; n <= 40; n++) {
		Ca__SignedItem *m = NULL;
		struct err *e = world_item(r->w, device_of_race,
			(uint8_t)(getpid() % 6 * 41 + (int)n), n, CA__ITEM_KIND__CHAIN,
			COMMON__PURPOSE__PURPOSE_UNSET, BYTES("", 0), &m);
		assert_true(!e || err_is(e, &ERR_WRONG_STATE));
		given += !e;
		err_free(e);
		msg_free(m);
	}
	answer(out, BYTES(&given, 1));
}

static void numbers_are_given_once(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	uint8_t answers[RACERS][SHA256_LEN];

	world_enroll(r);
	memcpy(device_of_race, w->device->id, SHA256_LEN);
	race(&(struct race){ r, race_items }, answers);
	verify(w); /* and unique, by the table's own index */
}

/* A process that is killed in the middle of a transaction, again and again: nobody waits for it, nothing is half done. */
static void killed_in_the_middle(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;

	world_enroll(r);
	uint64_t before = verify(w);
	state_free(w->s);
	pid_t pid = fork();
	if (pid == 0) {
		struct ledger_tx *tx = NULL;
		bool exists;
		struct entry_audit audit = { 0 };
		uint8_t device[SHA256_LEN] = { 1 };
		w->s = world_open();
		assert_ok(ledger_begin(w->s->ledger, false, &tx));
		assert_ok(entry_revoke_device(tx, device, 1, &audit, &exists));
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	w->s = world_open();
	assert_int_equal(verify(w), before);
	assert_ok(world_certify(r, AUTHENTICATION, &c));
}

/* --- nonce keys --- */

static void nonce_keys_are_shared(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);

	assert_ok(world_assess(r));
	world_state(r);
	assert_ok(world_prepare(r));
	world_sign(r);
	state_free(w->s);
	w->s = world_open();
	assert_ok(world_verify(r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tampering_is_found),
		cmocka_unit_test(the_chain_refuses_changes),
		cmocka_unit_test(a_newer_release_wrote_it),
		cmocka_unit_test(it_is_not_there),
		cmocka_unit_test(a_full_disk_leaves_nothing_half_done),
		cmocka_unit_test(races_have_one_winner),
		cmocka_unit_test(numbers_are_given_once),
		cmocka_unit_test(killed_in_the_middle),
		cmocka_unit_test(nonce_keys_are_shared),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
