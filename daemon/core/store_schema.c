/*
 * store_schema.c: the schema, one numbered step for each change of it; PRAGMA user_version says which have been taken.
 * A step that has been released is never edited. States and kinds stand as the names of request.def and store.h, so
 * that the file can be read with the sqlite3 program.
 */
#include "daemon/core/store_sql.h"

#include "base/alive.h"
#include "daemon/backup/dbcopy.h"
#include "proto/kind.h"

/* clang-format off */
/* Parts of step 3: one row more, or less, of a thing in a state; and a table whose rows have one kind and are never deleted. */
#define COUNT_IN(thing, kind)                                                                      \
	"INSERT INTO counted VALUES('" thing "', " kind ", NEW.state, 1)"                          \
	" ON CONFLICT DO UPDATE SET n = n + 1;"
#define COUNT_OUT(thing, kind)                                                                     \
	"UPDATE counted SET n = n - 1 WHERE thing = '" thing "' AND kind = " kind                  \
	" AND state = OLD.state;"
#define COUNTED(thing)                                                                             \
	"INSERT INTO counted SELECT '" thing "', '', state, count(*) FROM " thing " GROUP BY state;" \
	"CREATE TRIGGER " thing "_counted AFTER INSERT ON " thing " BEGIN "                        \
	COUNT_IN(thing, "''") " END;"                                                              \
	"CREATE TRIGGER " thing "_recounted AFTER UPDATE OF state ON " thing                       \
	" WHEN OLD.state <> NEW.state BEGIN " COUNT_OUT(thing, "''") COUNT_IN(thing, "''") " END;"

