/* ledger_part.h: what the files of the log share; nobody else includes it. */
#ifndef DERIVD_DAEMON_CA_LEDGER_PART_H
#define DERIVD_DAEMON_CA_LEDGER_PART_H

#include "daemon/ca/ledger.h"

#define STATEMENTS_MAX 64
#define KINDS_MAX 16
#define COLUMNS_MAX 16

struct ledger_statement {
	const char *sql; /* identity: the address of a constant */
	sqlite3_stmt *stmt;
	bool in_use;
};

struct ledger {
	sqlite3 *db;
	char *path;
	int lock_fd; /* writers queue on it in the kernel: SQLite's own waiting sleeps */
	struct ledger_tx *tx;
	bool reading;     /* a snapshot is open */
	uint64_t durable; /* rows up to here are known to be on the disk */
	uint64_t committed; /* the last row of our own since the last ledger_settle, or 0 */
	bool deferred;      /* commits are synced by ledger_settle */
	size_t n_statements;
	struct ledger_statement statements[STATEMENTS_MAX];
	char *insertions[KINDS_MAX]; /* SQL by kind */
};

struct ledger_tx {
	struct ledger *l;
	int64_t now;
	uint64_t row;
	uint8_t head[SHA256_LEN];
};

/* An error for what SQLite said last. */
MUST_CHECK struct err *ledger_error(struct ledger *l, const char *what)
	__attribute__((returns_nonnull));
/* Runs statements that have no parameters and no rows. */
MUST_CHECK struct err *ledger_run(struct ledger *l, const char *sql);
/* The same for one that is used again and again, and is kept compiled; sql: a constant. */
MUST_CHECK struct err *ledger_step(struct ledger *l, const char *sql);
MUST_CHECK struct err *ledger_migrate(struct ledger *l);
/* The columns of a kind's table, as in ledger_table.def; false when there is no such kind. */
bool ledger_table(int kind, const char **ret_name, const char **ret_columns);
/* Body of a chain row. */
void ledger_encode(struct buf *out, const struct ledger_value *values, size_t n);
void ledger_chain_hash(const uint8_t before[static SHA256_LEN], uint64_t row, uint8_t kind,
	int64_t time_ms, struct bytes body, uint8_t ret_hash[static SHA256_LEN]);

#endif
