/*
 * store_sqlite.c: the connection, turns and savepoints, and the binding of values. A row that does not make sense is
 * ERR_STORE, never an assertion: the file may be damaged.
 */
#include "daemon/core/store_sql.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alive.h"
#include "proto/kind.h"

/*
 * Pages of the write-ahead log before they go into the database. With a million jobs nearly every page of the indexes that a
 * job touches is another one, and a checkpoint writes them all: done rarely, it costs less in all and meets few commits.
 */
#define WAL_PAGES "4000"
/* Milliseconds that another process (sqlite3 at the shell, a backup) may hold the database. */
#define BUSY_MS 2000
/* Instructions of SQLite between two signs of life: some milliseconds. */
#define STEPS_OF_PROGRESS 1000000

struct err *sql_error(struct store *s, const char *what)
{
	int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
	const char *text = s->db ? sqlite3_errmsg(s->db) : "cannot be opened";
	bool full = code == SQLITE_FULL;

	if (code == SQLITE_IOERR && sqlite3_system_errno(s->db) == ENOSPC)
		full = true;
	if (full)
		return err_new(&ERR_STORE_FULL,
			"%s: the disk has no room for what is to be written", s->path);
	/* Also a store that cannot be opened for writing, and a file system that was mounted read-only. */
	if (code == SQLITE_READONLY)
		return err_new(&ERR_STORE_READ_ONLY, "%s: it cannot be written", s->path);
	return err_new(&ERR_STORE, "%s: %s: %s", s->path, what, text);
}

static struct err *execute(struct store *s, const char *text)
{
	if (sqlite3_exec(s->db, text, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(s, text);
	return NULL;
}

/* Called by SQLite now and then during a long statement. */
static int on_progress(void *arg UNUSED)
{
	alive_step();
	return 0;
}

static struct err *settings(struct store *s)
{
	sqlite3_progress_handler(s->db, STEPS_OF_PROGRESS, on_progress, NULL);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	sqlite3_extended_result_codes(s->db, 0);
	TRY(execute(s, "PRAGMA journal_mode = WAL"));
	TRY(execute(s, "PRAGMA synchronous = FULL"));
	TRY(execute(s, "PRAGMA wal_autocheckpoint = " WAL_PAGES));
	/* Sealed keys that are purged must not stay in free pages. */
	TRY(execute(s, "PRAGMA secure_delete = ON"));
	TRY(execute(s, "PRAGMA foreign_keys = OFF"));
	TRY(execute(s, "PRAGMA trusted_schema = OFF"));
	TRY(execute(s, "PRAGMA temp_store = MEMORY"));
	/* Two MiB: the whole daemon is to stay below eight. */
	return execute(s, "PRAGMA cache_size = -2048");
}

static struct err *open_with(const char *path, int flags, struct store **ret_store)
{
	AUTO(store) struct store *s = xcalloc(1, sizeof(*s));

	s->path = xstrdup(path);
	if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		return sql_error(s, "open");
	TRY(settings(s));
	*ret_store = take(s);
	return NULL;
}

struct err *store_open(const char *path, struct store **ret_store)
{
	AUTO(store) struct store *s = NULL;

	TRY(open_with(path, SQLITE_OPEN_CREATE, &s));
	TRY(store_migrate(s));
	*ret_store = take(s);
	return NULL;
}

struct err *store_open_as_is(const char *path, struct store **ret_store)
{
	AUTO(store) struct store *s = NULL;

	TRY(open_with(path, 0, &s));
	TRY(store_read_schema(s));
	*ret_store = take(s);
	return NULL;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SQL_CACHE; i++)
		sqlite3_finalize(s->cache[i].stmt);
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}

unsigned int store_get_schema(const struct store *s)
{
	return s->schema;
}

/* --- turns --- */

static bool in_turn(struct store *s)
{
	return sqlite3_get_autocommit(s->db) == 0;
}

struct err *store_begin(struct store *s)
{
	if (in_turn(s))
		return NULL;
	return sql_run(s, "BEGIN IMMEDIATE", "");
}

struct err *store_mark(struct store *s)
{
	return sql_run(s, "SAVEPOINT event", "");
}

struct err *store_keep(struct store *s)
{
	return sql_run(s, "RELEASE event", "");
}

bool store_undo(struct store *s)
{
	AUTO(err) struct err *e = NULL;

	/* A full disk may have ended the whole transaction by itself. */
	if (!in_turn(s))
		return false;
	e = sql_run(s, "ROLLBACK TO event", "");
	if (!e)
		e = sql_run(s, "RELEASE event", "");
	return !e;
}

struct err *store_commit(struct store *s)
{
	if (!in_turn(s))
		return NULL;
	struct err *e = sql_run(s, "COMMIT", "");
	if (e)
		store_abandon(s);
	return e;
}

void store_abandon(struct store *s)
{
	/* When even this fails, the next BEGIN says so. */
	if (in_turn(s))
		err_free(sql_run(s, "ROLLBACK", ""));
	/* On a full disk there may be room in the log, once what it holds has gone into the database; if not, the next turn fails. */
	sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

void store_tidy(struct store *s)
{
	if (in_turn(s))
		return;
	/* The log still has the pages as they were: a sealed key that was purged, for one. Nobody is waited for. */
	sqlite3_busy_timeout(s->db, 0);
	sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(s->db, BUSY_MS);
}

/* --- statements --- */

static struct err *prepare(struct store *s, const char *text, sqlite3_stmt **ret_stmt)
{
	size_t at = ((uintptr_t)text >> 3) % SQL_CACHE;
	size_t tried = 0;

	while (s->cache[at].text && s->cache[at].text != text) {
		at = (at + 1) % SQL_CACHE;
		tried++;
		assert(tried < SQL_CACHE);
	}
	if (!s->cache[at].text) {
		sqlite3_stmt *stmt = NULL;
		if (sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) !=
			SQLITE_OK)
			return sql_error(s, text);
		s->cache[at].text = text;
		s->cache[at].stmt = stmt;
	}
	/* A query within the same query is a bug of ours: rows are collected before they are used. */
	assert(!sqlite3_stmt_busy(s->cache[at].stmt));
	*ret_stmt = s->cache[at].stmt;
	return NULL;
}

bool id_is_none(const uint8_t *id, size_t len)
{
	for (size_t i = 0; id && i < len; i++) {
		if (id[i])
			return false;
	}
	return true;
}

static int bind_bytes(sqlite3_stmt *stmt, int at, struct bytes b)
{
	if (!b.len)
		return sqlite3_bind_null(stmt, at);
	return sqlite3_bind_blob64(stmt, at, b.data, b.len, SQLITE_STATIC);
}

static int bind_id(sqlite3_stmt *stmt, int at, const uint8_t *id, size_t len)
{
	return bind_bytes(stmt, at, id_is_none(id, len) ? BYTES(NULL, 0) : BYTES(id, len));
}

static int bind_one(sqlite3_stmt *stmt, int at, char type, va_list *ap)
{
	const struct buf *buf;

	switch (type) {
	case 'i':
		return sqlite3_bind_int64(stmt, at, va_arg(*ap, int64_t));
	case 't':
		return sqlite3_bind_text(stmt, at, va_arg(*ap, const char *), -1, SQLITE_STATIC);
	case 'b':
		return bind_bytes(stmt, at, va_arg(*ap, struct bytes));
	case 'd':
		return bind_id(stmt, at, va_arg(*ap, const uint8_t *), ID_LEN);
	case 'h':
		return bind_id(stmt, at, va_arg(*ap, const uint8_t *), SHA256_LEN);
	case 'f':
		buf = va_arg(*ap, const struct buf *);
		return bind_bytes(stmt, at, buf ? buf_bytes(buf) : BYTES(NULL, 0));
	default:
		return SQLITE_MISUSE;
	}
}

static struct err *start(
	struct store *s, const char *text, const char *types, va_list *ap, sqlite3_stmt **ret_stmt)
{
	sqlite3_stmt *stmt = NULL;

