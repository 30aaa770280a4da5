/* test_statement.c: a device's statement: its one encoding, and what it must fulfil against an offer. */
#include "tests/unit/unit.h"

#include <openssl/x509v3.h>

#include "evidence/cert.h"
#include "evidence/der.h"
#include "evidence/key.h"
#include "evidence/seal.h"
#include "tests/unit/enrollment.h"

static struct err *check(struct enrollment *e)
{
	AUTO(statement) struct statement *s = NULL;

	return statement_check(&e->wire_statement, &e->offer, buf_bytes(e->offer_bytes),
		BYTES(e->invitation_public, ED25519_PUBLIC_LEN), &s);
}

static void accepts_a_good_one(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(statement) struct statement *s = NULL;
	uint8_t id[SHA256_LEN], again[SHA256_LEN];

	enrollment_build(e);
	assert_ok(check(e));
	assert_ok(statement_decode(buf_bytes(e->statement_bytes), &s));
	assert_string_equal(s->host, "kiosk.example.org");
	assert_ok(statement_check_host(s, "kiosk.example.org"));
	assert_err(statement_check_host(s, "evil.example.org"), &ERR_STATEMENT_BAD);
	statement_device_id(s, id);
	key_hash(e->identity, again);
	assert_memory_equal(id, again, SHA256_LEN);
	assert_ok(statement_key_hash(&s->requests[1], id));
	key_hash(e->keys[1], again);
	assert_memory_equal(id, again, SHA256_LEN);
}

static void refuses_every_truncation(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();

	enrollment_build(e);
	struct bytes whole = buf_bytes(e->statement_bytes);
	for (size_t len = 0; len < whole.len; len++) {
		AUTO(statement) struct statement *s = NULL;
		/* Memory of exactly that length, so that a read too far is seen by the sanitizer. */
		AUTO_MEM uint8_t *part = bytes_dup(BYTES(whole.data, len));
		assert_err(statement_decode(BYTES(part, len), &s), &ERR_FORMAT);
		assert_null(s);
	}
}

static void refuses_a_trailing_byte(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(statement) struct statement *s = NULL;

	enrollment_build(e);
	buf_add_u8(e->statement_bytes, 0);
	assert_err_text(
		statement_decode(buf_bytes(e->statement_bytes), &s), &ERR_FORMAT, "too many");
}

