/* test_evidence.c: evidence and bundles: a good one holds; with any bit turned or any part exchanged it does not. */
#include "tests/unit/unit.h"

#include "evidence/part.h"
#include "proto/msg.h"
#include "tests/unit/enrollment.h"

static struct err *check(struct enrollment *e)
{
	AUTO(evidence) struct evidence *found = NULL;

	return evidence_check(
		&e->wire, BYTES(e->delivery_public, ED25519_PUBLIC_LEN), e->kiosk, NULL, &found);
}

static void a_good_one_holds(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(evidence) struct evidence *found = NULL;
	uint8_t hash[SHA256_LEN];

	enrollment_build(e);
	assert_ok(evidence_check(
		&e->wire, BYTES(e->delivery_public, ED25519_PUBLIC_LEN), NULL, NULL, &found));
	sha256(buf_bytes(e->intent_bytes), hash);
	assert_memory_equal(found->intent_hash, hash, SHA256_LEN);
	assert_int_equal(X509_cmp(found->card, e->card_cert), 0);
	assert_int_equal(found->intent->n_purposes, 3);
	assert_true(found->intent->purposes[1].has_key);
	assert_false(found->intent->purposes[2].has_key);
}

static void every_kind_of_card_key(void **state)
{
	EVP_PKEY *keys[] = { enrollment_ec("P-256"), enrollment_ec("P-384"), enrollment_rsa(2048),
		enrollment_rsa(3072) };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO(enrollment) struct enrollment *e = enrollment_new();
		EVP_PKEY_free(e->card);
		e->card = keys[i];
		enrollment_build(e);
		assert_ok(check(e));
		e->wire.card_signature.data[e->wire.card_signature.len - 1] ^= 1;
		assert_err(check(e), &ERR_SIGNATURE_BAD);
	}
}

/* The whole message as it goes over the wire. Fields that this build does not know are ignored, so a turned bit in a
 * field's number takes the field away: every field is needed, so that is noticed, too. */
