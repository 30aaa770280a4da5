/* op_assess.c: ENROLLMENT step 2: who is this, and what would be issued? The answer is the signed offer. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/log.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/build.h"
#include "daemon/ca/op_part.h"
#include "evidence/number.h"

static bool is_wanted(const Ca__Assess *q, Common__Purpose purpose)
{
	for (size_t i = 0; i < q->n_purposes; i++)
		if (q->purposes[i] == purpose)
			return true;
	return q->n_purposes == 0;
}

static void add_purpose(struct offer *o, const struct profile *p)
{
	struct offer_purpose *to = &o->purposes[o->n_purposes++];

	to->purpose = p->purpose;
	to->origin = p->origin;
	memcpy(to->key_type, p->key_type, sizeof(to->key_type));
	memcpy(to->profile_digest, p->digest, SHA256_LEN);
	clock_random(to->challenge, CHALLENGE_LEN);
}

/*
 * Purposes that were asked for must be possible; when none was named, what the holder's facts do not allow is left out
 * and the person sees what is offered.
 */
static struct err *add_purposes(
	struct state *s, const Ca__Assess *q, const struct facts *facts, struct offer *o)
{
	AUTO(err) struct err *last = NULL;

	for (size_t i = 0; i < q->n_purposes; i++)
		if (!settings_profile(s->settings, q->purposes[i]))
			return err_new(&ERR_POLICY, "ca.conf has no profile for %s",
				profile_purpose_name(q->purposes[i])
					? profile_purpose_name(q->purposes[i])
					: "this purpose");
	for (size_t i = 0; i < s->settings->n_profiles; i++) {
		const struct profile *p = s->settings->profiles[i];
		if (!is_wanted(q, p->purpose))
			continue;
		struct err *e = err_wrap(build_check(p, facts), "profile \"%s\"", p->name);
		if (!e) {
			add_purpose(o, p);
			continue;
		}
		if (q->n_purposes)
			return e;
		log_note(NOTE_NOT_OFFERED, NULL, "not offered: %s", err_get_text(e));
		err_free(last);
		last = e;
	}
	if (!o->n_purposes)
		return last ? take(last) : err_new(&ERR_POLICY, "ca.conf has no profile");
	return NULL;
}

/* Bodies of the profiles go into the log before an offer names them. */
static struct err *log_profiles(struct state *s, const struct offer *o)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;

	for (size_t i = 0; i < o->n_purposes; i++) {
		AUTO(buf) struct buf *body = NULL;
		const struct profile *p = settings_profile(s->settings, o->purposes[i].purpose);
		TRY(entry_profile_get(s->ledger, p->digest, &body));
		if (body)
			continue;
		if (!tx)
			TRY(ledger_begin(s->ledger, false, &tx));
		TRY(entry_profile_put(tx, p->digest, buf_bytes(p->body)));
	}
	return tx ? ledger_commit(take(tx)) : NULL;
}

static void fill(struct state *s, const Ca__Assess *q, const struct card *card,
	const struct receipt *predecessor, int64_t now_ms, struct offer *o)
{
	o->operation = q->operation;
	memcpy(o->deployment, s->deployment->id, DEPLOYMENT_ID_LEN);
	memcpy(o->request_id, q->request_id.data, REQUEST_ID_LEN);
	memcpy(o->issuer_key_id, s->issuer->key_id, SHA256_LEN);
	if (predecessor)
		memcpy(o->predecessor, predecessor->hash, SHA256_LEN);
	o->created_ms = now_ms;
	o->expires_ms = now_ms + (int64_t)s->settings->offer_lifetime_ms;
	o->n_certs = card->n;
	memcpy(o->certs, card->hashes, sizeof(o->certs));
	o->facts = card->facts; /* lent */
}

static struct err *answer(
	struct state *s, const struct offer *o, const struct card *card, Ca__Assessment **ret)
{
	Ca__Assessment m = CA__ASSESSMENT__INIT;
	AUTO(buf) struct buf *body = offer_encode(o);
	AUTO(buf) struct buf *signature = NULL;
	AUTO_MEM char *last_four = number_last_four(card->facts);
	AUTO_MEM char *name = text_cut(facts_get(card->facts, FACT_NAME), PART_NAME_MAX);
	uint8_t holder[SHA256_LEN];
	Common__Purpose purposes[OFFER_PURPOSES_MAX];

	TRY(facts_holder_id(card->facts, holder));
	TRY(state_sign_delivery(s, SIG_OFFER, buf_bytes(body), &signature));
	PART_SIGNED(offer, body, signature);
	for (size_t i = 0; i < o->n_purposes; i++)
		purposes[i] = o->purposes[i].purpose;
	m.offer = &offer;
	m.delivery_public = pb_lend(BYTES(s->deployment->delivery_public, ED25519_PUBLIC_LEN));
	m.holder_id = pb_lend(BYTES(holder, SHA256_LEN));
	m.name = name;
	m.last_four = last_four;
	m.card_id = pb_lend(BYTES(card->hashes[0], SHA256_LEN));
	m.purposes = purposes;
	m.n_purposes = o->n_purposes;
	*ret = msg_dup(&m.base);
	return NULL;
}

static struct err *check_predecessor(struct state *s, const Ca__Assess *q, const struct card *card,
	struct receipt **ret_predecessor)
{
	uint8_t holder[SHA256_LEN];

	TRY(part_predecessor(s, q->operation, q->predecessor, ret_predecessor));
	if (!*ret_predecessor)
		return NULL;
	TRY(facts_holder_id(card->facts, holder));
	if (memcmp(holder, (*ret_predecessor)->holder_id, SHA256_LEN) != 0)
		return err_new(&ERR_POLICY, "the device was enrolled with another person's card");
	return NULL;
}

struct err *op_assess(
	struct state *s, const Ca__Assess *q, struct card_reasons *reasons, Ca__Assessment **ret)
{
	AUTO(entry_receipt) struct entry_receipt *used = NULL;
	AUTO(card) struct card *card = NULL;
	AUTO(receipt) struct receipt *predecessor = NULL;
	struct offer o = { 0 };
	int64_t now;

	TRY(approval_check(s, false));
	TRY(part_now(s, &now));
	TRY(entry_receipt_by_request(s->ledger, q->request_id.data, &used));
	if (used)
		return err_new(&ERR_WRONG_STATE, "this request has its receipt already");
	TRY(card_choose(s, q->certificates, q->n_certificates, q->serial, now, reasons, &card));
	TRY(check_predecessor(s, q, card, &predecessor));
	fill(s, q, card, predecessor, now, &o);
	TRY(add_purposes(s, q, card->facts, &o));
	TRY(log_profiles(s, &o));
	return answer(s, &o, card, ret);
}