static const char *const steps[] = {
	/* 1 */
	"CREATE TABLE meta(key TEXT PRIMARY KEY, number INTEGER, bytes BLOB) STRICT, WITHOUT ROWID;"

	"CREATE TABLE audit(sequence INTEGER PRIMARY KEY, hash BLOB NOT NULL, newest_ms INTEGER NOT NULL,"
	" body BLOB NOT NULL, request BLOB, device BLOB) STRICT;"
	"CREATE INDEX audit_request ON audit(request) WHERE request IS NOT NULL;"
	"CREATE INDEX audit_device ON audit(device) WHERE device IS NOT NULL;"

	"CREATE TABLE request(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, operation INTEGER NOT NULL,"
	" state TEXT NOT NULL, open INTEGER NOT NULL, replaces INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
	" changed_ms INTEGER NOT NULL, uid INTEGER NOT NULL, reader TEXT, label TEXT, name TEXT,"
	" token_hash BLOB NOT NULL, invitation BLOB UNIQUE, device BLOB, holder BLOB, card BLOB,"
	" cause_kind TEXT, cause TEXT) STRICT;"
	"CREATE INDEX request_open ON request(n) WHERE open = 1;"
	"CREATE INDEX request_device ON request(device) WHERE device IS NOT NULL;"

	"CREATE TABLE session(request BLOB PRIMARY KEY, assess BLOB, offer BLOB, predecessor BLOB, statement BLOB,"
	" identity_public BLOB, address TEXT, kiosk_random BLOB, device_random BLOB, misses INTEGER NOT NULL,"
	" invited_until_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE evidence(request BLOB PRIMARY KEY, evidence BLOB NOT NULL, receipt BLOB, intent_hash BLOB) STRICT;"

	"CREATE TABLE holder(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, name TEXT, created_ms INTEGER NOT NULL,"
	" changed_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE card(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, holder BLOB NOT NULL,"
	" seen_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX card_holder ON card(holder);"

	"CREATE TABLE device(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, holder BLOB NOT NULL, request BLOB NOT NULL,"
	" label TEXT, platform TEXT, state TEXT NOT NULL, identity_public BLOB NOT NULL, enrolled_ms INTEGER NOT NULL,"
	" seen_ms INTEGER NOT NULL, last_number INTEGER NOT NULL, chain BLOB, pins BLOB) STRICT;"
	"CREATE INDEX device_holder ON device(holder);"

	"CREATE TABLE credential(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, request BLOB NOT NULL,"
	" device BLOB NOT NULL, holder BLOB NOT NULL, slot BLOB NOT NULL, purpose INTEGER NOT NULL,"
	" origin INTEGER NOT NULL, profile TEXT, state TEXT NOT NULL, serial TEXT, not_before_ms INTEGER NOT NULL,"
	" not_after_ms INTEGER NOT NULL, claim_until_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
	" changed_ms INTEGER NOT NULL, reason INTEGER NOT NULL, delivered INTEGER NOT NULL,"
	" cause_kind TEXT, cause TEXT) STRICT;"
	/* One live credential and one successor, whatever the code does. */
	"CREATE UNIQUE INDEX credential_live ON credential(slot, purpose) WHERE state = 'active';"
	"CREATE UNIQUE INDEX credential_coming ON credential(slot, purpose)"
	" WHERE state IN ('wanted', 'made', 'certified', 'queued');"
	"CREATE INDEX credential_request ON credential(request);"
	"CREATE INDEX credential_device ON credential(device);"
	"CREATE INDEX credential_serial ON credential(serial) WHERE serial IS NOT NULL;"
	"CREATE INDEX credential_expires ON credential(not_after_ms)"
	" WHERE state IN ('certified', 'queued', 'active');"
	"CREATE INDEX credential_claim ON credential(claim_until_ms) WHERE state IN ('certified', 'queued');"

	"CREATE TABLE chain(n INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL) STRICT;"
	"CREATE TABLE papers(credential BLOB PRIMARY KEY, request BLOB, ticket BLOB, certificate BLOB, chain INTEGER) STRICT;"
	"CREATE TABLE sealed(n INTEGER PRIMARY KEY, credential BLOB NOT NULL, whom TEXT NOT NULL, body BLOB NOT NULL) STRICT;"
	"CREATE INDEX sealed_credential ON sealed(credential);"

	"CREATE TABLE job(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, what TEXT NOT NULL, state TEXT NOT NULL,"
	" rank INTEGER NOT NULL, request BLOB, credential BLOB, device BLOB, purpose INTEGER NOT NULL,"
	" reason INTEGER NOT NULL, attempts INTEGER NOT NULL, next_boot_ms INTEGER NOT NULL, number INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL, lease_boot BLOB, lease_run INTEGER, cause_kind TEXT, cause TEXT) STRICT;"
	"CREATE INDEX job_ready ON job(rank, next_boot_ms)"
	" WHERE what <> 'deliver' AND state IN ('waiting', 'retry', 'blocked');"
	"CREATE INDEX job_leased ON job(lease_run) WHERE state = 'leased';"
	"CREATE INDEX job_later ON job(next_boot_ms) WHERE state IN ('retry', 'blocked');"
	"CREATE INDEX job_troubled ON job(n) WHERE state IN ('blocked', 'failed');"
	"CREATE INDEX job_request ON job(request) WHERE request IS NOT NULL;"
	"CREATE INDEX job_credential ON job(credential) WHERE credential IS NOT NULL;"
	"CREATE INDEX job_device ON job(device) WHERE device IS NOT NULL;"
	"CREATE INDEX job_single ON job(what) WHERE what = 'crl';"

	"CREATE TABLE item(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, device BLOB NOT NULL, number INTEGER NOT NULL,"
	" kind INTEGER NOT NULL, purpose INTEGER NOT NULL, request BLOB, credential BLOB, state TEXT NOT NULL, body BLOB,"
	" signature BLOB, payload BLOB, digest BLOB, UNIQUE(device, number)) STRICT;"
	"CREATE INDEX item_open ON item(device, number) WHERE state IN ('wanted', 'signed');"
	"CREATE INDEX item_credential ON item(credential) WHERE credential IS NOT NULL;",

	/* 2: what the status says is counted as it changes: with a million jobs nobody waits for a count of them. */
	"CREATE TABLE tally(what TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO tally SELECT 'job', count(*) FROM job;"
	"INSERT INTO tally SELECT 'job troubled', count(*) FROM job WHERE state IN ('blocked', 'failed');"
	"INSERT INTO tally SELECT 'request open', count(*) FROM request WHERE open = 1;"
	"CREATE TRIGGER job_added AFTER INSERT ON job BEGIN"
	" UPDATE tally SET n = n + 1 WHERE what = 'job'; END;"
	"CREATE TRIGGER job_gone AFTER DELETE ON job BEGIN"
	" UPDATE tally SET n = n - 1 WHERE what = 'job';"
	" UPDATE tally SET n = n - 1 WHERE what = 'job troubled' AND OLD.state IN ('blocked', 'failed'); END;"
	"CREATE TRIGGER job_moved AFTER UPDATE OF state ON job"
	" WHEN (OLD.state IN ('blocked', 'failed')) <> (NEW.state IN ('blocked', 'failed')) BEGIN"
	" UPDATE tally SET n = n + iif(NEW.state IN ('blocked', 'failed'), 1, -1) WHERE what = 'job troubled'; END;"
	"CREATE TRIGGER request_added AFTER INSERT ON request WHEN NEW.open = 1 BEGIN"
	" UPDATE tally SET n = n + 1 WHERE what = 'request open'; END;"
	"CREATE TRIGGER request_moved AFTER UPDATE OF open ON request WHEN OLD.open <> NEW.open BEGIN"
	" UPDATE tally SET n = n + NEW.open - OLD.open WHERE what = 'request open'; END;",

	/* 3: the same for the metrics, by state; and each kind's jobs in the order in which they came. */
	"DROP TRIGGER job_added; DROP TRIGGER job_gone; DROP TRIGGER job_moved;"
	"DELETE FROM tally WHERE what <> 'request open';"
	"CREATE TABLE counted(thing TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,"
	" PRIMARY KEY(thing, kind, state)) STRICT, WITHOUT ROWID;"
	"INSERT INTO counted SELECT 'job', what, state, count(*) FROM job GROUP BY what, state;"
	/* Of the jobs of a kind the oldest; partial, so that no other query takes it for the better one. */
	"CREATE INDEX job_what ON job(what) WHERE n > 0;"
	"CREATE TRIGGER job_added AFTER INSERT ON job BEGIN " COUNT_IN("job", "NEW.what") " END;"
	"CREATE TRIGGER job_gone AFTER DELETE ON job BEGIN " COUNT_OUT("job", "OLD.what") " END;"
	"CREATE TRIGGER job_moved AFTER UPDATE OF what, state ON job"
	" WHEN OLD.what <> NEW.what OR OLD.state <> NEW.state BEGIN "
	COUNT_OUT("job", "OLD.what") COUNT_IN("job", "NEW.what") " END;"
	COUNTED("request") COUNTED("credential") COUNTED("device"),

	/* 4: what people are to be told, and what they were told lately; and of which credentials' end. */
	"CREATE TABLE notice(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, holder BLOB,"
	" request BLOB, device BLOB, purposes INTEGER NOT NULL, when_ms INTEGER NOT NULL, reason INTEGER NOT NULL,"
	" mailed INTEGER NOT NULL, hooked INTEGER NOT NULL, sent_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX notice_open ON notice(kind, device) WHERE sent_ms = 0;"
	"CREATE INDEX notice_told ON notice(holder, sent_ms) WHERE sent_ms > 0;"
	"CREATE INDEX notice_old ON notice(sent_ms) WHERE sent_ms > 0;"
	"CREATE TABLE trouble(notice BLOB NOT NULL, event TEXT NOT NULL, error TEXT NOT NULL, n INTEGER NOT NULL,"
	" PRIMARY KEY(notice, event, error)) STRICT, WITHOUT ROWID;"
	"ALTER TABLE credential ADD COLUMN warned INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX credential_warn ON credential(not_after_ms) WHERE state = 'active' AND warned = 0;",

	/* 5: which of the gateway's pins a device has acknowledged. */
	"ALTER TABLE device ADD COLUMN pins_epoch INTEGER NOT NULL DEFAULT 0;",

	/* 6: of what of a credential its holder was told, a bit for each kind of notice: never twice. */
	"ALTER TABLE credential ADD COLUMN told INTEGER NOT NULL DEFAULT 0;",
};
/* clang-format on */

