/* dbcopy.c: see dbcopy.h. */
#include "daemon/backup/dbcopy.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/alive.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "proto/kind.h"

/* Milliseconds that a writer may hold the database. */
#define BUSY_MS 10000
#define PAGES_PER_STEP 1024
/* What a service may take for its backup, and for the upgrade that follows, before systemd takes it for stuck. */
#define UPGRADE_US (UINT64_C(30) * 60 * 1000 * 1000)
/* Instructions of SQLite between two signs of life. */
#define STEPS_OF_PROGRESS 1000000

static inline void db_free(sqlite3 *db)
{
	sqlite3_close(db);
}
DEFINE_AUTO(db, sqlite3 *, db_free);

static inline void statement_free(sqlite3_stmt *stmt)
{
	sqlite3_finalize(stmt);
}
DEFINE_AUTO(statement, sqlite3_stmt *, statement_free);

static struct err *sql_trouble(sqlite3 *db, const char *path, const char *what)
{
	int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
	const char *text = db ? sqlite3_errmsg(db) : "cannot be opened";

	if (code == SQLITE_FULL || (code == SQLITE_IOERR && sqlite3_system_errno(db) == ENOSPC))
		return err_new(&ERR_STORE_FULL, "%s: the disk has no room for it", path);
	return err_new(&ERR_STORE, "%s: %s: %s", path, what, text);
}

static struct err *execute(sqlite3 *db, const char *path, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sql_trouble(db, path, sql);
	return NULL;
}

static int on_progress(void *arg UNUSED)
{
	alive_step();
	return 0;
}

static struct err *open_db(const char *path, int flags, sqlite3 **ret_db)
{
	AUTO(db) sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return sql_trouble(db, path, "open");
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_progress_handler(db, STEPS_OF_PROGRESS, on_progress, NULL);
	*ret_db = take(db);
	return NULL;
}

static struct err *run_backup(sqlite3 *from, sqlite3 *to, const char *to_path)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int result = SQLITE_OK;

	if (!backup)
		return sql_trouble(to, to_path, "copying");
	while (result == SQLITE_OK) {
		alive_step();
		result = sqlite3_backup_step(backup, PAGES_PER_STEP);
	}
	int finished = sqlite3_backup_finish(backup);
	if (result != SQLITE_DONE || finished != SQLITE_OK)
		return sql_trouble(to, to_path, "copying");
	return NULL;
}

static struct err *copy(const char *from, const char *to)
{
	AUTO(db) sqlite3 *source = NULL;
	AUTO(db) sqlite3 *target = NULL;

	TRY(open_db(from, SQLITE_OPEN_READWRITE, &source));
	/* The first read begins the snapshot. */
	TRY(execute(source, from, "BEGIN; SELECT count(*) FROM sqlite_schema"));
	TRY(open_db(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &target));
	/* What becomes of the file when we die does not matter: it has its name only later. */
	TRY(execute(target, to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"));
	return run_backup(source, target, to);
}

static struct err *as_store(struct err *take_e)
{
	return take_e ? err_as(&ERR_STORE, take_e, "a copy of a database") : NULL;
}

struct err *dbcopy_file(const char *from, const char *to)
{
	AUTO_MEM char *part = xasprintf("%s.part", to);

	if (access(from, F_OK) != 0)
		return err_errno(errno, "%s", from);
	if (unlink(part) != 0 && errno != ENOENT)
		return as_store(err_errno(errno, "%s", part));
	struct err *e = copy(from, part);
	if (!e)
		e = as_store(io_put_in_place(part, to, 0600));
	if (e)
		unlink(part);
	return e;
}

struct err *dbcopy_check(const char *path)
{
	AUTO(db) sqlite3 *db = NULL;
	AUTO(statement) sqlite3_stmt *stmt = NULL;

	TRY(open_db(path, SQLITE_OPEN_READWRITE, &db));
	TRY(execute(db, path, "PRAGMA trusted_schema = OFF"));
	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
		sqlite3_step(stmt) != SQLITE_ROW)
		return sql_trouble(db, path, "checking it");
	const char *text = (const char *)sqlite3_column_text(stmt, 0);
	if (!text || sqlite3_stricmp(text, "ok") != 0)
		return err_new(&ERR_STORE, "%s is damaged: %s", path, text ? text : "no answer");
	return NULL;
}

struct err *dbcopy_fold(const char *path)
{
	AUTO(db) sqlite3 *db = NULL;

	TRY(open_db(path, SQLITE_OPEN_READWRITE, &db));
	sqlite3_busy_timeout(db, 0);
	/* SQLite leaves WAL mode only when no other connection is open. */
	int result = sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	if (result == SQLITE_BUSY || result == SQLITE_LOCKED)
		return err_new(&ERR_BUSY, "%s is in use: stop the services first", path);
	return result == SQLITE_OK ? NULL : sql_trouble(db, path, "closing it");
}

struct err *dbcopy_before_upgrade(const char *path, unsigned int schema)
{
	AUTO_MEM char *copy_path = xasprintf("%s.schema-%u", path, schema);

	/* A large store is no reason to be ended in the middle, and begun again, and again. */
	(void)sd_notifyf(0,
		"EXTEND_TIMEOUT_USEC=%" PRIu64 "\nSTATUS=makes a backup before the upgrade",
		UPGRADE_US);
	TRY(err_wrap(dbcopy_file(path, copy_path), "the backup before the upgrade"));
	TRY(err_wrap(dbcopy_check(copy_path), "the backup before the upgrade"));
	log_note(NOTE_UPGRADE_COPY, NULL,
		"%s has schema %u: a backup was made before the upgrade, %s", path, schema,
		copy_path);
	return NULL;
}
