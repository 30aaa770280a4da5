/*
 * store_job.c: the outbox. The index job_ready holds only what may be leased, ordered by rank and time, so that a lease
 * costs the same whether a thousand or a million jobs wait.
 */
#include "daemon/core/store_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *job_what_name(enum job_what w)
{
	static const char *const names[] = {
		[JOB_VERIFY] = "verify",
		[JOB_MAKE] = "make",
		[JOB_CERTIFY] = "certify",
		[JOB_SIGN_ITEM] = "sign-item",
		[JOB_DELIVER] = "deliver",
		[JOB_REVOKE] = "revoke",
		[JOB_REVOKE_DEVICE] = "revoke-device",
		[JOB_CRL] = "crl",
		[JOB_NOTICE] = "notice",
	};

	assert((size_t)w < ARRAY_LEN(names));
	return names[w];
}

const char *job_state_name(enum job_state s)
{
	static const char *const names[] = {
		[JOB_WAITING] = "waiting",
		[JOB_LEASED] = "leased",
		[JOB_RETRY] = "retry",
		[JOB_BLOCKED] = "blocked",
		[JOB_FAILED] = "failed",
	};

	assert((size_t)s < ARRAY_LEN(names));
	return names[s];
}

static const char *what_name(unsigned int w)
{
	return job_what_name((enum job_what)w);
}

static const char *state_name(unsigned int s)
{
	return job_state_name((enum job_state)s);
}

void job_free(struct job *j)
{
	if (!j)
		return;
	free(j->cause_kind);
	free(j->cause);
	free(j);
}

static void free_row(void *row)
{
	job_free(row);
}

static struct err *read_row(sqlite3_stmt *stmt, void **ret_row)
{
	AUTO(job) struct job *j = xcalloc(1, sizeof(*j));
	unsigned int what = 0, state = 0;

	TRY(sql_name(stmt, 2, "job of kind", what_name, JOB_WHATS, &what));
	TRY(sql_name(stmt, 3, "job in state", state_name, JOB_STATES, &state));
	j->n = (uint64_t)sql_int(stmt, 0);
	sql_id(stmt, 1, j->id, ID_LEN);
	j->what = (enum job_what)what;
	j->state = (enum job_state)state;
	j->rank = (unsigned int)sql_int(stmt, 4);
	sql_id(stmt, 5, j->request, ID_LEN);
	sql_id(stmt, 6, j->credential, ID_LEN);
	sql_id(stmt, 7, j->device, SHA256_LEN);
	j->purpose = (Common__Purpose)sql_int(stmt, 8);
	j->reason = (unsigned int)sql_int(stmt, 9);
	j->attempts = (unsigned int)sql_int(stmt, 10);
	j->next_boot_ms = sql_int(stmt, 11);
	j->number = (uint64_t)sql_int(stmt, 12);
	j->created_ms = sql_int(stmt, 13);
	j->cause_kind = sql_text(stmt, 14);
	j->cause = sql_text(stmt, 15);
	*ret_row = take(j);
	return NULL;
}

#define JOB_COLUMNS                                                                                \
	"n, id, what, state, rank, request, credential, device, purpose, reason, attempts, "       \
	"next_boot_ms, number, "                                                                   \
	"created_ms, cause_kind, cause"
#define JOB "SELECT " JOB_COLUMNS " FROM job WHERE "

struct err *store_job_post(struct store *s, const struct job *j)
{
	return sql_run(s,
		"INSERT INTO job(id, what, state, rank, request, credential, device, purpose, "
		"reason, attempts, "
		"next_boot_ms, number, created_ms) VALUES(?, ?, 'waiting', ?, ?, ?, ?, ?, ?, 0, ?, "
		"?, ?)",
		"dtiddhiiiii", j->id, job_what_name(j->what), (int64_t)j->rank, j->request,
		j->credential, j->device, (int64_t)j->purpose, (int64_t)j->reason, j->next_boot_ms,
		(int64_t)j->number, j->created_ms);
}

