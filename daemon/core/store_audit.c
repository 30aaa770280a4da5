/* store_audit.c: runs of derivd, and the rows of the audit chain. */
#include "daemon/core/store_sql.h"

#include <stdlib.h>
#include <string.h>

#include "proto/kind.h"

struct err *store_new_run(
	struct store *s, const uint8_t boot_id[static 16], uint64_t *ret_run, bool *ret_same_boot)
{
	int64_t run = 0, same = 0;

	TRY(sql_number(s, &run, "SELECT number FROM meta WHERE key = 'run'", ""));
	TRY(sql_number(s, &same, "SELECT count(*) FROM meta WHERE key = 'boot' AND bytes = ?", "b",
		BYTES(boot_id, 16)));
	run++;
	TRY(sql_run(s,
		"INSERT INTO meta(key, number) VALUES('run', ?) ON CONFLICT(key) DO UPDATE SET "
		"number = "
		"excluded.number",
		"i", run));
	TRY(sql_run(s,
		"INSERT INTO meta(key, bytes) VALUES('boot', ?) ON CONFLICT(key) DO UPDATE SET "
		"bytes = "
		"excluded.bytes",
		"b", BYTES(boot_id, 16)));
	*ret_run = (uint64_t)run;
	*ret_same_boot = same != 0;
	return NULL;
}

struct err *store_restored_put(struct store *s, int64_t taken_ms, uint64_t rows)
{
	TRY(sql_run(s, "DELETE FROM meta WHERE key IN ('restored', 'restored rows')", ""));
	if (!taken_ms)
		return NULL;
	return sql_run(s,
		"INSERT INTO meta(key, number) VALUES('restored', ?), ('restored rows', ?)", "ii",
		taken_ms, (int64_t)rows);
}

struct err *store_restored_get(struct store *s, int64_t *ret_taken_ms, uint64_t *ret_rows)
{
	int64_t rows = 0;

	TRY(sql_number(s, ret_taken_ms, "SELECT number FROM meta WHERE key = 'restored'", ""));
	TRY(sql_number(s, &rows, "SELECT number FROM meta WHERE key = 'restored rows'", ""));
	*ret_rows = (uint64_t)rows;
	return NULL;
}

struct err *sql_put_link(struct store *s, const char *key, const struct audit_link *link)
{
	return sql_run(s,
		"INSERT INTO meta(key, number, bytes) VALUES(?, ?, ?) ON CONFLICT(key) DO "
		"UPDATE SET number = excluded.number, bytes = excluded.bytes",
		"tih", key, (int64_t)link->sequence, link->hash);
}

struct err *store_accepted_put(struct store *s, const struct audit_link *head)
{
	return sql_put_link(s, "accepted", head);
}

struct err *sql_get_link(struct store *s, const char *key, struct audit_link *ret_head)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row = false;

	memset(ret_head, 0, sizeof(*ret_head));
	TRY(sql_start(s, &stmt, "SELECT number, bytes FROM meta WHERE key = ?", "t", key));
	TRY(sql_next(s, stmt, &row));
	if (!row)
		return NULL;
	ret_head->sequence = (uint64_t)sql_int(stmt, 0);
	sql_id(stmt, 1, ret_head->hash, SHA256_LEN);
	return NULL;
}

struct err *store_accepted_get(struct store *s, struct audit_link *ret_head)
{
	return sql_get_link(s, "accepted", ret_head);
}

struct err *store_lost_put(struct store *s, const struct audit_link *head)
{
	return head ? sql_put_link(s, "lost", head)
		    : sql_run(s, "DELETE FROM meta WHERE key = 'lost'", "");
}

struct err *store_lost_get(struct store *s, struct audit_link *ret_head)
{
	return sql_get_link(s, "lost", ret_head);
}

struct err *store_audit_head(struct store *s, struct audit_link *ret_head)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row = false;

	memset(ret_head, 0, sizeof(*ret_head));
	TRY(sql_start(s, &stmt,
		"SELECT sequence, hash, newest_ms FROM audit ORDER BY sequence DESC LIMIT 1", ""));
	TRY(sql_next(s, stmt, &row));
	if (!row)
		return NULL;
	ret_head->sequence = (uint64_t)sql_int(stmt, 0);
	sql_id(stmt, 1, ret_head->hash, SHA256_LEN);
	ret_head->newest_ms = sql_int(stmt, 2);
	return NULL;
}

struct err *store_audit_append(struct store *s, const struct audit_link *link, struct bytes body,
	const uint8_t *request, const uint8_t *device)
{
	return sql_run(s,
		"INSERT INTO audit(sequence, hash, newest_ms, body, request, device) VALUES(?, ?, "
		"?, ?, ?, ?)",
		"ihibdh", (int64_t)link->sequence, link->hash, link->newest_ms, body, request,
		device);
}

struct err *store_audit_hash(
	struct store *s, uint64_t sequence, uint8_t ret_hash[static SHA256_LEN])
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row = false;

	TRY(sql_start(
		s, &stmt, "SELECT hash FROM audit WHERE sequence = ?", "i", (int64_t)sequence));
	TRY(sql_next(s, stmt, &row));
	if (!row)
		return err_new(&ERR_NO_SUCH, "no audit row %llu", (unsigned long long)sequence);
	sql_id(stmt, 0, ret_hash, SHA256_LEN);
	return NULL;
}

void audit_stored_free(struct audit_stored *a)
{
	if (!a)
		return;
	buf_free(a->body);
	free(a);
}

static void free_row(void *row)
{
	audit_stored_free(row);
}

static struct err *read_row(sqlite3_stmt *stmt, void **ret_row)
{
	struct audit_stored *a = xcalloc(1, sizeof(*a));

	a->sequence = (uint64_t)sql_int(stmt, 0);
	sql_id(stmt, 1, a->hash, SHA256_LEN);
	a->body = sql_buf(stmt, 2);
	if (!a->body)
		a->body = buf_new();
	*ret_row = a;
	return NULL;
}

#define AUDIT "SELECT sequence, hash, body FROM audit WHERE "
#define PAGE " ORDER BY sequence LIMIT ?"

struct err *store_audit_list(struct store *s, const struct filter *f, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	int64_t after = (int64_t)f->after, most = f->most;

	if (f->request)
		TRY(sql_start(s, &stmt,
			AUDIT "request = ? AND (?2 IS NULL OR device = ?2) AND sequence > ?3" PAGE,
			"dhii", f->request, f->device, after, most));
	else if (f->device)
		TRY(sql_start(s, &stmt, AUDIT "device = ? AND sequence > ?" PAGE, "hii", f->device,
			after, most));
	else
		TRY(sql_start(s, &stmt, AUDIT "sequence > ?" PAGE, "ii", after, most));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_touch(struct store *s, int64_t now_ms)
{
	return sql_run(s,
		"INSERT INTO meta(key, number) VALUES('touched', ?) ON CONFLICT(key) DO UPDATE SET "
		"number = excluded.number",
		"i", now_ms);
}
