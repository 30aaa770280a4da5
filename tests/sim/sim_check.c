/* sim_check.c: what must hold always, when somebody is told something, and in the end. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int64_t sim_count(struct sim *s, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t n = -1;

	if (sqlite3_prepare_v2(s->witness, sql, -1, &stmt, NULL) != SQLITE_OK)
		sim_fail(s, "%s: %s", sql, sqlite3_errmsg(s->witness));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

/* Does a committed row with this id satisfy the condition? */
static bool holds(
	struct sim *s, const char *table, const char *key, struct bytes id, const char *condition)
{
	AUTO_MEM char *hex = text_hex(id);
	AUTO_MEM char *sql = xasprintf(
		"SELECT count(*) FROM %s WHERE %s = x'%s' AND (%s)", table, key, hex, condition);

	return sim_count(s, sql) > 0;
}

/* The chain has a row of this event; its name stands in the row behind its length. */
static bool did(struct sim *s, struct bytes request, enum event event)
{
	AUTO_MEM char *condition = xasprintf("instr(body, x'%08zx' || CAST('%s' AS BLOB)) > 0",
		strlen(event_name(event)), event_name(event));

	return holds(s, "audit", "request", request, condition);
}

/* The session has it; or something else in the same turn has ended the session, and the chain says that it had it before. */
static bool told(struct sim *s, struct bytes request, const char *condition, enum event event)
{
	return holds(s, "session", "request", request, condition) ||
	       (holds(s, "request", "id", request, "state = 'cancelled'") &&
		       did(s, request, event));
}

void sim_check_told(struct sim *s, enum msg_number number, const void *body)
{
	const Control__SessionOffered *offered = body;
	const Control__SessionStatement *statement = body;
	const Control__SessionOpened *opened = body;
	bool ok = true;

	if (!s->witness)
		return;
	switch (number) {
	case MSG_SESSION_OFFERED:
		ok = told(s, pb_bytes(offered->request_id), "offer IS NOT NULL", EV_OFFERED);
		break;
	case MSG_SESSION_BEGUN:
		ok = told(s, pb_bytes(((const Control__SessionBegun *)body)->request_id),
			"invited_until_ms = 0", EV_INVITED);
		break;
	case MSG_SESSION_STATEMENT:
		ok = told(
			s, pb_bytes(statement->request_id), "statement IS NOT NULL", EV_STATEMENT);
		break;
	case MSG_SESSION_OPENED:
		ok = told(
			s, pb_bytes(opened->request_id), "device_random IS NOT NULL", EV_DISCLOSED);
		break;
	case MSG_SESSION_NONCE:
		ok = sim_count(s, "SELECT count(*) FROM request WHERE state IN ('prepared', "
				  "'cancelled')") > 0;
		break;
	case MSG_DEVICE_REVEAL:
		ok = sim_count(s, "SELECT count(*) FROM session WHERE kiosk_random IS NOT NULL") >
			     0 ||
		     sim_count(s, "SELECT count(*) FROM request WHERE state = 'cancelled'") > 0;
		break;
	case MSG_DEVICE_ITEMS:
		ok = ((const Device__Items *)body)->n_items == 0 ||
		     sim_count(s, "SELECT count(*) FROM item WHERE digest IS NOT NULL") > 0;
		break;
	default:
		break;
	}
	if (!ok)
		sim_fail(
			s, "%s was told before it was committed", msg_find((uint16_t)number)->name);
}

void sim_check_asked(struct sim *s, const struct ask *ask)
{
	const struct bytes id = BYTES(ask->id, ID_LEN);
	bool about_job = ask->kind == ASK_JOB || ask->kind == ASK_NOTICE;
	if (about_job && s->witness &&
		!holds(s, "job", "id", BYTES(ask->id, ID_LEN), "state = 'leased'"))
		sim_fail(s, "derivd-ca is asked before the lease is committed");
	/* In the same turn its device may have been revoked. */
	if (ask->kind == ASK_ASSESS && !holds(s, "request", "id", id, "state = 'opened'") &&
		!(holds(s, "request", "id", id, "state = 'cancelled'") &&
			did(s, id, EV_SESSION_OPENED)))
		sim_fail(s, "derivd-ca is asked before the request is committed");
}

bool sim_has_receipt(struct sim *s, const uint8_t request[static ID_LEN])
{
	return holds(s, "evidence", "request", BYTES(request, ID_LEN), "receipt IS NOT NULL");
}

static void none(struct sim *s, const char *what, const char *sql)
{
	int64_t n = sim_count(s, sql);

	if (n != 0)
		sim_fail(s, "%s: %lld", what, (long long)n);
}

/* Up to the line somebody stands in front of a session, or its time runs out. */
static void check_clocks(struct sim *s)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(s->witness,
		    "SELECT s.request FROM session s JOIN request r ON r.id = s.request WHERE "
		    "r.state <> 'committed'",
		    -1, &stmt, NULL) != SQLITE_OK)
		sim_fail(s, "%s", sqlite3_errmsg(s->witness));
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const struct seat *seat = seats_find(s->core->seats, sqlite3_column_blob(stmt, 0));
		if (!seat || seat->until_boot_ms == INT64_MAX)
			sim_fail(s, "a session that no clock ends");
	}
	sqlite3_finalize(stmt);
}

