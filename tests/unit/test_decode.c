/* test_decode.c: every signed record has one encoding: what decodes is exactly what its writer would write. */
#include "tests/unit/unit.h"

#include "evidence/item.h"
#include "tests/unit/enrollment.h"

#define DECODER(type)                                                                              \
	static struct err *again_##type(struct bytes b, struct buf **ret_again)                    \
	{                                                                                          \
		AUTO(type) struct type *o = NULL;                                                  \
		struct err *e = type##_decode(b, &o);                                              \
		if (e)                                                                             \
			assert_null(o);                                                            \
		else                                                                               \
			*ret_again = type##_encode(o);                                             \
		return e;                                                                          \
	}

DECODER(offer)
DECODER(statement)
DECODER(intent)
DECODER(receipt)
DECODER(ticket)
DECODER(item)
DECODER(acknowledgement)

static struct buf *facts_bytes(const struct facts *f)
{
	struct buf *b = buf_new();

	facts_encode(f, b);
	return b;
}

static struct err *again_facts(struct bytes b, struct buf **ret_again)
{
	AUTO(facts) struct facts *f = NULL;

	TRY(facts_decode(b, &f));
	*ret_again = facts_bytes(f);
	return NULL;
}

struct kind {
	const char *name;
	struct err *(*again)(struct bytes b, struct buf **ret_again);
	struct buf *good;
	bool may_end_early; /* a bare list of fields: its front is one, too */
};

static struct buf *copy(const struct buf *b)
{
	struct buf *c = buf_new();

	buf_add_bytes(c, buf_bytes(b));
	return c;
}

static struct buf *item_bytes(const struct enrollment *e)
{
	struct item i = { .number = 7,
		.kind = ITEM_CERTIFICATE,
		.purpose = COMMON__PURPOSE__SIGNING,
		.payload_len = buf_len(e->card_der),
		.time_ms = e->now_ms };

	memset(i.deployment, 1, sizeof(i.deployment));
	memset(i.device_id, 2, sizeof(i.device_id));
	memset(i.item_id, 3, sizeof(i.item_id));
	sha256(buf_bytes(e->card_der), i.payload_digest);
	return item_encode(&i);
}

static struct buf *acknowledgement_bytes(void)
{
	struct acknowledgement a = { .number = 7, .status = 1, .detail = "no room" };

	return acknowledgement_encode(&a);
}

#define KINDS 8

static void kinds_make(struct kind kinds[static KINDS])
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();

	enrollment_build(e);
	kinds[0] = (struct kind){ "offer", again_offer, copy(e->offer_bytes), false };
	kinds[1] = (struct kind){ "statement", again_statement, copy(e->statement_bytes), false };
	kinds[2] = (struct kind){ "intent", again_intent, copy(e->intent_bytes), false };
	kinds[3] = (struct kind){ "receipt", again_receipt, copy(e->receipt_bytes), false };
	kinds[4] = (struct kind){ "ticket", again_ticket, copy(e->ticket_bytes), false };
	kinds[5] = (struct kind){ "item", again_item, item_bytes(e), false };
	kinds[6] = (struct kind){ "acknowledgement", again_acknowledgement, acknowledgement_bytes(),
		false };
	kinds[7] = (struct kind){ "facts", again_facts, facts_bytes(e->offer.facts), true };
}

/* What decodes must come out as it came in. */
static bool is_sound(const struct kind *k, struct bytes b, bool *ret_accepted)
{
	AUTO(buf) struct buf *again = NULL;
	AUTO(err) struct err *e = k->again(b, &again);

	*ret_accepted = !e;
	if (e)
		return err_is(e, &ERR_FORMAT) || err_is(e, &ERR_EVIDENCE_BAD);
	return bytes_eq(buf_bytes(again), b);
}

#define FOR_EACH_KIND(k, code)                                                                     \
	do {                                                                                       \
		struct kind kinds_[KINDS];                                                         \
		kinds_make(kinds_);                                                                \
		for (size_t i_ = 0; i_ < KINDS; i_++) {                                            \
			const struct kind *k = &kinds_[i_];                                        \
			code;                                                                      \
			buf_free(kinds_[i_].good);                                                 \
		}                                                                                  \
	} while (0)

static void round_trip_one(const struct kind *k)
{
	bool accepted;

	if (!is_sound(k, buf_bytes(k->good), &accepted) || !accepted)
		fail_msg("%s: does not come back", k->name);
}

