/*
 * ledger_verify.c: does the log hold together? Each row of the chain against its hash, the row of its table against its
 * body, and each table's number of rows against the chain's; then each large piece against its digest.
 */
#include <inttypes.h>
#include <string.h>

#include "daemon/ca/ledger_part.h"
#include "proto/kind.h"

struct walk {
	struct ledger *l;
	uint64_t row;
	uint8_t head[SHA256_LEN];
	uint64_t counts[KINDS_MAX];
	sqlite3_stmt *selects[KINDS_MAX];
};

static void walk_end(struct walk *w)
{
	for (size_t i = 0; i < KINDS_MAX; i++)
		sqlite3_finalize(w->selects[i]);
}

/* The statement that reads the row of a kind's table. */
static struct err *select_row(struct walk *w, int kind, sqlite3_stmt **ret_stmt)
{
	const char *name, *columns;

	if (!ledger_table(kind, &name, &columns))
		return err_new(&ERR_STORE, "%s: row %" PRIu64 " is of an unknown kind %d",
			w->l->path, w->row, kind);
	if (!w->selects[kind]) {
		AUTO_MEM char *sql = xasprintf("SELECT %s FROM %s WHERE row = ?", columns, name);
		if (sqlite3_prepare_v2(w->l->db, sql, -1, &w->selects[kind], NULL) != SQLITE_OK)
			return ledger_error(w->l, "reading");
	}
	*ret_stmt = w->selects[kind];
	return NULL;
}

static void encode_columns(sqlite3_stmt *stmt, struct buf *out)
{
	struct ledger_value values[COLUMNS_MAX];
	size_t n = (size_t)sqlite3_column_count(stmt);

	for (size_t i = 0; i < n; i++) {
		int column = (int)i;
		if (sqlite3_column_type(stmt, column) == SQLITE_INTEGER)
			values[i] = LEDGER_NUMBER(sqlite3_column_int64(stmt, column));
		else
			values[i] = LEDGER_BYTES(BYTES(sqlite3_column_blob(stmt, column),
				(size_t)sqlite3_column_bytes(stmt, column)));
	}
	ledger_encode(out, values, n);
}

static struct err *compare_table(struct walk *w, int kind, struct bytes body)
{
	AUTO(buf) struct buf *found = buf_new();
	sqlite3_stmt *stmt;

	TRY(select_row(w, kind, &stmt));
	sqlite3_bind_int64(stmt, 1, (int64_t)w->row);
	int result = sqlite3_step(stmt);
	if (result == SQLITE_ROW)
		encode_columns(stmt, found);
	sqlite3_reset(stmt);
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return ledger_error(w->l, "reading");
	if (!bytes_eq(buf_bytes(found), body))
		return err_new(&ERR_STORE,
			"%s: row %" PRIu64 ": its table does not say what the chain says",
			w->l->path, w->row);
	w->counts[kind]++;
	return NULL;
}

/* One row of the chain: row, kind, time, body, hash. */
static struct err *check_row(struct walk *w, const struct ledger_rows *rows, int64_t *newest)
{
	uint8_t expected[SHA256_LEN], stored[SHA256_LEN];
	struct bytes body = ledger_bytes(rows, 3);
	int64_t kind = ledger_number(rows, 1), time_ms = ledger_number(rows, 2);

	if ((uint64_t)ledger_number(rows, 0) != w->row + 1)
		return err_new(
			&ERR_STORE, "%s: row %" PRIu64 " is missing", w->l->path, w->row + 1);
	TRY(ledger_fixed(rows, 4, stored, SHA256_LEN));
	w->row++;
	ledger_chain_hash(w->head, w->row, (uint8_t)kind, time_ms, body, expected);
	if (memcmp(expected, stored, SHA256_LEN) != 0)
		return err_new(&ERR_STORE, "%s: row %" PRIu64 " does not fit the chain", w->l->path,
			w->row);
	if (time_ms < *newest)
		return err_new(&ERR_STORE, "%s: row %" PRIu64 " is older than the one before",
			w->l->path, w->row);
	*newest = time_ms;
	memcpy(w->head, expected, SHA256_LEN);
	return compare_table(w, (int)kind, body);
}

static struct err *walk_chain(struct walk *w)
{
	static const char sql[] = "SELECT row, kind, time_ms, body, hash FROM chain ORDER BY row";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	int64_t newest = 0;
	bool more;

	TRY(ledger_query(w->l, sql, NULL, 0, &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		struct err *e = check_row(w, rows, &newest);
		if (e) {
			w->row--;
			return e;
		}
	}
}

static struct err *compare_count(struct walk *w, int kind)
{
	const char *name, *columns;
	sqlite3_stmt *stmt = NULL;

	if (!ledger_table(kind, &name, &columns))
		return NULL;
	AUTO_MEM char *sql = xasprintf("SELECT count(*) FROM %s", name);
	if (sqlite3_prepare_v2(w->l->db, sql, -1, &stmt, NULL) != SQLITE_OK ||
		sqlite3_step(stmt) != SQLITE_ROW) {
		sqlite3_finalize(stmt);
		return ledger_error(w->l, "counting");
	}
	uint64_t count = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	if (count != w->counts[kind])
		return err_new(&ERR_STORE, "%s: table %s has %" PRIu64 " rows, the chain %" PRIu64,
			w->l->path, name, count, w->counts[kind]);
	return NULL;
}

static struct err *check_blobs(struct ledger *l)
{
	static const char sql[] = "SELECT digest, data FROM blob";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	uint8_t digest[SHA256_LEN], stored[SHA256_LEN];
	bool more;

	TRY(ledger_query(l, sql, NULL, 0, &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		TRY(ledger_fixed(rows, 0, stored, SHA256_LEN));
		sha256(ledger_bytes(rows, 1), digest);
		if (memcmp(digest, stored, SHA256_LEN) != 0)
			return err_new(
				&ERR_STORE, "%s: a large piece does not fit its digest", l->path);
	}
}

static struct err *verify(struct walk *w)
{
	TRY(walk_chain(w));
	for (int kind = 0; kind < KINDS_MAX; kind++)
		TRY(compare_count(w, kind));
	return check_blobs(w->l);
}

struct err *ledger_verify(struct ledger *l, uint64_t *ret_rows)
{
	struct walk w = { .l = l };

	TRY(ledger_run(l, "BEGIN")); /* one snapshot for all: others go on writing */
	struct err *e = verify(&w);
	walk_end(&w);
	struct err *end = ledger_run(l, "COMMIT");
	if (!e)
		e = end;
	else
		err_free(end);
	*ret_rows = w.row;
	return e;
}