struct err *store_job_get(struct store *s, const uint8_t id[static ID_LEN], struct job **ret_job)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, JOB "id = ?", "d", id));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	*ret_job = row;
	return NULL;
}

struct err *store_job_put(struct store *s, const struct job *j)
{
	return sql_run(s,
		"UPDATE job SET what = ?2, state = ?3, attempts = ?4, next_boot_ms = ?5, "
		"cause_kind = ?6, cause = ?7, "
		"lease_boot = NULL, lease_run = NULL WHERE id = ?1",
		"dttiitt", j->id, job_what_name(j->what), job_state_name(j->state),
		(int64_t)j->attempts, j->next_boot_ms, j->cause_kind, j->cause);
}

struct err *store_job_done(struct store *s, const uint8_t id[static ID_LEN])
{
	return sql_run(s, "DELETE FROM job WHERE id = ?", "d", id);
}

/* --- leases --- */

#define READY "what <> 'deliver' AND state IN ('waiting', 'retry', 'blocked')"

/* derivd-ca signs a device's items in the order of their numbers only: none before those with lower ones. */
#define FIRST_OF_DEVICE                                                                            \
	"(what <> 'sign-item' OR NOT EXISTS (SELECT 1 FROM job earlier WHERE earlier.device = "    \
	"job.device AND earlier.what = 'sign-item' AND earlier.number < job.number AND "           \
	"earlier.state <> 'failed'))"

static struct err *lease_rank(struct store *s, const struct lease *l, unsigned int rank,
	unsigned int most, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		"UPDATE job SET state = 'leased', attempts = attempts + 1, lease_boot = ?1, "
		"lease_run = ?2 WHERE n IN (SELECT n FROM job WHERE " READY
		" AND rank = ?3 AND next_boot_ms <= ?4 AND (NOT ?5 OR what IN ('revoke', "
		"'revoke-device', 'crl')) AND " FIRST_OF_DEVICE
		" ORDER BY next_boot_ms LIMIT ?6) RETURNING " JOB_COLUMNS,
		"biiiii", BYTES(l->boot_id, 16), (int64_t)l->run, (int64_t)rank, l->now_boot_ms,
		(int64_t)l->only_revocations, (int64_t)most));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

/* Moves the rows of one list to the end of another. */
static void join(struct rows *all, struct rows *more)
{
	if (!more->n)
		return;
	all->row = xrealloc(all->row, all->n + more->n, sizeof(*all->row));
	memcpy(all->row + all->n, more->row, more->n * sizeof(*all->row));
	all->n += more->n;
	more->n = 0;
}

struct err *store_job_lease(struct store *s, const struct lease *l, struct rows **ret_rows)
{
	AUTO(rows) struct rows *all = xcalloc(1, sizeof(*all));

	unsigned int first = l->notices ? JOB_RANK_NOTICE : 0;
	unsigned int end = l->notices ? JOB_RANK_NOTICE + 1 : JOB_RANKS;

	all->free_row = free_row;
	for (unsigned int rank = first; rank < end && all->n < l->most; rank++) {
		AUTO(rows) struct rows *some = NULL;
		TRY(lease_rank(s, l, rank, l->most - (unsigned int)all->n, &some));
		join(all, some);
	}
	*ret_rows = take(all);
	return NULL;
}

static struct err *next_of(struct store *s, int64_t rank, int64_t *ret_boot_ms)
{
	return sql_number(s, ret_boot_ms,
		"SELECT ifnull(min(next_boot_ms), 9223372036854775807) FROM job "
		"WHERE " READY " AND rank = ?",
		"i", rank);
}