static void round_trip(void **state)
{
	FOR_EACH_KIND(k, round_trip_one(k));
}

static void truncate_one(const struct kind *k)
{
	for (size_t len = 0; len < buf_len(k->good); len++) {
		AUTO_MEM uint8_t *part = bytes_dup(BYTES(buf_data(k->good), len));
		bool accepted;
		if (!is_sound(k, BYTES(part, len), &accepted) || (accepted && !k->may_end_early))
			fail_msg("%s: %zu bytes were accepted", k->name, len);
	}
}

static void truncations(void **state)
{
	FOR_EACH_KIND(k, truncate_one(k));
}

static void append_one(const struct kind *k)
{
	/* A byte, and an empty field. */
	for (size_t n = 1; n <= 4; n += 3) {
		AUTO(buf) struct buf *longer = copy(k->good);
		bool accepted;
		memset(buf_grow(longer, n), 0, n);
		if (!is_sound(k, buf_bytes(longer), &accepted) || accepted)
			fail_msg("%s: %zu bytes more were accepted", k->name, n);
	}
}

static void trailing_bytes(void **state)
{
	FOR_EACH_KIND(k, append_one(k));
}

/* A turned bit in free content gives another good record; but never two encodings of one. */
static void turn_one(const struct kind *k)
{
	AUTO_MEM uint8_t *bytes = bytes_dup(buf_bytes(k->good));

	for (size_t bit = 0; bit < buf_len(k->good) * 8; bit++) {
		bool accepted;
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (!is_sound(k, BYTES(bytes, buf_len(k->good)), &accepted))
			fail_msg("%s: with bit %zu turned it has two encodings", k->name, bit);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void one_encoding(void **state)
{
	FOR_EACH_KIND(k, turn_one(k));
}

static void huge_lengths_one(const struct kind *k)
{
	AUTO_MEM uint8_t *bytes = bytes_dup(buf_bytes(k->good));
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff };
	bool accepted;

	memcpy(bytes + buf_len(k->good) - 4, huge, 4);
	assert_true(is_sound(k, BYTES(bytes, buf_len(k->good)), &accepted));
	memcpy(bytes, huge, 4);
	assert_true(is_sound(k, BYTES(bytes, buf_len(k->good)), &accepted) && !accepted);
}

static void huge_lengths(void **state)
{
	FOR_EACH_KIND(k, huge_lengths_one(k));
}

/* --- rules within a record: an encoder's caller who gets it wrong --- */

#define OFFER_REFUSED(change, part)                                                                \
	do {                                                                                       \
		AUTO(enrollment) struct enrollment *e = enrollment_new();                          \
		AUTO(buf) struct buf *again = NULL;                                                \
		enrollment_build(e);                                                               \
		struct offer *o = &e->offer;                                                       \
		change;                                                                            \
		AUTO(buf) struct buf *b = offer_encode(o);                                         \
		assert_err_text(again_offer(buf_bytes(b), &again), &ERR_FORMAT, part);             \
	} while (0)

static void offers(void **state)
{
	OFFER_REFUSED(o->operation = 3, "operation");
	OFFER_REFUSED(o->operation = COMMON__OPERATION__ISSUE, "predecessor");
	OFFER_REFUSED(o->predecessor[5] = 1, "predecessor");
	OFFER_REFUSED(o->expires_ms = o->created_ms, "expires");
	OFFER_REFUSED(o->created_ms = -1, "year 9999");
	OFFER_REFUSED(o->n_certs = 0, "at least 1");
	OFFER_REFUSED(o->n_certs = 2; memcpy(o->certs[1], o->certs[0], SHA256_LEN), "twice");
	OFFER_REFUSED(o->n_purposes = 0, "no purpose");
	OFFER_REFUSED(o->purposes[1].purpose = COMMON__PURPOSE__AUTHENTICATION, "out of order");
	OFFER_REFUSED(o->purposes[0].purpose = COMMON__PURPOSE__ENCRYPTION, "out of order");
	OFFER_REFUSED(o->purposes[2].purpose = 9, "purpose");
	OFFER_REFUSED(o->purposes[2].origin = 3, "origin");
	OFFER_REFUSED(strcpy(o->purposes[0].key_type, "dsa1024"), "key type");
}

static void offers_are_opened_by_the_delivery_key_only(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(offer) struct offer *o = NULL;

	enrollment_build(e);
	assert_err(offer_open(&e->wire_offer, BYTES(e->receipt_public, ED25519_PUBLIC_LEN), &o),
		&ERR_SIGNATURE_BAD);
	assert_err(offer_open(&e->wire_receipt, BYTES(e->delivery_public, ED25519_PUBLIC_LEN), &o),
		&ERR_SIGNATURE_BAD);
	assert_err(
		offer_open(NULL, BYTES(e->delivery_public, ED25519_PUBLIC_LEN), &o), &ERR_FORMAT);
	assert_ok(offer_open(&e->wire_offer, BYTES(e->delivery_public, ED25519_PUBLIC_LEN), &o));
	assert_string_equal(facts_get(o->facts, FACT_NAME), "Ann Example");
}

#define INTENT_REFUSED(change, part)                                                               \
	do {                                                                                       \
		AUTO(enrollment) struct enrollment *e = enrollment_new();                          \
		AUTO(intent) struct intent *i = NULL;                                              \
		AUTO(buf) struct buf *again = NULL;                                                \
		enrollment_build(e);                                                               \
		assert_ok(intent_decode(buf_bytes(e->intent_bytes), &i));                          \
		change;                                                                            \
		AUTO(buf) struct buf *b = intent_encode(i);                                        \
		assert_err_text(again_intent(buf_bytes(b), &again), &ERR_EVIDENCE_BAD, part);      \
	} while (0)

static void intents(void **state)
{
	INTENT_REFUSED(i->nonce_len = 0, "nonce");
	INTENT_REFUSED(i->algorithm = 4, "algorithm");
	INTENT_REFUSED(i->has_invitation = false, "invitation");
	INTENT_REFUSED(i->purposes[2].has_key = true, "must have none");
	INTENT_REFUSED(i->purposes[0].has_key = false, "needs its hash");
	INTENT_REFUSED(i->consents[0] = i->consents[1], "out of order");
	INTENT_REFUSED(strcpy(i->consents[0].kind, "Is sue"), "a-z");
	INTENT_REFUSED(i->consents[0].until_ms = -1, "year 9999");
}

static void an_intent_begins_like_no_other_signed_thing(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();

	enrollment_build(e);
	const uint8_t *b = buf_data(e->intent_bytes);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(b[i], ' ');
	assert_memory_equal(b + 64, "derivd intent v1", 17);
}

static void consents_are_sorted_by_the_builder(void **state)
{
	static const struct intent_consent consents[] = { { "renew", 5 }, { "history", 0 },
		{ "issue", 9 } };
	static const struct intent_consent twice[] = { { "renew", 5 }, { "renew", 6 } };
	static const struct intent_consent bad[] = { { "re new", 5 } };
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(intent) struct intent *i = NULL;
	struct bytes nonce = BYTES(e->nonce, 16);

	enrollment_build(e);
	assert_ok(intent_build(&e->offer, &e->statement, nonce, consents, 3, CARD_ECDSA_P256_SHA256,
		e->kiosk, &i));
	assert_string_equal(i->consents[0].kind, "history");
	assert_string_equal(i->consents[2].kind, "renew");
	intent_free(take(i));
	assert_err(intent_build(&e->offer, &e->statement, nonce, twice, 2, CARD_ECDSA_P256_SHA256,
			   e->kiosk, &i),
		&ERR_EVIDENCE_BAD);
	assert_err(intent_build(&e->offer, &e->statement, nonce, bad, 1, CARD_ECDSA_P256_SHA256,
			   e->kiosk, &i),
		&ERR_EVIDENCE_BAD);
	assert_err(intent_build(&e->offer, &e->statement, BYTES(NULL, 0), NULL, 0,
			   CARD_ECDSA_P256_SHA256, e->kiosk, &i),
		&ERR_EVIDENCE_BAD);
	e->statement.offer_digest[0] ^= 1;
	assert_err(intent_build(&e->offer, &e->statement, nonce, NULL, 0, CARD_ECDSA_P256_SHA256,
			   e->kiosk, &i),
		&ERR_EVIDENCE_BAD);
}

static void keys_that_cannot_sign_an_intent(void **state)
{
	EVP_PKEY *keys[] = { enrollment_rsa(1024), enrollment_ec("P-521"),
		enrollment_ec("secp256k1"), sig_new_ed25519() };
	enum card_algorithm algorithm;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		assert_err(intent_algorithm(keys[i], &algorithm), &ERR_CERT_NOT_ELIGIBLE);
		EVP_PKEY_free(keys[i]);
	}
}

