/* test_sig.c: signatures verify under the right key, label and bytes only; keys have one encoding. */
#include "tests/unit/unit.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "proto/kind.h"
#include "proto/sig.h"
#include "tests/unit/wire.h"

static const struct bytes body = { (const uint8_t *)"the exact bytes", 15 };

/* FIPS 180-4, "abc". */
static void sha256_of_abc(void **state)
{
	AUTO(buf)
	struct buf *want =
		unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	uint8_t hash[SHA256_LEN];

	sha256(BYTES("abc", 3), hash);
	assert_true(bytes_eq(BYTES(hash, sizeof(hash)), buf_bytes(want)));
}

static void labels_end_with_a_zero_byte(void **state)
{
	uint8_t a[SHA256_LEN], b[SHA256_LEN];
	struct bytes parts[] = { BYTES("bc", 2), BYTES("d", 1) };

	sha256(BYTES("a\0bcd", 5), a);
	sha256_labelled("a", parts, 2, b);
	assert_memory_equal(a, b, SHA256_LEN);
}

static void check_signature(EVP_PKEY *key, EVP_PKEY *other, size_t min, size_t max)
{
	AUTO(buf) struct buf *s = NULL;

	assert_ok(sig_sign(key, SIG_OFFER, body, &s));
	assert_in_range(buf_len(s), min, max);
	assert_ok(sig_verify(key, SIG_OFFER, body, buf_bytes(s)));
	assert_err(sig_verify(key, SIG_ITEM, body, buf_bytes(s)), &ERR_SIGNATURE_BAD);
	assert_err(sig_verify(other, SIG_OFFER, body, buf_bytes(s)), &ERR_SIGNATURE_BAD);
	assert_err(sig_verify(key, SIG_OFFER, BYTES(body.data, body.len - 1), buf_bytes(s)),
		&ERR_SIGNATURE_BAD);
	assert_err(sig_verify(key, SIG_OFFER, body, BYTES(NULL, 0)), &ERR_SIGNATURE_BAD);
	assert_err(sig_verify(key, SIG_OFFER, body, BYTES(buf_data(s), buf_len(s) - 1)),
		&ERR_SIGNATURE_BAD);
	buf_add_u8(s, 0); /* a byte too many */
	assert_err(sig_verify(key, SIG_OFFER, body, buf_bytes(s)), &ERR_SIGNATURE_BAD);
	buf_cut(s, buf_len(s) - 1);
	for (size_t i = 0; i < buf_len(s); i++) {
		AUTO(buf) struct buf *bad = buf_new();
		buf_add_bytes(bad, BYTES(buf_data(s), i));
		buf_add_u8(bad, buf_data(s)[i] ^ 1);
		buf_add_bytes(bad, BYTES(buf_data(s) + i + 1, buf_len(s) - i - 1));
		assert_err(sig_verify(key, SIG_OFFER, body, buf_bytes(bad)), &ERR_SIGNATURE_BAD);
	}
}

static void ed25519_signatures(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_ed25519();
	AUTO(pkey) EVP_PKEY *other = sig_new_ed25519();

	check_signature(key, other, ED25519_SIGNATURE_LEN, ED25519_SIGNATURE_LEN);
}

static void p256_signatures(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(pkey) EVP_PKEY *other = sig_new_p256();

	check_signature(key, other, 8, 72);
}

/* Label, zero byte and body are one message: RFC 8032 over it, by its own reckoning. */
static void the_label_is_part_of_the_message(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_ed25519();
	AUTO(buf) struct buf *a = NULL, *b = NULL;

	assert_ok(sig_sign(key, "derivd offer v1", BYTES("x\0y", 3), &a));
	assert_ok(sig_sign(key, "derivd offer v1", BYTES("x", 1), &b));
	assert_false(bytes_eq(buf_bytes(a), buf_bytes(b)));
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit(c, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(c, buf_data(b), buf_len(b),
				 (const uint8_t *)"derivd offer v1\0x", 17),
		1);
	EVP_MD_CTX_free(c);
}

static void other_key_types_neither_sign_nor_verify(void **state)
{
	AUTO(pkey) EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	AUTO(pkey) EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	AUTO(buf) struct buf *s = NULL;

	assert_err(sig_sign(p384, SIG_OFFER, body, &s), &ERR_SYSTEM);
	assert_err(sig_sign(rsa, SIG_OFFER, body, &s), &ERR_SYSTEM);
	assert_err(sig_verify(p384, SIG_OFFER, body, BYTES("x", 1)), &ERR_SIGNATURE_BAD);
	assert_err(sig_verify(rsa, SIG_OFFER, body, BYTES("x", 1)), &ERR_SIGNATURE_BAD);
}

