/* ledger_rows.c: queries, rows and large pieces of the log. Compiled statements are kept by the address of their SQL. */
#include <stdlib.h>
#include <string.h>

#include "daemon/ca/ledger_part.h"
#include "proto/kind.h"

struct ledger_rows {
	struct ledger *l;
	struct ledger_statement *statement;
};

static struct err *prepare(
	struct ledger *l, const char *sql, struct ledger_statement **ret_statement)
{
	size_t i = 0;

	while (i < l->n_statements && l->statements[i].sql != sql)
		i++;
	if (i == STATEMENTS_MAX)
		err_abort("more than %d statements on the log", STATEMENTS_MAX);
	struct ledger_statement *s = &l->statements[i];
	if (i == l->n_statements) {
		if (sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt, NULL) !=
			SQLITE_OK)
			return ledger_error(l, sql);
		s->sql = sql;
		l->n_statements++;
	}
	if (s->in_use)
		err_abort("a statement inside itself: %s", sql);
	*ret_statement = s;
	return NULL;
}

static int bind(sqlite3_stmt *stmt, int i, const struct ledger_value *v)
{
	if (v->is_number)
		return sqlite3_bind_int64(stmt, i, v->number);
	/* An empty blob is not NULL. */
	return sqlite3_bind_blob64(stmt, i, v->bytes.len ? v->bytes.data : (const void *)"",
		v->bytes.len, SQLITE_STATIC);
}

struct err *ledger_query(struct ledger *l, const char *sql, const struct ledger_value *values,
	size_t n, struct ledger_rows **ret_rows)
{
	struct ledger_statement *s;

	TRY(prepare(l, sql, &s));
	for (size_t i = 0; i < n; i++)
		if (bind(s->stmt, (int)i + 1, &values[i]) != SQLITE_OK)
			return ledger_error(l, sql);
	struct ledger_rows *rows = xcalloc(1, sizeof(*rows));
	rows->l = l;
	rows->statement = s;
	s->in_use = true;
	*ret_rows = rows;
	return NULL;
}

struct err *ledger_next(struct ledger_rows *rows, bool *ret_row)
{
	int result = sqlite3_step(rows->statement->stmt);

	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return ledger_error(rows->l, "reading");
	*ret_row = result == SQLITE_ROW;
	return NULL;
}

int64_t ledger_number(const struct ledger_rows *rows, int column)
{
	return sqlite3_column_int64(rows->statement->stmt, column);
}

struct bytes ledger_bytes(const struct ledger_rows *rows, int column)
{
	const void *data = sqlite3_column_blob(rows->statement->stmt, column);

	return BYTES(data, data ? (size_t)sqlite3_column_bytes(rows->statement->stmt, column) : 0);
}

struct err *ledger_fixed(const struct ledger_rows *rows, int column, uint8_t *ret_bytes, size_t len)
{
	struct bytes b = ledger_bytes(rows, column);

	if (b.len != len)
		return err_new(&ERR_STORE, "%s: a column has %zu bytes in place of %zu",
			rows->l->path, b.len, len);
	memcpy(ret_bytes, b.data, len);
	return NULL;
}

void ledger_rows_free(struct ledger_rows *rows)
{
	if (!rows)
		return;
	sqlite3_reset(rows->statement->stmt);
	sqlite3_clear_bindings(rows->statement->stmt);
	rows->statement->in_use = false;
	free(rows);
}

struct err *ledger_step(struct ledger *l, const char *sql)
{
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;

	TRY(ledger_query(l, sql, NULL, 0, &rows));
	return sqlite3_step(rows->statement->stmt) == SQLITE_DONE ? NULL : ledger_error(l, sql);
}

/* Runs an insertion; *ret_exists when a unique column refused it. */
static struct err *insert(struct ledger *l, const char *sql, const struct ledger_value *values,
	size_t n, bool *ret_exists)
{
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;

	TRY(ledger_query(l, sql, values, n, &rows));
	int result = sqlite3_step(rows->statement->stmt);
	*ret_exists = result == SQLITE_CONSTRAINT;
	return result == SQLITE_DONE || *ret_exists ? NULL : ledger_error(l, "writing");
}

/* "INSERT INTO name (row, columns) VALUES (?, ...)", made once. */
static const char *insertion(struct ledger *l, int kind, size_t n)
{
	const char *name, *columns;

	if (!ledger_table(kind, &name, &columns))
		err_abort("the log has no table %d", kind);
	if (l->insertions[kind])
		return l->insertions[kind];
	AUTO(buf) struct buf *sql = buf_new();
	buf_addf(sql, "INSERT INTO %s (row, %s) VALUES (?", name, columns);
	for (size_t i = 0; i < n; i++)
		buf_add_str(sql, ", ?");
	buf_add_str(sql, ")");
	l->insertions[kind] = xstrdup(buf_str(sql));
	return l->insertions[kind];
}