static void receipts_and_tickets(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(receipt) struct receipt *r = NULL;
	AUTO(ticket) struct ticket *t = NULL;
	struct bytes key = BYTES(e->receipt_public, ED25519_PUBLIC_LEN);
	uint8_t id[SHA256_LEN], own[SHA256_LEN];

	enrollment_build(e);
	assert_ok(receipt_open(&e->wire_receipt, key, &r));
	assert_ok(ticket_open(&e->wire_ticket, key, &t));
	receipt_device_id(r, id);
	statement_device_id(&e->statement, own);
	assert_memory_equal(id, own, SHA256_LEN);
	assert_int_equal(
		receipt_purpose(r, COMMON__PURPOSE__ENCRYPTION)->origin, COMMON__ORIGIN__SERVER);
	assert_null(receipt_purpose(r, COMMON__PURPOSE__DECRYPTION));
	/* The labels keep the two apart, though one key signs both. */
	receipt_free(take(r));
	ticket_free(take(t));
	assert_err(receipt_open(&e->wire_ticket, key, &r), &ERR_SIGNATURE_BAD);
	assert_err(ticket_open(&e->wire_receipt, key, &t), &ERR_SIGNATURE_BAD);
}

static void items(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(buf) struct buf *signature = NULL;
	AUTO(item) struct item *i = NULL;
	Common__Signed s = COMMON__SIGNED__INIT;
	struct bytes key = BYTES(e->delivery_public, ED25519_PUBLIC_LEN);

	enrollment_build(e);
	AUTO(buf) struct buf *b = item_bytes(e);
	assert_ok(sig_sign(e->delivery, SIG_ITEM, buf_bytes(b), &signature));
	s.body = (ProtobufCBinaryData){ buf_len(b), buf_grow(b, 0) - buf_len(b) };
	s.signature = (ProtobufCBinaryData){ buf_len(signature),
		buf_grow(signature, 0) - buf_len(signature) };
	assert_ok(item_open(&s, buf_bytes(e->card_der), key, &i));
	assert_int_equal(i->number, 7);
	item_free(take(i));
	assert_err_text(item_open(&s, buf_bytes(e->sealing_der), key, &i), &ERR_FORMAT, "payload");
	assert_err(item_open(&s, BYTES(NULL, 0), key, &i), &ERR_FORMAT);
	s.body.data[60] ^= 1;
	assert_err(item_open(&s, buf_bytes(e->card_der), key, &i), &ERR_SIGNATURE_BAD);
}

