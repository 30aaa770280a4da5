/* store_request.c: requests, their sessions, their evidence. */
#include "daemon/core/store_sql.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/kind.h"

void request_free(struct request *r)
{
	if (!r)
		return;
	free(r->reader);
	free(r->label);
	free(r->name);
	free(r->cause_kind);
	free(r->cause);
	free(r);
}

static void free_row(void *row)
{
	request_free(row);
}

static const char *state_name(unsigned int s)
{
	return request_state_name((enum request_state)s);
}

static struct err *read_row(sqlite3_stmt *stmt, void **ret_row)
{
	AUTO(request) struct request *r = xcalloc(1, sizeof(*r));
	unsigned int state = 0;

	TRY(sql_name(stmt, 3, "request in state", state_name, REQUEST_STATES, &state));
	r->n = (uint64_t)sql_int(stmt, 0);
	sql_id(stmt, 1, r->id, ID_LEN);
	r->operation = (Common__Operation)sql_int(stmt, 2);
	r->state = (enum request_state)state;
	r->open = sql_int(stmt, 4) != 0;
	r->replace = sql_int(stmt, 5) != 0;
	r->created_ms = sql_int(stmt, 6);
	r->changed_ms = sql_int(stmt, 7);
	r->uid = (uint32_t)sql_int(stmt, 8);
	r->reader = sql_text(stmt, 9);
	r->label = sql_text(stmt, 10);
	r->name = sql_text(stmt, 11);
	sql_id(stmt, 12, r->token_hash, SHA256_LEN);
	sql_id(stmt, 13, r->invitation, ED25519_PUBLIC_LEN);
	sql_id(stmt, 14, r->device, SHA256_LEN);
	sql_id(stmt, 15, r->holder, SHA256_LEN);
	sql_id(stmt, 16, r->card, SHA256_LEN);
	r->cause_kind = sql_text(stmt, 17);
	r->cause = sql_text(stmt, 18);
	*ret_row = take(r);
	return NULL;
}

#define REQUEST_COLUMNS                                                                            \
	"SELECT n, id, operation, state, open, replaces, created_ms, changed_ms, uid, reader, "    \
	"label, name, "                                                                            \
	"token_hash, invitation, device, holder, card, cause_kind, cause FROM request WHERE "

struct err *store_request_add(struct store *s, const struct request *r)
{
	return sql_run(s,
		"INSERT INTO request(id, operation, state, open, replaces, created_ms, changed_ms, "
		"uid, "
		"reader, label, name, token_hash, device, holder) "
		"VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"ditiiiiittthhh", r->id, (int64_t)r->operation, request_state_name(r->state),
		(int64_t)r->open, (int64_t)r->replace, r->created_ms, r->changed_ms,
		(int64_t)r->uid, r->reader, r->label, r->name, r->token_hash, r->device, r->holder);
}

struct err *store_request_put(struct store *s, const struct request *r)
{
	return sql_run(s,
		"UPDATE request SET state = ?2, open = ?3, changed_ms = ?4, name = ?5, invitation "
		"= ?6, device = ?7, "
		"holder = ?8, card = ?9, cause_kind = ?10, cause = ?11, token_hash = ?12 WHERE id "
		"= ?1",
		"dtiithhhhtth", r->id, request_state_name(r->state), (int64_t)r->open,
		r->changed_ms, r->name, r->invitation, r->device, r->holder, r->card, r->cause_kind,
		r->cause, r->token_hash);
}

struct err *store_request_get(
	struct store *s, const uint8_t id[static ID_LEN], struct request **ret_request)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, REQUEST_COLUMNS "id = ?", "d", id));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	if (!row) {
		AUTO_MEM char *hex = text_hex(BYTES(id, ID_LEN));
		return err_new(&ERR_NO_SUCH, "no request %s", hex);
	}
	*ret_request = row;
	return NULL;
}

struct err *store_request_invited(
	struct store *s, struct bytes invitation, struct request **ret_request)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, REQUEST_COLUMNS "invitation = ?", "b", invitation));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	*ret_request = row;
	return NULL;
}

struct err *store_request_of_device(
	struct store *s, const uint8_t device[static SHA256_LEN], struct request **ret_request)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt, REQUEST_COLUMNS "device = ? AND open = 1 ORDER BY n DESC LIMIT 1",
		"h", device));
	TRY(sql_collect_one(s, stmt, read_row, &row));
	*ret_request = row;
	return NULL;
}

#define PAGE " ORDER BY n LIMIT ?"

