/* store_item.c: what waits for devices. An item's number is its place in the device's order for good. */
#include "daemon/core/store_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *state_name(unsigned int s)
{
	static const char *const names[] = {
		[ITEM_WANTED] = "wanted",
		[ITEM_SIGNED] = "signed",
		[ITEM_SETTLED] = "settled",
		[ITEM_DECLINED] = "declined",
		[ITEM_DROPPED] = "dropped",
	};

	assert((size_t)s < ARRAY_LEN(names));
	return names[s];
}

void item_free(struct item *i)
{
	if (!i)
		return;
	buf_free(i->body);
	buf_free(i->signature);
	buf_free(i->payload);
	free(i);
}

static void free_row(void *row)
{
	item_free(row);
}

static struct err *read_row(sqlite3_stmt *stmt, void **ret_row)
{
	AUTO(item) struct item *i = xcalloc(1, sizeof(*i));
	unsigned int state = 0;

	TRY(sql_name(stmt, 8, "item in state", state_name, ITEM_DROPPED + 1, &state));
	i->n = (uint64_t)sql_int(stmt, 0);
	sql_id(stmt, 1, i->id, ID_LEN);
	sql_id(stmt, 2, i->device, SHA256_LEN);
	i->number = (uint64_t)sql_int(stmt, 3);
	i->kind = (unsigned int)sql_int(stmt, 4);
	i->purpose = (Common__Purpose)sql_int(stmt, 5);
	sql_id(stmt, 6, i->request, ID_LEN);
	sql_id(stmt, 7, i->credential, ID_LEN);
	i->state = (enum item_state)state;
	i->body = sql_buf(stmt, 9);
	i->signature = sql_buf(stmt, 10);
	i->payload = sql_buf(stmt, 11);
	sql_id(stmt, 12, i->digest, SHA256_LEN);
	*ret_row = take(i);
	return NULL;
}

#define ITEM                                                                                       \
	"SELECT n, id, device, number, kind, purpose, request, credential, state, body, "          \
	"signature, payload, digest "                                                              \
	"FROM item WHERE "

struct err *store_item_add(struct store *s, const struct item *i)
{
	return sql_run(s,
		"INSERT INTO item(id, device, number, kind, purpose, request, credential, state, "
		"payload) "
		"VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"dhiiiddtf", i->id, i->device, (int64_t)i->number, (int64_t)i->kind,
		(int64_t)i->purpose, i->request, i->credential, state_name(i->state), i->payload);
}

struct err *store_item_put(struct store *s, const struct item *i)
{
	return sql_run(s,
		"UPDATE item SET state = ?2, body = ?3, signature = ?4, payload = ?5, digest = ?6 "
		"WHERE id = ?1",
		"dtfffh", i->id, state_name(i->state), i->body, i->signature, i->payload,
		i->digest);
}

struct err *store_item_get(struct store *s, const uint8_t id[static ID_LEN], struct item **ret_item)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, ITEM "id = ?", "d", id));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	*ret_item = row;
	return NULL;
}

struct err *store_item_numbered(struct store *s, const uint8_t device[static SHA256_LEN],
	uint64_t number, struct item **ret_item)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, ITEM "device = ? AND number = ?", "hi", device, (int64_t)number));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	*ret_item = row;
	return NULL;
}

/* Cuts a list after its first n rows. */
static void cut(struct rows *r, size_t n)
{
	while (r->n > n)
		r->free_row(r->row[--r->n]);
}

struct err *store_item_next(struct store *s, const uint8_t device[static SHA256_LEN],
	unsigned int most, struct rows **ret_rows, uint64_t *ret_behind)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	AUTO(rows) struct rows *rows = NULL;
	uint64_t ready = 0;
	size_t n = 0;

	TRY(store_item_ready(s, device, &ready));
	TRY(sql_start(s, &stmt,
		ITEM "device = ? AND state IN ('wanted', 'signed') ORDER BY number LIMIT ?", "hi",
		device, (int64_t)most));
	TRY(sql_collect(s, stmt, read_row, free_row, &rows));
	while (n < rows->n && ((struct item *)rows->row[n])->state == ITEM_SIGNED)
		n++;
	cut(rows, n);
	*ret_behind = ready > n ? ready - n : 0;
	*ret_rows = take(rows);
	return NULL;
}

struct err *store_item_ready(
	struct store *s, const uint8_t device[static SHA256_LEN], uint64_t *ret_n)
{
	int64_t n = 0;

	TRY(sql_number(s, &n,
		"SELECT count(*) FROM item WHERE device = ?1 AND state = 'signed' AND number < "
		"ifnull((SELECT min(number) FROM item WHERE device = ?1 AND state = 'wanted'), "
		"9223372036854775807)",
		"h", device));
	*ret_n = (uint64_t)n;
	return NULL;
}

struct err *store_item_open(struct store *s, const uint8_t credential[static ID_LEN],
	uint64_t *ret_wanted, uint64_t *ret_open)
{
	int64_t wanted = 0, open = 0;

	TRY(sql_number(s, &wanted,
		"SELECT count(*) FROM item WHERE credential = ? AND state = 'wanted'", "d",
		credential));
	TRY(sql_number(s, &open,
		"SELECT count(*) FROM item WHERE credential = ? AND state IN ('wanted', 'signed')",
		"d", credential));
	*ret_wanted = (uint64_t)wanted;
	*ret_open = (uint64_t)open;
	return NULL;
}

#define DROP                                                                                       \
	"UPDATE item SET state = 'dropped', body = NULL, signature = NULL, payload = NULL "        \
	"WHERE state IN ('wanted', 'signed') AND "
#define DROP_JOBS "DELETE FROM job WHERE what IN ('sign-item', 'deliver') AND "

struct err *store_item_drop(struct store *s, const uint8_t *credential, const uint8_t *device)
{
	if (credential) {
		/* What the device refused stays to be seen. */
		TRY(sql_run(s, DROP_JOBS "state <> 'failed' AND credential = ?", "d", credential));
		return sql_run(s, DROP "credential = ?", "d", credential);
	}
	TRY(sql_run(s, DROP_JOBS "device = ?", "h", device));
	return sql_run(s, DROP "device = ?", "h", device);
}

struct err *store_item_made_good(struct store *s, const struct item *i)
{
	return sql_run(s,
		"DELETE FROM job WHERE device = ?1 AND state = 'failed' AND id IN (SELECT id FROM "
		"item WHERE device = ?1 AND kind = ?2 AND purpose = ?3 AND number < ?4 AND state "
		"IN ('declined', 'dropped'))",
		"hiii", i->device, (int64_t)i->kind, (int64_t)i->purpose, (int64_t)i->number);
}

/* Signed items and those that are being signed: all that the device still has to get. */
struct err *store_item_waiting(
	struct store *s, const uint8_t device[static SHA256_LEN], uint64_t *ret_n)
{
	int64_t n = 0;

	TRY(sql_number(s, &n,
		"SELECT count(*) FROM item WHERE device = ? AND state IN ('wanted', 'signed')", "h",
		device));
	*ret_n = (uint64_t)n;
	return NULL;
}
