/* ledger.c: opening the log, transactions, and appending to the chain. */
#include "daemon/ca/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/ca/ledger_part.h"
#include "evidence/record.h"
#include "proto/kind.h"

#define BUSY_MS 10000
#define CHAIN_LABEL "derivd ca log v1"

static const struct {
	int kind;
	const char *name;
	const char *columns;
} tables[] = {
#define TABLE(number, NAME, name, columns) { number, name, columns },
#include "daemon/ca/ledger_table.def"
#undef TABLE
};

/* Statements are kept by their address. */
static const char begin[] = "BEGIN", begin_immediate[] = "BEGIN IMMEDIATE", commit[] = "COMMIT";

struct err *ledger_error(struct ledger *l, const char *what)
{
	int code = l->db ? sqlite3_errcode(l->db) : SQLITE_CANTOPEN;
	int system = l->db ? sqlite3_system_errno(l->db) : 0;
	const char *text = l->db ? sqlite3_errmsg(l->db) : "cannot be opened";

	if (code == SQLITE_FULL || (code == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT)))
		return err_new(&ERR_STORE_FULL, "%s: %s: %s", l->path, what, text);
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return err_new(&ERR_BUSY, "%s: %s: another process holds it", l->path, what);
	if (code == SQLITE_READONLY)
		return err_new(&ERR_STORE_READ_ONLY, "%s: it cannot be written", l->path);
	return err_new(&ERR_STORE, "%s: %s: %s", l->path, what, text);
}

struct err *ledger_run(struct ledger *l, const char *sql)
{
	if (sqlite3_exec(l->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return ledger_error(l, "a statement");
	return NULL;
}

/* NORMAL: checkpoints are synced by SQLite, commits by sync_log. secure_delete: what is removed is overwritten. */
static struct err *set_up(struct ledger *l)
{
	sqlite3_extended_result_codes(l->db, 0);
	sqlite3_busy_timeout(l->db, BUSY_MS);
	TRY(ledger_run(l,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;"
		"PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = "
		"-1024;"
		"PRAGMA mmap_size = 0; PRAGMA wal_autocheckpoint = 2000"));
	return ledger_migrate(l);
}

static struct err *open_lock(struct ledger *l)
{
	AUTO_MEM char *path = xasprintf("%s.lock", l->path);

	l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return l->lock_fd < 0 ? err_as(&ERR_STORE, err_errno(errno, "%s", path), "the log's lock")
			      : NULL;
}

static struct err *open_with(const char *path, int flags, struct ledger **ret_ledger)
{
	AUTO(ledger) struct ledger *l = xcalloc(1, sizeof(*l));

	l->path = xstrdup(path);
	l->lock_fd = -1;
	if (sqlite3_open_v2(path, &l->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
		    NULL) != SQLITE_OK)
		return ledger_error(l, "opening it");
	TRY(open_lock(l));
	TRY(set_up(l));
	*ret_ledger = take(l);
	return NULL;
}

struct err *ledger_create(const char *path, struct ledger **ret_ledger)
{
	if (access(path, F_OK) == 0)
		return err_new(&ERR_CONFIG, "%s is there already", path);
	return open_with(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, ret_ledger);
}

struct err *ledger_open(const char *path, struct ledger **ret_ledger)
{
	if (access(path, F_OK) != 0)
		return err_errno(errno, "%s", path);
	return open_with(path, SQLITE_OPEN_READWRITE, ret_ledger);
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	ledger_rollback(l->tx);
	for (size_t i = 0; i < l->n_statements; i++)
		sqlite3_finalize(l->statements[i].stmt);
	for (size_t i = 0; i < ARRAY_LEN(l->insertions); i++)
		free(l->insertions[i]);
	sqlite3_close(l->db);
	fd_cleanup(&l->lock_fd);
	free(l->path);
	free(l);
}

/* Released when the process dies, however it dies. */
static struct err *queue_up(struct ledger *l)
{
	while (flock(l->lock_fd, LOCK_EX) != 0)
		if (errno != EINTR)
			return err_as(
				&ERR_STORE, err_errno(errno, "%s.lock", l->path), "the log's lock");
	return NULL;
}

static void leave(struct ledger *l)
{
	if (flock(l->lock_fd, LOCK_UN) != 0)
		err_abort("the log's lock cannot be released: %s", strerror(errno));
}

static struct err *start(struct ledger *l, bool any_clock, struct ledger_tx *tx)
{
	int64_t newest;

	TRY(ledger_head(l, &tx->row, tx->head, &newest));
	tx->now = clock_real_ms();
	if (tx->now >= newest)
		return NULL;
	if (!any_clock) {
		AUTO_MEM char *clock = text_time(tx->now);
		AUTO_MEM char *row = text_time(newest);
		return err_new(&ERR_CLOCK_BEHIND,
			"the clock says %s, the newest row of the log is of %s", clock, row);
	}
	tx->now = newest;
	return NULL;
}

/* A snapshot cannot become a transaction that writes: others may have written since. */
static struct err *end_snapshot(struct ledger *l)
{
	if (!l->reading)
		return NULL;
	l->reading = false;
	return ledger_step(l, commit);
}

struct err *ledger_snapshot(struct ledger *l, struct ledger_snapshot **ret_snapshot)
{
	*ret_snapshot = NULL;
	if (l->reading || l->tx)
		return NULL;
	TRY(ledger_step(l, begin));
	l->reading = true;
	*ret_snapshot = (struct ledger_snapshot *)l;
	return NULL;
}

void ledger_snapshot_free(struct ledger_snapshot *s)
{
	AUTO(err) struct err *e = s ? end_snapshot((struct ledger *)s) : NULL;

	if (e)
		log_note(NOTE_LEDGER, NULL, "end of a snapshot: %s", err_get_text(e));
}

struct err *ledger_begin(struct ledger *l, bool any_clock, struct ledger_tx **ret_tx)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;

	if (l->tx)
		err_abort("a transaction inside a transaction");
	TRY(end_snapshot(l));
	TRY(queue_up(l));
	struct err *e = ledger_step(l, begin_immediate);
	if (e) {
		leave(l);
		return err_wrap(e, "beginning");
	}
	tx = xcalloc(1, sizeof(*tx));
	tx->l = l;
	l->tx = tx;
	TRY(start(l, any_clock, tx));
	*ret_tx = take(tx);
	return NULL;
}

int64_t ledger_now(const struct ledger_tx *tx)
{
	return tx->now;
}

struct ledger *ledger_of(const struct ledger_tx *tx)
{
	return tx->l;
}

uint64_t ledger_row(const struct ledger_tx *tx)
{
	return tx->row;
}

/* Once in each process: another one may have made the write-ahead log, and not come to sync its name. */
static struct err *sync_dir(struct ledger *l)
{
	const char *slash = strrchr(l->path, '/');
	AUTO_MEM char *dir =
		slash ? bytes_strdup(BYTES(l->path, slash - l->path + 1)) : xstrdup(".");
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return err_as(&ERR_STORE, err_errno(errno, "%s", dir), "the log's directory");
	return NULL;
}

/* The write-ahead log with all commits in it so far, by this process or another, up to row at least. */
static struct err *sync_log(struct ledger *l, uint64_t row)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(l->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK ||
		!file || !file->pMethods)
		return err_new(&ERR_STORE, "%s: its write-ahead log is not open", l->path);
	if (file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) != SQLITE_OK)
		return err_new(&ERR_STORE, "%s: cannot be synced to the disk", l->path);
	if (!l->durable)
		TRY(sync_dir(l));
	l->durable = row;
	return NULL;
}

