/* op_prepare.c: ENROLLMENT step 6: all that can be checked is checked before a PIN is spent; then the nonce is given. */
#include <string.h>

#include "daemon/ca/approval.h"
#include "daemon/ca/nonce.h"
#include "daemon/ca/op_part.h"

/* An offer that was signed here, is of now, and names what is still so. */
static struct err *check_offer(
	struct state *s, const Common__Signed *wire, int64_t now_ms, struct offer **ret_offer)
{
	AUTO(offer) struct offer *o = NULL;
	AUTO(entry_receipt) struct entry_receipt *used = NULL;

	TRY(err_wrap(
		offer_open(wire, BYTES(s->deployment->delivery_public, ED25519_PUBLIC_LEN), &o),
		"offer"));
	if (memcmp(o->deployment, s->deployment->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "an offer of another deployment");
	if (now_ms < o->created_ms || now_ms > o->expires_ms)
		return err_new(&ERR_SESSION_OVER, "the offer is no longer valid");
	TRY(part_issuer_good(s, o->issuer_key_id));
	TRY(entry_receipt_by_request(s->ledger, o->request_id, &used));
	if (used)
		return err_new(&ERR_WRONG_STATE, "this request has its receipt already");
	*ret_offer = take(o);
	return NULL;
}

/* Both signatures and everything in the statement, under the invitation key that it names itself: that it is the one on
 * this screen is for derivd-card to know, which has it from derivctl. */
static struct err *check_statement(
	const Ca__Prepare *q, const struct offer *offer, struct statement **ret_statement)
{
	AUTO(statement) struct statement *named = NULL;
	AUTO(statement) struct statement *s = NULL;
	struct bytes invitation = { 0 };
	uint8_t hash[SHA256_LEN];

	TRY(err_as(&ERR_STATEMENT_BAD, statement_decode(pb_bytes(q->statement->statement), &named),
		"statement"));
	if (named->has_invitation)
		invitation = BYTES(named->invitation_public, ED25519_PUBLIC_LEN);
	TRY(statement_check(q->statement, offer, pb_bytes(q->offer->body), invitation, &s));
	if (s->has_invitation) {
		sha256(pb_bytes(q->device_random), hash);
		if (q->device_random.len != R_LEN || q->kiosk_random.len != R_LEN ||
			memcmp(hash, s->commitment, SHA256_LEN) != 0)
			return err_new(&ERR_STATEMENT_BAD,
				"the device's random number is not the one that it committed to");
	}
	*ret_statement = take(s);
	return NULL;
}

/* Those that the offer names, in its order: derivd passes on all that the card gave, and cannot read offers. */
static struct err *pick_certificates(const Ca__Prepare *q, const struct offer *offer,
	ProtobufCBinaryData ret_certificates[static CARD_CERTS_MAX])
{
	uint8_t hash[SHA256_LEN];

	for (size_t i = 0; i < offer->n_certs; i++) {
		size_t at = 0;

		for (; at < q->n_certificates; at++) {
			sha256(pb_bytes(q->certificates[at]), hash);
			if (memcmp(hash, offer->certs[i], SHA256_LEN) == 0)
				break;
		}
		if (at == q->n_certificates)
			return err_new(
				&ERR_EVIDENCE_BAD, "a certificate that the offer names is missing");
		ret_certificates[i] = q->certificates[at];
	}
	return NULL;
}

static struct err *check_card(
	struct state *s, const Ca__Prepare *q, const struct offer *offer, int64_t now_ms)
{
	AUTO(card) struct card *card = NULL;
	ProtobufCBinaryData certificates[CARD_CERTS_MAX];
	uint8_t expected[SHA256_LEN], found[SHA256_LEN];

	TRY(pick_certificates(q, offer, certificates));
	TRY(card_judge(s, certificates, offer->n_certs, now_ms, &card));
	if (card->n != offer->n_certs ||
		memcmp(card->hashes, offer->certs, card->n * SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "other certificates than those of the offer");
	facts_digest(offer->facts, expected);
	facts_digest(card->facts, found);
	if (memcmp(expected, found, SHA256_LEN) != 0)
		return err_new(
			&ERR_EVIDENCE_BAD, "the card's facts are no longer those of the offer");
	return NULL;
}

/* op = issue: the enrolled device, with the keys of its enrollment, for the same holder. */
static struct err *check_predecessor(struct state *s, const Ca__Prepare *q,
	const struct offer *offer, const struct statement *statement)
{
	AUTO(receipt) struct receipt *predecessor = NULL;
	uint8_t holder[SHA256_LEN];

	TRY(part_predecessor(s, offer->operation, q->predecessor, &predecessor));
	if (!predecessor)
		return NULL;
	TRY(facts_holder_id(offer->facts, holder));
	if (memcmp(offer->predecessor, predecessor->hash, SHA256_LEN) != 0)
		return err_new(
			&ERR_EVIDENCE_BAD, "another receipt than the one that the offer names");
	if (memcmp(holder, predecessor->holder_id, SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the device was enrolled for another holder");
	if (!bytes_eq(predecessor->identity_public, statement->identity_public) ||
		!bytes_eq(predecessor->sealing_certificate, statement->sealing_certificate))
		return err_new(
			&ERR_EVIDENCE_BAD, "the device has other keys than at its enrollment");
	return NULL;
}

static struct err *check_device(
	struct state *s, const struct offer *offer, const struct statement *statement)
{
	uint8_t device[SHA256_LEN], holder[SHA256_LEN];

	statement_device_id(statement, device);
	TRY(part_device_good(s, device));
	TRY(facts_holder_id(offer->facts, holder));
	return part_device_of(s, device, holder);
}

static struct err *give_nonce(struct state *s, const struct offer *offer,
	const struct statement *statement, int64_t now_ms, Ca__Nonce **ret)
{
	Ca__Nonce m = CA__NONCE__INIT;
	struct nonce_use use;
	uint8_t nonce[NONCE_LEN];

	memcpy(use.request_id, offer->request_id, REQUEST_ID_LEN);
	memcpy(use.card_hash, offer->certs[0], SHA256_LEN);
	memcpy(use.statement_hash, statement->hash, SHA256_LEN);
	TRY(nonce_make(&use, now_ms, nonce));
	m.nonce = pb_lend(BYTES(nonce, sizeof(nonce)));
	m.expires_ms = now_ms + (int64_t)s->settings->nonce_lifetime_ms;
	*ret = msg_dup(&m.base);
	return NULL;
}

struct err *op_prepare(struct state *s, const Ca__Prepare *q, Ca__Nonce **ret)
{
	AUTO(offer) struct offer *offer = NULL;
	AUTO(statement) struct statement *statement = NULL;
	int64_t now;

	TRY(approval_check(s, false));
	TRY(part_now(s, &now));
	TRY(check_offer(s, q->offer, now, &offer));
	TRY(check_statement(q, offer, &statement));
	TRY(statement_check_host(statement, s->deployment->host));
	TRY(check_device(s, offer, statement));
	TRY(check_predecessor(s, q, offer, statement));
	TRY(check_card(s, q, offer, now));
	return give_nonce(s, offer, statement, now, ret);
}
