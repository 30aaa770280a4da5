/* entry_ca.c: issuers, profiles and CRLs in the log. */
#include <string.h>

#include "daemon/ca/entry.h"
#include "evidence/cert.h"
#include "proto/kind.h"

struct err *entry_issuer_put(struct ledger_tx *tx, struct bytes certificate, struct bytes parent)
{
	AUTO(x509) X509 *cert = NULL;
	uint8_t key_id[SHA256_LEN];
	bool exists;

	TRY(cert_parse(certificate, &cert));
	cert_key_hash(cert, key_id);
	const struct ledger_value values[] = { LEDGER_HASH(key_id), LEDGER_BYTES(certificate),
		LEDGER_BYTES(parent) };
	TRY(ledger_append(tx, LEDGER_ISSUER, values, ARRAY_LEN(values), &exists));
	return exists ? err_new(&ERR_STORE, "the log has an issuer with this key already") : NULL;
}

struct err *entry_issuer_get(struct ledger *l, const uint8_t key_id[static SHA256_LEN],
	struct buf **ret_certificate, struct buf **ret_parent)
{
	static const char sql[] = "SELECT certificate, parent FROM issuer WHERE key_id = ?";
	const struct ledger_value key = LEDGER_HASH(key_id);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, &key, 1, &rows));
	TRY(ledger_next(rows, &found));
	*ret_certificate = NULL;
	*ret_parent = NULL;
	if (!found)
		return NULL;
	*ret_certificate = buf_new();
	buf_add_bytes(*ret_certificate, ledger_bytes(rows, 0));
	*ret_parent = buf_new();
	buf_add_bytes(*ret_parent, ledger_bytes(rows, 1));
	return NULL;
}

struct err *entry_profile_put(
	struct ledger_tx *tx, const uint8_t digest[static SHA256_LEN], struct bytes body)
{
	const struct ledger_value values[] = { LEDGER_HASH(digest), LEDGER_BYTES(body) };
	bool exists;

	return ledger_append(tx, LEDGER_PROFILE, values, ARRAY_LEN(values), &exists);
}

struct err *entry_profile_get(
	struct ledger *l, const uint8_t digest[static SHA256_LEN], struct buf **ret_body)
{
	static const char sql[] = "SELECT body FROM profile WHERE digest = ?";
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

struct err *entry_crl_put(struct ledger_tx *tx, const struct entry_crl *crl, bool *ret_exists)
{
	const struct ledger_value values[] = { LEDGER_HASH(crl->issuer), LEDGER_NUMBER(crl->number),
		LEDGER_NUMBER(crl->this_update_ms), LEDGER_NUMBER(crl->next_update_ms),
		LEDGER_HASH(crl->digest) };

	return ledger_append(tx, LEDGER_CRL, values, ARRAY_LEN(values), ret_exists);
}

struct err *entry_crl_newest(
	struct ledger *l, const uint8_t issuer[static SHA256_LEN], struct entry_crl *ret_crl)
{
	static const char sql[] =
		"SELECT number, this_update, next_update, digest, row FROM crl WHERE issuer = ?"
		" ORDER BY number DESC LIMIT 1";
	const struct ledger_value key = LEDGER_HASH(issuer);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, &key, 1, &rows));
	TRY(ledger_next(rows, &found));
	memset(ret_crl, 0, sizeof(*ret_crl));
	memcpy(ret_crl->issuer, issuer, SHA256_LEN);
	if (!found)
		return NULL;
	ret_crl->number = (uint64_t)ledger_number(rows, 0);
	ret_crl->this_update_ms = ledger_number(rows, 1);
	ret_crl->next_update_ms = ledger_number(rows, 2);
	ret_crl->row = (uint64_t)ledger_number(rows, 4);
	return ledger_fixed(rows, 3, ret_crl->digest, SHA256_LEN);
}
