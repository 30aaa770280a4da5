/* store_papers.c: what is large about a credential: its papers, and the sealed copies of its key. */
#include "daemon/core/store_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void papers_free(struct papers *p)
{
	if (!p)
		return;
	buf_free(p->request);
	buf_free(p->ticket);
	buf_free(p->certificate);
	buf_free(p->chain);
	free(p);
}

/* All credentials of an issuer share one chain. */
static struct err *put_chain(struct store *s, const struct buf *chain, int64_t *ret_n)
{
	uint8_t digest[SHA256_LEN];

	*ret_n = 0;
	if (!chain)
		return NULL;
	sha256(buf_bytes(chain), digest);
	TRY(sql_number(s, ret_n, "SELECT n FROM chain WHERE digest = ?", "h", digest));
	if (*ret_n)
		return NULL;
	return sql_number(s, ret_n, "INSERT INTO chain(digest, body) VALUES(?, ?) RETURNING n",
		"hf", digest, chain);
}

struct err *store_papers_put(struct store *s, const struct papers *p)
{
	int64_t chain = 0;

	TRY(put_chain(s, p->chain, &chain));
	return sql_run(s,
		"INSERT OR REPLACE INTO papers(credential, request, ticket, certificate, chain) "
		"VALUES(?, ?, ?, ?, nullif(?, 0))",
		"dfffi", p->credential, p->request, p->ticket, p->certificate, chain);
}

struct err *store_papers_get(
	struct store *s, const uint8_t credential[static ID_LEN], struct papers **ret_papers)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	struct papers *p;
	bool row = false;

	TRY(sql_start(s, &stmt,
		"SELECT p.request, p.ticket, p.certificate, c.body FROM papers p LEFT JOIN chain c "
		"ON c.n = p.chain "
		"WHERE p.credential = ?",
		"d", credential));
	TRY(sql_next(s, stmt, &row));
	p = xcalloc(1, sizeof(*p));
	memcpy(p->credential, credential, ID_LEN);
	if (row) {
		p->request = sql_buf(stmt, 0);
		p->ticket = sql_buf(stmt, 1);
		p->certificate = sql_buf(stmt, 2);
		p->chain = sql_buf(stmt, 3);
	}
	*ret_papers = p;
	return NULL;
}

/* --- sealed copies --- */

struct err *store_sealed_add(struct store *s, const uint8_t credential[static ID_LEN],
	enum sealed_for whom, struct bytes body)
{
	static const char *const names[] = {
		[SEALED_DEVICE] = "device",
		[SEALED_HISTORY] = "history",
		[SEALED_ESCROW] = "escrow",
	};

	assert((size_t)whom < ARRAY_LEN(names));
	return sql_run(s, "INSERT INTO sealed(credential, whom, body) VALUES(?, ?, ?)", "dtb",
		credential, names[whom], body);
}

struct err *store_sealed_device(
	struct store *s, const uint8_t credential[static ID_LEN], struct buf **ret_body)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row = false;

	TRY(sql_start(s, &stmt, "SELECT body FROM sealed WHERE credential = ? AND whom = 'device'",
		"d", credential));
	TRY(sql_next(s, stmt, &row));
	*ret_body = row ? sql_buf(stmt, 0) : NULL;
	return NULL;
}

struct err *store_sealed_purge(struct store *s, const uint8_t credential[static ID_LEN], bool all)
{
	return sql_run(s, "DELETE FROM sealed WHERE credential = ? AND (? OR whom = 'device')",
		"di", credential, (int64_t)all);
}
