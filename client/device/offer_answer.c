/* offer_answer.c: see offer_answer.h. */
#include "client/device/offer_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/device/fault.h"
#include "client/device/make.h"
#include "evidence/key.h"
#include "proto/msg.h"

/* A wrong time zone must not keep anybody from enrolling; how old an offer may be is checked where it counts, at the kiosk. */
#define CLOCK_TOLERANCE_MS (24 * 3600 * 1000LL)

/* --- checks --- */

static struct err *check_expiry(const struct offer *o)
{
	int64_t now_ms = clock_real_ms();

	if (now_ms <= o->expires_ms + CLOCK_TOLERANCE_MS)
		return NULL;
	AUTO_MEM char *then = text_time(o->expires_ms);
	AUTO_MEM char *now = text_time(now_ms);
	return err_new(
		&ERR_OFFER, "the offer expired at %s, and this device's clock says %s", then, now);
}

/* Is it about the person who enrolled this device, and about that enrollment? */
static struct err *check_predecessor(const struct state *s, const struct offer *o)
{
	uint8_t holder[SHA256_LEN];

	if (s->stage != STAGE_ENROLLED)
		return err_new(&ERR_OFFER, "an offer of more credentials, but this device is not "
					   "enrolled");
	if (s->has_receipt && memcmp(s->receipt, o->predecessor, SHA256_LEN) != 0)
		return err_new(&ERR_OFFER, "the offer follows another enrollment than this one");
	if (!s->has_holder_id)
		return NULL;
	TRY(err_as(&ERR_OFFER, facts_holder_id(o->facts, holder), "the offer names no holder"));
	if (memcmp(s->holder_id, holder, SHA256_LEN) != 0)
		return err_new(&ERR_OFFER, "the offer is for another person");
	return NULL;
}

static struct err *check_offer(const struct state *s, const struct offer *o)
{
	if (memcmp(o->deployment, s->deployment, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_OFFER, "the offer is of another deployment");
	TRY(check_expiry(o));
	if (o->operation == COMMON__OPERATION__ISSUE)
		return check_predecessor(s, o);
	if (s->stage != STAGE_PENDING || !s->attempt ||
		s->attempt->operation != COMMON__OPERATION__ENROLL)
		return err_new(&ERR_OFFER, "an offer to enroll, for which nobody asked");
	return NULL;
}

/* --- keys --- */

/* Room for new keys: the oldest that never got a certificate give way. */
static void make_room(struct state *s, size_t wanted)
{
	while (s->n_slots + wanted > STATE_SLOTS_MAX) {
		struct slot *oldest = NULL;
		for (size_t i = 0; i < s->n_slots; i++) {
			struct slot *slot = &s->slots[i];
			if (!slot_is_whole(slot) && (!oldest || slot->since_ms < oldest->since_ms))
				oldest = slot;
		}
		if (!oldest)
			return;
		state_remove_slot(s, oldest);
	}
}

static struct err *make_one(const struct home *h, struct state *s, const struct offer *o,
	const struct offer_purpose *wanted, struct buf **ret_request)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf *request = NULL;
	struct slot slot = {
		.purpose = wanted->purpose,
		.origin = COMMON__ORIGIN__DEVICE,
		.has_key = true,
		.since_ms = clock_real_ms(),
	};

	TRY(make_key(wanted->key_type, &key));
	TRY(make_request(key, &request));
	TRY(home_put_key(h, key, slot.key_hash));
	memcpy(slot.request_id, o->request_id, REQUEST_ID_LEN);
	TRY(state_add_slot(s, &slot));
	*ret_request = take(request);
	return NULL;
}

struct requests {
	size_t n;
	struct buf *der[STATEMENT_REQUESTS_MAX];
};

static void free_requests(struct requests *r)
{
	for (size_t i = 0; i < r->n; i++)
		buf_free(r->der[i]);
}

static struct err *make_keys(const struct home *h, struct state *s, const struct offer *o,
	struct requests *r, struct statement *st)
{
	make_room(s, o->n_purposes);
	for (size_t i = 0; i < o->n_purposes; i++) {
		const struct offer_purpose *p = &o->purposes[i];
		if (p->origin != COMMON__ORIGIN__DEVICE)
			continue;
		TRY(make_one(h, s, o, p, &r->der[r->n]));
		st->requests[st->n_requests++] = (struct statement_request){
			.purpose = p->purpose,
			.pkcs10 = buf_bytes(r->der[r->n++]),
		};
	}
	return NULL;
}

/* --- the statement --- */

static struct err *sign(const struct attempt *a, EVP_PKEY *identity, struct buf **ret_invitation,
	struct buf **ret_identity)
{
	AUTO(pkey) EVP_PKEY *invitation = NULL;
	AUTO(buf) struct buf *by_invitation = NULL;

	if (a->operation == COMMON__OPERATION__ENROLL) {
		TRY(sig_from_seed(buf_bytes(a->seed), &invitation));
		TRY(sig_sign(invitation, SIG_STATEMENT, buf_bytes(a->statement), &by_invitation));
	} else {
		by_invitation = buf_new();
	}
	TRY(sig_sign(identity, SIG_STATEMENT, buf_bytes(a->statement), ret_identity));
	*ret_invitation = take(by_invitation);
	return NULL;
}

static struct err *sign_attempt(struct attempt *a, EVP_PKEY *identity)
{
	struct buf *by_invitation = NULL, *by_identity = NULL;

