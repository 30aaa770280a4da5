/* store_notice.c: what people are to be told, and what they were told in the last hour. */
#include "daemon/core/store_sql.h"

#include <stdlib.h>
#include <string.h>

#define TROUBLES_MAX 64

void notice_free(struct notice *n)
{
	free(n);
}

#define NOTICE                                                                                     \
	"SELECT id, kind, holder, request, device, purposes, when_ms, reason, mailed, hooked, "    \
	"sent_ms FROM notice WHERE "

static struct err *read_row(sqlite3_stmt *stmt, void **ret_row)
{
	struct notice *n = xcalloc(1, sizeof(*n));

	sql_id(stmt, 0, n->id, ID_LEN);
	n->kind = (unsigned int)sql_int(stmt, 1);
	sql_id(stmt, 2, n->holder, SHA256_LEN);
	sql_id(stmt, 3, n->request, ID_LEN);
	sql_id(stmt, 4, n->device, SHA256_LEN);
	n->purposes = (unsigned int)sql_int(stmt, 5);
	n->when_ms = sql_int(stmt, 6);
	n->reason = (unsigned int)sql_int(stmt, 7);
	n->mailed = sql_int(stmt, 8) != 0;
	n->hooked = sql_int(stmt, 9) != 0;
	n->sent_ms = sql_int(stmt, 10);
	*ret_row = n;
	return NULL;
}

struct err *store_notice_add(struct store *s, const struct notice *n)
{
	return sql_run(s,
		"INSERT INTO notice(id, kind, holder, request, device, purposes, when_ms, reason, "
		"mailed, hooked, sent_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)",
		"dihdhiii", n->id, (int64_t)n->kind, n->holder, n->request, n->device,
		(int64_t)n->purposes, n->when_ms, (int64_t)n->reason);
}

struct err *store_notice_put(struct store *s, const struct notice *n)
{
	return sql_run(s,
		"UPDATE notice SET purposes = ?2, when_ms = ?3, mailed = ?4, hooked = ?5, "
		"sent_ms = ?6 WHERE id = ?1",
		"diiiii", n->id, (int64_t)n->purposes, n->when_ms, (int64_t)n->mailed,
		(int64_t)n->hooked, n->sent_ms);
}

struct err *store_notice_get(
	struct store *s, const uint8_t id[static ID_LEN], struct notice **ret_notice)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, NOTICE "id = ?", "d", id));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	*ret_notice = row;
	return NULL;
}

struct err *store_notice_waiting(struct store *s, unsigned int kind,
	const uint8_t device[static SHA256_LEN], struct notice **ret_notice)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt,
		NOTICE "kind = ? AND device IS ? AND sent_ms = 0 AND mailed = 0 AND hooked = 0 AND "
		       "EXISTS(SELECT 1 FROM job WHERE job.id = notice.id AND job.state IN "
		       "('waiting', 'retry', 'blocked'))",
		"ih", (int64_t)kind, device));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	*ret_notice = row;
	return NULL;
}

struct err *store_notice_first(struct store *s, const uint8_t credential[static ID_LEN],
	unsigned int kind, bool *ret_first)
{
	TRY(sql_run(s,
		"UPDATE credential SET told = told | (1 << ?2) WHERE id = ?1 AND told & (1 << ?2) "
		"= 0",
		"di", credential, (int64_t)kind));
	*ret_first = sql_changes(s) != 0;
	return NULL;
}

struct err *store_notice_drop(struct store *s, uint64_t *ret_n)
{
	TRY(sql_run(s,
		"DELETE FROM trouble WHERE notice IN (SELECT id FROM notice WHERE sent_ms = 0)",
		""));
	TRY(sql_run(s, "DELETE FROM notice WHERE sent_ms = 0", ""));
	TRY(sql_run(s, "DELETE FROM job WHERE what = 'notice'", ""));
	*ret_n = sql_changes(s);
	return NULL;
}

static void free_row(void *row)
{
	notice_free(row);
}

struct err *store_notice_stale(struct store *s, int64_t before_ms, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		NOTICE "sent_ms = 0 AND when_ms < ? AND EXISTS(SELECT 1 FROM job WHERE job.id = "
		       "notice.id AND job.state = 'failed') LIMIT 100",
		"i", before_ms));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_notice_told(struct store *s, const uint8_t holder[static SHA256_LEN],
	int64_t since_ms, int64_t until_ms, uint64_t *ret_n, int64_t *ret_first_ms)
{
	int64_t n = 0;

	TRY(sql_number(s, &n,
		"SELECT count(*) FROM notice WHERE holder IS ? AND sent_ms > max(?, 0) AND "
		"sent_ms <= ?",
		"hii", holder, since_ms, until_ms));
	TRY(sql_number(s, ret_first_ms,
		"SELECT ifnull(min(sent_ms), 0) FROM notice WHERE holder IS ? AND sent_ms > max(?, "
		"0) AND sent_ms <= ?",
		"hii", holder, since_ms, until_ms));
	*ret_n = (uint64_t)n;
	return NULL;
}

struct err *store_notice_forget(struct store *s, int64_t before_ms)
{
	TRY(sql_run(s,
		"DELETE FROM trouble WHERE notice IN (SELECT id FROM notice WHERE sent_ms > 0 AND "
		"sent_ms < ?)",
		"i", before_ms));
	return sql_run(s, "DELETE FROM notice WHERE sent_ms > 0 AND sent_ms < ?", "i", before_ms);
}

/* --- troubles --- */

struct err *store_trouble_add(
	struct store *s, const uint8_t id[static ID_LEN], const char *event, const char *error)
{
	int64_t n = 0;

	TRY(sql_run(s, "UPDATE trouble SET n = n + 1 WHERE notice = ? AND event = ? AND error = ?",
		"dtt", id, event, error));
	if (sql_changes(s))
		return NULL;
	TRY(sql_number(s, &n, "SELECT count(*) FROM trouble WHERE notice = ?", "d", id));
	if (n >= TROUBLES_MAX)
		return NULL;
	return sql_run(s, "INSERT INTO trouble VALUES(?, ?, ?, 1)", "dtt", id, event, error);
}

static void free_trouble(void *row)
{
	struct trouble *t = row;

	if (!t)
		return;
	free(t->event);
	free(t->error);
	free(t);
}

static struct err *read_trouble(sqlite3_stmt *stmt, void **ret_row)
{
	struct trouble *t = xcalloc(1, sizeof(*t));

	t->event = sql_text(stmt, 0);
	t->error = sql_text(stmt, 1);
	t->n = (unsigned int)sql_int(stmt, 2);
	*ret_row = t;
	return NULL;
}

struct err *store_trouble_list(
	struct store *s, const uint8_t id[static ID_LEN], struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt, "SELECT event, error, n FROM trouble WHERE notice = ?", "d", id));
	return sql_collect(s, stmt, read_trouble, free_trouble, ret_rows);
}
