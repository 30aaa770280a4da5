/* store_calog.c: how far derivd-ca's log and CRLs had come, and revocations that it has to be told of again. */
#include "daemon/core/store_sql.h"

struct err *store_calog_put(struct store *s, const struct audit_link *row)
{
	return sql_put_link(s, "ca log", row);
}

struct err *store_calog_get(struct store *s, struct audit_link *ret_row)
{
	return sql_get_link(s, "ca log", ret_row);
}

struct err *store_crl_put(struct store *s, uint64_t number)
{
	return sql_run(s,
		"INSERT INTO meta(key, number) VALUES('crl', ?) ON CONFLICT(key) DO UPDATE SET "
		"number = max(number, excluded.number)",
		"i", (int64_t)number);
}

struct err *store_crl_get(struct store *s, uint64_t *ret_number)
{
	int64_t number = 0;

	TRY(sql_number(s, &number, "SELECT number FROM meta WHERE key = 'crl'", ""));
	*ret_number = (uint64_t)number;
	return NULL;
}

/* What a credential that nobody fetched was revoked for stands in no row: cessationOfOperation, as then (RFC 5280 section 5.3.1). */
static const char CERTIFICATES[] =
	"INSERT INTO job(id, what, state, rank, request, credential, device, purpose, reason, "
	"attempts, next_boot_ms, number, created_ms) SELECT randomblob(16), 'revoke', 'waiting', "
	"0, "
	"request, id, device, purpose, iif(state = 'unclaimed', 5, reason), 0, ?2, 0, ?1 "
	"FROM credential WHERE serial IS NOT NULL AND not_after_ms > ?1 AND (state IN ('revoked', "
	"'unclaimed') OR (state = 'superseded' AND reason <> 0)) AND NOT EXISTS (SELECT 1 FROM job "
	"WHERE job.credential = credential.id AND job.what = 'revoke' AND job.state <> 'failed')";

static const char DEVICES[] =
	"INSERT INTO job(id, what, state, rank, device, purpose, reason, attempts, next_boot_ms, "
	"number, created_ms) SELECT randomblob(16), 'revoke-device', 'waiting', 0, id, 0, (SELECT "
	"ifnull(max(reason), 0) FROM credential WHERE credential.device = device.id AND state = "
	"'revoked'), 0, ?2, 0, ?1 FROM device WHERE state = 'revoked' AND NOT EXISTS (SELECT 1 "
	"FROM "
	"job WHERE job.device = device.id AND job.what = 'revoke-device' AND job.state <> "
	"'failed')";

struct err *store_job_revoke_again(
	struct store *s, int64_t now_ms, int64_t now_boot_ms, uint64_t *ret_n)
{
	TRY(sql_run(s, CERTIFICATES, "ii", now_ms, now_boot_ms));
	*ret_n = sql_changes(s);
	TRY(sql_run(s, DEVICES, "ii", now_ms, now_boot_ms));
	*ret_n += sql_changes(s);
	return NULL;
}

struct err *store_job_revoking(struct store *s, bool *ret_exists)
{
	int64_t n = 0;

	TRY(sql_number(s, &n,
		"SELECT count(*) FROM job WHERE what IN ('revoke', 'revoke-device') AND state <> "
		"'failed'",
		""));
	*ret_exists = n != 0;
	return NULL;
}
