/*
 * op_make.c: ENROLLMENT step 9, first half: a key pair is made here, sealed to the device, to derivd-history and to every
 * officer, and all that is committed before anybody hears of it. Asked again, the same key is given again, until its
 * certificate is issued: derivd had the answer then, and the device's copy is removed from the log.
 */
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "daemon/ca/grant.h"
#include "evidence/cert.h"
#include "evidence/key.h"
#include "evidence/seal.h"

/* Sealed copies of one key. */
struct copies {
	struct buf *device;
	struct buf *history;
	size_t n_escrow;
	struct buf *escrow[ESCROW_MAX];
};

static void copies_free(struct copies *c)
{
	buf_free(c->device);
	buf_free(c->history);
	for (size_t i = 0; i < c->n_escrow; i++)
		buf_free(c->escrow[i]);
	free(c);
}
DEFINE_AUTO(copies, struct copies *, copies_free);

static struct err *new_key(const char *type, EVP_PKEY **ret_key)
{
	static const struct {
		const char *type;
		const char *curve;
		size_t bits;
	} types[] = {
		{ "p256", "P-256", 0 },
		{ "p384", "P-384", 0 },
		{ "rsa2048", NULL, 2048 },
		{ "rsa3072", NULL, 3072 },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].type, type) != 0)
			continue;
		*ret_key = types[i].curve ? EVP_EC_gen(types[i].curve) : EVP_RSA_gen(types[i].bits);
		return *ret_key ? NULL
				: sig_openssl_error(&ERR_SYSTEM, "making a key of type %s", type);
	}
	return err_new(&ERR_CA_MISCONFIGURED, "key type \"%s\"", type);
}

static struct err *seal_all(
	struct state *s, const struct grant *g, EVP_PKEY *key, struct copies **ret_copies)
{
	AUTO(copies) struct copies *c = xcalloc(1, sizeof(*c));
	AUTO(secret) struct secret *content = NULL;
	AUTO(x509) X509 *device = NULL;
	struct seal_context context = { .purpose = g->purpose->purpose };

	memcpy(context.deployment, s->deployment->id, DEPLOYMENT_ID_LEN);
	memcpy(context.intent_hash, g->receipt->intent_hash, SHA256_LEN);
	TRY(cert_parse(g->receipt->sealing_certificate, &device));
	TRY(seal_content(key, &context, &content));
	TRY(err_wrap(seal_to(content, device, &c->device), "the device"));
	if (profile_is_escrowed(g->profile)) {
		if (!s->settings->n_escrow)
			return err_new(
				&ERR_CA_MISCONFIGURED, "ca.conf names no escrow certificate");
		if (s->settings->history)
			TRY(err_as(&ERR_CA_MISCONFIGURED,
				seal_to(content, s->settings->history, &c->history), "history"));
		for (; c->n_escrow < s->settings->n_escrow; c->n_escrow++)
			TRY(err_as(&ERR_CA_MISCONFIGURED,
				seal_to(content, s->settings->escrow[c->n_escrow],
					&c->escrow[c->n_escrow]),
				"escrow"));
	}
	*ret_copies = take(c);
	return NULL;
}

static struct err *put_copies(struct ledger_tx *tx, const struct copies *c, struct entry_made *m)
{
	TRY(ledger_put_blob(tx, buf_bytes(c->device), m->device_copy));
	m->has_history_copy = c->history != NULL;
	if (c->history)
		TRY(ledger_put_blob(tx, buf_bytes(c->history), m->history_copy));
	for (; m->n_escrow < c->n_escrow; m->n_escrow++)
		TRY(ledger_put_blob(
			tx, buf_bytes(c->escrow[m->n_escrow]), m->escrow_copies[m->n_escrow]));
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
	EVP_PKEY *key, const struct copies *copies, struct entry_made **ret_made)
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

static struct err *make(struct state *s, const struct grant *g, const struct entry_audit *audit,
	struct entry_made **ret_made)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(copies) struct copies *copies = NULL;

	TRY(grant_check(s, g));
	TRY(new_key(g->profile->key_type, &key));
	TRY(seal_all(s, g, key, &copies));
	return record(s, g, audit, key, copies, ret_made);
}

static struct err *read_copies(
	struct state *s, const struct entry_made *m, struct copies **ret_copies)
{
	AUTO(copies) struct copies *c = xcalloc(1, sizeof(*c));

	TRY(ledger_get_blob(s->ledger, m->device_copy, &c->device));
	if (!c->device)
		return err_new(&ERR_WRONG_STATE,
			"the device's copy of this key was removed when its "
			"certificate was issued or the device revoked");
	if (m->has_history_copy)
		TRY(ledger_get_blob(s->ledger, m->history_copy, &c->history));
	for (; c->n_escrow < m->n_escrow; c->n_escrow++) {
		TRY(ledger_get_blob(
			s->ledger, m->escrow_copies[c->n_escrow], &c->escrow[c->n_escrow]));
		if (!c->escrow[c->n_escrow])
			return err_new(&ERR_STORE, "an escrow copy is not in the log");
	}
	*ret_copies = take(c);
	return NULL;
}

static struct err *answer(struct state *s, const struct entry_made *made, Ca__Made **ret)
{
	AUTO(copies) struct copies *c = NULL;
	Ca__Made m = CA__MADE__INIT;
	ProtobufCBinaryData escrow[ESCROW_MAX];

	TRY(read_copies(s, made, &c));
	PART_SIGNED(ticket, made->body, made->signature);
	m.ticket = &ticket;
	m.sealed_device = pb_lend(buf_bytes(c->device));
	if (c->history)
		m.sealed_history = pb_lend(buf_bytes(c->history));
	for (size_t i = 0; i < c->n_escrow; i++)
		escrow[i] = pb_lend(buf_bytes(c->escrow[i]));
	m.sealed_escrow = escrow;
	m.n_sealed_escrow = c->n_escrow;
	*ret = msg_dup(&m.base);
	return NULL;
}

struct err *op_make(struct state *s, const Ca__Make *q, Ca__Made **ret)
{
	AUTO(grant) struct grant *g = NULL;
	AUTO(entry_made) struct entry_made *made = NULL;
	struct entry_audit audit;

	TRY(part_audit(q->audit, &audit));
	TRY(grant_open(s, q->receipt, q->purpose, &g));
	if (g->purpose->origin != COMMON__ORIGIN__SERVER)
		return err_new(&ERR_EVIDENCE_BAD, "the card signed for a key that the device made");
	TRY(entry_made_get(s->ledger, g->receipt->intent_hash, q->purpose, &made));
	if (made)
		TRY(part_device_good(s, made->device_id));
	else
		TRY(make(s, g, &audit, &made));
	return answer(s, made, ret);
}
