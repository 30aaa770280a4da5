/* test_record.c: fields and their lengths, keys in their one encoding, and the examples in PROTOCOL.intent. */
#include "tests/unit/unit.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "base/io.h"
#include "base/text.h"
#include "evidence/key.h"
#include "evidence/part.h"
#include "tests/unit/enrollment.h"

/* The bytes of an example: lines of hexadecimal digits behind "    example NAME". */
static struct buf *example(const char *name)
{
	AUTO_MEM char *path = xasprintf("%s/proto/PROTOCOL.intent", getenv("abs_top_srcdir"));
	AUTO_MEM char *head = xasprintf("\n    example %s\n", name);
	AUTO(buf) struct buf *file = NULL, *digits = buf_new();
	struct buf *bytes = NULL;

	assert_ok(io_read_file(path, 1 << 20, &file));
	const char *at = strstr(buf_str(file), head);
	if (!at)
		fail_msg("PROTOCOL.intent has no example %s", name);
	else
		at += strlen(head);
	while (at && text_starts(at, "        ")) {
		for (; *at != '\n'; at++)
			if (*at != ' ')
				buf_add_u8(digits, (uint8_t)*at);
		at++;
	}
	assert_ok(text_unhex(buf_str(digits), &bytes));
	return bytes;
}

static void examples_of_the_document(void **state)
{
	AUTO(buf) struct buf *record = example("record"), *facts = example("facts");
	AUTO(buf) struct buf *head = example("intent-head"), *digits = example("digits");
	AUTO(buf) struct buf *own = buf_new(), *list = buf_new(), *encoded = buf_new();
	AUTO(facts) struct facts *f = facts_new();
	AUTO(enrollment) struct enrollment *e = enrollment_new();
	uint8_t hash[SHA256_LEN], r_d[R_LEN], r_k[R_LEN];
	uint64_t v = 0;

	record_put_u8(own, 1);
	record_put_str(own, "ab");
	part_put_optional(own, false, NULL, 0);
	record_put_u8(list, 1);
	record_put_u8(list, 2);
	record_put_nested(own, list);
	assert_true(bytes_eq(buf_bytes(own), buf_bytes(record)));
	assert_ok(facts_add(f, "name", "Ann"));
	assert_ok(facts_add(f, "mail", "a@b.c"));
	facts_encode(f, encoded);
	assert_true(bytes_eq(buf_bytes(encoded), buf_bytes(facts)));
	enrollment_build(e);
	assert_memory_equal(buf_data(e->intent_bytes), buf_data(head), buf_len(head));
	memset(hash, 1, sizeof(hash));
	memset(r_d, 2, sizeof(r_d));
	memset(r_k, 3, sizeof(r_k));
	for (size_t i = 0; i < 8; i++)
		v = v << 8 | buf_data(digits)[i];
	assert_int_equal(digits_number(hash, r_d, r_k), v % 1000000);
}

static void a_failed_read_leaves_all_as_it_was(void **state)
{
	static const uint8_t bytes[] = { 0, 0, 0, 2, 'a', '\n', 0, 0, 0, 1 };
	struct cursor c = { BYTES(bytes, sizeof(bytes)) };
	struct bytes b = BYTES(bytes, 3);
	char *text = NULL;
	uint8_t v = 77;
	uint64_t big = 77;

	assert_err_text(record_get_str(&c, "host", 10, &text), &ERR_FORMAT, "host");
	assert_null(text);
	assert_err_text(record_get(&c, "host", 3, 10, &b), &ERR_FORMAT, "host");
	assert_err(record_get_u8(&c, "n", &v), &ERR_FORMAT);
	assert_err(record_get_u64(&c, "n", &big), &ERR_FORMAT);
	assert_int_equal(c.rest.len, sizeof(bytes));
	assert_int_equal(b.len, 3);
	assert_ok(record_get(&c, "host", 2, 2, &b));
	/* The length says 1, but nothing is left. */
	assert_err_text(record_get(&c, "next", 0, 10, &b), &ERR_FORMAT, "next");
	assert_int_equal(c.rest.len, 4);
	assert_true(v == 77 && big == 77);
}

static void ranges(void **state)
{
	AUTO(buf) struct buf *b = buf_new();
	int64_t t = 0;
	uint8_t v = 0;

	record_put_u64(b, (uint64_t)RECORD_TIME_MAX_MS);
	record_put_u64(b, (uint64_t)RECORD_TIME_MAX_MS + 1);
	struct cursor c = { buf_bytes(b) };
	assert_ok(record_get_time(&c, "t", &t));
	assert_int_equal(t, RECORD_TIME_MAX_MS);
	assert_err(record_get_time(&c, "t", &t), &ERR_FORMAT);
	buf_clear(b);
	record_put_u8(b, 3);
	c.rest = buf_bytes(b);
	assert_err(record_get_choice(&c, "v", 1, 2, &v), &ERR_FORMAT);
	assert_ok(record_get_choice(&c, "v", 1, 3, &v));
	assert_ok(cursor_end(&c));
}

/* --- keys --- */

