/*
 * ledger_verify.c: does the log hold together? Each row of each table, encoded again, against the chain's hash; each
 * table's number of rows against the chain's; each large piece against the digests in its row.
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
	uint64_t pieces; /* that belong to rows */
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

/* The columns of the row, as the chain's hash takes them; nothing when the row is not there. */
static struct err *read_body(struct walk *w, int kind, struct buf *body)
{
	sqlite3_stmt *stmt;

	TRY(select_row(w, kind, &stmt));
	sqlite3_bind_int64(stmt, 1, (int64_t)w->row);
	int result = sqlite3_step(stmt);
	if (result == SQLITE_ROW)
		encode_columns(stmt, body);
	sqlite3_reset(stmt);
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return ledger_error(w->l, "reading");
	return NULL;
}

static struct err *check_pieces(struct walk *w, struct bytes body)
{
	static const char sql[] = "SELECT data FROM piece WHERE id >= ? AND id < ?";
	const struct ledger_value range[] = { LEDGER_NUMBER(w->row * LEDGER_PIECES_MAX),
		LEDGER_NUMBER((w->row + 1) * LEDGER_PIECES_MAX) };
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	uint8_t digest[SHA256_LEN];
	bool more;

	TRY(ledger_query(w->l, sql, range, 2, &rows));
	for (;; w->pieces++) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		sha256(ledger_bytes(rows, 0), digest);
		if (!memmem(body.data, body.len, digest, SHA256_LEN))
			return err_new(&ERR_STORE,
				"%s: row %" PRIu64
				": a large piece is not the one that the row names",
				w->l->path, w->row);
	}
}

/* One row of the chain: row, kind, time, hash. */
static struct err *check_row(struct walk *w, const struct ledger_rows *rows, int64_t *newest)
{
	AUTO(buf) struct buf *body = buf_new();
	uint8_t expected[SHA256_LEN], stored[SHA256_LEN];
	int64_t kind = ledger_number(rows, 1), time_ms = ledger_number(rows, 2);

	if ((uint64_t)ledger_number(rows, 0) != w->row + 1)
		return err_new(
			&ERR_STORE, "%s: row %" PRIu64 " is missing", w->l->path, w->row + 1);
	TRY(ledger_fixed(rows, 3, stored, SHA256_LEN));
	w->row++;
	TRY(read_body(w, (int)kind, body));
	ledger_chain_hash(w->head, w->row, (uint8_t)kind, time_ms, buf_bytes(body), expected);
	if (memcmp(expected, stored, SHA256_LEN) != 0)
		return err_new(&ERR_STORE, "%s: row %" PRIu64 " does not fit the chain", w->l->path,
			w->row);
	if (time_ms < *newest)
		return err_new(&ERR_STORE, "%s: row %" PRIu64 " is older than the one before",
			w->l->path, w->row);
	*newest = time_ms;
	memcpy(w->head, expected, SHA256_LEN);
	w->counts[kind]++;
	return check_pieces(w, buf_bytes(body));
}

static struct err *walk_chain(struct walk *w)
{
	static const char sql[] = "SELECT row, kind, time_ms, hash FROM chain ORDER BY row";
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

static struct err *compare_count(struct walk *w, const char *table, uint64_t expected)
{
	AUTO_MEM char *sql = xasprintf("SELECT count(*) FROM %s", table);
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(w->l->db, sql, -1, &stmt, NULL) != SQLITE_OK ||
		sqlite3_step(stmt) != SQLITE_ROW) {
		struct err *e = ledger_error(w->l, "counting");
		sqlite3_finalize(stmt);
		return e;
	}
	uint64_t count = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	if (count != expected)
		return err_new(&ERR_STORE, "%s: table %s has %" PRIu64 " rows, the chain %" PRIu64,
			w->l->path, table, count, expected);
	return NULL;
}

static struct err *compare_counts(struct walk *w)
{
	const char *name, *columns;

	for (int kind = 0; kind < KINDS_MAX; kind++)
		if (ledger_table(kind, &name, &columns))
			TRY(compare_count(w, name, w->counts[kind]));
	return compare_count(w, "piece", w->pieces);
}

static struct err *verify(struct walk *w)
{
	TRY(walk_chain(w));
	return compare_counts(w);
}

struct err *ledger_verify(struct ledger *l, uint64_t *ret_rows)
{
	AUTO(ledger_snapshot) struct ledger_snapshot *snapshot = NULL; /* others go on writing */
	struct walk w = { .l = l };

	TRY(ledger_snapshot(l, &snapshot));
	struct err *e = verify(&w);
	walk_end(&w);
	*ret_rows = w.row;
	return e;
}