void sim_check_always(struct sim *s)
{
	if (!s->witness)
		return;
	check_clocks(s);
	none(s, "open requests miscounted",
		"SELECT count(*) FROM tally WHERE n <> (SELECT count(*) FROM request WHERE open = "
		"1)");
	none(s, "counts that are wrong",
		"WITH fresh(thing, kind, state, n) AS (SELECT 'job', what, state, count(*) FROM "
		"job GROUP BY what, "
		"state UNION ALL SELECT 'request', '', state, count(*) FROM request GROUP BY state "
		"UNION ALL "
		"SELECT 'credential', '', state, count(*) FROM credential GROUP BY state UNION ALL "
		"SELECT 'device', '', state, count(*) FROM device GROUP BY state) "
		"SELECT count(*) FROM (SELECT * FROM counted WHERE n <> 0 EXCEPT SELECT * FROM "
		"fresh UNION ALL "
		"SELECT * FROM (SELECT * FROM fresh EXCEPT SELECT * FROM counted))");
	none(s, "slots with two live credentials",
		"SELECT count(*) FROM (SELECT 1 FROM credential WHERE state = 'active' "
		"GROUP BY slot, purpose HAVING count(*) > 1)");
	none(s, "slots with two credentials on their way",
		"SELECT count(*) FROM (SELECT 1 FROM credential WHERE state IN ('wanted', 'made', "
		"'certified', 'queued') "
		"GROUP BY slot, purpose HAVING count(*) > 1)");
	none(s, "credentials that wait for nothing",
		"SELECT count(*) FROM credential c WHERE state IN ('wanted', 'made', 'certified', "
		"'queued', 'revoking') AND NOT "
		"EXISTS (SELECT 1 FROM job j WHERE j.credential = c.id) AND NOT EXISTS (SELECT 1 "
		"FROM device d WHERE d.id = "
		"c.device AND d.state = 'revoking')");
	none(s, "committed requests that nobody verifies",
		"SELECT count(*) FROM request r WHERE state = 'committed' AND NOT EXISTS "
		"(SELECT 1 FROM job j WHERE j.request = r.id AND j.what = 'verify')");
	none(s, "committed requests without evidence",
		"SELECT count(*) FROM request r WHERE state = 'committed' AND NOT EXISTS "
		"(SELECT 1 FROM evidence e WHERE e.request = r.id)");
	none(s, "open items without a job",
		"SELECT count(*) FROM item i WHERE state IN ('wanted', 'signed') AND NOT EXISTS "
		"(SELECT 1 FROM job j WHERE j.id = i.id)");
	none(s, "sealed keys that were delivered and not purged",
		"SELECT count(*) FROM sealed s JOIN credential c ON c.id = s.credential WHERE "
		"s.whom = 'device' "
		"AND c.state NOT IN ('wanted', 'made', 'certified', 'queued')");
	none(s, "open verified requests with nothing on its way",
		"SELECT count(*) FROM request r WHERE state = 'verified' AND open = 1 AND NOT "
		"EXISTS (SELECT 1 FROM credential c "
		"WHERE c.request = r.id AND c.state IN ('wanted', 'made', 'certified', 'queued'))");
}

static void check_chain(struct sim *s)
{
	struct err *e = audit_check_tail(s->core->audit, UINT32_MAX);

	if (e)
		sim_fail(s, "the audit chain: %s", err_get_text(e));
	if (sim_count(s, "SELECT count(*) FROM audit") !=
		(int64_t)audit_head(s->core->audit)->sequence)
		sim_fail(s, "audit rows are missing");
	if (s->core->frozen)
		sim_fail(s, "derivd does not issue any more: %s", s->core->frozen);
}

/* derivd and derivd-ca agree on every certificate. */
static void check_certificates(struct sim *s)
{
	for (size_t i = 0; i < s->ca.n_certs; i++) {
		const struct sim_cert *t = &s->ca.cert[i];
		AUTO_MEM char *live = xasprintf(
			"SELECT count(*) FROM credential WHERE serial = '%s' AND state IN "
			"('active', 'expired')",
			t->serial);
		AUTO_MEM char *known =
			xasprintf("SELECT count(*) FROM credential WHERE serial = '%s'", t->serial);
		if (!t->revoked && sim_count(s, live) != 1)
			sim_fail(s, "certificate %s is good, and nobody's", t->serial);
		if (t->revoked && sim_count(s, live) != 0)
			sim_fail(s, "certificate %s is revoked, and in use", t->serial);
		if (!t->revoked && sim_count(s, known) != 1)
			sim_fail(s, "certificate %s is unknown to derivd", t->serial);
	}
}

void sim_check_end(struct sim *s)
{
	sim_check_always(s);
	none(s, "requests that never end", "SELECT count(*) FROM request WHERE open = 1");
	none(s, "sessions without a request", "SELECT count(*) FROM session");
	none(s, "credentials that never arrive",
		"SELECT count(*) FROM credential WHERE state IN ('wanted', 'made', 'certified', "
		"'queued', 'revoking')");
	none(s, "jobs that never end",
		"SELECT count(*) FROM job WHERE state <> 'failed' AND what NOT IN ('deliver', "
		"'crl')");
	none(s, "failed jobs without a cause",
		"SELECT count(*) FROM job WHERE state = 'failed' AND cause IS NULL");
	none(s, "items that derivd-ca refused because they came in another order",
		"SELECT count(*) FROM job WHERE state = 'failed' AND cause_kind = 'wrong-state'");
	none(s, "notices that nobody sends",
		"SELECT count(*) FROM notice n WHERE sent_ms = 0 AND NOT EXISTS (SELECT 1 FROM job "
		"j WHERE j.id = n.id)");
	none(s, "devices that are half revoked",
		"SELECT count(*) FROM device WHERE state = 'revoking'");
	check_chain(s);
	check_certificates(s);
}
