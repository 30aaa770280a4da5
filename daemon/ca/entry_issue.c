/* entry_issue.c: receipts, made keys and certificates in the log. */
#include <stdlib.h>
#include <string.h>

#include "daemon/ca/entry.h"
#include "proto/kind.h"

static struct buf *copy(struct bytes b)
{
	struct buf *copy = buf_new();

	buf_add_bytes(copy, b);
	return copy;
}

void entry_receipt_free(struct entry_receipt *r)
{
	if (!r)
		return;
	buf_free(r->body);
	buf_free(r->signature);
	buf_free(r->basis);
	free(r);
}

struct err *entry_receipt_put(struct ledger_tx *tx, const struct entry_receipt *r, bool *ret_exists)
{
	const struct ledger_value values[] = { LEDGER_HASH(r->intent_hash),
		LEDGER_BYTES(BYTES(r->request_id, REQUEST_ID_LEN)), LEDGER_HASH(r->device_id),
		LEDGER_HASH(r->holder_id), LEDGER_HASH(r->evidence),
		LEDGER_BYTES(buf_bytes(r->body)), LEDGER_BYTES(buf_bytes(r->signature)),
		LEDGER_BYTES(buf_bytes(r->basis)) };

	return ledger_append(tx, LEDGER_RECEIPT, values, ARRAY_LEN(values), ret_exists);
}

static struct err *read_receipt(const struct ledger_rows *rows, struct entry_receipt **ret)
{
	AUTO(entry_receipt) struct entry_receipt *r = xcalloc(1, sizeof(*r));

	TRY(ledger_fixed(rows, 0, r->intent_hash, SHA256_LEN));
	TRY(ledger_fixed(rows, 1, r->request_id, REQUEST_ID_LEN));
	TRY(ledger_fixed(rows, 2, r->device_id, SHA256_LEN));
	TRY(ledger_fixed(rows, 3, r->holder_id, SHA256_LEN));
	TRY(ledger_fixed(rows, 4, r->evidence, SHA256_LEN));
	r->body = copy(ledger_bytes(rows, 5));
	r->signature = copy(ledger_bytes(rows, 6));
	r->basis = copy(ledger_bytes(rows, 7));
	r->row = (uint64_t)ledger_number(rows, 8);
	*ret = take(r);
	return NULL;
}

#define RECEIPT_COLUMNS                                                                            \
	"SELECT intent_hash, request_id, device_id, holder_id, evidence, body, signature, basis, " \
	"row FROM receipt "

static struct err *find_receipt(
	struct ledger *l, const char *sql, struct ledger_value key, struct entry_receipt **ret)
{
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, &key, 1, &rows));
	TRY(ledger_next(rows, &found));
	*ret = NULL;
	return found ? read_receipt(rows, ret) : NULL;
}

struct err *entry_receipt_by_request(struct ledger *l,
	const uint8_t request_id[static REQUEST_ID_LEN], struct entry_receipt **ret)
{
	static const char sql[] = RECEIPT_COLUMNS "WHERE request_id = ?";

	return find_receipt(l, sql, LEDGER_BYTES(BYTES(request_id, REQUEST_ID_LEN)), ret);
}

struct err *entry_receipt_by_intent(
	struct ledger *l, const uint8_t intent_hash[static SHA256_LEN], struct entry_receipt **ret)
{
	static const char sql[] = RECEIPT_COLUMNS "WHERE intent_hash = ?";

	return find_receipt(l, sql, LEDGER_HASH(intent_hash), ret);
}

struct err *entry_receipt_by_device(
	struct ledger *l, const uint8_t device_id[static SHA256_LEN], struct entry_receipt **ret)
{
	static const char sql[] = RECEIPT_COLUMNS "WHERE device_id = ? ORDER BY row DESC LIMIT 1";

	return find_receipt(l, sql, LEDGER_HASH(device_id), ret);
}

void entry_made_free(struct entry_made *m)
{
	if (!m)
		return;
	buf_free(m->body);
	buf_free(m->signature);
	free(m);
}

