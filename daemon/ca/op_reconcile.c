/*
 * op_reconcile.c: what the log knows, for a derivd whose store was put back to an earlier state. It gives out nothing that
 * derivd has not had before, with the same receipts and certificates: nothing is signed here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/ca/op_part.h"

#define ROWS_MAX 256

/* One page, as the message needs it. */
struct page {
	Ca__Reconciled m;
	Ca__KnownRow rows[ROWS_MAX], *pointers[ROWS_MAX];
	uint8_t ids[ROWS_MAX][SHA256_LEN];
	char *serials[ROWS_MAX];
};

static void page_free(struct page *p)
{
	for (size_t i = 0; i < ROWS_MAX; i++)
		free(p->serials[i]);
	free(p);
}
DEFINE_AUTO(page, struct page *, page_free);

/* row, what, id, purpose, serial, number, reason */
static struct err *add_row(const struct ledger_rows *rows, struct page *p)
{
	size_t n = p->m.n_rows;
	Ca__KnownRow *row = &p->rows[n];
	struct bytes id = ledger_bytes(rows, 2), serial = ledger_bytes(rows, 4);

	if (id.len > SHA256_LEN || serial.len > ENTRY_SERIAL_LEN)
		return err_new(&ERR_STORE, "an id in the log is too long");
	ca__known_row__init(row);
	row->row = (uint64_t)ledger_number(rows, 0);
	row->what = (Ca__Known)ledger_number(rows, 1);
	if (id.len)
		memcpy(p->ids[n], id.data, id.len);
	row->id = pb_lend(BYTES(p->ids[n], id.len));
	row->purpose = (Common__Purpose)ledger_number(rows, 3);
	p->serials[n] = text_hex(serial);
	row->serial = p->serials[n];
	row->number = (uint64_t)ledger_number(rows, 5);
	row->reason = (uint32_t)ledger_number(rows, 6);
	p->pointers[n] = row;
	p->m.n_rows++;
	return NULL;
}

static struct err *fill_page(struct state *s, uint64_t after, struct page *p)
{
	static const char sql[] =
		"SELECT row, 1, request_id, 0, NULL, 0, 0 FROM receipt WHERE row > ?1"
		" UNION ALL SELECT c.row, 2, r.request_id, c.purpose, c.serial, 0, 0"
		" FROM certificate c JOIN receipt r ON r.intent_hash = c.intent_hash WHERE c.row > "
		"?1"
		" UNION ALL SELECT row, 3, NULL, 0, serial, 0, reason FROM revoked WHERE row > ?1"
		" UNION ALL SELECT row, 4, device_id, 0, NULL, 0, reason FROM device_revoked WHERE "
		"row > ?1"
		" UNION ALL SELECT row, 5, device_id, 0, NULL, number, 0 FROM item WHERE row > ?1"
		" ORDER BY 1 LIMIT ?2";
	const struct ledger_value values[] = { LEDGER_NUMBER(after), LEDGER_NUMBER(ROWS_MAX + 1) };
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool more;

	TRY(ledger_query(s->ledger, sql, values, ARRAY_LEN(values), &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		if (p->m.n_rows == ROWS_MAX)
			break;
		TRY(add_row(rows, p));
	}
	p->m.next = p->rows[ROWS_MAX - 1].row;
	return NULL;
}

struct err *op_reconcile(struct state *s, const Ca__Reconcile *q, Ca__Reconciled **ret)
{
	AUTO(page) struct page *p = xcalloc(1, sizeof(*p));

	if (q->after > INT64_MAX)
		return err_new(&ERR_PROTOCOL, "a row number that no log reaches");
	ca__reconciled__init(&p->m);
	p->m.rows = p->pointers;
	TRY(fill_page(s, q->after, p));
	*ret = msg_dup(&p->m.base);
	return NULL;
}

/* --- one request --- */

struct recall {
	Ca__Issued issued[OFFER_PURPOSES_MAX], *pointers[OFFER_PURPOSES_MAX];
	Common__Signed tickets[OFFER_PURPOSES_MAX];
	Ca__Certified *certified[OFFER_PURPOSES_MAX];
	struct entry_made *made[OFFER_PURPOSES_MAX];
	size_t n;
};

static void recall_free(struct recall *r)
{
	for (size_t i = 0; i < OFFER_PURPOSES_MAX; i++) {
		msg_free(r->certified[i]);
		entry_made_free(r->made[i]);
	}
	free(r);
}
DEFINE_AUTO(recall, struct recall *, recall_free);

static void fill_ticket(struct recall *r)
{
	Common__Signed *ticket = &r->tickets[r->n];
	const struct entry_made *made = r->made[r->n];

	if (!made)
		return;
	common__signed__init(ticket);
	ticket->body = pb_lend(buf_bytes(made->body));
	ticket->signature = pb_lend(buf_bytes(made->signature));
	r->issued[r->n].ticket = ticket;
}

/* What was certified for the purpose, if anything. */
static struct err *add_issued(struct state *s, const struct entry_receipt *entry,
	const struct intent_purpose *purpose, struct recall *r)
{
	AUTO(entry_certificate) struct entry_certificate *c = NULL;

	TRY(entry_certificate_get(s->ledger, entry->intent_hash, purpose->purpose, &c));
	if (!c)
		return NULL;
	TRY(part_certified(s, c, &r->certified[r->n]));
	TRY(entry_made_get(s->ledger, entry->intent_hash, purpose->purpose, &r->made[r->n]));
	ca__issued__init(&r->issued[r->n]);
	r->issued[r->n].purpose = purpose->purpose;
	r->issued[r->n].certified = r->certified[r->n];
	fill_ticket(r);
	r->pointers[r->n] = &r->issued[r->n];
	r->n++;
	return NULL;
}

static struct err *recall(struct state *s, const struct entry_receipt *entry, Ca__Recalled **ret)
{
	AUTO(receipt) struct receipt *receipt = NULL;
	AUTO(recall) struct recall *r = xcalloc(1, sizeof(*r));
	AUTO_MSG Common__Evidence *evidence = NULL;
	AUTO_MSG Ca__Verified *verified = NULL;
	Ca__Recalled m = CA__RECALLED__INIT;

	TRY(err_as(&ERR_STORE, receipt_decode(buf_bytes(entry->body), &receipt),
		"receipt in the log"));
	TRY(part_evidence(s, entry, &evidence));
	TRY(part_verified(s, entry, &verified));
	for (size_t i = 0; i < receipt->n_purposes; i++)
		TRY(add_issued(s, entry, &receipt->purposes[i], r));
	m.evidence = evidence;
	m.verified = verified;
	m.identity_public = pb_lend(receipt->identity_public);
	m.operation = receipt->operation;
	TRY(entry_item_newest(s->ledger, entry->device_id, &m.newest_number));
	m.issued = r->pointers;
	m.n_issued = r->n;
	*ret = msg_dup(&m.base);
	return NULL;
}

struct err *op_recall(struct state *s, const Ca__Recall *q, Ca__Recalled **ret)
{
	AUTO(ledger_snapshot) struct ledger_snapshot *snapshot = NULL;
	AUTO(entry_receipt) struct entry_receipt *entry = NULL;

	TRY(ledger_snapshot(s->ledger, &snapshot));
	TRY(entry_receipt_by_request(s->ledger, q->request_id.data, &entry));
	if (!entry)
		return err_new(&ERR_NO_SUCH, "no receipt was given for this request");
	return recall(s, entry, ret);
}