struct err *store_request_list(struct store *s, const struct filter *f, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	int64_t after = (int64_t)f->after, most = f->most;

	if (f->device)
		TRY(sql_start(s, &stmt,
			REQUEST_COLUMNS "device = ? AND n > ? AND (NOT ? OR open = 1)" PAGE, "hiii",
			f->device, after, (int64_t)f->open_only, most));
	else if (f->open_only)
		TRY(sql_start(
			s, &stmt, REQUEST_COLUMNS "open = 1 AND n > ?" PAGE, "ii", after, most));
	else
		TRY(sql_start(s, &stmt, REQUEST_COLUMNS "n > ?" PAGE, "ii", after, most));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

struct err *store_request_sessions(struct store *s, struct rows **ret_rows)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt, REQUEST_COLUMNS "id IN (SELECT request FROM session)", ""));
	return sql_collect(s, stmt, read_row, free_row, ret_rows);
}

/* --- sessions --- */

void session_free(struct session *s)
{
	if (!s)
		return;
	buf_free(s->assess);
	buf_free(s->offer);
	buf_free(s->predecessor);
	buf_free(s->statement);
	buf_free(s->identity_public);
	free(s->address);
	buf_free(s->kiosk_random);
	buf_free(s->device_random);
	free(s);
}

static struct err *read_session(sqlite3_stmt *stmt, void **ret_row)
{
	struct session *s = xcalloc(1, sizeof(*s));

	sql_id(stmt, 0, s->request, ID_LEN);
	s->assess = sql_buf(stmt, 1);
	s->offer = sql_buf(stmt, 2);
	s->predecessor = sql_buf(stmt, 3);
	s->statement = sql_buf(stmt, 4);
	s->identity_public = sql_buf(stmt, 5);
	s->address = sql_text(stmt, 6);
	s->kiosk_random = sql_buf(stmt, 7);
	s->device_random = sql_buf(stmt, 8);
	s->misses = (unsigned int)sql_int(stmt, 9);
	s->invited_until_ms = sql_int(stmt, 10);
	*ret_row = s;
	return NULL;
}

struct err *store_session_put(struct store *s, const struct session *t)
{
	return sql_run(s,
		"INSERT OR REPLACE INTO session(request, assess, offer, predecessor, statement, "
		"identity_public, "
		"address, kiosk_random, device_random, misses, invited_until_ms) "
		"VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"dffffftffii", t->request, t->assess, t->offer, t->predecessor, t->statement,
		t->identity_public, t->address, t->kiosk_random, t->device_random,
		(int64_t)t->misses, t->invited_until_ms);
}

struct err *store_session_get(
	struct store *s, const uint8_t request[static ID_LEN], struct session **ret_session)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	void *row = NULL;

	TRY(sql_start(s, &stmt,
		"SELECT request, assess, offer, predecessor, statement, identity_public, address, "
		"kiosk_random, "
		"device_random, misses, invited_until_ms FROM session WHERE request = ?",
		"d", request));
	TRY(sql_collect_one(s, stmt, read_session, &row));
	*ret_session = row;
	return NULL;
}

struct err *store_session_drop(struct store *s, const uint8_t request[static ID_LEN])
{
	return sql_run(s, "DELETE FROM session WHERE request = ?", "d", request);
}

/* --- evidence --- */

struct err *store_evidence_put(
	struct store *s, const uint8_t request[static ID_LEN], struct bytes evidence)
{
	return sql_run(
		s, "INSERT INTO evidence(request, evidence) VALUES(?, ?)", "db", request, evidence);
}

struct err *store_evidence_drop(struct store *s, const uint8_t request[static ID_LEN])
{
	return sql_run(s, "DELETE FROM evidence WHERE request = ?", "d", request);
}

struct err *store_receipt_put(struct store *s, const uint8_t request[static ID_LEN],
	struct bytes receipt, struct bytes intent_hash)
{
	return sql_run(s, "UPDATE evidence SET receipt = ?2, intent_hash = ?3 WHERE request = ?1",
		"dbb", request, receipt, intent_hash);
}

struct err *store_evidence_get(struct store *s, const uint8_t request[static ID_LEN],
	struct buf **ret_evidence, struct buf **ret_receipt)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row = false;

	TRY(sql_start(s, &stmt, "SELECT evidence, receipt FROM evidence WHERE request = ?", "d",
		request));
	TRY(sql_next(s, stmt, &row));
	if (ret_evidence)
		*ret_evidence = row ? sql_buf(stmt, 0) : NULL;
	if (ret_receipt)
		*ret_receipt = row ? sql_buf(stmt, 1) : NULL;
	return NULL;
}