static void chains(void **state)
{
	struct bytes certs[ITEM_CHAIN_MAX + 1], got[ITEM_CHAIN_MAX];
	size_t n = 77;

	for (size_t i = 0; i < ARRAY_LEN(certs); i++)
		certs[i] = BYTES("certificate", 1 + i % 11);
	AUTO(buf) struct buf *full = item_chain_encode(certs, ITEM_CHAIN_MAX);
	assert_ok(item_chain_decode(buf_bytes(full), got, &n));
	assert_int_equal(n, ITEM_CHAIN_MAX);
	assert_true(bytes_eq(got[9], certs[9]));
	AUTO(buf) struct buf *over = item_chain_encode(certs, ITEM_CHAIN_MAX + 1);
	assert_err(item_chain_decode(buf_bytes(over), got, &n), &ERR_FORMAT);
	assert_ok(item_chain_decode(BYTES(NULL, 0), got, &n));
	assert_int_equal(n, 0);
	assert_err(item_chain_decode(BYTES("\0\0\0\0", 4), got, &n), &ERR_FORMAT);
	assert_err(item_chain_decode(BYTES("\0\0\0\2x", 5), got, &n), &ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(truncations),
		cmocka_unit_test(trailing_bytes),
		cmocka_unit_test(one_encoding),
		cmocka_unit_test(huge_lengths),
		cmocka_unit_test(offers),
		cmocka_unit_test(offers_are_opened_by_the_delivery_key_only),
		cmocka_unit_test(intents),
		cmocka_unit_test(an_intent_begins_like_no_other_signed_thing),
		cmocka_unit_test(consents_are_sorted_by_the_builder),
		cmocka_unit_test(keys_that_cannot_sign_an_intent),
		cmocka_unit_test(receipts_and_tickets),
		cmocka_unit_test(items),
		cmocka_unit_test(chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
