/* store_sql.h: how the store_*.c files talk to SQLite. Nobody else includes it. */
#ifndef DERIVD_CORE_STORE_SQL_H
#define DERIVD_CORE_STORE_SQL_H

#include <sqlite3.h>

#include "daemon/core/store.h"

/* Prepared statements are kept for the life of the connection, found by the address of their text. */
#define SQL_CACHE 256

struct store {
	sqlite3 *db;
	char *path;
	unsigned int schema;
	struct {
		const char *text;
		sqlite3_stmt *stmt;
	} cache[SQL_CACHE];
};

/* ERR_STORE or ERR_STORE_FULL from SQLite's last error. */
MUST_CHECK struct err *sql_error(struct store *s, const char *what);

/*
 * Runs a statement that gives no rows. types has a letter for each argument:
 *   i  int64_t                    t  const char *, NULL is NULL
 *   b  struct bytes, empty is NULL
 *   d  const uint8_t *, an id of ID_LEN bytes; NULL and all zeros are NULL
 *   h  the same of SHA256_LEN bytes
 *   f  const struct buf *, NULL is NULL
 * text must be a literal.
 */
MUST_CHECK struct err *sql_run(struct store *s, const char *text, const char *types, ...);
/* Starts a query; sql_next steps it, and at the end of the scope AUTO(sql) gives it back. */
MUST_CHECK struct err *sql_start(
	struct store *s, sqlite3_stmt **ret_stmt, const char *text, const char *types, ...);
MUST_CHECK struct err *sql_next(struct store *s, sqlite3_stmt *stmt, bool *ret_row);
void sql_end(sqlite3_stmt *stmt);
DEFINE_AUTO(sql, sqlite3_stmt *, sql_end);
/* One number; 0 when there is no row. */
MUST_CHECK struct err *sql_number(
	struct store *s, int64_t *ret_v, const char *text, const char *types, ...);
/* How many rows the last statement changed. */
uint64_t sql_changes(struct store *s);

/* Columns. Fixed ids: zeros for NULL. Texts and buffers: NULL for NULL; the caller's. */
int64_t sql_int(sqlite3_stmt *stmt, int column);
void sql_id(sqlite3_stmt *stmt, int column, uint8_t *ret_id, size_t len);
char *sql_text(sqlite3_stmt *stmt, int column);
struct buf *sql_buf(sqlite3_stmt *stmt, int column);
/* A text among names; ERR_STORE names what when it is none of them. */
MUST_CHECK struct err *sql_name(sqlite3_stmt *stmt, int column, const char *what,
	const char *(*name)(unsigned int), unsigned int n, unsigned int *ret_v);

/* Collects a query's rows. read makes one row, or fails. */
MUST_CHECK struct err *sql_collect(struct store *s, sqlite3_stmt *stmt,
	struct err *(*read)(sqlite3_stmt *stmt, void **ret_row), void (*free_row)(void *),
	struct rows **ret_rows);
/* The first row, or NULL. */
MUST_CHECK struct err *sql_collect_one(struct store *s, sqlite3_stmt *stmt,
	struct err *(*read)(sqlite3_stmt *stmt, void **ret_row), void **ret_row);

/* store_audit.c: a row of meta with a number and a hash; zeros when there is none. */
MUST_CHECK struct err *sql_put_link(
	struct store *s, const char *key, const struct audit_link *link);
MUST_CHECK struct err *sql_get_link(struct store *s, const char *key, struct audit_link *ret_link);

/* store_schema.c: brings the database to the newest schema; called once at open. */
MUST_CHECK struct err *store_migrate(struct store *s);
/* Into s->schema. ERR_STORE_NEWER. */
MUST_CHECK struct err *store_read_schema(struct store *s);

#endif