struct err *store_job_next(struct store *s, int64_t *ret_boot_ms)
{
	*ret_boot_ms = INT64_MAX;
	for (int64_t rank = 0; rank < JOB_RANKS; rank++) {
		int64_t next = 0;
		TRY(next_of(s, rank, &next));
		if (next < *ret_boot_ms)
			*ret_boot_ms = next;
	}
	return NULL;
}

struct err *store_job_next_notice(struct store *s, int64_t *ret_boot_ms)
{
	return next_of(s, JOB_RANK_NOTICE, ret_boot_ms);
}

struct err *store_job_leased(struct store *s, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		"SELECT " JOB_COLUMNS " FROM job WHERE state = 'leased' AND what <> 'deliver'",
		""));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_job_void(struct store *s, uint64_t run, bool same_boot, uint64_t *ret_n)
{
	TRY(sql_run(s,
		"UPDATE job SET state = 'waiting', next_boot_ms = 0, lease_boot = NULL, lease_run "
		"= NULL "
		"WHERE state = 'leased' AND lease_run IS NOT ?",
		"i", (int64_t)run));
	*ret_n = sql_changes(s);
	if (same_boot)
		return NULL;
	/* A job's time, also of one that waits for its first try, was counted with a clock that has begun again. */
	return sql_run(s, "UPDATE job SET next_boot_ms = 0 WHERE next_boot_ms > 0 AND " READY, "");
}

struct err *store_job_return(struct store *s, const uint8_t device[static SHA256_LEN])
{
	return sql_run(s,
		"UPDATE job SET state = 'waiting', lease_boot = NULL, lease_run = NULL "
		"WHERE device = ? AND what = 'deliver' AND state = 'leased'",
		"h", device);
}

struct err *store_job_failed(struct store *s, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(
		s, &stmt, JOB "state = 'failed' AND what <> 'deliver' ORDER BY n LIMIT 1000", ""));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_job_unsigned(struct store *s, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		JOB "what = 'sign-item' AND state IN ('waiting', 'retry', 'blocked') AND "
		    "credential IS NULL ORDER BY n",
		""));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_job_hurry(struct store *s, int64_t now_boot_ms, uint64_t *ret_n)
{
	TRY(sql_run(s,
		"UPDATE job SET state = 'waiting', next_boot_ms = ? WHERE state IN ('retry', "
		"'blocked')",
		"i", now_boot_ms));
	*ret_n = sql_changes(s);
	return NULL;
}

/* --- lists --- */

struct err *store_job_of(
	struct store *s, const uint8_t *credential, const uint8_t *request, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	if (credential)
		TRY(sql_start(s, &stmt, JOB "credential = ? ORDER BY n", "d", credential));
	else
		TRY(sql_start(s, &stmt, JOB "request = ? AND credential IS NULL ORDER BY n", "d",
			request));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_job_of_device(
	struct store *s, const uint8_t device[static SHA256_LEN], struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt, JOB "device = ? ORDER BY n", "h", device));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_job_crl(struct store *s, bool *ret_exists)
{
	int64_t n = 0;

	TRY(sql_number(
		s, &n, "SELECT count(*) FROM job WHERE what = 'crl' AND state <> 'failed'", ""));
	*ret_exists = n != 0;
	return NULL;
}

#define OPEN_ONLY "(NOT ? OR state <> 'failed')"
#define PAGE " ORDER BY n LIMIT ?"

struct err *store_job_list(struct store *s, const struct filter *f, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	int64_t after = (int64_t)f->after, most = f->most, open = f->open_only;

	if (f->request)
		TRY(sql_start(s, &stmt, JOB "request = ? AND n > ? AND " OPEN_ONLY PAGE, "diii",
			f->request, after, open, most));
	else if (f->device)
		TRY(sql_start(s, &stmt, JOB "device = ? AND n > ? AND " OPEN_ONLY PAGE, "hiii",
			f->device, after, open, most));
	else
		TRY(sql_start(s, &stmt, JOB "n > ? AND " OPEN_ONLY PAGE, "iii", after, open, most));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}