/* Whatever bit is turned, either the bytes do not decode or no signature holds. */
static void refuses_every_turned_bit(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();

	enrollment_build(e);
	uint8_t *bytes = e->wire_statement.statement.data;
	for (size_t bit = 0; bit < e->wire_statement.statement.len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		struct err *err = check(e);
		if (!err)
			fail_msg("bit %zu can be turned", bit);
		assert_true(err_is(err, &ERR_STATEMENT_BAD) || err_is(err, &ERR_SIGNATURE_BAD));
		err_free(err);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_ok(check(e));
}

static void refuses_turned_bits_in_signatures(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();

	enrollment_build(e);
	ProtobufCBinaryData *signatures[] = { &e->wire_statement.invitation_signature,
		&e->wire_statement.identity_signature };
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
		for (size_t bit = 0; bit < signatures[i]->len * 8; bit++) {
			signatures[i]->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_err(check(e), &ERR_SIGNATURE_BAD);
			signatures[i]->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/* --- each rule: a statement that is signed well, but says the wrong thing --- */

#define REFUSED(change, kind, part)                                                                \
	do {                                                                                       \
		AUTO(enrollment) struct enrollment *e = enrollment_new();                          \
		enrollment_build(e);                                                               \
		struct statement *s = &e->statement;                                               \
		(void)s;                                                                           \
		change;                                                                            \
		enrollment_sign_statement(e);                                                      \
		assert_err_text(check(e), kind, part);                                             \
	} while (0)

static void refuses_what_does_not_belong(void **state)
{
	REFUSED(s->deployment[0] ^= 1, &ERR_STATEMENT_BAD, "another deployment");
	REFUSED(s->offer_digest[0] ^= 1, &ERR_STATEMENT_BAD, "another offer");
	REFUSED(s->invitation_public[0] ^= 1, &ERR_STATEMENT_BAD, "another invitation");
	REFUSED(s->has_invitation = false, &ERR_STATEMENT_BAD, "another invitation");
	REFUSED(memset(s->commitment, 0, COMMITMENT_LEN), &ERR_STATEMENT_BAD, "no commitment");
	REFUSED(s->version = 2, &ERR_STATEMENT_BAD, "version");
	REFUSED(s->host = (char[]){ "a\nb" }, &ERR_STATEMENT_BAD, "host");
}

static void refuses_wrong_requests(void **state)
{
	REFUSED(s->n_requests = 1, &ERR_STATEMENT_BAD, "sent none");
	REFUSED(s->requests[1].purpose = COMMON__PURPOSE__ENCRYPTION, &ERR_STATEMENT_BAD,
		"sent none");
	REFUSED(s->requests[2] = s->requests[1];
		s->requests[2].purpose = COMMON__PURPOSE__DECRYPTION;
		s->n_requests = 3, &ERR_STATEMENT_BAD, "did not ask");
	REFUSED(s->requests[1].purpose = COMMON__PURPOSE__AUTHENTICATION, &ERR_STATEMENT_BAD,
		"out of order");
	REFUSED(s->requests[0].purpose = COMMON__PURPOSE__SIGNING;
		s->requests[1].purpose = COMMON__PURPOSE__AUTHENTICATION, &ERR_STATEMENT_BAD,
		"out of order");
	REFUSED(s->requests[1].pkcs10 = s->requests[0].pkcs10, &ERR_STATEMENT_BAD,
		"something else");
	REFUSED(s->requests[1].pkcs10.len--, &ERR_STATEMENT_BAD, "PKCS#10");
	REFUSED(buf_add_u8(e->pkcs10[0], 0);
		s->requests[0].pkcs10 = buf_bytes(e->pkcs10[0]), &ERR_STATEMENT_BAD, "DER");
}

static struct bytes replace(struct buf **b, struct buf *take_with)
{
	buf_free(*b);
	*b = take_with;
	return buf_bytes(take_with);
}

static struct bytes replace_pkcs10(struct enrollment *e, EVP_PKEY *take_key)
{
	struct bytes b = replace(&e->pkcs10[0], enrollment_pkcs10(take_key));

	EVP_PKEY_free(take_key);
	return b;
}

/* The key in it is exchanged, so that the signature in it is another key's. */
static struct bytes graft(struct enrollment *e)
{
	struct buf *b = e->pkcs10[0];
	AUTO(buf) struct buf *own = sig_spki(e->keys[0]);
	AUTO(buf) struct buf *other = sig_spki(e->server);
	uint8_t *at = memmem(buf_data(b), buf_len(b), buf_data(own), buf_len(own));

	assert_non_null(at);
	memcpy(at, buf_data(other), buf_len(other));
	return buf_bytes(b);
}

static void refuses_wrong_keys(void **state)
{
	REFUSED(s->requests[0].pkcs10 = replace_pkcs10(e, enrollment_ec("P-384")),
		&ERR_STATEMENT_BAD, "p384");
	REFUSED(s->requests[0].pkcs10 = replace_pkcs10(e, enrollment_rsa(2048)), &ERR_STATEMENT_BAD,
		"rsa2048");
	REFUSED(s->requests[0].pkcs10 = replace_pkcs10(e, enrollment_rsa(1024)), &ERR_STATEMENT_BAD,
		"not supported");
	REFUSED(s->requests[0].pkcs10 = replace_pkcs10(e, enrollment_ec("secp256k1")),
		&ERR_STATEMENT_BAD, "not supported");
	REFUSED(s->requests[0].pkcs10 = graft(e), &ERR_STATEMENT_BAD, "its own key");
	REFUSED(s->requests[0].pkcs10 = replace(&e->pkcs10[0], enrollment_pkcs10(e->identity)),
		&ERR_STATEMENT_BAD, "something else");
	REFUSED(s->requests[0].pkcs10 = replace(&e->pkcs10[0], enrollment_pkcs10(e->sealing)),
		&ERR_STATEMENT_BAD, "something else");
}

static struct bytes seal_cert(struct enrollment *e, EVP_PKEY *key, EVP_PKEY *signer)
{
	X509_free(e->sealing_cert);
	e->sealing_cert = enrollment_cert("device", key, NULL, signer, false, e->now_ms);
	return replace(&e->sealing_der, cert_der(e->sealing_cert));
}

/* OpenSSL takes lengths in more bytes than needed; what is read by hand later does not. */
static struct bytes seal_cert_not_der(struct enrollment *e)
{
	struct cursor outer = { buf_bytes(e->sealing_der) }, cert = { 0 }, tbs = { 0 };
	AUTO(buf) struct buf *out = buf_new(), *signed_part = buf_new();
	struct bytes algorithm, part;
	uint8_t signature[80];
	size_t len = sizeof(signature);

	assert_ok(der_get(&outer, DER_SEQUENCE, &cert.rest, NULL));
	assert_ok(der_get(&cert, DER_SEQUENCE, &tbs.rest, NULL));
	size_t mark = der_begin(signed_part, DER_SEQUENCE);
	assert_ok(der_get(&tbs, DER_CONTEXT_CONSTRUCTED(0), NULL, &part));
	buf_add_bytes(signed_part, part);
	assert_ok(der_get(&tbs, DER_INTEGER, &part, NULL));
	buf_add_u8(signed_part, DER_INTEGER);
	buf_add_u8(signed_part, 0x81);
	buf_add_u8(signed_part, (uint8_t)part.len);
	buf_add_bytes(signed_part, part);
	buf_add_bytes(signed_part, tbs.rest);
	der_end(signed_part, mark);
	assert_ok(der_get(&cert, DER_SEQUENCE, NULL, &algorithm));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, e->identity), 1);
	assert_int_equal(
		EVP_DigestSign(ctx, signature, &len, buf_data(signed_part), buf_len(signed_part)),
		1);
	EVP_MD_CTX_free(ctx);
	mark = der_begin(out, DER_SEQUENCE);
	buf_add_bytes(out, buf_bytes(signed_part));
	buf_add_bytes(out, algorithm);
	der_put_bits(out, BYTES(signature, len));
	der_end(out, mark);
	return replace(&e->sealing_der, take(out));
}

static struct bytes seal_cert_with_id(struct enrollment *e, int bytes)
{
	static uint8_t id[SEAL_SKI_MAX + 1];
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

	ASN1_OCTET_STRING_set(value, id, bytes);
	assert_int_equal(X509_add1_ext_i2d(e->sealing_cert, NID_subject_key_identifier, value, 0,
				 X509V3_ADD_REPLACE),
		1);
	ASN1_OCTET_STRING_free(value);
	assert_true(X509_sign(e->sealing_cert, e->identity, EVP_sha256()) > 0);
	return replace(&e->sealing_der, cert_der(e->sealing_cert));
}

static struct bytes compressed(struct enrollment *e)
{
	EVP_PKEY *twin = EVP_PKEY_dup(e->identity);

	assert_int_equal(EVP_PKEY_set_utf8_string_param(twin, "point-format", "compressed"), 1);
	struct bytes b = replace(&e->identity_spki, sig_spki(twin));
	EVP_PKEY_free(twin);
	return b;
}

static void refuses_wrong_identity_and_sealing(void **state)
{
	AUTO(pkey) EVP_PKEY *p384 = enrollment_ec("P-384");

	REFUSED(s->sealing_certificate = seal_cert(e, e->sealing, e->server), &ERR_STATEMENT_BAD,
		"identity key");
	REFUSED(s->sealing_certificate = seal_cert(e, e->identity, e->identity), &ERR_STATEMENT_BAD,
		"something else");
	REFUSED(s->sealing_certificate = seal_cert(e, p384, e->identity), &ERR_STATEMENT_BAD,
		"p384");
	REFUSED(s->sealing_certificate = buf_bytes(e->card_der), &ERR_STATEMENT_BAD,
		"identity key");
	REFUSED(s->sealing_certificate = seal_cert_not_der(e), &ERR_STATEMENT_BAD, "not DER");
	REFUSED(s->sealing_certificate = seal_cert_with_id(e, 0), &ERR_STATEMENT_BAD,
		"subject key identifier");
	REFUSED(s->sealing_certificate = seal_cert_with_id(e, SEAL_SKI_MAX + 1),
		&ERR_STATEMENT_BAD, "subject key identifier");
	REFUSED(s->identity_public = compressed(e), &ERR_STATEMENT_BAD, "identity key");
	REFUSED(s->identity_public = replace(&e->identity_spki, sig_spki(p384)), &ERR_STATEMENT_BAD,
		"p384");
	REFUSED(s->identity_public = replace(&e->identity_spki, sig_spki(e->server)),
		&ERR_SIGNATURE_BAD, "identity key");
}

static void swapped_signatures(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();

	enrollment_build(e);
	ProtobufCBinaryData kept = e->wire_statement.identity_signature;
	e->wire_statement.identity_signature = e->wire_statement.invitation_signature;
	e->wire_statement.invitation_signature = kept;
	assert_err(check(e), &ERR_SIGNATURE_BAD);
}

static void another_invitation_than_the_kiosk_made(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();

	enrollment_build(e);
	e->invitation_public[31] ^= 1;
	assert_err_text(check(e), &ERR_STATEMENT_BAD, "another invitation");
}

/* An enrolled device: no invitation, no digits. */
static void further_issuance(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	AUTO(statement) struct statement *s = NULL;

	e->offer.operation = COMMON__OPERATION__ISSUE;
	memset(e->offer.predecessor, 0x11, SHA256_LEN);
	enrollment_build(e);
	assert_ok(statement_check(
		&e->wire_statement, &e->offer, buf_bytes(e->offer_bytes), BYTES(NULL, 0), &s));
	assert_false(s->has_invitation);
	/* The gateway may have got another name since. */
	assert_ok(statement_check_host(s, "kiosk-2.example.org"));
	assert_err_text(check(e), &ERR_STATEMENT_BAD, "needs no invitation");
}

static void attestation_challenge_binds_all(void **state)
{
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	uint8_t a[SHA256_LEN], b[SHA256_LEN];

	enrollment_build(e);
	statement_challenge(&e->offer.purposes[0], e->statement.identity_public, a);
	struct offer_purpose other = e->offer.purposes[0];
	other.purpose = COMMON__PURPOSE__SIGNING;
	statement_challenge(&other, e->statement.identity_public, b);
	assert_memory_not_equal(a, b, SHA256_LEN);
	statement_challenge(&e->offer.purposes[0], buf_bytes(e->server_spki), b);
	assert_memory_not_equal(a, b, SHA256_LEN);
}

static void digits_are_shown_in_pairs(void **state)
{
	uint8_t hash[SHA256_LEN] = { 1 }, r_d[R_LEN] = { 2 }, r_k[R_LEN] = { 3 };
	char text[9];

	digits_text(0, text);
	assert_string_equal(text, "00 00 00");
	digits_text(123456, text);
	assert_string_equal(text, "12 34 56");
	digits_text(70809, text);
	assert_string_equal(text, "07 08 09");
	uint32_t n = digits_number(hash, r_d, r_k);
	assert_true(n < 1000000);
	r_k[31] = 1;
	assert_int_not_equal(n, digits_number(hash, r_d, r_k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_a_good_one),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(refuses_a_trailing_byte),
		cmocka_unit_test(refuses_every_turned_bit),
		cmocka_unit_test(refuses_turned_bits_in_signatures),
		cmocka_unit_test(refuses_what_does_not_belong),
		cmocka_unit_test(refuses_wrong_requests),
		cmocka_unit_test(refuses_wrong_keys),
		cmocka_unit_test(refuses_wrong_identity_and_sealing),
		cmocka_unit_test(swapped_signatures),
		cmocka_unit_test(another_invitation_than_the_kiosk_made),
		cmocka_unit_test(further_issuance),
		cmocka_unit_test(attestation_challenge_binds_all),
		cmocka_unit_test(digits_are_shown_in_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
