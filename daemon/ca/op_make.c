/*
 * op_make.c: ENROLLMENT step 9, first half: a key pair is made here, sealed to the device, to derivd-history and to every
 * officer, and all that is committed before anybody hears of it. Asked again, the same key is given again, until its
 * certificate is issued: derivd had the answer then, and the device's copy is removed from the log.
 */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/grant.h"
#include "daemon/ca/pool.h"
#include "evidence/der.h"
#include "evidence/key.h"
#include "evidence/seal.h"

/* Sealed copies of one key: the device's first, then that for history, if there is one, then the officers'. */
#define COPIES_MAX (2 + ESCROW_MAX)
struct copies {
	size_t n;
	bool has_history;
	struct buf *v[COPIES_MAX];
};

static void copies_free(struct copies *c)
{
	for (size_t i = 0; i < c->n; i++)
		buf_free(c->v[i]);
	free(c);
}
DEFINE_AUTO(copies, struct copies *, copies_free);

static size_t first_escrow(const struct copies *c)
{
	return c->has_history ? 2 : 1;
}

/* The device's certificate was judged with its statement, and the receipt is the log's: only its key is needed now. */
static struct err *seal_to_device(
	const struct receipt *r, const struct secret *content, struct buf **ret_sealed)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	struct bytes spki, key_id;

	TRY(err_as(&ERR_STORE, der_certificate_key(r->sealing_certificate, &spki, &key_id),
		"sealing certificate in the log"));
	TRY(err_as(&ERR_STORE, sig_public_spki(spki, &key), "sealing certificate in the log"));
	return seal_to_key(content, key, key_id, ret_sealed);
}

static struct err *seal_all(
	struct state *s, const struct grant *g, EVP_PKEY *key, struct copies **ret_copies)
{
	AUTO(copies) struct copies *c = xcalloc(1, sizeof(*c));
	AUTO(secret) struct secret *content = NULL;
	struct seal_context context = { .purpose = g->purpose->purpose };
	X509 *recipients[COPIES_MAX];
	size_t n = 0;

	memcpy(context.deployment, s->deployment->id, DEPLOYMENT_ID_LEN);
	memcpy(context.intent_hash, g->receipt->intent_hash, SHA256_LEN);
	if (profile_is_escrowed(g->profile)) {
		if (!s->settings->n_escrow)
			return err_new(
				&ERR_CA_MISCONFIGURED, "ca.conf names no escrow certificate");
		c->has_history = s->settings->history != NULL;
		if (c->has_history)
			recipients[n++] = s->settings->history;
		for (size_t i = 0; i < s->settings->n_escrow; i++)
			recipients[n++] = s->settings->escrow[i];
	}
	TRY(seal_content(key, &context, &content));
	TRY(seal_to_device(g->receipt, content, &c->v[0]));
	for (c->n = 1; c->n <= n; c->n++)
		TRY(err_as(&ERR_CA_MISCONFIGURED,
			seal_to(content, recipients[c->n - 1], &c->v[c->n]), "sealing"));
	*ret_copies = take(c);
	return NULL;
}

static struct err *put_copies(struct ledger_tx *tx, const struct copies *c, struct entry_made *m)
{
	TRY(ledger_put_piece(tx, PIECE_DEVICE_COPY, buf_bytes(c->v[0]), m->device_copy));
	m->has_history_copy = c->has_history;
	if (c->has_history)
		TRY(ledger_put_piece(tx, PIECE_HISTORY_COPY, buf_bytes(c->v[1]), m->history_copy));
	for (size_t i = first_escrow(c); i < c->n; i++, m->n_escrow++)
		TRY(ledger_put_piece(tx, PIECE_ESCROW_COPIES + m->n_escrow, buf_bytes(c->v[i]),
			m->escrow_copies[m->n_escrow]));
	return NULL;
}

static struct err *sign_ticket(
	struct state *s, struct bytes spki, int64_t now_ms, struct entry_made *m)
{
	struct ticket t = { .purpose = m->purpose, .public_key = spki, .time_ms = now_ms };

	memcpy(t.intent_hash, m->intent_hash, SHA256_LEN);
	memcpy(t.device_copy, m->device_copy, SHA256_LEN);
	t.has_history_copy = m->has_history_copy;
	memcpy(t.history_copy, m->history_copy, SHA256_LEN);
	t.n_escrow = m->n_escrow;
	memcpy(t.escrow_copies, m->escrow_copies, sizeof(t.escrow_copies));
	m->body = ticket_encode(&t);
	return state_sign_receipt(s, SIG_TICKET, buf_bytes(m->body), &m->signature);
}

