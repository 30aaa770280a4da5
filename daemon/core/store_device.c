/* store_device.c: holders, cards, devices. */
#include "daemon/core/store_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/kind.h"

struct err *store_holder_put(
	struct store *s, const uint8_t id[static SHA256_LEN], const char *name, int64_t now_ms)
{
	return sql_run(s,
		"INSERT INTO holder(id, name, created_ms, changed_ms) VALUES(?1, ?2, ?3, ?3) "
		"ON CONFLICT(id) DO UPDATE SET name = excluded.name, changed_ms = "
		"excluded.changed_ms",
		"hti", id, name, now_ms);
}

struct err *store_holder_name(struct store *s, const uint8_t id[static SHA256_LEN], char **ret_name)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row = false;

	TRY(sql_start(s, &stmt, "SELECT name FROM holder WHERE id = ?", "h", id));
	TRY(sql_next(s, stmt, &row));
	*ret_name = row ? sql_text(stmt, 0) : NULL;
	return NULL;
}

struct err *store_card_put(struct store *s, const uint8_t id[static SHA256_LEN],
	const uint8_t holder[static SHA256_LEN], int64_t now_ms)
{
	return sql_run(s,
		"INSERT INTO card(id, holder, seen_ms) VALUES(?, ?, ?) "
		"ON CONFLICT(id) DO UPDATE SET holder = excluded.holder, seen_ms = "
		"excluded.seen_ms",
		"hhi", id, holder, now_ms);
}

const char *device_state_name(enum device_state s)
{
	static const char *const names[] = {
		[DEVICE_ENROLLED] = "enrolled",
		[DEVICE_REVOKING] = "revoking",
		[DEVICE_REVOKED] = "revoked",
	};

	assert((size_t)s < ARRAY_LEN(names));
	return names[s];
}

static const char *state_name(unsigned int s)
{
	return device_state_name((enum device_state)s);
}

void device_free(struct device *d)
{
	if (!d)
		return;
	free(d->label);
	free(d->platform);
	buf_free(d->identity_public);
	free(d);
}

static void free_row(void *row)
{
	device_free(row);
}

static struct err *read_row(sqlite3_stmt *stmt, void **ret_row)
{
	AUTO(device) struct device *d = xcalloc(1, sizeof(*d));
	unsigned int state = 0;

	TRY(sql_name(stmt, 6, "device in state", state_name, DEVICE_REVOKED + 1, &state));
	d->n = (uint64_t)sql_int(stmt, 0);
	sql_id(stmt, 1, d->id, SHA256_LEN);
	sql_id(stmt, 2, d->holder, SHA256_LEN);
	sql_id(stmt, 3, d->request, ID_LEN);
	d->label = sql_text(stmt, 4);
	d->platform = sql_text(stmt, 5);
	d->state = (enum device_state)state;
	d->identity_public = sql_buf(stmt, 7);
	d->enrolled_ms = sql_int(stmt, 8);
	d->seen_ms = sql_int(stmt, 9);
	d->last_number = (uint64_t)sql_int(stmt, 10);
	sql_id(stmt, 11, d->chain, SHA256_LEN);
	sql_id(stmt, 12, d->pins, SHA256_LEN);
	d->pins_epoch = (uint64_t)sql_int(stmt, 13);
	*ret_row = take(d);
	return NULL;
}

#define DEVICE_COLUMNS                                                                             \
	"SELECT n, id, holder, request, label, platform, state, identity_public, enrolled_ms, "    \
	"seen_ms, last_number, chain, pins, pins_epoch FROM device WHERE "

struct err *store_device_get(
	struct store *s, const uint8_t id[static SHA256_LEN], struct device **ret_device)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, DEVICE_COLUMNS "id = ?", "h", id));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	*ret_device = row;
	return NULL;
}

struct err *store_device_add(struct store *s, const struct device *d)
{
	return sql_run(s,
		"INSERT INTO device(id, holder, request, label, platform, state, identity_public, "
		"enrolled_ms, seen_ms, last_number, chain, pins) "
		"VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"hhdtttfiiihh", d->id, d->holder, d->request, d->label, d->platform,
		device_state_name(d->state), d->identity_public, d->enrolled_ms, d->seen_ms,
		(int64_t)d->last_number, d->chain, d->pins);
}

struct err *store_device_put(struct store *s, const struct device *d)
{
	return sql_run(s,
		"UPDATE device SET request = ?2, label = ?3, platform = ?4, state = ?5, seen_ms = "
		"?6, "
		"chain = ?7, pins = ?8 WHERE id = ?1",
		"hdtttihh", d->id, d->request, d->label, d->platform, device_state_name(d->state),
		d->seen_ms, d->chain, d->pins);
}

struct err *store_device_seen(struct store *s, const uint8_t id[static SHA256_LEN], int64_t now_ms)
{
	return sql_run(s, "UPDATE device SET seen_ms = ?2 WHERE id = ?1", "hi", id, now_ms);
}

struct err *store_device_raise(
	struct store *s, const uint8_t id[static SHA256_LEN], uint64_t number)
{
	return sql_run(s, "UPDATE device SET last_number = max(last_number, ?) WHERE id = ?", "ih",
		(int64_t)number, id);
}

struct err *store_device_pinned(
	struct store *s, const uint8_t id[static SHA256_LEN], uint64_t epoch)
{
	return sql_run(s, "UPDATE device SET pins_epoch = max(pins_epoch, ?) WHERE id = ?", "ih",
		(int64_t)epoch, id);
}

struct err *store_device_number(
	struct store *s, const uint8_t id[static SHA256_LEN], uint64_t *ret_number)
{
	int64_t number = 0;

	TRY(sql_number(s, &number,
		"UPDATE device SET last_number = last_number + 1 WHERE id = ? RETURNING "
		"last_number",
		"h", id));
	if (number < 1)
		return err_new(&ERR_STORE, "a number for a device that the store does not have");
	*ret_number = (uint64_t)number;
	return NULL;
}

struct err *store_device_count(
	struct store *s, const uint8_t holder[static SHA256_LEN], uint64_t *ret_n)
{
	int64_t n = 0;

	TRY(sql_number(s, &n, "SELECT count(*) FROM device WHERE holder = ? AND state = 'enrolled'",
		"h", holder));
	*ret_n = (uint64_t)n;
	return NULL;
}

struct err *store_device_list(struct store *s, const struct filter *f, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		DEVICE_COLUMNS "n > ? AND (NOT ? OR state = 'enrolled') ORDER BY n LIMIT ?", "iii",
		(int64_t)f->after, (int64_t)f->open_only, (int64_t)f->most));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_device_untold(struct store *s, const uint8_t pins[static SHA256_LEN],
	const struct filter *f, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		DEVICE_COLUMNS "n > ? AND state = 'enrolled' AND pins IS NOT ? ORDER BY n LIMIT ?",
		"ihi", (int64_t)f->after, pins, (int64_t)f->most));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}