static void no_bit_can_be_turned(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();

	enrollment_build(e);
	AUTO(buf) struct buf *packed = msg_pack_type(&e->wire.base);
	uint8_t *bytes = bytes_dup(buf_bytes(packed));
	for (size_t bit = 0; bit < buf_len(packed) * 8; bit += enrollment_bit_step()) {
		AUTO(evidence) struct evidence *found = NULL;
		ProtobufCMessage *wire = NULL;
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		struct err *err = msg_parse_type(
			&common__evidence__descriptor, BYTES(bytes, buf_len(packed)), &wire);
		if (!err)
			err = evidence_check((Common__Evidence *)wire,
				BYTES(e->delivery_public, ED25519_PUBLIC_LEN), e->kiosk, NULL,
				&found);
		/* r_k alone is nobody's secret and signed by nobody: it proves nothing. */
		if (!err && !bytes_eq(pb_bytes(((Common__Evidence *)wire)->kiosk_random),
				    BYTES(e->r_k, R_LEN)))
			err = err_new(&ERR_EVIDENCE_BAD, "another r_k");
		if (!err)
			fail_msg("bit %zu can be turned", bit);
		err_free(err);
		msg_free(wire);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(bytes);
}

/* An intent that says something else than offer and statement, though the card signed it. */
#define REFUSED(change, part)                                                                      \
	do {                                                                                       \
		AUTO(enrollment) struct enrollment *e = enrollment_new();                          \
		AUTO(intent) struct intent *i = NULL;                                              \
		enrollment_build(e);                                                               \
		assert_ok(intent_decode(buf_bytes(e->intent_bytes), &i));                          \
		change;                                                                            \
		buf_free(e->intent_bytes);                                                         \
		e->intent_bytes = intent_encode(i);                                                \
		enrollment_card_sign(e);                                                           \
		assert_err_text(check(e), &ERR_EVIDENCE_BAD, part);                                \
	} while (0)

static void an_intent_for_something_else(void **state)
{
	REFUSED(i->deployment[0] ^= 1, "follows from");
	REFUSED(i->issuer_key_id[0] ^= 1, "follows from");
	REFUSED(i->request_id[0] ^= 1, "follows from");
	REFUSED(i->statement_hash[0] ^= 1, "follows from");
	REFUSED(i->facts_digest[0] ^= 1, "follows from");
	REFUSED(i->kiosk[0] ^= 1, "follows from");
	REFUSED(i->algorithm = CARD_ECDSA_P384_SHA384, "follows from");
	REFUSED(i->purposes[0].key_hash[0] ^= 1, "follows from");
	REFUSED(i->purposes[0].profile_digest[0] ^= 1, "follows from");
	REFUSED(i->n_purposes = 2, "follows from");
	REFUSED(i->purposes[1].origin = COMMON__ORIGIN__SERVER;
		i->purposes[1].has_key = false, "follows from");
	REFUSED(i->certs[0][0] ^= 1, "card certificate 0");
	REFUSED(i->n_certs = 2; memset(i->certs[1], 9, SHA256_LEN), "1 card certificates");
	REFUSED(i->consents[1].kind[0] = 'a', "out of order");
	REFUSED(i->has_predecessor = true, "predecessor");
}

static void parts_of_another_enrollment(void **state)
{
	AUTO(enrollment) struct enrollment *a = enrollment_new();
	AUTO(enrollment) struct enrollment *b = enrollment_new();

	memset(b->offer.request_id, 0x43, REQUEST_ID_LEN);
	enrollment_build(a);
	enrollment_build(b);
	Common__Evidence good = a->wire;
	a->wire.offer = &b->wire_offer;
	assert_err(check(a), &ERR_SIGNATURE_BAD);
	a->wire = good;
	a->wire.statement = &b->wire_statement;
	assert_err(check(a), &ERR_STATEMENT_BAD);
	a->wire = good;
	a->wire.intent = b->wire.intent;
	assert_err(check(a), &ERR_STATEMENT_BAD);
	a->wire = good;
	a->wire.card_signature = b->wire.card_signature;
	assert_err(check(a), &ERR_SIGNATURE_BAD);
	a->wire = good;
	a->wire.card_certificates = b->wire.card_certificates;
	assert_err(check(a), &ERR_EVIDENCE_BAD);
	a->wire = good;
	a->wire.device_random = a->wire.kiosk_random;
	assert_err_text(check(a), &ERR_EVIDENCE_BAD, "committed");
	a->wire = good;
	a->wire.offer = NULL;
	assert_err(check(a), &ERR_EVIDENCE_BAD);
	a->wire = good;
	a->wire.predecessor = &a->wire_receipt;
	assert_err_text(check(a), &ERR_EVIDENCE_BAD, "predecessor");
	a->wire = good;
	a->kiosk[0] ^= 1;
	assert_err_text(check(a), &ERR_EVIDENCE_BAD, "kiosk");
	a->kiosk[0] ^= 1;
	assert_ok(check(a));
}

/* --- further issuance: the same device, under its receipt --- */

struct pair {
	struct enrollment *first, *next;
	struct receipt *receipt;
};

static void pair_make(struct pair *p)
{
	p->first = enrollment_new();
	enrollment_build(p->first);
	assert_ok(receipt_open(&p->first->wire_receipt,
		BYTES(p->first->receipt_public, ED25519_PUBLIC_LEN), &p->receipt));
	p->next = enrollment_new();
	EVP_PKEY **own[] = { &p->next->identity, &p->next->sealing };
	EVP_PKEY *from[] = { p->first->identity, p->first->sealing };
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		EVP_PKEY_free(*own[i]);
		EVP_PKEY_up_ref(from[i]);
		*own[i] = from[i];
	}
	p->next->offer.operation = COMMON__OPERATION__ISSUE;
	memcpy(p->next->offer.predecessor, p->receipt->hash, SHA256_LEN);
	p->next->sealing_cert = X509_dup(p->first->sealing_cert);
	enrollment_build(p->next);
	p->next->wire.predecessor = &p->first->wire_receipt;
}

static struct err *pair_check(struct pair *p, const struct receipt *receipt)
{
	AUTO(evidence) struct evidence *found = NULL;

	return evidence_check(&p->next->wire, BYTES(p->next->delivery_public, ED25519_PUBLIC_LEN),
		NULL, receipt, &found);
}

static void pair_end(struct pair *p)
{
	enrollment_free(p->first);
	enrollment_free(p->next);
	receipt_free(p->receipt);
}

