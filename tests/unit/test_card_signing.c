/* test_card_signing.c: what goes into a card, and what comes out, against OpenSSL's own forms. */
#include "tests/unit/unit.h"

#include <openssl/rsa.h>

#include "base/text.h"
#include "pkcs11/signing.h"
#include "proto/kind.h"
#include "tests/unit/enrollment.h"

static const struct bytes message = { (const uint8_t *)"an intent", 9 };

static struct bytes bytes_of(const struct buf *b)
{
	return buf_bytes(b);
}

/* What a card does: PKCS#1 v1.5 padding around the input, and the raw key. */
static void rsa_input_is_a_digest_info(void **state)
{
	AUTO(pkey) EVP_PKEY *key = enrollment_rsa(2048);
	AUTO(buf) struct buf *input = signing_input(CARD_RSA_PKCS1_SHA256, message);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t signature[256];
	size_t len = sizeof(signature);

	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, signature, &len, buf_data(input), buf_len(input)), 1);
	EVP_PKEY_CTX_free(ctx);
	assert_ok(intent_verify(key, CARD_RSA_PKCS1_SHA256, message, BYTES(signature, len)));
}

/* For a token that does not pad. */
static void rsa_block_is_padded(void **state)
{
	AUTO(pkey) EVP_PKEY *key = enrollment_rsa(2048);
	AUTO(buf) struct buf *input = signing_input(CARD_RSA_PKCS1_SHA256, message);
	AUTO(buf) struct buf *block = signing_block(buf_bytes(input), 256);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t signature[256];
	size_t len = sizeof(signature);

	assert_int_equal(buf_len(block), 256);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, signature, &len, buf_data(block), buf_len(block)), 1);
	EVP_PKEY_CTX_free(ctx);
	assert_ok(intent_verify(key, CARD_RSA_PKCS1_SHA256, message, BYTES(signature, len)));
}

static void ec_input_is_the_hash(void **state)
{
	static const struct {
		enum card_algorithm algorithm;
		const char *hash;
		size_t len;
	} table[] = {
		{ CARD_ECDSA_P256_SHA256, "SHA256", 32 },
		{ CARD_ECDSA_P384_SHA384, "SHA384", 48 },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO(buf) struct buf *input = signing_input(table[i].algorithm, message);
		uint8_t hash[EVP_MAX_MD_SIZE];
		size_t len = sizeof(hash);
		assert_int_equal(EVP_Q_digest(NULL, table[i].hash, NULL, message.data, message.len,
					 hash, &len),
			1);
		assert_int_equal(len, table[i].len);
		assert_true(bytes_eq(bytes_of(input), BYTES(hash, len)));
	}
}

static char *der_of(enum card_algorithm algorithm, const char *hex)
{
	AUTO(buf) struct buf *raw = NULL;
	AUTO(buf) struct buf *der = NULL;

	assert_ok(text_unhex(hex, &raw));
	assert_ok(signing_ecdsa_der(algorithm, bytes_of(raw), &der));
	return text_hex(bytes_of(der));
}

#define ZEROS_31 "00000000000000000000000000000000000000000000000000000000000000"

static void raw_signatures_become_der(void **state)
{
	AUTO_MEM char *small = der_of(CARD_ECDSA_P256_SHA256, ZEROS_31 "01" ZEROS_31 "80");
	AUTO_MEM char *shortened = der_of(CARD_ECDSA_P256_SHA256, "01020304");
	AUTO_MEM char *high = der_of(CARD_ECDSA_P256_SHA256, "ff" ZEROS_31 "7f" ZEROS_31);

	assert_string_equal(small, "300702010102020080");
	assert_string_equal(shortened, "300802020102020203"
				       "04");
	assert_string_equal(high, "3045022100ff" ZEROS_31 "02207f" ZEROS_31);
}

static void lengths_that_cannot_be(void **state)
{
	static const uint8_t bytes[200] = { 1 };
	AUTO(buf) struct buf *der = NULL;

	assert_err(
		signing_ecdsa_der(CARD_ECDSA_P256_SHA256, BYTES(bytes, 0), &der), &ERR_CARD_FAILED);
	assert_err(signing_ecdsa_der(CARD_ECDSA_P256_SHA256, BYTES(bytes, 63), &der),
		&ERR_CARD_FAILED);
	assert_err(signing_ecdsa_der(CARD_ECDSA_P256_SHA256, BYTES(bytes, 66), &der),
		&ERR_CARD_FAILED);
	assert_err(signing_ecdsa_der(CARD_ECDSA_P384_SHA384, BYTES(bytes, 98), &der),
		&ERR_CARD_FAILED);
	assert_null(der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rsa_input_is_a_digest_info),
		cmocka_unit_test(rsa_block_is_padded),
		cmocka_unit_test(ec_input_is_the_hash),
		cmocka_unit_test(raw_signatures_become_der),
		cmocka_unit_test(lengths_that_cannot_be),
	};

	return cmocka_run_group_tests_name("card_signing", tests, NULL, NULL);
}
