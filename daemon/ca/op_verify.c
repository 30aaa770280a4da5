/* op_verify.c: ENROLLMENT step 8: the evidence is judged from its bytes, and the receipt says what was found. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/nonce.h"
#include "daemon/ca/op_part.h"
#include "evidence/bundle.h"

/* What verification works with; everything is freed by trial_free. */
struct trial {
	const Common__Evidence *wire;
	struct receipt *predecessor;
	struct evidence *evidence;
	struct card *card;
	int64_t nonce_time_ms;
	uint8_t device_id[SHA256_LEN];
	uint8_t holder_id[SHA256_LEN];
};

static void trial_free(struct trial *t)
{
	receipt_free(t->predecessor);
	evidence_free(t->evidence);
	card_free(t->card);
	free(t);
}
DEFINE_AUTO(trial, struct trial *, trial_free);

static struct err *check_bytes(struct state *s, struct trial *t)
{
	AUTO(intent) struct intent *intent = NULL;

	TRY(intent_decode(pb_bytes(t->wire->intent), &intent));
	TRY(part_predecessor(s, intent->operation, t->wire->predecessor, &t->predecessor));
	TRY(evidence_check(t->wire, BYTES(s->deployment->delivery_public, ED25519_PUBLIC_LEN),
		s->deployment->kiosk, t->predecessor, &t->evidence));
	statement_device_id(t->evidence->statement, t->device_id);
	return NULL;
}

/* What the offer named must be ours and of now. */
static struct err *check_named(struct state *s, const struct trial *t)
{
	const struct intent *i = t->evidence->intent;