static struct err *append_chain(struct ledger_tx *tx, enum ledger_kind kind, struct bytes body)
{
	static const char sql[] =
		"INSERT INTO chain (row, kind, time_ms, hash) VALUES (?, ?, ?, ?)";
	uint8_t hash[SHA256_LEN];
	bool exists;

	ledger_chain_hash(tx->head, tx->row + 1, (uint8_t)kind, tx->now, body, hash);
	const struct ledger_value values[] = { LEDGER_NUMBER(tx->row + 1), LEDGER_NUMBER(kind),
		LEDGER_NUMBER(tx->now), LEDGER_HASH(hash) };
	TRY(insert(tx->l, sql, values, ARRAY_LEN(values), &exists));
	if (exists)
		return err_new(&ERR_STORE, "%s: row %llu of the chain is there twice", tx->l->path,
			(unsigned long long)tx->row + 1);
	memcpy(tx->head, hash, SHA256_LEN);
	tx->row++;
	return NULL;
}

struct err *ledger_append(struct ledger_tx *tx, enum ledger_kind kind,
	const struct ledger_value *values, size_t n, bool *ret_exists)
{
	AUTO(buf) struct buf *body = buf_new();
	struct ledger_value row[COLUMNS_MAX + 1] = { LEDGER_NUMBER(tx->row + 1) };
	bool exists;

	if (n > COLUMNS_MAX)
		err_abort("a row of %zu columns", n);
	memcpy(row + 1, values, n * sizeof(*values));
	TRY(insert(tx->l, insertion(tx->l, kind, n), row, n + 1, &exists));
	*ret_exists = exists;
	if (exists)
		return NULL;
	ledger_encode(body, values, n);
	return append_chain(tx, kind, buf_bytes(body));
}

static struct ledger_value piece_id(uint64_t row, size_t n)
{
	if (n >= LEDGER_PIECES_MAX)
		err_abort("piece %zu of a row", n);
	return LEDGER_NUMBER(row * LEDGER_PIECES_MAX + n);
}

struct err *ledger_put_piece(
	struct ledger_tx *tx, size_t n, struct bytes data, uint8_t ret_digest[static SHA256_LEN])
{
	static const char sql[] = "INSERT INTO piece (id, data) VALUES (?, ?)";
	const struct ledger_value values[] = { piece_id(tx->row + 1, n), LEDGER_BYTES(data) };
	bool exists;

	TRY(insert(tx->l, sql, values, ARRAY_LEN(values), &exists));
	if (exists)
		return err_new(&ERR_STORE, "%s: a piece of a row that is not there", tx->l->path);
	sha256(data, ret_digest);
	return NULL;
}

struct err *ledger_get_piece(struct ledger *l, uint64_t row, size_t n, struct buf **ret_data)
{
	static const char sql[] = "SELECT data FROM piece WHERE id = ?";
	const struct ledger_value id = piece_id(row, n);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, &id, 1, &rows));
	TRY(ledger_next(rows, &found));
	*ret_data = NULL;
	if (!found)
		return NULL;
	*ret_data = buf_new();
	buf_add_bytes(*ret_data, ledger_bytes(rows, 0));
	return NULL;
}

struct err *ledger_remove_pieces(
	struct ledger_tx *tx, const char *sql, const struct ledger_value *values, size_t n)
{
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool more;

	TRY(ledger_query(tx->l, sql, values, n, &rows));
	return ledger_next(rows, &more);
}

struct err *ledger_remove_piece(struct ledger_tx *tx, uint64_t row, size_t n)
{
	static const char sql[] = "DELETE FROM piece WHERE id = ?";
	const struct ledger_value id = piece_id(row, n);

	return ledger_remove_pieces(tx, sql, &id, 1);
}

struct err *ledger_head(struct ledger *l, uint64_t *ret_row, uint8_t ret_hash[static SHA256_LEN],
	int64_t *ret_time_ms)
{
	static const char sql[] = "SELECT row, hash, time_ms FROM chain ORDER BY row DESC LIMIT 1";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, NULL, 0, &rows));
	TRY(ledger_next(rows, &found));
	if (!found) {
		memset(ret_hash, 0, SHA256_LEN);
		*ret_row = 0;
		*ret_time_ms = 0;
		return NULL;
	}
	TRY(ledger_fixed(rows, 1, ret_hash, SHA256_LEN));
	*ret_row = (uint64_t)ledger_number(rows, 0);
	*ret_time_ms = ledger_number(rows, 2);
	return NULL;
}