struct err *entry_made_put(struct ledger_tx *tx, const struct entry_made *m, bool *ret_exists)
{
	const struct ledger_value values[] = { LEDGER_HASH(m->intent_hash),
		LEDGER_NUMBER(m->purpose), LEDGER_HASH(m->device_id), LEDGER_HASH(m->key_hash),
		LEDGER_BYTES(buf_bytes(m->body)), LEDGER_BYTES(buf_bytes(m->signature)),
		LEDGER_HASH(m->device_copy),
		LEDGER_BYTES(BYTES(m->history_copy, m->has_history_copy ? SHA256_LEN : 0)),
		LEDGER_BYTES(BYTES(m->escrow_copies, m->n_escrow * SHA256_LEN)),
		LEDGER_NUMBER(m->audit.sequence), LEDGER_HASH(m->audit.hash) };

	return ledger_append(tx, LEDGER_MADE, values, ARRAY_LEN(values), ret_exists);
}

#define MADE_COLUMNS                                                                               \
	"SELECT intent_hash, purpose, device_id, key_hash, body, signature, device_copy, "         \
	"history_copy, escrow_copies,"                                                             \
	" audit_sequence, audit_hash, row FROM made "

static struct err *read_copies(const struct ledger_rows *rows, struct entry_made *m)
{
	struct bytes escrow = ledger_bytes(rows, 8);

	TRY(ledger_fixed(rows, 6, m->device_copy, SHA256_LEN));
	m->has_history_copy = ledger_bytes(rows, 7).len != 0;
	if (m->has_history_copy)
		TRY(ledger_fixed(rows, 7, m->history_copy, SHA256_LEN));
	if (escrow.len % SHA256_LEN || escrow.len > sizeof(m->escrow_copies))
		return err_new(
			&ERR_STORE, "the log's list of escrow copies has %zu bytes", escrow.len);
	m->n_escrow = escrow.len / SHA256_LEN;
	if (escrow.len)
		memcpy(m->escrow_copies, escrow.data, escrow.len);
	return NULL;
}

static struct err *read_made(const struct ledger_rows *rows, struct entry_made **ret)
{
	AUTO(entry_made) struct entry_made *m = xcalloc(1, sizeof(*m));

	TRY(ledger_fixed(rows, 0, m->intent_hash, SHA256_LEN));
	m->purpose = (Common__Purpose)ledger_number(rows, 1);
	TRY(ledger_fixed(rows, 2, m->device_id, SHA256_LEN));
	TRY(ledger_fixed(rows, 3, m->key_hash, SHA256_LEN));
	m->body = copy(ledger_bytes(rows, 4));
	m->signature = copy(ledger_bytes(rows, 5));
	TRY(read_copies(rows, m));
	m->audit.sequence = (uint64_t)ledger_number(rows, 9);
	TRY(ledger_fixed(rows, 10, m->audit.hash, SHA256_LEN));
	m->row = (uint64_t)ledger_number(rows, 11);
	*ret = take(m);
	return NULL;
}

static struct err *find_made(struct ledger *l, const char *sql, const struct ledger_value *keys,
	size_t n, struct entry_made **ret)
{
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, keys, n, &rows));
	TRY(ledger_next(rows, &found));
	*ret = NULL;
	return found ? read_made(rows, ret) : NULL;
}

struct err *entry_made_get(struct ledger *l, const uint8_t intent_hash[static SHA256_LEN],
	Common__Purpose purpose, struct entry_made **ret)
{
	static const char sql[] = MADE_COLUMNS "WHERE intent_hash = ? AND purpose = ?";
	const struct ledger_value keys[] = { LEDGER_HASH(intent_hash), LEDGER_NUMBER(purpose) };

	return find_made(l, sql, keys, 2, ret);
}

struct err *entry_made_by_copy(struct ledger *l, const uint8_t device_id[static SHA256_LEN],
	const uint8_t device_copy[static SHA256_LEN], struct entry_made **ret)
{
	static const char sql[] = MADE_COLUMNS "WHERE device_id = ? AND device_copy = ?";
	const struct ledger_value keys[] = { LEDGER_HASH(device_id), LEDGER_HASH(device_copy) };

	return find_made(l, sql, keys, 2, ret);
}

