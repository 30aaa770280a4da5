/*
 * op_certify.c: ENROLLMENT step 9, second half: a certificate for a key that the card signed for, or that was made here
 * under a receipt. For one intent and purpose there is one key and one certificate, however often it is asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/ca.h"
#include "daemon/ca/grant.h"
#include "evidence/der.h"

struct order {
	struct grant *grant;
	struct ticket *ticket; /* server-made keys */
	uint64_t made_row;     /* the same: where the log has its copies */
	struct bytes spki;     /* lent */
	uint8_t key_hash[SHA256_LEN];
	struct entry_audit audit;
	int64_t not_after_ms;
};

static void order_free(struct order *o)
{
	grant_free(o->grant);
	ticket_free(o->ticket);
	free(o);
}
DEFINE_AUTO(order, struct order *, order_free);

/* The request must carry the key that the card signed for; that its owner has it was proved with the statement. */
static struct err *take_device_key(const Ca__Certify *q, struct order *o)
{
	if (!q->request.len || q->ticket)
		return err_new(&ERR_EVIDENCE_BAD,
			"a key that the device made comes with a request and without a ticket");
	TRY(err_as(&ERR_EVIDENCE_BAD, der_request_key(pb_bytes(q->request), &o->spki), "request"));
	sha256(o->spki, o->key_hash);
	if (memcmp(o->key_hash, o->grant->purpose->key_hash, SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD,
			"the request is for another key than the card signed for");
	return NULL;
}

/* Says what is wrong with a ticket that is not the log's. */
static struct err *refuse_ticket(struct state *s, const Common__Signed *wire, const struct grant *g)
{
	AUTO(ticket) struct ticket *t = NULL;

	TRY(err_wrap(
		ticket_open(wire, BYTES(s->deployment->receipt_public, ED25519_PUBLIC_LEN), &t),
		"ticket"));
	if (memcmp(t->intent_hash, g->receipt->intent_hash, SHA256_LEN) != 0 ||
		t->purpose != g->purpose->purpose)
		return err_new(&ERR_EVIDENCE_BAD, "the ticket is for something else");
	return err_new(&ERR_EVIDENCE_BAD, "the ticket is not the one of the log");
}

/* The ticket must be the log's to the last bit: its copies were committed before it was given. */
static struct err *take_server_key(struct state *s, const Ca__Certify *q, struct order *o)
{
	AUTO(entry_made) struct entry_made *made = NULL;
	const struct grant *g = o->grant;

	if (q->request.len || !q->ticket)
		return err_new(&ERR_EVIDENCE_BAD,
			"a key that was made here comes with its ticket and without a request");
	TRY(entry_made_get(s->ledger, g->receipt->intent_hash, g->purpose->purpose, &made));
	if (!made || !bytes_eq(buf_bytes(made->body), pb_bytes(q->ticket->body)) ||
		!bytes_eq(buf_bytes(made->signature), pb_bytes(q->ticket->signature)))
		return refuse_ticket(s, q->ticket, g);
	if (profile_is_escrowed(g->profile) && !made->n_escrow)
		return err_new(&ERR_EVIDENCE_BAD, "the key has no escrow copy");
	TRY(err_as(
		&ERR_STORE, ticket_decode(buf_bytes(made->body), &o->ticket), "ticket in the log"));
	o->made_row = made->row;
	o->spki = o->ticket->public_key;
	sha256(o->spki, o->key_hash);
	return NULL;
}

static struct err *open_order(struct state *s, const Ca__Certify *q, struct order **ret_order)
{
	AUTO(order) struct order *o = xcalloc(1, sizeof(*o));