struct err *ledger_settle(struct ledger *l)
{
	uint64_t row = l->committed;
	uint8_t hash[SHA256_LEN];
	int64_t time;

	l->committed = 0;
	if (!row)
		TRY(ledger_head(l, &row, hash, &time));
	return row > l->durable ? sync_log(l, row) : NULL;
}

struct err *ledger_commit(struct ledger_tx *take_tx)
{
	AUTO(ledger_tx) struct ledger_tx *tx = take_tx;
	struct ledger *l = tx->l;

	uint64_t row = tx->row;

	TRY(err_wrap(ledger_step(l, commit), "commit"));
	leave(l);
	l->tx = NULL;
	l->committed = row;
	free(take(tx));
	return l->deferred ? NULL : sync_log(l, row);
}

void ledger_defer(struct ledger *l)
{
	l->deferred = true;
}

void ledger_rollback(struct ledger_tx *tx)
{
	if (!tx)
		return;
	struct ledger *l = tx->l;
	/* After some errors SQLite has rolled back by itself. */
	if (!sqlite3_get_autocommit(l->db)) {
		AUTO(err) struct err *e = ledger_run(l, "ROLLBACK");
		if (e)
			log_note(NOTE_LEDGER, NULL, "rollback: %s", err_get_text(e));
	}
	leave(l);
	l->tx = NULL;
	free(tx);
}

bool ledger_table(int kind, const char **ret_name, const char **ret_columns)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (tables[i].kind == kind) {
			*ret_name = tables[i].name;
			*ret_columns = tables[i].columns;
			return true;
		}
	return false;
}

void ledger_encode(struct buf *out, const struct ledger_value *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (values[i].is_number)
			record_put_u64(out, (uint64_t)values[i].number);
		else
			record_put(out, values[i].bytes);
	}
}

void ledger_chain_hash(const uint8_t before[static SHA256_LEN], uint64_t row, uint8_t kind,
	int64_t time_ms, struct bytes body, uint8_t ret_hash[static SHA256_LEN])
{
	uint8_t fixed[17];

	for (int i = 0; i < 8; i++) {
		fixed[i] = (uint8_t)(row >> (8 * (7 - i)));
		fixed[8 + i] = (uint8_t)((uint64_t)time_ms >> (8 * (7 - i)));
	}
	fixed[16] = kind;
	const struct bytes parts[] = { BYTES(before, SHA256_LEN), BYTES(fixed, sizeof(fixed)),
		body };
	sha256_labelled(CHAIN_LABEL, parts, ARRAY_LEN(parts), ret_hash);
}