	TRY(sign(a, identity, &by_invitation, &by_identity));
	buf_free(a->invitation_signature);
	a->invitation_signature = by_invitation;
	buf_free(a->identity_signature);
	a->identity_signature = by_identity;
	/* It has signed what it was for. */
	buf_clear(a->seed);
	return NULL;
}

static struct err *write_statement(const struct home *h, struct state *s, EVP_PKEY *identity,
	const struct offer *o, struct bytes offer_bytes, struct statement *st)
{
	AUTO(buf) struct buf *spki = sig_spki(identity);
	AUTO(buf) struct buf *sealing = NULL;
	struct attempt *a = s->attempt;

	TRY(home_get_object(h, s->sealing_certificate, &sealing));
	st->version = STATEMENT_VERSION;
	st->host = s->host;
	st->platform = s->platform;
	memcpy(st->deployment, s->deployment, DEPLOYMENT_ID_LEN);
	sha256(offer_bytes, st->offer_digest);
	st->identity_public = buf_bytes(spki);
	st->sealing_certificate = buf_bytes(sealing);
	st->has_invitation = o->operation == COMMON__OPERATION__ENROLL;
	if (st->has_invitation) {
		memcpy(st->invitation_public, a->invitation_public, ED25519_PUBLIC_LEN);
		clock_random(a->r_d, R_LEN);
		sha256(BYTES(a->r_d, R_LEN), st->commitment);
	}
	buf_free(a->statement);
	a->statement = statement_encode(st);
	memcpy(a->request_id, o->request_id, REQUEST_ID_LEN);
	memcpy(a->predecessor, o->predecessor, SHA256_LEN);
	a->expires_ms = o->expires_ms;
	a->n_purposes = o->n_purposes;
	for (size_t i = 0; i < o->n_purposes; i++)
		a->purposes[i] = (uint8_t)o->purposes[i].purpose;
	return sign_attempt(a, identity);
}

/* Whose enrollment this is: later offers must be for the same person. */
static void remember_holder(struct state *s, const struct offer *o)
{
	const char *name = facts_get(o->facts, FACT_NAME);
	struct err *e = facts_holder_id(o->facts, s->holder_id);

	s->has_holder_id = !e;
	err_free(e);
	free(s->holder);
	s->holder = xstrdup(name ? name : "");
}

static struct err *make_statement(const struct home *h, struct state *s, EVP_PKEY *identity,
	const struct offer *o, struct bytes offer_bytes)
{
	struct requests requests = { 0 };
	struct statement st = { 0 };

	if (o->operation == COMMON__OPERATION__ISSUE) {
		state_drop_attempt(s);
		s->attempt = attempt_new();
		s->attempt->operation = COMMON__OPERATION__ISSUE;
	} else {
		remember_holder(s, o);
	}
	struct err *e = make_keys(h, s, o, &requests, &st);
	if (!e)
		e = write_statement(h, s, identity, o, offer_bytes, &st);
	free_requests(&requests);
	TRY(e);
	return home_save(h, s);
}

/* Was this very offer answered? An enrollment answers one offer only. */
static struct err *find_answer(const struct attempt *a, Common__Operation operation,
	struct bytes offer_bytes, bool *ret_found)
{
	AUTO(statement) struct statement *st = NULL;
	uint8_t digest[SHA256_LEN];

	*ret_found = false;
	if (!a || a->operation != operation || buf_len(a->statement) == 0)
		return NULL;
	TRY(err_as(&ERR_HOME_DAMAGED, statement_decode(buf_bytes(a->statement), &st),
		"the statement that was kept"));
	sha256(offer_bytes, digest);
	*ret_found = memcmp(st->offer_digest, digest, SHA256_LEN) == 0;
	if (!*ret_found && operation == COMMON__OPERATION__ENROLL)
		return err_new(&ERR_OFFER, "another offer than the one that was answered");
	return NULL;
}

struct err *offer_answer(const struct home *h, struct state *s, EVP_PKEY *identity,
	const Device__Offer *m, struct offer_question question, struct offer **ret_offer)
{
	AUTO(offer) struct offer *o = NULL;
	struct bytes bytes = pb_bytes(m->offer->body);
	uint8_t delivery[SHA256_LEN];
	bool found;

	sha256(pb_bytes(m->delivery_public), delivery);
	if (memcmp(delivery, s->delivery_hash, SHA256_LEN) != 0)
		return err_new(&ERR_TAMPERED, "the offer comes with another key than the "
					      "invitation named");
	TRY(err_wrap(offer_open(m->offer, pb_bytes(m->delivery_public), &o), "the kiosk's offer"));
	TRY(check_offer(s, o));
	TRY(find_answer(s->attempt, o->operation, bytes, &found));
	if (!found && question.ask && !question.ask(question.arg, o))
		return err_new(&ERR_DECLINED, "the offer was declined on this device");
	if (!found)
		TRY(make_statement(h, s, identity, o, bytes));
	*ret_offer = take(o);
	return NULL;
}

void offer_fill_statement(const struct attempt *a, const struct buf *identity_spki,
	Device__Statement *ret_message, Common__Statement *ret_inner)
{
	common__statement__init(ret_inner);
	ret_inner->statement = pb_lend(buf_bytes(a->statement));
	ret_inner->invitation_signature = pb_lend(buf_bytes(a->invitation_signature));
	ret_inner->identity_signature = pb_lend(buf_bytes(a->identity_signature));
	device__statement__init(ret_message);
	ret_message->statement = ret_inner;
	ret_message->identity_public = pb_lend(buf_bytes(identity_spki));
}
