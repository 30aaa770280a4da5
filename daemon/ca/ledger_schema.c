/* ledger_schema.c: the form of the log, one migration a step. A step that was released is never changed. */
#include <openssl/crypto.h>

#include "daemon/backup/dbcopy.h"
#include "daemon/ca/ledger_part.h"
#include "proto/kind.h"

/* "row" is the number in the chain. No table but piece ever loses a row, none changes one. */
static const char *const migrations[] = {
	"CREATE TABLE chain (row INTEGER PRIMARY KEY, kind INTEGER NOT NULL, time_ms INTEGER NOT "
	"NULL,"
	" hash BLOB NOT NULL);"
	/* id: row * 16 + number of the piece: they lie beside each other, and need no index. */
	"CREATE TABLE piece (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE issuer (row INTEGER PRIMARY KEY, key_id BLOB NOT NULL UNIQUE, certificate "
	"BLOB NOT NULL,"
	" parent BLOB NOT NULL);"
	"CREATE TABLE profile (row INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT "
	"NULL);"
	"CREATE TABLE receipt (row INTEGER PRIMARY KEY, intent_hash BLOB NOT NULL UNIQUE,"
	" request_id BLOB NOT NULL UNIQUE, device_id BLOB NOT NULL, holder_id BLOB NOT NULL,"
	" evidence BLOB NOT NULL, body BLOB NOT NULL, signature BLOB NOT NULL, basis BLOB NOT "
	"NULL);"
	"CREATE INDEX receipt_device ON receipt (device_id);"
	"CREATE TABLE made (row INTEGER PRIMARY KEY, intent_hash BLOB NOT NULL, purpose INTEGER "
	"NOT NULL,"
	" device_id BLOB NOT NULL, key_hash BLOB NOT NULL, body BLOB NOT NULL, signature BLOB NOT "
	"NULL,"
	" device_copy BLOB NOT NULL, history_copy BLOB NOT NULL, escrow_copies BLOB NOT NULL,"
	" audit_sequence INTEGER NOT NULL, audit_hash BLOB NOT NULL, UNIQUE (intent_hash, "
	"purpose));"
	"CREATE INDEX made_device ON made (device_id);"
	"CREATE TABLE certificate (row INTEGER PRIMARY KEY, serial BLOB NOT NULL UNIQUE, "
	"intent_hash BLOB NOT NULL,"
	" purpose INTEGER NOT NULL, device_id BLOB NOT NULL, holder_id BLOB NOT NULL, issuer BLOB "
	"NOT NULL,"
	" key_hash BLOB NOT NULL, not_after INTEGER NOT NULL, der BLOB NOT NULL, audit_sequence "
	"INTEGER NOT NULL,"
	" audit_hash BLOB NOT NULL, UNIQUE (intent_hash, purpose));"
	"CREATE INDEX certificate_device ON certificate (device_id);"
	"CREATE TABLE revoked (row INTEGER PRIMARY KEY, serial BLOB NOT NULL UNIQUE, reason "
	"INTEGER NOT NULL,"
	" when_ms INTEGER NOT NULL, audit_sequence INTEGER NOT NULL, audit_hash BLOB NOT NULL);"
	"CREATE TABLE device_revoked (row INTEGER PRIMARY KEY, device_id BLOB NOT NULL UNIQUE,"
	" reason INTEGER NOT NULL, when_ms INTEGER NOT NULL, audit_sequence INTEGER NOT NULL,"
	" audit_hash BLOB NOT NULL);"
	"CREATE TABLE item (row INTEGER PRIMARY KEY, item_id BLOB NOT NULL UNIQUE, device_id BLOB "
	"NOT NULL,"
	" number INTEGER NOT NULL, request BLOB NOT NULL, body BLOB NOT NULL, signature BLOB NOT "
	"NULL,"
	" payload BLOB NOT NULL, UNIQUE (device_id, number));"
	"CREATE TABLE crl (row INTEGER PRIMARY KEY, issuer BLOB NOT NULL, number INTEGER NOT NULL,"
	" this_update INTEGER NOT NULL, next_update INTEGER NOT NULL, digest BLOB NOT NULL,"
	" UNIQUE (issuer, number));"
	"CREATE TABLE retired (row INTEGER PRIMARY KEY, key_id BLOB NOT NULL UNIQUE);"
	"CREATE VIEW head AS"
	" SELECT row, audit_sequence, audit_hash FROM made UNION ALL"
	" SELECT row, audit_sequence, audit_hash FROM certificate UNION ALL"
	" SELECT row, audit_sequence, audit_hash FROM revoked UNION ALL"
	" SELECT row, audit_sequence, audit_hash FROM device_revoked;"
	"CREATE TRIGGER chain_update BEFORE UPDATE ON chain BEGIN SELECT RAISE(ABORT, 'the chain "
	"only grows'); END;"
	"CREATE TRIGGER chain_delete BEFORE DELETE ON chain BEGIN SELECT RAISE(ABORT, 'the chain "
	"only grows'); END;",

	/* 2: certificates that were issued here, and that a log which was put back to an earlier state has lost. */
	"CREATE TABLE found (row INTEGER PRIMARY KEY, serial BLOB NOT NULL UNIQUE, issuer BLOB NOT "
	"NULL,"
	" not_after INTEGER NOT NULL, der BLOB NOT NULL);",

	/* 3: what the configuration came to, officers' approvals of it (base: the row of approved that was in force), what is in force. */
	"CREATE TABLE configuration (row INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body "
	"BLOB NOT NULL);"
	"CREATE TABLE vote (row INTEGER PRIMARY KEY, digest BLOB NOT NULL, base INTEGER NOT NULL,"
	" uid INTEGER NOT NULL);"
	"CREATE INDEX vote_base ON vote (base);"
	"CREATE TABLE approved (row INTEGER PRIMARY KEY, digest BLOB NOT NULL, how INTEGER NOT "
	"NULL,"
	" officers INTEGER NOT NULL, uid INTEGER NOT NULL, reason BLOB NOT NULL);",
};

static struct err *get_version(struct ledger *l, int *ret_version)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(l->db, "PRAGMA user_version", -1, &stmt, NULL) != SQLITE_OK ||
		sqlite3_step(stmt) != SQLITE_ROW) {
		struct err *e = ledger_error(l, "its version");
		sqlite3_finalize(stmt);
		return e;
	}
	*ret_version = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return NULL;
}

/* All steps from version on, inside one transaction. */
static struct err *run_steps(struct ledger *l, int version)
{
	for (; version < (int)ARRAY_LEN(migrations); version++) {
		AUTO_MEM char *stamp = xasprintf("PRAGMA user_version = %d", version + 1);
		TRY(ledger_run(l, migrations[version]));
		TRY(ledger_run(l, stamp));
	}
	return ledger_run(l, "COMMIT");
}

struct err *ledger_migrate(struct ledger *l)
{
	int version;

	TRY(get_version(l, &version));
	if (version == (int)ARRAY_LEN(migrations))
		return NULL;
	if (version > (int)ARRAY_LEN(migrations))
		return err_new(&ERR_STORE_NEWER, "%s: of form %d, this release knows %zu", l->path,
			version, ARRAY_LEN(migrations));
	TRY(ledger_run(l, "BEGIN IMMEDIATE"));
	struct err *e = get_version(l, &version); /* another process may have been faster */
	if (!e && version && version < (int)ARRAY_LEN(migrations))
		e = dbcopy_before_upgrade(l->path, (unsigned int)version);
	if (!e)
		e = run_steps(l, version);
	if (e)
		err_free(ledger_run(l, "ROLLBACK"));
	return e;
}