/* RFC 8032 section 7.1, test 1. */
static void a_seed_gives_its_key(void **state)
{
	AUTO(buf)
	struct buf *seed =
		unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
	AUTO(buf)
	struct buf *want =
		unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	AUTO(pkey) EVP_PKEY *key = NULL, *public = NULL;
	AUTO(buf) struct buf *s = NULL;
	uint8_t raw[ED25519_PUBLIC_LEN];

	assert_ok(sig_from_seed(buf_bytes(seed), &key));
	sig_raw_public(key, raw);
	assert_true(bytes_eq(BYTES(raw, sizeof(raw)), buf_bytes(want)));
	assert_ok(sig_public_raw(BYTES(raw, sizeof(raw)), &public));
	assert_ok(sig_sign(key, SIG_BEGIN, body, &s));
	assert_ok(sig_verify(public, SIG_BEGIN, body, buf_bytes(s)));
	assert_err(sig_from_seed(BYTES(raw, 31), &key), &ERR_FORMAT);
	assert_err(sig_public_raw(BYTES(raw, 31), &key), &ERR_FORMAT);
}

static void spki_there_and_back(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(buf) struct buf *der = sig_spki(key);
	AUTO(pkey) EVP_PKEY *back = NULL;
	AUTO(buf) struct buf *again = NULL;

	assert_int_equal(buf_len(der), P256_SPKI_LEN);
	assert_ok(sig_public_spki(buf_bytes(der), &back));
	again = sig_spki(back);
	assert_true(bytes_eq(buf_bytes(der), buf_bytes(again)));
}

static void spki_has_one_encoding(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(pkey) EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	AUTO(pkey) EVP_PKEY *ed = sig_new_ed25519();
	AUTO(pkey) EVP_PKEY *back = NULL;
	AUTO(buf) struct buf *der = sig_spki(key);
	AUTO(buf) struct buf *der384 = sig_spki(p384), *der_ed = sig_spki(ed);

	assert_err(sig_public_spki(buf_bytes(der384), &back), &ERR_FORMAT);
	assert_err(sig_public_spki(buf_bytes(der_ed), &back), &ERR_FORMAT);
	assert_err(sig_public_spki(BYTES(buf_data(der), 90), &back), &ERR_FORMAT);
	assert_int_equal(EVP_PKEY_set_utf8_string_param(key, "point-format", "compressed"), 1);
	AUTO(buf) struct buf *compressed = sig_spki(key);
	assert_int_equal(buf_len(compressed), 59);
	assert_err(sig_public_spki(buf_bytes(compressed), &back), &ERR_FORMAT);
	buf_add_u8(der, 0);
	assert_err(sig_public_spki(buf_bytes(der), &back), &ERR_FORMAT);
	assert_null(back);
}

static void a_point_off_the_curve_is_no_key(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(pkey) EVP_PKEY *back = NULL;
	AUTO(buf) struct buf *der = sig_spki(key);
	uint8_t last = buf_data(der)[90];

	buf_cut(der, 90);
	buf_add_u8(der, last ^ 1);
	assert_err(sig_public_spki(buf_bytes(der), &back), &ERR_FORMAT);
}

static void openssl_reasons_are_told_and_forgotten(void **state)
{
	const uint8_t junk[] = { 0x30, 0x03, 0x02, 0x01 }, *p = junk;

	assert_null(d2i_PUBKEY(NULL, &p, sizeof(junk)));
	assert_err_text(sig_openssl_error(&ERR_FORMAT, "key %d", 7), &ERR_FORMAT, "key 7: error:");
	assert_err_text(sig_openssl_error(&ERR_FORMAT, "key"), &ERR_FORMAT, "no reason given");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_abc),
		cmocka_unit_test(labels_end_with_a_zero_byte),
		cmocka_unit_test(ed25519_signatures),
		cmocka_unit_test(p256_signatures),
		cmocka_unit_test(the_label_is_part_of_the_message),
		cmocka_unit_test(other_key_types_neither_sign_nor_verify),
		cmocka_unit_test(a_seed_gives_its_key),
		cmocka_unit_test(spki_there_and_back),
		cmocka_unit_test(spki_has_one_encoding),
		cmocka_unit_test(a_point_off_the_curve_is_no_key),
		cmocka_unit_test(openssl_reasons_are_told_and_forgotten),
	};

	return cmocka_run_group_tests_name("sig", tests, NULL, NULL);
}
