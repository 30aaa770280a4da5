/*
 * ledger.h: derivd-ca's own log: one SQLite file in WAL mode, written by several processes at once. Every
 * row of any table is also a row of one hash chain, whose hash is over the hash before and the canonical encoding of the
 * row's columns, so nothing can be changed, taken out or put in between without a trace. Rows are never updated. Large
 * pieces (evidence, sealed copies, CRLs) lie in a table of their own; the row has their digests, so that a sealed copy can
 * be removed for good and the chain still verifies.
 *
 * BEGIN IMMEDIATE decides every race: whoever writes looks again inside the transaction. Nothing is answered before it is
 * on the disk: ledger_commit (or ledger_settle, after ledger_defer) syncs what was committed, as SQLite's own synchronous FULL
 * does, but after the next writer was let in, so that the disk syncs for several at once; ledger_settle does the same for an
 * answer that was only read.
 *
 * Errors of every function: ERR_STORE_FULL (nothing was done), ERR_STORE, ERR_BUSY (another process holds the file for
 * too long).
 */
#ifndef DERIVD_DAEMON_CA_LEDGER_H
#define DERIVD_DAEMON_CA_LEDGER_H

#include <sqlite3.h>

#include "base/buf.h"
#include "proto/sig.h"

struct ledger;

/* Makes the file; it must not be there (ERR_CONFIG). */
MUST_CHECK struct err *ledger_create(const char *path, struct ledger **ret_ledger);
/* Opens it and brings it up to this release's form. ERR_NOTFOUND, ERR_STORE_NEWER. */
MUST_CHECK struct err *ledger_open(const char *path, struct ledger **ret_ledger);
void ledger_free(struct ledger *l);
DEFINE_AUTO(ledger, struct ledger *, ledger_free);

/*
 * A transaction that writes. now: the time of its rows. ERR_CLOCK_BEHIND when the clock stands before the newest row,
 * unless any_clock: then the newest row's time is taken, for what must not wait (revocations).
 */
struct ledger_tx;
MUST_CHECK struct err *ledger_begin(struct ledger *l, bool any_clock, struct ledger_tx **ret_tx);
int64_t ledger_now(const struct ledger_tx *tx);
struct ledger *ledger_of(const struct ledger_tx *tx);
/* The row that was appended last. */
uint64_t ledger_row(const struct ledger_tx *tx);
MUST_CHECK struct err *ledger_commit(struct ledger_tx *take_tx);
/*
 * Before each answer: what others have committed and the answer may say is on the disk, too. After a commit of one's own that
 * is so already: the log grows at its end.
 */
MUST_CHECK struct err *ledger_settle(struct ledger *l);
/* From now on commits, too, are on the disk only after ledger_settle: one for several. Nothing may be told in between. */
void ledger_defer(struct ledger *l);
/* Takes everything back; what an unfinished transaction gets when its scope ends. */
void ledger_rollback(struct ledger_tx *tx);
DEFINE_AUTO(ledger_tx, struct ledger_tx *, ledger_rollback);

/* Tables of the ledger; the numbers are in the chain and never change. ledger_table.def says their columns. */
enum ledger_kind {
#define TABLE(number, NAME, name, columns) LEDGER_##NAME = number,
#include "daemon/ca/ledger_table.def"
#undef TABLE
};

/* The value of a column. */
struct ledger_value {
	bool is_number;
	int64_t number; /* not negative */
	struct bytes bytes;
};
#define LEDGER_BYTES(b) ((struct ledger_value){ .bytes = (b) })
#define LEDGER_HASH(h) ((struct ledger_value){ .bytes = BYTES((h), SHA256_LEN) })
#define LEDGER_NUMBER(n) ((struct ledger_value){ .is_number = true, .number = (int64_t)(n) })

/*
 * Appends a row to the chain and to its table, values in the order of the columns. *ret_exists instead of an error when
 * a unique column has that value already (nothing was written then).
 */
MUST_CHECK struct err *ledger_append(struct ledger_tx *tx, enum ledger_kind kind,
	const struct ledger_value *values, size_t n, bool *ret_exists);
/*
 * A large piece of the row that is appended next in this transaction. n: which one of its pieces, below LEDGER_PIECES_MAX.
 * digest: its SHA-256, which one of the row's columns must hold.
 */
#define LEDGER_PIECES_MAX 16
MUST_CHECK struct err *ledger_put_piece(
	struct ledger_tx *tx, size_t n, struct bytes data, uint8_t ret_digest[static SHA256_LEN]);
/* *ret_data is NULL when it was removed or never there. */
MUST_CHECK struct err *ledger_get_piece(
	struct ledger *l, uint64_t row, size_t n, struct buf **ret_data);
/* What they held is overwritten in the file. sql: a DELETE on the table piece. */
MUST_CHECK struct err *ledger_remove_pieces(
	struct ledger_tx *tx, const char *sql, const struct ledger_value *values, size_t n);
MUST_CHECK struct err *ledger_remove_piece(struct ledger_tx *tx, uint64_t row, size_t n);

/*
 * Until the end of the scope, or until ledger_begin, all reads see one state of the log, which also makes them cheaper.
 * *ret_snapshot is NULL inside another snapshot or a transaction.
 */
struct ledger_snapshot;
MUST_CHECK struct err *ledger_snapshot(struct ledger *l, struct ledger_snapshot **ret_snapshot);
void ledger_snapshot_free(struct ledger_snapshot *s);
DEFINE_AUTO(ledger_snapshot, struct ledger_snapshot *, ledger_snapshot_free);

/* A query. sql must be a constant: its compiled form is kept by its address. */
struct ledger_rows;
MUST_CHECK struct err *ledger_query(struct ledger *l, const char *sql,
	const struct ledger_value *values, size_t n, struct ledger_rows **ret_rows);
/* *ret_row is false after the last. */
MUST_CHECK struct err *ledger_next(struct ledger_rows *rows, bool *ret_row);
/* Columns of the present row, lent until the next call; NULL reads as 0 and as no bytes. */
int64_t ledger_number(const struct ledger_rows *rows, int column);
struct bytes ledger_bytes(const struct ledger_rows *rows, int column);
/* ERR_STORE unless the column has exactly that length. */
MUST_CHECK struct err *ledger_fixed(
	const struct ledger_rows *rows, int column, uint8_t *ret_bytes, size_t len);
void ledger_rows_free(struct ledger_rows *rows);
DEFINE_AUTO(ledger_rows, struct ledger_rows *, ledger_rows_free);

/* The end of the chain: number, hash and time of the newest row (0, zeros, 0 when there is none). */
MUST_CHECK struct err *ledger_head(struct ledger *l, uint64_t *ret_row,
	uint8_t ret_hash[static SHA256_LEN], int64_t *ret_time_ms);
/*
 * Walks the whole chain, and compares every table and every large piece with it. ERR_STORE says what does not fit and
 * in which row. *ret_rows: how many rows hold together up to there.
 */
MUST_CHECK struct err *ledger_verify(struct ledger *l, uint64_t *ret_rows);

#endif