static void an_enrolled_device_asks_for_more(void **state)
{
	struct pair p;

	pair_make(&p);
	assert_ok(pair_check(&p, p.receipt));
	assert_err_text(pair_check(&p, NULL), &ERR_EVIDENCE_BAD, "missing");
	p.next->wire.kiosk_random = pb_lend(BYTES(p.next->r_k, R_LEN));
	assert_err_text(pair_check(&p, p.receipt), &ERR_EVIDENCE_BAD, "random");
	pair_end(&p);
}

static void another_device_than_the_receipts(void **state)
{
	AUTO(enrollment) struct enrollment *other = enrollment_new();
	AUTO(receipt) struct receipt *receipt = NULL;
	struct pair p;

	pair_make(&p);
	enrollment_build(other);
	assert_ok(receipt_open(
		&other->wire_receipt, BYTES(other->receipt_public, ED25519_PUBLIC_LEN), &receipt));
	assert_err_text(pair_check(&p, receipt), &ERR_EVIDENCE_BAD, "another receipt");
	memcpy(receipt->hash, p.receipt->hash, SHA256_LEN);
	assert_err_text(pair_check(&p, receipt), &ERR_EVIDENCE_BAD, "other keys");
	p.receipt->holder_id[0] ^= 1;
	assert_err_text(pair_check(&p, p.receipt), &ERR_EVIDENCE_BAD, "another holder");
	pair_end(&p);
}

/* --- bundles --- */

struct credential {
	struct enrollment *e;
	X509 *cert;
	struct buf *cert_der, *issuer_der;
	ProtobufCBinaryData chain[1];
	Common__Bundle bundle;
};

static void credential_make(struct credential *c, Common__Purpose purpose)
{
	c->e = enrollment_new();
	enrollment_build(c->e);
	EVP_PKEY *key = purpose == COMMON__PURPOSE__ENCRYPTION ? c->e->server
			: purpose == COMMON__PURPOSE__SIGNING  ? c->e->keys[1]
							       : c->e->keys[0];
	c->cert = enrollment_cert(
		"Ann Example", key, c->e->issuer_cert, c->e->issuer, false, c->e->now_ms);
	c->cert_der = cert_der(c->cert);
	c->issuer_der = cert_der(c->e->issuer_cert);
	common__bundle__init(&c->bundle);
	c->bundle.version = 1;
	c->bundle.purpose = purpose;
	c->bundle.evidence = &c->e->wire;
	c->bundle.receipt = &c->e->wire_receipt;
	if (purpose == COMMON__PURPOSE__ENCRYPTION)
		c->bundle.ticket = &c->e->wire_ticket;
	c->bundle.certificate = pb_lend(buf_bytes(c->cert_der));
	c->chain[0] = pb_lend(buf_bytes(c->issuer_der));
	c->bundle.chain = c->chain;
	c->bundle.n_chain = 1;
}

static void credential_end(struct credential *c)
{
	enrollment_free(c->e);
	X509_free(c->cert);
	buf_free(c->cert_der);
	buf_free(c->issuer_der);
}

static struct err *verify(struct credential *c, STACK_OF(X509) *anchors, size_t *ret_findings)
{
	AUTO(bundle_report) struct bundle_report *report = NULL;
	struct err *e = bundle_verify(&c->bundle, BYTES(c->e->delivery_public, ED25519_PUBLIC_LEN),
		BYTES(c->e->receipt_public, ED25519_PUBLIC_LEN), NULL, anchors, NULL, &report);

	assert_non_null(report);
	*ret_findings = report->n;
	return e;
}

static void bundles_hold(void **state)
{
	for (int purpose = COMMON__PURPOSE__AUTHENTICATION; purpose <= COMMON__PURPOSE__ENCRYPTION;
		purpose++) {
		struct credential c = { 0 };
		STACK_OF(X509) *anchors = sk_X509_new_null();
		size_t n;
		credential_make(&c, (Common__Purpose)purpose);
		assert_ok(verify(&c, NULL, &n));
		assert_int_equal(n, 8);
		sk_X509_push(anchors, c.e->issuer_cert);
		assert_ok(verify(&c, anchors, &n));
		assert_int_equal(n, 9);
		sk_X509_set(anchors, 0, c.e->sealing_cert);
		assert_err(verify(&c, anchors, &n), &ERR_CERT_UNTRUSTED);
		assert_int_equal(n, 8);
		sk_X509_free(anchors);
		credential_end(&c);
	}
}