	TRY(part_audit(q->audit, &o->audit));
	TRY(grant_open(s, q->receipt, q->purpose, &o->grant));
	if (o->grant->purpose->origin == COMMON__ORIGIN__DEVICE)
		TRY(take_device_key(q, o));
	else
		TRY(take_server_key(s, q, o));
	*ret_order = take(o);
	return NULL;
}

/* Serial number and UUID follow from what is certified (DESIGN 2.4): repeated, they come out the same. */
static struct err *set_identifiers(struct state *s, const struct order *o, struct build *b)
{
	const struct grant *g = o->grant;
	uint8_t purpose = (uint8_t)g->purpose->purpose, mac[SHA256_LEN];
	const struct bytes parts[] = { BYTES(g->receipt->issuer_key_id, SHA256_LEN),
		BYTES(g->receipt->intent_hash, SHA256_LEN), BYTES(&purpose, 1),
		BYTES(o->key_hash, SHA256_LEN), BYTES(g->purpose->profile_digest, SHA256_LEN),
		BYTES("uuid", 4) };

	TRY(keys_serial_mac(s->keys, SIG_SERIAL, parts, ARRAY_LEN(parts) - 1, mac));
	memcpy(b->serial, mac, SERIAL_LEN);
	b->serial[0] = (uint8_t)((b->serial[0] & 0x7f) | 0x40);
	TRY(keys_serial_mac(s->keys, SIG_SERIAL, parts, ARRAY_LEN(parts), mac));
	mac[6] = (uint8_t)((mac[6] & 0x0f) | 0x40);
	mac[8] = (uint8_t)((mac[8] & 0x3f) | 0x80);
	AUTO_MEM char *hex = text_hex(BYTES(mac, 16));
	snprintf(b->uuid, sizeof(b->uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		hex + 16, hex + 20);
	return NULL;
}

/* From the nonce's time on, in whole seconds, and never beyond the issuer. */
static struct err *set_times(const struct state *s, const struct order *o, struct build *b)
{
	int64_t from = o->grant->receipt->nonce_time_ms / 1000 * 1000;
	int64_t to = from + (int64_t)o->grant->profile->validity_ms - 1000;

	if (to > s->issuer->not_after_ms)
		to = s->issuer->not_after_ms;
	if (to <= clock_real_ms())
		return err_new(&ERR_CA_REJECTED,
			"the certificate would have expired before it was issued");
	b->not_before_ms = from;
	b->not_after_ms = to;
	return NULL;
}

static struct err *issue(struct state *s, const struct order *o, struct entry_certificate *c)
{
	AUTO(ca_answer) struct ca_answer *answer = NULL;
	const struct grant *g = o->grant;
	struct build b = { .profile = g->profile, .facts = g->receipt->facts, .spki = o->spki };

	TRY(set_identifiers(s, o, &b));
	TRY(set_times(s, o, &b));
	TRY(s->backend->certify(s, &b, &answer));
	TRY(ca_outcome_error(answer));
	memcpy(c->serial, b.serial, ENTRY_SERIAL_LEN);
	memcpy(c->intent_hash, g->receipt->intent_hash, SHA256_LEN);
	c->purpose = g->purpose->purpose;
	memcpy(c->device_id, g->entry->device_id, SHA256_LEN);
	memcpy(c->holder_id, g->entry->holder_id, SHA256_LEN);
	memcpy(c->issuer, g->receipt->issuer_key_id, SHA256_LEN);
	memcpy(c->key_hash, o->key_hash, SHA256_LEN);
	c->not_after_ms = b.not_after_ms;
	c->der = take(answer->certificate);
	c->audit = o->audit;
	return NULL;
}

/* What the log has for this intent and purpose; for another key it is a refusal. */
static struct err *find_logged(
	struct state *s, const struct order *o, struct entry_certificate **ret_certificate)
{
	const struct grant *g = o->grant;

	TRY(entry_certificate_get(
		s->ledger, g->receipt->intent_hash, g->purpose->purpose, ret_certificate));
	if (*ret_certificate && memcmp((*ret_certificate)->key_hash, o->key_hash, SHA256_LEN) != 0)
		return err_new(
			&ERR_EVIDENCE_BAD, "another key was certified for this intent and purpose");
	return NULL;
}

/* Commits the certificate, and removes the device's copy of a key made here: derivd has it, or there were no ticket. */
static struct err *record(struct state *s, const struct order *o, struct entry_certificate *c,
	struct entry_certificate **ret_certificate)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	bool exists;

