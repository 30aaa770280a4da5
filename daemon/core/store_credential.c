/* store_credential.c: credentials, their papers, the sealed copies of their keys. */
#include "daemon/core/store_sql.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/kind.h"

void credential_free(struct credential *c)
{
	if (!c)
		return;
	free(c->profile);
	free(c->serial);
	free(c->cause_kind);
	free(c->cause);
	free(c);
}

static void free_row(void *row)
{
	credential_free(row);
}

static const char *state_name(unsigned int s)
{
	return credential_state_name((enum credential_state)s);
}

static struct err *read_row(sqlite3_stmt *stmt, void **ret_row)
{
	AUTO(credential) struct credential *c = xcalloc(1, sizeof(*c));
	unsigned int state = 0;

	TRY(sql_name(stmt, 9, "credential in state", state_name, CREDENTIAL_STATES, &state));
	c->n = (uint64_t)sql_int(stmt, 0);
	sql_id(stmt, 1, c->id, ID_LEN);
	sql_id(stmt, 2, c->request, ID_LEN);
	sql_id(stmt, 3, c->device, SHA256_LEN);
	sql_id(stmt, 4, c->holder, SHA256_LEN);
	sql_id(stmt, 5, c->slot, SHA256_LEN);
	c->purpose = (Common__Purpose)sql_int(stmt, 6);
	c->origin = (Common__Origin)sql_int(stmt, 7);
	c->profile = sql_text(stmt, 8);
	c->state = (enum credential_state)state;
	c->serial = sql_text(stmt, 10);
	c->not_before_ms = sql_int(stmt, 11);
	c->not_after_ms = sql_int(stmt, 12);
	c->claim_until_ms = sql_int(stmt, 13);
	c->created_ms = sql_int(stmt, 14);
	c->changed_ms = sql_int(stmt, 15);
	c->reason = (unsigned int)sql_int(stmt, 16);
	c->delivered = sql_int(stmt, 17) != 0;
	c->cause_kind = sql_text(stmt, 18);
	c->cause = sql_text(stmt, 19);
	*ret_row = take(c);
	return NULL;
}

#define CREDENTIAL_COLUMNS                                                                         \
	"SELECT n, id, request, device, holder, slot, purpose, origin, profile, state, serial, "   \
	"not_before_ms, "                                                                          \
	"not_after_ms, claim_until_ms, created_ms, changed_ms, reason, delivered, cause_kind, "    \
	"cause FROM credential "                                                                   \
	"WHERE "

struct err *store_credential_add(struct store *s, const struct credential *c)
{
	return sql_run(s,
		"INSERT INTO credential(id, request, device, holder, slot, purpose, origin, "
		"profile, state, "
		"not_before_ms, not_after_ms, claim_until_ms, created_ms, changed_ms, reason, "
		"delivered, cause_kind, "
		"cause) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, 0, 0, ?, ?)",
		"ddhhhiittiitt", c->id, c->request, c->device, c->holder, c->slot,
		(int64_t)c->purpose, (int64_t)c->origin, c->profile,
		credential_state_name(c->state), c->created_ms, c->changed_ms, c->cause_kind,
		c->cause);
}

struct err *store_credential_put(struct store *s, const struct credential *c)
{
	return sql_run(s,
		"UPDATE credential SET state = ?2, serial = ?3, not_before_ms = ?4, not_after_ms = "
		"?5, "
		"claim_until_ms = ?6, changed_ms = ?7, reason = ?8, delivered = ?9, cause_kind = "
		"?10, cause = ?11 "
		"WHERE id = ?1",
		"dttiiiiiitt", c->id, credential_state_name(c->state), c->serial, c->not_before_ms,
		c->not_after_ms, c->claim_until_ms, c->changed_ms, (int64_t)c->reason,
		(int64_t)c->delivered, c->cause_kind, c->cause);
}

