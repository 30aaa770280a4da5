/* store_find.c: from what a person typed to an id: all of it, or the beginning that only one row has. */
#include "daemon/core/store_sql.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/kind.h"

/* Two rows tell a unique beginning from an ambiguous one. */
#define RANGE(table) "SELECT id FROM " table " WHERE id >= ? AND id <= ? ORDER BY id LIMIT 2"
#define SERIAL "SELECT id FROM credential WHERE serial = ? LIMIT 2"

static const struct {
	const char *what;
	size_t len;
} tables[] = {
	[TABLE_REQUEST] = { "request", ID_LEN },
	[TABLE_DEVICE] = { "device", SHA256_LEN },
	[TABLE_CREDENTIAL] = { "credential", ID_LEN },
	[TABLE_JOB] = { "job", ID_LEN },
};

/* The lowest and the highest id with this beginning, filled up with the digit given. */
static struct err *fill(const char *hex, size_t len, char digit, struct buf **ret_id)
{
	char text[2 * SHA256_LEN + 1];
	size_t n = strlen(hex);

	memcpy(text, hex, n);
	memset(text + n, digit, 2 * len - n);
	text[2 * len] = 0;
	return text_unhex(text, ret_id);
}

static struct err *start_range(struct store *s, enum store_table table, struct bytes low,
	struct bytes high, sqlite3_stmt **ret_stmt)
{
	switch (table) {
	case TABLE_REQUEST:
		return sql_start(s, ret_stmt, RANGE("request"), "bb", low, high);
	case TABLE_DEVICE:
		return sql_start(s, ret_stmt, RANGE("device"), "bb", low, high);
	case TABLE_CREDENTIAL:
		return sql_start(s, ret_stmt, RANGE("credential"), "bb", low, high);
	default:
		return sql_start(s, ret_stmt, RANGE("job"), "bb", low, high);
	}
}

/* *ret_n: how many there are, of at most two. */
static struct err *count(
	struct store *s, sqlite3_stmt *stmt, size_t len, uint8_t *ret_id, unsigned int *ret_n)
{
	bool row = false;

	*ret_n = 0;
	TRY(sql_next(s, stmt, &row));
	while (row) {
		if (++*ret_n == 1)
			sql_id(stmt, 0, ret_id, len);
		TRY(sql_next(s, stmt, &row));
	}
	return NULL;
}

static struct err *by_prefix(struct store *s, enum store_table table, const char *hex,
	uint8_t *ret_id, unsigned int *ret_n)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	AUTO(buf) struct buf *low = NULL;
	AUTO(buf) struct buf *high = NULL;
	size_t len = tables[table].len;

	*ret_n = 0;
	if (!*hex || strlen(hex) > 2 * len)
		return NULL;
	struct err *e = fill(hex, len, '0', &low);
	if (!e)
		e = fill(hex, len, 'f', &high);
	if (e) {
		/* Not hexadecimal: no id begins like this. */
		err_free(e);
		return NULL;
	}
	TRY(start_range(s, table, buf_bytes(low), buf_bytes(high), &stmt));
	return count(s, stmt, len, ret_id, ret_n);
}

static struct err *by_serial(
	struct store *s, const char *serial, uint8_t *ret_id, unsigned int *ret_n)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;

	TRY(sql_start(s, &stmt, SERIAL, "t", serial));
	return count(s, stmt, ID_LEN, ret_id, ret_n);
}

struct err *store_find(struct store *s, enum store_table table, const char *hex, uint8_t *ret_id)
{
	unsigned int n = 0;

	if (table == TABLE_CREDENTIAL)
		TRY(by_serial(s, hex, ret_id, &n));
	if (!n)
		TRY(by_prefix(s, table, hex, ret_id, &n));
	if (n == 1)
		return NULL;
	AUTO_MEM char *shown = text_safe(BYTES(hex, strlen(hex)));
	if (n)
		return err_new(&ERR_AMBIGUOUS, "more than one %s begins with %s",
			tables[table].what, shown);
	return err_new(&ERR_NO_SUCH, "no %s %s", tables[table].what, shown);
}
