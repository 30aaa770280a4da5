/* offer.c: what derivd-ca would issue; read by the kiosk, the device and derivd-ca itself again. */
#include "evidence/offer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/key.h"
#include "evidence/part.h"

void offer_free(struct offer *o)
{
	if (!o)
		return;
	facts_free(o->facts);
	free(o);
}

static void put_purposes(struct buf *out, const struct offer *o)
{
	AUTO(buf) struct buf *list = buf_new();

	for (size_t i = 0; i < o->n_purposes; i++) {
		const struct offer_purpose *p = &o->purposes[i];
		AUTO(buf) struct buf *one = buf_new();
		record_put_u8(one, (uint8_t)p->purpose);
		record_put_u8(one, (uint8_t)p->origin);
		record_put_str(one, p->key_type);
		record_put(one, BYTES(p->profile_digest, SHA256_LEN));
		record_put(one, BYTES(p->challenge, CHALLENGE_LEN));
		record_put_nested(list, one);
	}
	record_put_nested(out, list);
}

struct buf *offer_encode(const struct offer *o)
{
	struct buf *out = buf_new();
	AUTO(buf) struct buf *facts = buf_new();

	assert(o->n_certs <= CARD_CERTS_MAX && o->n_purposes <= OFFER_PURPOSES_MAX && o->facts);
	record_put_u8(out, (uint8_t)o->operation);
	record_put(out, BYTES(o->deployment, DEPLOYMENT_ID_LEN));
	record_put(out, BYTES(o->request_id, REQUEST_ID_LEN));
	record_put(out, BYTES(o->issuer_key_id, SHA256_LEN));
	record_put(out, BYTES(o->predecessor, SHA256_LEN));
	record_put_u64(out, (uint64_t)o->created_ms);
	record_put_u64(out, (uint64_t)o->expires_ms);
	part_put_hashes(out, o->certs, o->n_certs);
	put_purposes(out, o);
	facts_encode(o->facts, facts);
	record_put_nested(out, facts);
	return out;
}

static struct err *get_purpose(struct cursor *list, struct offer_purpose *ret_purpose)
{
	struct offer_purpose p = { 0 };
	struct cursor one;
	struct bytes type;
	uint8_t origin;

	TRY(record_get_list(list, "purpose", &one));
	TRY(part_get_purpose(&one, &p.purpose));
	TRY(record_get_choice(
		&one, "origin", COMMON__ORIGIN__DEVICE, COMMON__ORIGIN__SERVER, &origin));
	p.origin = (Common__Origin)origin;
	TRY(record_get(&one, "key type", 1, KEY_TYPE_MAX - 1, &type));
	memcpy(p.key_type, type.data, type.len);
	if (strlen(p.key_type) != type.len || !key_type_is_known(p.key_type))
		return err_new(&ERR_FORMAT, "key type: not one that this release knows");
	TRY(record_get_fixed(&one, "profile digest", SHA256_LEN, p.profile_digest));
	TRY(record_get_fixed(&one, "challenge", CHALLENGE_LEN, p.challenge));
	TRY(cursor_end(&one));
	*ret_purpose = p;
	return NULL;
}

static struct err *get_purposes(struct cursor *c, struct offer *o)
{
	struct cursor list;

	TRY(record_get_list(c, "purposes", &list));
	while (list.rest.len) {
		struct offer_purpose p;
		TRY(get_purpose(&list, &p));
		if (o->n_purposes == OFFER_PURPOSES_MAX)
			return err_new(&ERR_FORMAT, "more than %d purposes", OFFER_PURPOSES_MAX);
		if (o->n_purposes && o->purposes[o->n_purposes - 1].purpose >= p.purpose)
			return err_new(&ERR_FORMAT, "purposes out of order, or one twice");
		o->purposes[o->n_purposes++] = p;
	}
	if (o->n_purposes == 0)
		return err_new(&ERR_FORMAT, "no purpose");
	return NULL;
}

static struct err *get_fields(struct cursor *c, struct offer *o)
{
	static const uint8_t zeros[SHA256_LEN];
	struct bytes facts;
	uint8_t operation;

	TRY(record_get_choice(
		c, "operation", COMMON__OPERATION__ENROLL, COMMON__OPERATION__ISSUE, &operation));
	o->operation = (Common__Operation)operation;
	TRY(record_get_fixed(c, "deployment", DEPLOYMENT_ID_LEN, o->deployment));
	TRY(record_get_fixed(c, "request id", REQUEST_ID_LEN, o->request_id));
	TRY(record_get_fixed(c, "issuer key id", SHA256_LEN, o->issuer_key_id));
	TRY(record_get_fixed(c, "predecessor", SHA256_LEN, o->predecessor));
	TRY(record_get_time(c, "time of creation", &o->created_ms));
	TRY(record_get_time(c, "time of expiry", &o->expires_ms));
	TRY(part_get_hashes(c, "card certificates", 1, CARD_CERTS_MAX, o->certs, &o->n_certs));
	TRY(get_purposes(c, o));
	TRY(record_get(c, "facts", 0, RECORD_MAX, &facts));
	TRY(facts_decode(facts, &o->facts));
	TRY(cursor_end(c));
	bool has_predecessor = memcmp(o->predecessor, zeros, SHA256_LEN) != 0;
	if (has_predecessor != (o->operation == COMMON__OPERATION__ISSUE))
		return err_new(&ERR_FORMAT,
			"an enrollment has no predecessor, a further issuance must have one");
	if (o->expires_ms <= o->created_ms)
		return err_new(&ERR_FORMAT, "it expires before it was created");
	return NULL;
}

struct err *offer_decode(struct bytes b, struct offer **ret_offer)
{
	AUTO(offer) struct offer *o = xcalloc(1, sizeof(*o));
	struct cursor c = { b };

	TRY(err_wrap(get_fields(&c, o), "offer"));
	AUTO(buf) struct buf *again = offer_encode(o);
	if (!bytes_eq(buf_bytes(again), b))
		return err_new(&ERR_FORMAT, "offer: not in its one encoding");
	*ret_offer = take(o);
	return NULL;
}

struct err *offer_open(
	const Common__Signed *s, struct bytes delivery_public, struct offer **ret_offer)
{
	TRY(err_wrap(part_open(s, SIG_OFFER, delivery_public), "offer"));
	return offer_decode(BYTES(s->body.data, s->body.len), ret_offer);
}