static struct err *take_step(struct store *s, size_t step)
{
	AUTO_MEM char *version = xasprintf("PRAGMA user_version = %zu", step + 1);

	if (sqlite3_exec(s->db, steps[step], NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(s, "a step of the schema");
	if (sqlite3_exec(s->db, version, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(s, version);
	return NULL;
}

struct err *store_read_schema(struct store *s)
{
	int64_t version = 0;

	TRY(sql_number(s, &version, "PRAGMA user_version", ""));
	if (version < 0 || (size_t)version > ARRAY_LEN(steps))
		return err_new(&ERR_STORE_NEWER, "%s has schema %lld, this release knows %zu",
			s->path, (long long)version, ARRAY_LEN(steps));
	s->schema = (unsigned int)version;
	return NULL;
}

/* In one transaction: a crash leaves the old schema whole, and the next start begins again. */
static struct err *upgrade(struct store *s)
{
	TRY(store_read_schema(s));
	if (s->schema && s->schema < ARRAY_LEN(steps)) {
		AUTO_MEM char *status = xasprintf(
			"upgrading the store from schema %u to %zu", s->schema, ARRAY_LEN(steps));
		alive_say(status);
		TRY(dbcopy_before_upgrade(s->path, s->schema));
	}
	for (size_t i = s->schema; i < ARRAY_LEN(steps); i++) {
		alive_step();
		TRY(take_step(s, i));
	}
	return store_commit(s);
}

struct err *store_migrate(struct store *s)
{
	TRY(store_begin(s));
	struct err *e = upgrade(s);
	if (e)
		store_abandon(s);
	else
		s->schema = ARRAY_LEN(steps);
	return e;
}