struct err *entry_made_purge(struct ledger_tx *tx, const uint8_t device_id[static SHA256_LEN])
{
	static const char sql[] = "DELETE FROM piece WHERE id IN"
				  " (SELECT row * 16 + 0 FROM made WHERE device_id = ?)";
	const struct ledger_value key = LEDGER_HASH(device_id);

	_Static_assert(LEDGER_PIECES_MAX == 16 && PIECE_DEVICE_COPY == 0, "as the statement says");
	return ledger_remove_pieces(tx, sql, &key, 1);
}

void entry_certificate_free(struct entry_certificate *c)
{
	if (!c)
		return;
	buf_free(c->der);
	free(c);
}

struct err *entry_certificate_put(
	struct ledger_tx *tx, const struct entry_certificate *c, bool *ret_exists)
{
	const struct ledger_value values[] = { LEDGER_BYTES(BYTES(c->serial, ENTRY_SERIAL_LEN)),
		LEDGER_HASH(c->intent_hash), LEDGER_NUMBER(c->purpose), LEDGER_HASH(c->device_id),
		LEDGER_HASH(c->holder_id), LEDGER_HASH(c->issuer), LEDGER_HASH(c->key_hash),
		LEDGER_NUMBER(c->not_after_ms), LEDGER_BYTES(buf_bytes(c->der)),
		LEDGER_NUMBER(c->audit.sequence), LEDGER_HASH(c->audit.hash) };

	return ledger_append(tx, LEDGER_CERTIFICATE, values, ARRAY_LEN(values), ret_exists);
}

#define CERTIFICATE_COLUMNS                                                                        \
	"SELECT serial, intent_hash, purpose, device_id, holder_id, issuer, key_hash, not_after, " \
	"der,"                                                                                     \
	" (SELECT when_ms FROM revoked WHERE revoked.serial = certificate.serial) FROM "           \
	"certificate "

static struct err *read_certificate(const struct ledger_rows *rows, struct entry_certificate **ret)
{
	AUTO(entry_certificate) struct entry_certificate *c = xcalloc(1, sizeof(*c));

	TRY(ledger_fixed(rows, 0, c->serial, ENTRY_SERIAL_LEN));
	TRY(ledger_fixed(rows, 1, c->intent_hash, SHA256_LEN));
	c->purpose = (Common__Purpose)ledger_number(rows, 2);
	TRY(ledger_fixed(rows, 3, c->device_id, SHA256_LEN));
	TRY(ledger_fixed(rows, 4, c->holder_id, SHA256_LEN));
	TRY(ledger_fixed(rows, 5, c->issuer, SHA256_LEN));
	TRY(ledger_fixed(rows, 6, c->key_hash, SHA256_LEN));
	c->not_after_ms = ledger_number(rows, 7);
	c->der = copy(ledger_bytes(rows, 8));
	c->revoked_ms = ledger_number(rows, 9);
	c->revoked = c->revoked_ms != 0;
	*ret = take(c);
	return NULL;
}

static struct err *find_certificate(struct ledger *l, const char *sql,
	const struct ledger_value *keys, size_t n, struct entry_certificate **ret)
{
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(l, sql, keys, n, &rows));
	TRY(ledger_next(rows, &found));
	*ret = NULL;
	return found ? read_certificate(rows, ret) : NULL;
}

struct err *entry_certificate_get(struct ledger *l, const uint8_t intent_hash[static SHA256_LEN],
	Common__Purpose purpose, struct entry_certificate **ret)
{
	static const char sql[] = CERTIFICATE_COLUMNS "WHERE intent_hash = ? AND purpose = ?";
	const struct ledger_value keys[] = { LEDGER_HASH(intent_hash), LEDGER_NUMBER(purpose) };

	return find_certificate(l, sql, keys, 2, ret);
}

struct err *entry_certificate_by_serial(struct ledger *l,
	const uint8_t serial[static ENTRY_SERIAL_LEN], struct entry_certificate **ret)
{
	static const char sql[] = CERTIFICATE_COLUMNS "WHERE serial = ?";
	const struct ledger_value key = LEDGER_BYTES(BYTES(serial, ENTRY_SERIAL_LEN));

	return find_certificate(l, sql, &key, 1, ret);
}
