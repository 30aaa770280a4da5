/* store_row.c: columns into values, and lists of rows. */
#include "daemon/core/store_sql.h"

#include <stdlib.h>
#include <string.h>

#include "proto/kind.h"

int64_t sql_int(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_int64(stmt, column);
}

void sql_id(sqlite3_stmt *stmt, int column, uint8_t *ret_id, size_t len)
{
	const void *data = sqlite3_column_blob(stmt, column);

	memset(ret_id, 0, len);
	if (data && (size_t)sqlite3_column_bytes(stmt, column) == len)
		memcpy(ret_id, data, len);
}

char *sql_text(sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	return text ? xstrdup((const char *)text) : NULL;
}

struct buf *sql_buf(sqlite3_stmt *stmt, int column)
{
	const void *data = sqlite3_column_blob(stmt, column);

	if (!data)
		return NULL;
	struct buf *b = buf_new();
	buf_add(b, data, (size_t)sqlite3_column_bytes(stmt, column));
	return b;
}

struct err *sql_name(sqlite3_stmt *stmt, int column, const char *what,
	const char *(*name)(unsigned int), unsigned int n, unsigned int *ret_v)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	for (unsigned int i = 0; text && i < n; i++) {
		if (strcmp(name(i), text) == 0) {
			*ret_v = i;
			return NULL;
		}
	}
	return err_new(&ERR_STORE, "the store has a row of %s \"%s\"", what, text ? text : "");
}

struct err *sql_collect(struct store *s, sqlite3_stmt *stmt,
	struct err *(*read)(sqlite3_stmt *stmt, void **ret_row), void (*free_row)(void *),
	struct rows **ret_rows)
{
	AUTO(rows) struct rows *rows = xcalloc(1, sizeof(*rows));
	size_t room = 0;
	bool more = false;

	rows->free_row = free_row;
	TRY(sql_next(s, stmt, &more));
	while (more) {
		if (rows->n == room) {
			room = room ? room * 2 : 8;
			rows->row = xrealloc(rows->row, room, sizeof(*rows->row));
		}
		TRY(read(stmt, &rows->row[rows->n]));
		rows->n++;
		TRY(sql_next(s, stmt, &more));
	}
	*ret_rows = take(rows);
	return NULL;
}

struct err *sql_collect_one(struct store *s, sqlite3_stmt *stmt,
	struct err *(*read)(sqlite3_stmt *stmt, void **ret_row), void **ret_row)
{
	bool more = false;

	TRY(sql_next(s, stmt, &more));
	if (!more) {
		*ret_row = NULL;
		return NULL;
	}
	return read(stmt, ret_row);
}

void rows_free(struct rows *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		r->free_row(r->row[i]);
	free(r->row);
	free(r);
}