struct err *store_credential_get(
	struct store *s, const uint8_t id[static ID_LEN], struct credential **ret_credential)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, CREDENTIAL_COLUMNS "id = ?", "d", id));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	if (!row) {
		AUTO_MEM char *hex = text_hex(BYTES(id, ID_LEN));
		return err_new(&ERR_NO_SUCH, "no credential %s", hex);
	}
	*ret_credential = row;
	return NULL;
}

static struct err *live(
	struct store *s, const uint8_t *slot, Common__Purpose purpose, void **ret_row)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt, CREDENTIAL_COLUMNS "slot = ? AND purpose = ? AND state = 'active'",
		"hi", slot, (int64_t)purpose));
	return sql_collect_one(s, stmt, read_row, ret_row);
}

static struct err *coming(
	struct store *s, const uint8_t *slot, Common__Purpose purpose, void **ret_row)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		CREDENTIAL_COLUMNS
		"slot = ? AND purpose = ? AND state IN ('wanted', 'made', 'certified', 'queued')",
		"hi", slot, (int64_t)purpose));
	return sql_collect_one(s, stmt, read_row, ret_row);
}

struct err *store_credential_slot(struct store *s, const uint8_t slot[static SHA256_LEN],
	Common__Purpose purpose, struct credential **ret_live, struct credential **ret_coming)
{
	void *live_row = NULL, *coming_row = NULL;

	TRY(live(s, slot, purpose, &live_row));
	struct err *e = coming(s, slot, purpose, &coming_row);
	if (e) {
		credential_free(live_row);
		return e;
	}
	*ret_live = live_row;
	*ret_coming = coming_row;
	return NULL;
}

#define OPEN_ONLY                                                                                  \
	"(NOT ? OR state IN ('wanted', 'made', 'certified', 'queued', 'active', "                  \
	"'revoking'))"
#define PAGE " ORDER BY n LIMIT ?"

struct err *store_credential_list(struct store *s, const struct filter *f, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	int64_t after = (int64_t)f->after, most = f->most, open = f->open_only;

	if (f->request)
		TRY(sql_start(s, &stmt,
			CREDENTIAL_COLUMNS "request = ? AND n > ? AND " OPEN_ONLY PAGE, "diii",
			f->request, after, open, most));
	else if (f->device)
		TRY(sql_start(s, &stmt,
			CREDENTIAL_COLUMNS "device = ? AND n > ? AND " OPEN_ONLY PAGE, "hiii",
			f->device, after, open, most));
	else
		TRY(sql_start(s, &stmt, CREDENTIAL_COLUMNS "n > ? AND " OPEN_ONLY PAGE, "iii",
			after, open, most));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_credential_ending(struct store *s, int64_t before_ms, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		CREDENTIAL_COLUMNS "state = 'active' AND warned = 0 AND not_after_ms < ? "
				   "ORDER BY not_after_ms LIMIT 100",
		"i", before_ms));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_credential_warned(struct store *s, const uint8_t id[static ID_LEN])
{
	return sql_run(s, "UPDATE credential SET warned = 1 WHERE id = ?", "d", id);
}

struct err *store_credential_claim_again(struct store *s, int64_t until_ms)
{
	return sql_run(s,
		"UPDATE credential SET claim_until_ms = ?1 WHERE state IN ('certified', 'queued') "
		"AND claim_until_ms < ?1",
		"i", until_ms);
}

struct err *store_credential_due(
	struct store *s, int64_t now_ms, bool unclaimed, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt,
		CREDENTIAL_COLUMNS
		"state IN ('certified', 'queued', 'active') AND not_after_ms < ?1 "
		"UNION ALL " CREDENTIAL_COLUMNS "?2 AND state IN ('certified', 'queued') AND "
						"claim_until_ms < ?1 AND not_after_ms >= ?1 "
		"LIMIT 100",
		"ii", now_ms, (int64_t)unclaimed));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}
