/* ticket.c: the proof that derivd-ca made a key for an intent, and sealed which copies of it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/key.h"
#include "evidence/part.h"
#include "evidence/receipt.h"

void ticket_free(struct ticket *t)
{
	if (!t)
		return;
	buf_free(t->source);
	free(t);
}

struct buf *ticket_encode(const struct ticket *t)
{
	struct buf *out = buf_new();

	assert(t->n_escrow <= ESCROW_MAX);
	record_put(out, BYTES(t->intent_hash, SHA256_LEN));
	record_put_u8(out, (uint8_t)t->purpose);
	record_put(out, t->public_key);
	record_put(out, BYTES(t->device_copy, SHA256_LEN));
	part_put_optional(out, t->has_history_copy, t->history_copy, SHA256_LEN);
	part_put_hashes(out, t->escrow_copies, t->n_escrow);
	record_put_u64(out, (uint64_t)t->time_ms);
	return out;
}

static struct err *get_fields(struct cursor *c, struct ticket *t)
{
	TRY(record_get_fixed(c, "intent hash", SHA256_LEN, t->intent_hash));
	TRY(part_get_purpose(c, &t->purpose));
	TRY(record_get(c, "public key", 1, KEY_SPKI_MAX, &t->public_key));
	TRY(record_get_fixed(c, "device copy", SHA256_LEN, t->device_copy));
	TRY(part_get_optional(
		c, "history copy", SHA256_LEN, &t->has_history_copy, t->history_copy));
	TRY(part_get_hashes(c, "escrow copies", 0, ESCROW_MAX, t->escrow_copies, &t->n_escrow));
	TRY(record_get_time(c, "time", &t->time_ms));
	return cursor_end(c);
}

struct err *ticket_decode(struct bytes b, struct ticket **ret_ticket)
{
	AUTO(ticket) struct ticket *t = xcalloc(1, sizeof(*t));

	if (b.len > RECORD_MAX)
		return err_new(&ERR_FORMAT, "ticket: %zu bytes, more than %d", b.len, RECORD_MAX);
	t->source = buf_new();
	buf_add_bytes(t->source, b);
	struct cursor c = { buf_bytes(t->source) };
	TRY(err_wrap(get_fields(&c, t), "ticket"));
	AUTO(buf) struct buf *again = ticket_encode(t);
	if (!bytes_eq(buf_bytes(again), b))
		return err_new(&ERR_FORMAT, "ticket: not in its one encoding");
	sha256(b, t->hash);
	*ret_ticket = take(t);
	return NULL;
}

struct err *ticket_open(
	const Common__Signed *s, struct bytes receipt_public, struct ticket **ret_ticket)
{
	TRY(err_wrap(part_open(s, SIG_TICKET, receipt_public), "ticket"));
	return ticket_decode(BYTES(s->body.data, s->body.len), ret_ticket);
}