	if (memcmp(i->deployment, s->deployment->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the intent is for another deployment");
	TRY(statement_check_host(t->evidence->statement, s->deployment->host));
	TRY(part_issuer_good(s, i->issuer_key_id));
	for (size_t n = 0; n < i->n_purposes; n++) {
		const struct profile *p;
		TRY(state_profile(s, i->purposes[n].profile_digest, &p));
		if (p->purpose != i->purposes[n].purpose || p->origin != i->purposes[n].origin)
			return err_new(&ERR_EVIDENCE_BAD, "a profile that is for something else");
	}
	return part_device_good(s, t->device_id);
}

static struct err *check_nonce(struct state *s, struct trial *t, int64_t now_ms)
{
	const struct intent *i = t->evidence->intent;
	struct nonce_use use;

	memcpy(use.request_id, i->request_id, REQUEST_ID_LEN);
	memcpy(use.card_hash, i->certs[0], SHA256_LEN);
	memcpy(use.statement_hash, i->statement_hash, SHA256_LEN);
	TRY(nonce_check(BYTES(i->nonce, i->nonce_len), &use, now_ms, s->settings->nonce_lifetime_ms,
		&t->nonce_time_ms));
	if (t->nonce_time_ms < t->evidence->offer->created_ms ||
		t->nonce_time_ms > t->evidence->offer->expires_ms)
		return err_new(
			&ERR_EVIDENCE_BAD, "the nonce was not given while the offer was valid");
	return NULL;
}

static struct err *check_card(struct state *s, struct trial *t, int64_t now_ms)
{
	uint8_t digest[SHA256_LEN];

	TRY(card_judge(
		s, t->wire->card_certificates, t->wire->n_card_certificates, now_ms, &t->card));
	facts_digest(t->card->facts, digest);
	if (memcmp(digest, t->evidence->intent->facts_digest, SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the card's facts are not those of the intent");
	TRY(facts_holder_id(t->card->facts, t->holder_id));
	if (t->predecessor && memcmp(t->holder_id, t->predecessor->holder_id, SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the device was enrolled for another holder");
	return NULL;
}

static struct buf *encode_receipt(struct state *s, const struct trial *t, int64_t now_ms)
{
	const struct intent *i = t->evidence->intent;
	struct receipt r = { 0 };

	memcpy(r.intent_hash, t->evidence->intent_hash, SHA256_LEN);
	memcpy(r.evidence_digest, t->evidence->digest, SHA256_LEN);
	r.operation = i->operation;
	memcpy(r.deployment, s->deployment->id, DEPLOYMENT_ID_LEN);
	memcpy(r.request_id, i->request_id, REQUEST_ID_LEN);
	memcpy(r.issuer_key_id, i->issuer_key_id, SHA256_LEN);
	memcpy(r.holder_id, t->holder_id, SHA256_LEN);
	r.facts = t->card->facts;
	r.identity_public = t->evidence->statement->identity_public;
	r.sealing_certificate = t->evidence->statement->sealing_certificate;
	r.n_purposes = i->n_purposes;
	memcpy(r.purposes, i->purposes, sizeof(r.purposes));
	r.time_ms = now_ms;
	r.nonce_time_ms = t->nonce_time_ms;
	r.n_certs = i->n_certs;
	memcpy(r.certs, i->certs, sizeof(r.certs));
	r.n_proofs = t->card->n_proofs;
	memcpy(r.proofs, t->card->proofs, sizeof(r.proofs));
	r.n_consents = i->n_consents;
	memcpy(r.consents, i->consents, sizeof(r.consents));
	r.has_predecessor = i->has_predecessor;
	memcpy(r.predecessor, i->predecessor, SHA256_LEN);
	return receipt_encode(&r);
}

static struct err *put(struct state *s, struct ledger_tx *tx, const struct trial *t,
	struct entry_receipt *entry, bool *ret_exists)
{
	AUTO(buf) struct buf *packed = msg_pack_type(&t->wire->base);

	memcpy(entry->intent_hash, t->evidence->intent_hash, SHA256_LEN);
	memcpy(entry->request_id, t->evidence->intent->request_id, REQUEST_ID_LEN);
	memcpy(entry->device_id, t->device_id, SHA256_LEN);
	memcpy(entry->holder_id, t->holder_id, SHA256_LEN);
	entry->basis = basis_encode(t->card->basis);
	entry->body = encode_receipt(s, t, ledger_now(tx));
	TRY(state_sign_receipt(s, SIG_RECEIPT, buf_bytes(entry->body), &entry->signature));
	TRY(ledger_put_piece(tx, 0, buf_bytes(packed), entry->evidence));
	return entry_receipt_put(tx, entry, ret_exists);
}

/* What the log says of a request: nothing, this very intent, or another one, which is refused for good. */
static struct err *find_logged(struct state *s, const uint8_t request_id[static REQUEST_ID_LEN],
	const uint8_t intent_hash[static SHA256_LEN], struct entry_receipt **ret_entry)
{
	TRY(entry_receipt_by_request(s->ledger, request_id, ret_entry));
	if (!*ret_entry || memcmp((*ret_entry)->intent_hash, intent_hash, SHA256_LEN) == 0)
		return NULL;
	return err_new(&ERR_EVIDENCE_BAD, "another intent was accepted for this request before");
}

/* Evidence and receipt in one transaction. When another process was faster, its receipt is the one. */
static struct err *record(struct state *s, const struct trial *t, struct entry_receipt **ret_entry)
{
	AUTO(entry_receipt) struct entry_receipt *entry = xcalloc(1, sizeof(*entry));
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	bool exists;

	TRY(ledger_begin(s->ledger, false, &tx));
	TRY(part_device_good(s, t->device_id));
	TRY(part_device_of(s, t->device_id, t->holder_id));
	TRY(put(s, tx, t, entry, &exists));
	if (exists) {
		ledger_rollback(take(tx));
		TRY(find_logged(
			s, t->evidence->intent->request_id, t->evidence->intent_hash, ret_entry));
		return *ret_entry ? NULL
				  : err_new(&ERR_STORE,
					    "the log refuses a receipt that it does not have");
	}
	entry->row = ledger_row(tx);
	TRY(ledger_commit(take(tx)));
	*ret_entry = take(entry);
	return NULL;
}

static struct err *judge(
	struct state *s, const Common__Evidence *wire, struct entry_receipt **ret_entry)
{
	AUTO(trial) struct trial *t = xcalloc(1, sizeof(*t));
	int64_t now;

	t->wire = wire;
	TRY(part_now(s, &now));
	TRY(check_bytes(s, t));
	TRY(check_named(s, t));
	TRY(check_nonce(s, t, now));
	TRY(check_card(s, t, now));
	return record(s, t, ret_entry);
}

static const struct statement_request *find_request(
	const struct statement *st, Common__Purpose purpose)
{
	for (size_t i = 0; i < st->n_requests; i++)
		if (st->requests[i].purpose == purpose)
			return &st->requests[i];
	return NULL;
}

static struct err *fill_wanted(struct state *s, const struct intent_purpose *purpose,
	const struct statement *statement, Ca__Wanted *ret)
{
	const struct statement_request *request = find_request(statement, purpose->purpose);
	const struct profile *p;

	TRY(state_profile(s, purpose->profile_digest, &p));
	ca__wanted__init(ret);
	ret->purpose = purpose->purpose;
	ret->origin = purpose->origin;
	ret->profile = p->name;
	if (request)
		ret->request = pb_lend(request->pkcs10);
	return NULL;
}

/* The same answer from a logged receipt as from a new one: all of it comes from the log. */
struct err *part_verified(
	struct state *s, const struct entry_receipt *entry, Ca__Verified **ret)
{
	AUTO(receipt) struct receipt *receipt = NULL;
	AUTO(statement) struct statement *statement = NULL;
	AUTO_MSG Common__Evidence *evidence = NULL;
	Ca__Verified m = CA__VERIFIED__INIT;
	Ca__Wanted wanted[OFFER_PURPOSES_MAX], *pointers[OFFER_PURPOSES_MAX];

	TRY(err_as(&ERR_STORE, receipt_decode(buf_bytes(entry->body), &receipt),
		"receipt in the log"));
	TRY(part_evidence(s, entry, &evidence));
	TRY(err_as(&ERR_STORE,
		statement_decode(pb_bytes(evidence->statement->statement), &statement),
		"statement in the log"));
	for (size_t i = 0; i < receipt->n_purposes; i++) {
		TRY(fill_wanted(s, &receipt->purposes[i], statement, &wanted[i]));
		pointers[i] = &wanted[i];
	}
	AUTO_MEM char *name = text_cut(facts_get(receipt->facts, FACT_NAME), PART_NAME_MAX);
	PART_SIGNED(signed_receipt, entry->body, entry->signature);
	m.receipt = &signed_receipt;
	m.holder_id = pb_lend(BYTES(entry->holder_id, SHA256_LEN));
	m.holder_name = name;
	m.device_id = pb_lend(BYTES(entry->device_id, SHA256_LEN));
	m.platform = statement->platform;
	m.card_id = pb_lend(BYTES(receipt->certs[0], SHA256_LEN));
	m.wanted = pointers;
	m.n_wanted = receipt->n_purposes;
	m.intent_hash = pb_lend(BYTES(entry->intent_hash, SHA256_LEN));
	*ret = msg_dup(&m.base);
	return NULL;
}

struct err *op_verify(struct state *s, const Ca__Verify *q, Ca__Verified **ret)
{
	AUTO(entry_receipt) struct entry_receipt *entry = NULL;
	AUTO(intent) struct intent *intent = NULL;
	uint8_t hash[SHA256_LEN];

	TRY(intent_decode(pb_bytes(q->evidence->intent), &intent));
	sha256(pb_bytes(q->evidence->intent), hash);
	TRY(approval_check(s, false));
	TRY(find_logged(s, intent->request_id, hash, &entry));
	if (!entry)
		TRY(judge(s, q->evidence, &entry));
	return part_verified(s, entry, ret);
}