#define BUNDLE_REFUSED(with_purpose, change, kind, part)                                           \
	do {                                                                                       \
		struct credential c = { 0 };                                                       \
		size_t n;                                                                          \
		credential_make(&c, with_purpose);                                                 \
		change;                                                                            \
		assert_err_text(verify(&c, NULL, &n), kind, part);                                 \
		credential_end(&c);                                                                \
	} while (0)

static void bundles_of_mixed_parts(void **state)
{
	const Common__Purpose device = COMMON__PURPOSE__SIGNING,
			      server = COMMON__PURPOSE__ENCRYPTION;
	AUTO(enrollment) struct enrollment *other = enrollment_new();

	enrollment_build(other);
	AUTO(buf) struct buf *other_issuer = cert_der(other->issuer_cert);
	BUNDLE_REFUSED(device, c.bundle.version = 2, &ERR_EVIDENCE_BAD, "version");
	BUNDLE_REFUSED(
		device, c.bundle.receipt = &other->wire_receipt, &ERR_SIGNATURE_BAD, "receipt");
	BUNDLE_REFUSED(device, c.bundle.receipt = &c.e->wire_ticket, &ERR_SIGNATURE_BAD, "receipt");
	BUNDLE_REFUSED(device, c.bundle.purpose = COMMON__PURPOSE__AUTHENTICATION,
		&ERR_EVIDENCE_BAD, "another key");
	BUNDLE_REFUSED(device, c.bundle.purpose = COMMON__PURPOSE__DECRYPTION, &ERR_EVIDENCE_BAD,
		"no credential");
	BUNDLE_REFUSED(device, c.bundle.ticket = &c.e->wire_ticket, &ERR_EVIDENCE_BAD, "ticket");
	BUNDLE_REFUSED(server, c.bundle.ticket = NULL, &ERR_FORMAT, "ticket");
	BUNDLE_REFUSED(server, c.bundle.ticket = &c.e->wire_receipt, &ERR_SIGNATURE_BAD, "ticket");
	BUNDLE_REFUSED(device, c.bundle.n_chain = 0, &ERR_EVIDENCE_BAD, "missing");
	BUNDLE_REFUSED(device, c.chain[0] = pb_lend(buf_bytes(other_issuer)), &ERR_EVIDENCE_BAD,
		"did not issue");
	BUNDLE_REFUSED(device, c.bundle.certificate = pb_lend(buf_bytes(c.e->card_der)),
		&ERR_EVIDENCE_BAD, "another key");
}

/* A receipt that says something else than the evidence, though the receipt key signed it. */
static void receipts_that_do_not_fit(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(evidence) struct evidence *found = NULL;
	AUTO(receipt) struct receipt *r = NULL;

	enrollment_build(e);
	assert_ok(evidence_check(
		&e->wire, BYTES(e->delivery_public, ED25519_PUBLIC_LEN), e->kiosk, NULL, &found));
	assert_ok(receipt_open(&e->wire_receipt, BYTES(e->receipt_public, ED25519_PUBLIC_LEN), &r));
	assert_ok(evidence_fits_receipt(found, r));
	uint8_t *fields[] = { r->intent_hash, r->evidence_digest, r->deployment, r->request_id,
		r->issuer_key_id, r->holder_id, r->certs[0], r->purposes[0].key_hash,
		(uint8_t *)r->consents[0].kind };
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		fields[i][0] ^= 1;
		assert_err(evidence_fits_receipt(found, r), &ERR_EVIDENCE_BAD);
		fields[i][0] ^= 1;
	}
	r->identity_public = buf_bytes(e->server_spki);
	assert_err(evidence_fits_receipt(found, r), &ERR_EVIDENCE_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one_holds),
		cmocka_unit_test(every_kind_of_card_key),
		cmocka_unit_test(no_bit_can_be_turned),
		cmocka_unit_test(an_intent_for_something_else),
		cmocka_unit_test(parts_of_another_enrollment),
		cmocka_unit_test(an_enrolled_device_asks_for_more),
		cmocka_unit_test(another_device_than_the_receipts),
		cmocka_unit_test(bundles_hold),
		cmocka_unit_test(bundles_of_mixed_parts),
		cmocka_unit_test(receipts_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