	TRY(prepare(s, text, &stmt));
	assert((size_t)sqlite3_bind_parameter_count(stmt) == strlen(types));
	for (int i = 0; types[i]; i++) {
		int result = bind_one(stmt, i + 1, types[i], ap);
		assert(result != SQLITE_MISUSE && result != SQLITE_RANGE);
		if (result != SQLITE_OK) {
			struct err *e = sql_error(s, text);
			sql_end(stmt);
			return e;
		}
	}
	*ret_stmt = stmt;
	return NULL;
}

struct err *sql_start(
	struct store *s, sqlite3_stmt **ret_stmt, const char *text, const char *types, ...)
{
	va_list ap;

	va_start(ap, types);
	struct err *e = start(s, text, types, &ap, ret_stmt);
	va_end(ap);
	return e;
}

struct err *sql_next(struct store *s, sqlite3_stmt *stmt, bool *ret_row)
{
	int result = sqlite3_step(stmt);

	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return sql_error(s, sqlite3_sql(stmt));
	*ret_row = result == SQLITE_ROW;
	return NULL;
}

void sql_end(sqlite3_stmt *stmt)
{
	if (!stmt)
		return;
	sqlite3_reset(stmt);
	/* What was bound belongs to callers that are gone. */
	sqlite3_clear_bindings(stmt);
}

struct err *sql_run(struct store *s, const char *text, const char *types, ...)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row;
	va_list ap;

	va_start(ap, types);
	struct err *e = start(s, text, types, &ap, &stmt);
	va_end(ap);
	return e ? e : sql_next(s, stmt, &row);
}

struct err *sql_number(struct store *s, int64_t *ret_v, const char *text, const char *types, ...)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row = false;
	va_list ap;

	va_start(ap, types);
	struct err *e = start(s, text, types, &ap, &stmt);
	va_end(ap);
	TRY(e);
	TRY(sql_next(s, stmt, &row));
	*ret_v = row ? sqlite3_column_int64(stmt, 0) : 0;
	return NULL;
}

uint64_t sql_changes(struct store *s)
{
	return (uint64_t)sqlite3_changes64(s->db);
}