/* Commits a made key; when another process was faster, its key is the one and ours is forgotten. */
static struct err *record(struct state *s, const struct grant *g, const struct entry_audit *audit,
	EVP_PKEY *key, const struct copies *copies, struct entry_made **ret_made, bool *ret_own)
{
	AUTO(entry_made) struct entry_made *m = xcalloc(1, sizeof(*m));
	AUTO(buf) struct buf *spki = sig_spki(key);
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	bool exists;

	memcpy(m->intent_hash, g->receipt->intent_hash, SHA256_LEN);
	m->purpose = g->purpose->purpose;
	memcpy(m->device_id, g->entry->device_id, SHA256_LEN);
	key_hash(key, m->key_hash);
	m->audit = *audit;
	TRY(ledger_begin(s->ledger, false, &tx));
	TRY(part_device_good(s, m->device_id));
	TRY(put_copies(tx, copies, m));
	TRY(sign_ticket(s, buf_bytes(spki), ledger_now(tx), m));
	TRY(entry_made_put(tx, m, &exists));
	*ret_own = !exists;
	if (exists) {
		ledger_rollback(take(tx));
		TRY(entry_made_get(s->ledger, m->intent_hash, m->purpose, ret_made));
		return *ret_made
			       ? NULL
			       : err_new(&ERR_STORE, "the log refuses a key that it does not have");
	}
	TRY(ledger_commit(take(tx)));
	*ret_made = take(m);
	return NULL;
}

/* *ret_copies are those of *ret_made; NULL when another process made the key. */
static struct err *make(struct state *s, const struct grant *g, const struct entry_audit *audit,
	struct entry_made **ret_made, struct copies **ret_copies)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(copies) struct copies *copies = NULL;
	bool own = false;

	TRY(grant_check(s, g));
	TRY(pool_take(s->pool, g->profile->key_type, &key));
	TRY(seal_all(s, g, key, &copies));
	TRY(record(s, g, audit, key, copies, ret_made, &own));
	*ret_copies = own ? take(copies) : NULL;
	return NULL;
}

static struct err *read_copy(struct state *s, uint64_t row, size_t piece, struct copies *c)
{
	TRY(ledger_get_piece(s->ledger, row, piece, &c->v[c->n]));
	if (!c->v[c->n])
		return err_new(&ERR_STORE, "a sealed copy is not in the log");
	c->n++;
	return NULL;
}

static struct err *read_copies(
	struct state *s, const struct entry_made *m, struct copies **ret_copies)
{
	AUTO(copies) struct copies *c = xcalloc(1, sizeof(*c));

	TRY(ledger_get_piece(s->ledger, m->row, PIECE_DEVICE_COPY, &c->v[0]));
	if (!c->v[0])
		return err_new(&ERR_WRONG_STATE,
			"the device's copy of this key was removed when its certificate was issued "
			"or the device revoked");
	c->n = 1;
	c->has_history = m->has_history_copy;
	if (c->has_history)
		TRY(read_copy(s, m->row, PIECE_HISTORY_COPY, c));
	for (size_t i = 0; i < m->n_escrow; i++)
		TRY(read_copy(s, m->row, PIECE_ESCROW_COPIES + i, c));
	*ret_copies = take(c);
	return NULL;
}

static struct err *answer(const struct entry_made *made, const struct copies *c, Ca__Made **ret)
{
	Ca__Made m = CA__MADE__INIT;
	ProtobufCBinaryData escrow[ESCROW_MAX];

	PART_SIGNED(ticket, made->body, made->signature);
	m.ticket = &ticket;
	m.sealed_device = pb_lend(buf_bytes(c->v[0]));
	if (c->has_history)
		m.sealed_history = pb_lend(buf_bytes(c->v[1]));
	m.sealed_escrow = escrow;
	for (size_t i = first_escrow(c); i < c->n; i++)
		escrow[m.n_sealed_escrow++] = pb_lend(buf_bytes(c->v[i]));
	*ret = msg_dup(&m.base);
	return NULL;
}

struct err *op_make(struct state *s, const Ca__Make *q, Ca__Made **ret)
{
	AUTO(ledger_snapshot) struct ledger_snapshot *snapshot = NULL;
	AUTO(grant) struct grant *g = NULL;
	AUTO(entry_made) struct entry_made *made = NULL;
	AUTO(copies) struct copies *copies = NULL;
	struct entry_audit audit;

	TRY(part_audit(q->audit, &audit));
	TRY(ledger_snapshot(s->ledger, &snapshot));
	TRY(approval_check(s, false));
	TRY(grant_open(s, q->receipt, q->purpose, &g));
	if (g->purpose->origin != COMMON__ORIGIN__SERVER)
		return err_new(&ERR_EVIDENCE_BAD, "the card signed for a key that the device made");
	TRY(entry_made_get(s->ledger, g->receipt->intent_hash, q->purpose, &made));
	if (made)
		TRY(part_device_good(s, made->device_id));
	else
		TRY(make(s, g, &audit, &made, &copies));
	if (!copies)
		TRY(read_copies(s, made, &copies));
	return answer(made, copies, ret);
}