	TRY(ledger_begin(s->ledger, false, &tx));
	TRY(part_device_good(s, c->device_id));
	TRY(entry_certificate_put(tx, c, &exists));
	if (exists) {
		ledger_rollback(take(tx));
		TRY(find_logged(s, o, ret_certificate));
		return *ret_certificate
			       ? NULL
			       : err_new(&ERR_STORE,
					 "the log refuses a certificate that it does not have");
	}
	if (o->made_row)
		TRY(ledger_remove_piece(tx, o->made_row, PIECE_DEVICE_COPY));
	TRY(ledger_commit(take(tx)));
	return NULL;
}

static struct err *certify(
	struct state *s, const struct order *o, struct entry_certificate **ret_certificate)
{
	AUTO(entry_certificate) struct entry_certificate *c = xcalloc(1, sizeof(*c));

	TRY(grant_check(s, o->grant));
	TRY(issue(s, o, c));
	TRY(record(s, o, c, ret_certificate));
	if (!*ret_certificate)
		*ret_certificate = take(c);
	return NULL;
}

/* The issuer of now most often, whose chain is at hand. */
static struct err *find_chain(
	struct state *s, const struct entry_certificate *c, struct issuer **ret_issuer)
{
	AUTO(buf) struct buf *certificate = NULL;
	AUTO(buf) struct buf *parent = NULL;

	*ret_issuer = NULL;
	if (memcmp(c->issuer, s->issuer->key_id, SHA256_LEN) == 0)
		return NULL;
	TRY(entry_issuer_get(s->ledger, c->issuer, &certificate, &parent));
	if (!certificate)
		return err_new(&ERR_STORE, "the issuer of a certificate is not in the log");
	const struct bytes chain[] = { buf_bytes(certificate), buf_bytes(parent) };
	return issuer_new(chain, ARRAY_LEN(chain), ret_issuer);
}

struct err *part_certified(
	struct state *s, const struct entry_certificate *c, Ca__Certified **ret)
{
	AUTO_MEM char *serial = text_hex(BYTES(c->serial, ENTRY_SERIAL_LEN));
	AUTO(issuer) struct issuer *former = NULL;
	Ca__Certified m = CA__CERTIFIED__INIT;
	ProtobufCBinaryData chain[ISSUER_CHAIN_MAX];

	TRY(find_chain(s, c, &former));
	const struct issuer *issuer = former ? former : s->issuer;
	TRY(err_as(&ERR_CA_MISCONFIGURED,
		der_validity(buf_bytes(c->der), &m.not_before_ms, &m.not_after_ms),
		"the CA's certificate"));
	m.certificate = pb_lend(buf_bytes(c->der));
	m.serial = serial;
	for (size_t i = 0; i < issuer->n_chain; i++)
		chain[i] = pb_lend(buf_bytes(issuer->chain[i]));
	m.chain = chain;
	m.n_chain = issuer->n_chain;
	m.revoked = c->revoked;
	*ret = msg_dup(&m.base);
	return NULL;
}

struct err *op_certify(struct state *s, const Ca__Certify *q, Ca__Certified **ret)
{
	AUTO(ledger_snapshot) struct ledger_snapshot *snapshot = NULL;
	AUTO(order) struct order *o = NULL;
	AUTO(entry_certificate) struct entry_certificate *c = NULL;

	TRY(ledger_snapshot(s->ledger, &snapshot));
	TRY(approval_check(s, false));
	TRY(open_order(s, q, &o));
	TRY(find_logged(s, o, &c));
	if (!c)
		TRY(certify(s, o, &c));
	return part_certified(s, c, ret);
}