static void known_keys(void **state)
{
	const struct {
		const char *type;
		EVP_PKEY *key;
	} keys[] = {
		{ "p256", enrollment_ec("P-256") },
		{ "p384", enrollment_ec("P-384") },
		{ "rsa2048", enrollment_rsa(2048) },
		{ "rsa3072", enrollment_rsa(3072) },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO(buf) struct buf *spki = sig_spki(keys[i].key);
		AUTO(pkey) EVP_PKEY *parsed = NULL;
		assert_ok(key_parse(buf_bytes(spki), &parsed));
		assert_string_equal(key_type(parsed), keys[i].type);
		assert_true(key_type_is_known(keys[i].type));
		pkey_free(take(parsed));
		buf_add_u8(spki, 0);
		assert_err(key_parse(buf_bytes(spki), &parsed), &ERR_FORMAT);
		EVP_PKEY_free(keys[i].key);
	}
	assert_false(key_type_is_known("p521"));
}

static struct err *parse(EVP_PKEY *key)
{
	AUTO(buf) struct buf *spki = sig_spki(key);
	AUTO(pkey) EVP_PKEY *parsed = NULL;

	return key_parse(buf_bytes(spki), &parsed);
}

static EVP_PKEY *rsa_of(BIGNUM *n, unsigned int exponent)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;

	OSSL_PARAM_BLD_push_BN(bld, "n", n);
	OSSL_PARAM_BLD_push_uint(bld, "e", exponent);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void unsound_keys(void **state)
{
	AUTO(pkey) EVP_PKEY *p521 = enrollment_ec("P-521"), *rsa = enrollment_rsa(2048);
	AUTO(pkey) EVP_PKEY *ed25519 = sig_new_ed25519(), *compressed = enrollment_ec("P-256");
	BIGNUM *n = NULL;

	assert_err(parse(p521), &ERR_FORMAT);
	assert_err(parse(ed25519), &ERR_FORMAT);
	EVP_PKEY_set_utf8_string_param(compressed, "point-format", "compressed");
	assert_err(parse(compressed), &ERR_FORMAT);
	assert_int_equal(EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	AUTO(pkey) EVP_PKEY *one = rsa_of(n, 1), *even = rsa_of(n, 65536);
	assert_err(parse(one), &ERR_FORMAT);
	assert_err(parse(even), &ERR_FORMAT);
	/* Divisible by three: as good as published. */
	while (BN_mod_word(n, 3) != 0)
		BN_add_word(n, 2);
	AUTO(pkey) EVP_PKEY *small_factor = rsa_of(n, 65537);
	assert_err(parse(small_factor), &ERR_FORMAT);
	BN_free(n);
	AUTO(pkey) EVP_PKEY *parsed = NULL;
	assert_err(key_parse(BYTES(NULL, 0), &parsed), &ERR_FORMAT);
}

/* A prime as the broken generator makes them: a multiple of many small primes, and a power of 65537. */
static BIGNUM *roca_prime(BIGNUM *primorial, BN_CTX *ctx)
{
	BIGNUM *p = BN_new(), *power = BN_new(), *exponent = BN_new(), *base = BN_new();

	BN_set_word(base, 65537);
	BN_rand(exponent, 64, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
	BN_mod_exp(power, base, exponent, primorial, ctx);
	do {
		BN_rand(p, 1025 - BN_num_bits(primorial), BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
		BN_mul(p, p, primorial, ctx);
		BN_add(p, p, power);
	} while (BN_num_bits(p) != 1024 || !BN_is_bit_set(p, 1022) ||
		 BN_check_prime(p, ctx, NULL) != 1);
	BN_free(power);
	BN_free(exponent);
	BN_free(base);
	return p;
}

static void keys_of_the_broken_generator(void **state)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *primorial = BN_new(), *n = BN_new();

	BN_set_word(primorial, 2);
	for (BN_ULONG d = 3; d <= 167; d += 2) {
		bool prime = true;
		for (BN_ULONG f = 3; f < d; f += 2)
			prime = prime && d % f;
		if (prime)
			BN_mul_word(primorial, d);
	}
	BIGNUM *p = roca_prime(primorial, ctx), *q = roca_prime(primorial, ctx);
	BN_mul(n, p, q, ctx);
	AUTO(pkey) EVP_PKEY *key = rsa_of(n, 65537);
	assert_err_text(parse(key), &ERR_FORMAT, "CVE-2017-15361");
	BN_free(p);
	BN_free(q);
	BN_free(n);
	BN_free(primorial);
	BN_CTX_free(ctx);
}

static void a_point_beside_the_curve(void **state)
{
	AUTO(pkey) EVP_PKEY *key = enrollment_ec("P-256"), *parsed = NULL;
	AUTO(buf) struct buf *spki = sig_spki(key);
	AUTO_MEM uint8_t *bytes = bytes_dup(buf_bytes(spki));

	bytes[90] ^= 1;
	assert_err(key_parse(BYTES(bytes, 91), &parsed), &ERR_FORMAT);
	memset(bytes + 27, 0xff, 64);
	assert_err(key_parse(BYTES(bytes, 91), &parsed), &ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_document),
		cmocka_unit_test(a_failed_read_leaves_all_as_it_was),
		cmocka_unit_test(ranges),
		cmocka_unit_test(known_keys),
		cmocka_unit_test(unsound_keys),
		cmocka_unit_test(keys_of_the_broken_generator),
		cmocka_unit_test(a_point_beside_the_curve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
