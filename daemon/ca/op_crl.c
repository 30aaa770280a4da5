/*
 * op_crl.c: the CRL of the issuing CA, into the public directory that any web server serves. Its row is committed first
 * and holds the CRL, so that a file that a crash kept from being written is written by the next call.
 */
#include <string.h>

#include "base/io.h"
#include "base/proc.h"
#include "daemon/ca/crl_build.h"
#include "daemon/ca/op_part.h"

/* RFC 5280 section 3.3: an entry stays until it was on a CRL that was published after its certificate expired. */
static struct err *collect(struct state *s, int64_t last_update_ms, struct buf *entries)
{
	static const char sql[] =
		"SELECT r.serial, r.when_ms, r.reason FROM revoked r"
		" LEFT JOIN certificate c ON c.serial = r.serial"
		" LEFT JOIN found f ON f.serial = r.serial"
		" WHERE ifnull(c.issuer, f.issuer) = ? AND ifnull(c.not_after, f.not_after) >= ?"
		" ORDER BY r.row";
	const struct ledger_value values[] = { LEDGER_HASH(s->issuer->key_id),
		LEDGER_NUMBER(last_update_ms) };
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool more;

	TRY(ledger_query(s->ledger, sql, values, ARRAY_LEN(values), &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		crl_add_entry(entries, ledger_bytes(rows, 0), ledger_number(rows, 1),
			(uint32_t)ledger_number(rows, 2));
	}
}

static struct err *revoked_since_last(struct state *s, bool *ret_any)
{
	static const char sql[] = "SELECT 1 FROM revoked WHERE row > (SELECT max(row) FROM crl "
				  "WHERE issuer = ?) LIMIT 1";
	const struct ledger_value value = LEDGER_HASH(s->issuer->key_id);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;

	TRY(ledger_query(s->ledger, sql, &value, 1, &rows));
	return ledger_next(rows, ret_any);
}

/* Whole seconds, as they will be read from the CRL. */
static struct err *build(struct state *s, struct ledger_tx *tx, uint64_t above,
	const struct entry_crl *last, struct entry_crl *crl)
{
	AUTO(buf) struct buf *entries = buf_new();
	AUTO(buf) struct buf *der = NULL;
	EVP_PKEY *key;
	bool exists;

	*crl = *last;
	crl->number = (last->number > above ? last->number : above) + 1;
	crl->this_update_ms = ledger_now(tx) / 1000 * 1000;
	crl->next_update_ms =
		crl->this_update_ms + (int64_t)s->settings->crl_validity_ms / 1000 * 1000;
	TRY(keys_private(s->keys, KEY_CA, &key));
	TRY(issuer_check_key(s->issuer, key));
	TRY(collect(s, last->this_update_ms, entries));
	TRY(crl_build(s->issuer, key, crl->number, crl->this_update_ms, crl->next_update_ms,
		entries, &der));
	if (last->number)
		TRY(ledger_remove_piece(tx, last->row, 0));
	TRY(ledger_put_piece(tx, 0, buf_bytes(der), crl->digest));
	TRY(entry_crl_put(tx, crl, &exists));
	crl->row = ledger_row(tx);
	return exists ? err_new(&ERR_STORE, "the log has a CRL of this number already") : NULL;
}

/*
 * One that was made to be short is over before its successor's usual time. above: a CRL of that number is out there, also
 * when the log was put back to an earlier state and does not know it.
 */
static struct err *is_due(struct state *s, int64_t now_ms, uint64_t above,
	const struct entry_crl *last, bool *ret_due)
{
	bool any;

	TRY(revoked_since_last(s, &any));
	*ret_due = !last->number || last->number < above || any || now_ms >= last->next_update_ms ||
		   now_ms - last->this_update_ms >= (int64_t)s->settings->crl_every_ms;
	return NULL;
}

static struct err *write_file(struct state *s, const char *path, const struct entry_crl *crl)
{
	AUTO(buf) struct buf *der = NULL;
	AUTO(buf) struct buf *old = NULL;

	TRY(ledger_get_piece(s->ledger, crl->row, 0, &der));
	if (!der)
		return NULL; /* a newer one has taken its place meanwhile */
	struct err *e = io_read_file(path, SIZE_MAX / 2, &old);
	if (!e && bytes_eq(buf_bytes(old), buf_bytes(der)))
		return NULL;
	err_free(e);
	return err_as(
		&ERR_STORE, io_write_file(path, buf_bytes(der), 0644), "the CRL is in the log");
}

/* Two processes may publish at once: whoever wrote looks again, so the last word is the newest of the log. */
static struct err *publish(struct state *s, struct entry_crl *crl)
{
	AUTO_MEM char *path = proc_state_path("ca", "public/ca.crl");
	uint64_t written;

	do {
		written = crl->number;
		TRY(write_file(s, path, crl));
		TRY(entry_crl_newest(s->ledger, s->issuer->key_id, crl));
	} while (crl->number != written);
	return NULL;
}

struct err *op_crl(struct state *s, const Ca__Crl *q, Ca__CrlPublished **ret)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	Ca__CrlPublished m = CA__CRL_PUBLISHED__INIT;
	struct entry_crl last, crl;
	bool due;

	/* Also when the clock was put back: revocations must get out. */
	TRY(ledger_begin(s->ledger, true, &tx));
	TRY(entry_crl_newest(s->ledger, s->issuer->key_id, &last));
	if (q->above >= INT64_MAX)
		return err_new(&ERR_PROTOCOL, "a CRL number that none has");
	TRY(is_due(s, ledger_now(tx), q->above, &last, &due));
	if (due || q->force)
		TRY(build(s, tx, q->above, &last, &crl));
	else
		crl = last;
	TRY(ledger_commit(take(tx)));
	TRY(ledger_settle(s->ledger)); /* before the public hears of it */
	TRY(publish(s, &crl));
	m.number = crl.number;
	m.this_update_ms = crl.this_update_ms;
	m.next_update_ms = crl.next_update_ms;
	*ret = msg_dup(&m.base);
	return NULL;
}
