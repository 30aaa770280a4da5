/* entry_change.c: configurations, who approved them, and which is in force. */
#include <string.h>

#include "daemon/ca/entry.h"
#include "proto/kind.h"

struct err *entry_approved_put(struct ledger_tx *tx, const struct entry_approved *a)
{
	const struct ledger_value values[] = { LEDGER_HASH(a->digest), LEDGER_NUMBER(a->how),
		LEDGER_NUMBER(a->officers), LEDGER_NUMBER(a->uid),
		LEDGER_BYTES(BYTES(a->reason, strlen(a->reason))) };
	bool exists;

	return ledger_append(tx, LEDGER_APPROVED, values, ARRAY_LEN(values), &exists);
}

struct err *entry_approved_newest(struct ledger *l, struct entry_approved *ret_approved)
{
	static const char sql[] =
		"SELECT approved.row, time_ms, digest, how, officers, uid, reason FROM approved"
		" JOIN chain ON chain.row = approved.row ORDER BY approved.row DESC LIMIT 1";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	struct entry_approved a = { 0 };
	bool found;

	TRY(ledger_query(l, sql, NULL, 0, &rows));
	TRY(ledger_next(rows, &found));
	*ret_approved = a;
	if (!found)
		return NULL;
	struct bytes reason = ledger_bytes(rows, 6);
	if (reason.len > ENTRY_REASON_MAX)
		return err_new(&ERR_STORE, "the reason of an approval is too long");
	TRY(ledger_fixed(rows, 2, a.digest, SHA256_LEN));
	a.row = (uint64_t)ledger_number(rows, 0);
	a.time_ms = ledger_number(rows, 1);
	a.how = (enum entry_how)ledger_number(rows, 3);
	a.officers = (uint32_t)ledger_number(rows, 4);
	a.uid = (uid_t)ledger_number(rows, 5);
	if (reason.len)
		memcpy(a.reason, reason.data, reason.len);
	*ret_approved = a;
	return NULL;
}

struct err *entry_in_force(struct ledger *l, const uint8_t digest[static SHA256_LEN], bool *ret_is)
{
	static const char sql[] = "SELECT digest FROM approved ORDER BY row DESC LIMIT 1";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, NULL, 0, &rows));
	TRY(ledger_next(rows, &found));
	*ret_is = found && bytes_eq(ledger_bytes(rows, 0), BYTES(digest, SHA256_LEN));
	return NULL;
}

struct err *entry_configuration_put(
	struct ledger_tx *tx, const uint8_t digest[static SHA256_LEN], struct bytes body)
{
	const struct ledger_value values[] = { LEDGER_HASH(digest), LEDGER_BYTES(body) };
	bool exists;

	return ledger_append(tx, LEDGER_CONFIGURATION, values, ARRAY_LEN(values), &exists);
}

struct err *entry_configuration_get(
	struct ledger *l, const uint8_t digest[static SHA256_LEN], struct buf **ret_body)
{
	static const char sql[] = "SELECT body FROM configuration WHERE digest = ?";
	const struct ledger_value key = LEDGER_HASH(digest);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, &key, 1, &rows));
	TRY(ledger_next(rows, &found));
	*ret_body = NULL;
	if (!found)
		return NULL;
	*ret_body = buf_new();
	buf_add_bytes(*ret_body, ledger_bytes(rows, 0));
	return NULL;
}

struct err *entry_vote_put(
	struct ledger_tx *tx, const uint8_t digest[static SHA256_LEN], uint64_t base, uid_t uid)
{
	const struct ledger_value values[] = { LEDGER_HASH(digest), LEDGER_NUMBER(base),
		LEDGER_NUMBER(uid) };
	bool exists;

	return ledger_append(tx, LEDGER_VOTE, values, ARRAY_LEN(values), &exists);
}

struct err *entry_votes(struct ledger *l, const uint8_t digest[static SHA256_LEN], uint64_t base,
	uid_t uid, uint32_t *ret_n, bool *ret_own)
{
	static const char sql[] =
		"SELECT count(DISTINCT uid), coalesce(max(uid = ?3), 0) FROM vote"
		" WHERE base = ?2 AND digest = ?1 AND row >"
		" (SELECT coalesce(max(row), 0) FROM vote WHERE base = ?2 AND digest <> ?1)";
	const struct ledger_value values[] = { LEDGER_HASH(digest), LEDGER_NUMBER(base),
		LEDGER_NUMBER(uid) };
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, values, ARRAY_LEN(values), &rows));
	TRY(ledger_next(rows, &found));
	*ret_n = found ? (uint32_t)ledger_number(rows, 0) : 0;
	*ret_own = found && ledger_number(rows, 1) != 0;
	return NULL;
}
