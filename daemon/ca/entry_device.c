/* entry_device.c: revocations and items in the log. */
#include <stdlib.h>

#include "daemon/ca/entry.h"

struct err *entry_revoke(struct ledger_tx *tx, const uint8_t serial[static ENTRY_SERIAL_LEN],
	uint32_t reason, const struct entry_audit *audit, bool *ret_exists)
{
	const struct ledger_value values[] = { LEDGER_BYTES(BYTES(serial, ENTRY_SERIAL_LEN)),
		LEDGER_NUMBER(reason), LEDGER_NUMBER(ledger_now(tx)),
		LEDGER_NUMBER(audit->sequence), LEDGER_HASH(audit->hash) };

	return ledger_append(tx, LEDGER_REVOKED, values, ARRAY_LEN(values), ret_exists);
}

struct err *entry_revoke_device(struct ledger_tx *tx, const uint8_t device_id[static SHA256_LEN],
	uint32_t reason, const struct entry_audit *audit, bool *ret_exists)
{
	const struct ledger_value values[] = { LEDGER_HASH(device_id), LEDGER_NUMBER(reason),
		LEDGER_NUMBER(ledger_now(tx)), LEDGER_NUMBER(audit->sequence),
		LEDGER_HASH(audit->hash) };

	return ledger_append(tx, LEDGER_DEVICE_REVOKED, values, ARRAY_LEN(values), ret_exists);
}

/* The serial numbers first: rows must not be written while they are read. */
static struct err *collect_serials(
	struct ledger *l, const uint8_t device_id[static SHA256_LEN], struct buf *ret_serials)
{
	static const char sql[] = "SELECT serial FROM certificate WHERE device_id = ?"
				  " AND serial NOT IN (SELECT serial FROM revoked)";
	const struct ledger_value key = LEDGER_HASH(device_id);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	uint8_t serial[ENTRY_SERIAL_LEN];
	bool more;

	TRY(ledger_query(l, sql, &key, 1, &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		TRY(ledger_fixed(rows, 0, serial, sizeof(serial)));
		buf_add(ret_serials, serial, sizeof(serial));
	}
}

struct err *entry_revoke_all(struct ledger_tx *tx, const uint8_t device_id[static SHA256_LEN],
	uint32_t reason, const struct entry_audit *audit, uint32_t *ret_n)
{
	AUTO(buf) struct buf *serials = buf_new();
	uint32_t n = 0;
	bool exists;

	TRY(collect_serials(ledger_of(tx), device_id, serials));
	for (size_t at = 0; at < buf_len(serials); at += ENTRY_SERIAL_LEN) {
		TRY(entry_revoke(tx, buf_data(serials) + at, reason, audit, &exists));
		n += !exists;
	}
	*ret_n = n;
	return NULL;
}

static struct err *get_time(
	struct ledger *l, const char *sql, struct ledger_value key, int64_t *ret_ms)
{
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, &key, 1, &rows));
	TRY(ledger_next(rows, &found));
	*ret_ms = found ? ledger_number(rows, 0) : 0;
	return NULL;
}

struct err *entry_revoked(
	struct ledger *l, const uint8_t serial[static ENTRY_SERIAL_LEN], int64_t *ret_ms)
{
	static const char sql[] = "SELECT when_ms FROM revoked WHERE serial = ?";

	return get_time(l, sql, LEDGER_BYTES(BYTES(serial, ENTRY_SERIAL_LEN)), ret_ms);
}

struct err *entry_found_put(struct ledger_tx *tx, const uint8_t serial[static ENTRY_SERIAL_LEN],
	const uint8_t issuer[static SHA256_LEN], int64_t not_after_ms, struct bytes der)
{
	const struct ledger_value values[] = { LEDGER_BYTES(BYTES(serial, ENTRY_SERIAL_LEN)),
		LEDGER_HASH(issuer), LEDGER_NUMBER(not_after_ms), LEDGER_BYTES(der) };
	bool exists;

	return ledger_append(tx, LEDGER_FOUND, values, ARRAY_LEN(values), &exists);
}

struct err *entry_device_revoked(
	struct ledger *l, const uint8_t device_id[static SHA256_LEN], int64_t *ret_ms)
{
	static const char sql[] = "SELECT when_ms FROM device_revoked WHERE device_id = ?";

	return get_time(l, sql, LEDGER_HASH(device_id), ret_ms);
}

void entry_item_free(struct entry_item *i)
{
	if (!i)
		return;
	buf_free(i->body);
	buf_free(i->signature);
	free(i);
}

struct err *entry_item_put(struct ledger_tx *tx, const struct entry_item *i, bool *ret_exists)
{
	const struct ledger_value values[] = { LEDGER_BYTES(BYTES(i->item_id, ITEM_ID_LEN)),
		LEDGER_HASH(i->device_id), LEDGER_NUMBER(i->number), LEDGER_HASH(i->request),
		LEDGER_BYTES(buf_bytes(i->body)), LEDGER_BYTES(buf_bytes(i->signature)),
		LEDGER_HASH(i->payload) };

	return ledger_append(tx, LEDGER_ITEM, values, ARRAY_LEN(values), ret_exists);
}

static struct err *read_item(const struct ledger_rows *rows, struct entry_item **ret)
{
	AUTO(entry_item) struct entry_item *i = xcalloc(1, sizeof(*i));

	TRY(ledger_fixed(rows, 0, i->item_id, ITEM_ID_LEN));
	TRY(ledger_fixed(rows, 1, i->device_id, SHA256_LEN));
	i->number = (uint64_t)ledger_number(rows, 2);
	TRY(ledger_fixed(rows, 3, i->request, SHA256_LEN));
	i->body = buf_new();
	buf_add_bytes(i->body, ledger_bytes(rows, 4));
	i->signature = buf_new();
	buf_add_bytes(i->signature, ledger_bytes(rows, 5));
	TRY(ledger_fixed(rows, 6, i->payload, SHA256_LEN));
	i->row = (uint64_t)ledger_number(rows, 7);
	*ret = take(i);
	return NULL;
}

struct err *entry_item_get(
	struct ledger *l, const uint8_t item_id[static ITEM_ID_LEN], struct entry_item **ret)
{
	static const char sql[] = "SELECT item_id, device_id, number, request, body, signature, "
				  "payload, row FROM item WHERE item_id = ?";
	const struct ledger_value key = LEDGER_BYTES(BYTES(item_id, ITEM_ID_LEN));
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, &key, 1, &rows));
	TRY(ledger_next(rows, &found));
	*ret = NULL;
	return found ? read_item(rows, ret) : NULL;
}

struct err *entry_item_newest(
	struct ledger *l, const uint8_t device_id[static SHA256_LEN], uint64_t *ret_number)
{
	static const char sql[] = "SELECT max(number) FROM item WHERE device_id = ?";
	const struct ledger_value key = LEDGER_HASH(device_id);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, &key, 1, &rows));
	TRY(ledger_next(rows, &found));
	*ret_number = found ? (uint64_t)ledger_number(rows, 0) : 0;
	return NULL;
}
