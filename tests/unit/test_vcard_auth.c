/* test_vcard_auth.c: the virtual card: keys, command chaining, and whatever else may be sent to it. */
#include "tests/unit/testcard.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>

enum { RSA_BYTES = 256 };

/* The data of an answer 9000, which must fit in one. */
static void expect_data(struct span apdu, struct blob *ret_data)
{
	send_bytes(apdu, ret_data);
	assert_string_equal(to_hex((struct span){ ret_data->at + ret_data->n - 2, 2 }), "9000");
	ret_data->n -= 2;
}

/* GENERAL AUTHENTICATE with one value, as a short command if it fits, else as an extended one. */
static void authenticate(
	uint8_t alg, uint8_t key, uint8_t tag, struct span value, struct blob *ret_apdu)
{
	AUTO(blob) struct blob data = { 0 };
	size_t inner = value.n < 0x80 ? value.n + 4 : value.n + 6;
	const uint8_t head[] = { 0x00, 0x87, alg, key, 0x00 };
	const uint8_t request[] = { 0x82, 0x00, tag };

	blob_add_byte(&data, 0x7C);
	if (inner >= 0x80) {
		blob_add_byte(&data, 0x82);
		blob_add_byte(&data, (uint8_t)(inner >> 8));
	}
	blob_add_byte(&data, (uint8_t)inner);
	blob_add(&data, request, sizeof request);
	if (value.n >= 0x80) {
		blob_add_byte(&data, 0x82);
		blob_add_byte(&data, (uint8_t)(value.n >> 8));
	}
	blob_add_byte(&data, (uint8_t)value.n);
	blob_add(&data, value.at, value.n);

	blob_add(ret_apdu, head, sizeof head);
	blob_add_byte(ret_apdu, (uint8_t)(data.n >> 8));
	blob_add_byte(ret_apdu, (uint8_t)data.n);
	blob_add(ret_apdu, data.at, data.n);
	blob_add(ret_apdu, "\0", 2);
}

/* The value in 7C { 82 … } of at most 65535 bytes. */
static struct span response_value(const struct blob *data)
{
	size_t at = 1 + (data->at[1] == 0x82 ? 3 : data->at[1] == 0x81 ? 2 : 1);

	assert_int_equal(data->at[0], 0x7C);
	assert_int_equal(data->at[at], 0x82);
	at += 1 + (data->at[at + 1] == 0x82 ? 3 : data->at[at + 1] == 0x81 ? 2 : 1);
	return (struct span){ data->at + at, data->n - at };
}

/* ---- keys ---- */

/* A PKCS#1 block of zeroes and one: any number that is smaller than the modulus. */
static void make_block(uint8_t block[RSA_BYTES])
{
	memset(block, 0xFF, RSA_BYTES);
	block[0] = 0x00;
	block[1] = 0x01;
	block[200] = 0x00;
}

static void assert_is_rsa_of(struct span signature, const uint8_t block[RSA_BYTES])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(testcard_rsa, NULL);
	uint8_t back[RSA_BYTES];
	size_t n = sizeof back;

	assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_encrypt(ctx, back, &n, signature.at, signature.n), 1);
	assert_int_equal(n, RSA_BYTES);
	assert_memory_equal(back, block, RSA_BYTES);
	EVP_PKEY_CTX_free(ctx);
}

/* The two commands of a chain as OpenSC sends it: 255 bytes, then the other eleven. */
static void make_chain(const uint8_t block[RSA_BYTES], uint8_t first[260], uint8_t last[17])
{
	static const uint8_t request[] = { 0x7C, 0x82, 0x01, 0x06, 0x82, 0x00, 0x81, 0x82, 0x01,
		0x00 };
	static const uint8_t head_first[] = { 0x10, 0x87, 0x07, 0x9A, 0xFF };
	static const uint8_t head_last[] = { 0x00, 0x87, 0x07, 0x9A, 0x0B };
	uint8_t data[sizeof request + RSA_BYTES];

	memcpy(data, request, sizeof request);
	memcpy(data + sizeof request, block, RSA_BYTES);
	memcpy(first, head_first, sizeof head_first);
	memcpy(first + 5, data, 255);
	memcpy(last, head_last, sizeof head_last);
	memcpy(last + 5, data + 255, 11);
	last[16] = 0x00;
}

static void rsa_signs_in_a_chain(void **state)
{
	AUTO(blob) struct blob answer = { 0 }, rest = { 0 };
	uint8_t block[RSA_BYTES], first[260], last[17];

	make_block(block);
	make_chain(block, first, last);
	expect(VERIFY, "9000");
	send_bytes((struct span){ first, sizeof first }, &answer);
	assert_string_equal(to_hex(blob_span(&answer)), "9000");
	send_bytes((struct span){ last, sizeof last }, &answer);
	assert_int_equal(answer.n, 256 + 2);
	assert_memory_equal(answer.at + 256, "\x61\x08", 2);
	assert_memory_equal(answer.at, "\x7C\x82\x01\x04\x82\x82\x01\x00", 8);
	send_bytes((struct span){ (const uint8_t *)"\x00\xC0\x00\x00\x08", 5 }, &rest);
	assert_memory_equal(rest.at + 8, "\x90\x00", 2);
	answer.n = 256;
	blob_add(&answer, rest.at, 8);
	assert_is_rsa_of((struct span){ answer.at + 8, RSA_BYTES }, block);
}

static void a_chain_is_lost_by_anything_in_between(void **state)
{
	static const char *const between[] = { STATUS, GET_CHUID, "00C0000000", "00CADF3000", "01",
		"1087079D027C00" };
	AUTO(blob) struct blob answer = { 0 };
	uint8_t block[RSA_BYTES], first[260], last[17];

	make_block(block);
	make_chain(block, first, last);
	expect(VERIFY, "9000");
	for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
		send_bytes((struct span){ first, sizeof first }, &answer);
		say(between[i]);
		send_bytes((struct span){ last, sizeof last }, &answer);
		assert_string_equal(to_hex(blob_span(&answer)), "6A80");
	}
	send_bytes((struct span){ first, sizeof first }, &answer);
	card_reset(card);
	expect(VERIFY, "9000");
	send_bytes((struct span){ last, sizeof last }, &answer);
	assert_string_equal(to_hex(blob_span(&answer)), "6A80");
}

static void a_chain_has_an_end(void **state)
{
	AUTO(blob) struct blob answer = { 0 };
	uint8_t block[RSA_BYTES], first[260], last[17];

	make_block(block);
	make_chain(block, first, last);
	expect(VERIFY, "9000");
	for (int i = 0; i < CARD_CHAIN_MAX / 255; i++) {
		send_bytes((struct span){ first, sizeof first }, &answer);
		assert_string_equal(to_hex(blob_span(&answer)), "9000");
	}
	send_bytes((struct span){ first, sizeof first }, &answer);
	assert_string_equal(to_hex(blob_span(&answer)), "6700");
	send_bytes((struct span){ last, sizeof last }, &answer);
	assert_string_equal(to_hex(blob_span(&answer)), "6A80");
}

static void rsa_takes_extended_commands(void **state)
{
	AUTO(blob) struct blob apdu = { 0 }, data = { 0 };
	uint8_t block[RSA_BYTES];

	make_block(block);
	authenticate(0x07, 0x9A, 0x81, (struct span){ block, RSA_BYTES }, &apdu);
	assert_string_equal(
		(send_bytes(blob_span(&apdu), &data), to_hex(blob_span(&data))), "6982");
	expect(VERIFY, "9000");
	expect_data(blob_span(&apdu), &data);
	assert_is_rsa_of(response_value(&data), block);
}

static void rsa_refuses_what_is_no_block(void **state)
{
	AUTO(blob) struct blob apdu = { 0 }, answer = { 0 };
	uint8_t block[RSA_BYTES];

	expect(VERIFY, "9000");
	memset(block, 0xFF, sizeof block);
	authenticate(0x07, 0x9A, 0x81, (struct span){ block, RSA_BYTES }, &apdu);
	send_bytes(blob_span(&apdu), &answer);
	assert_string_equal(to_hex(blob_span(&answer)), "6A80");
	blob_clear(&apdu);
	authenticate(0x07, 0x9A, 0x81, (struct span){ block, RSA_BYTES - 1 }, &apdu);
	send_bytes(blob_span(&apdu), &answer);
	assert_string_equal(to_hex(blob_span(&answer)), "6A80");
}

static bool ecdsa_is_good(struct span signature, struct span hash)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(testcard_ec, NULL);
	bool good = EVP_PKEY_verify_init(ctx) == 1 &&
		    EVP_PKEY_verify(ctx, signature.at, signature.n, hash.at, hash.n) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

static void card_authentication_needs_no_pin(void **state)
{
	AUTO(blob) struct blob apdu = { 0 }, data = { 0 };
	uint8_t hash[32] = { 1, 2, 3 };

	authenticate(0x11, 0x9E, 0x81, (struct span){ hash, sizeof hash }, &apdu);
	expect_data(blob_span(&apdu), &data);
	assert_true(ecdsa_is_good(response_value(&data), (struct span){ hash, sizeof hash }));
	hash[0]++;
	assert_false(ecdsa_is_good(response_value(&data), (struct span){ hash, sizeof hash }));
}

#define STARTS_9C "7C"

static void expect_signature_9c(bool good)
{
	const char *answer = say(SIGN_9C);

	if (good)
		assert_memory_equal(answer, STARTS_9C, 2);
	else
		assert_string_equal(answer, "6982");
}

static void the_signature_key_wants_a_fresh_pin(void **state)
{
	static const char *const between[] = { STATUS, GET_CHUID, SELECT, "00C0000000",
		"00CADF3000", "00", "0087119E067C0482008101", "0087039B047C028100" };

	expect_signature_9c(false);
	expect(VERIFY, "9000");
	expect_signature_9c(true);
	expect_signature_9c(false);
	expect(STATUS, "9000");
	for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
		expect(VERIFY, "9000");
		say(between[i]);
		expect_signature_9c(false);
	}
	expect(VERIFY, "9000");
	expect("1087119C147C24820081200000000000000000000000000000", "9000");
	assert_memory_equal(say("0087119C1200000000000000000000000000000000000100"), STARTS_9C, 2);
	expect(VERIFY, "9000");
	expect("1087119A027C24", "9000");
	expect_signature_9c(false);
}

static void key_management_agrees_and_does_not_sign(void **state)
{
	AUTO(blob) struct blob apdu = { 0 }, data = { 0 };
	EVP_PKEY *peer = EVP_EC_gen("P-256");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(peer, NULL);
	unsigned char *point = NULL;
	uint8_t secret[32];
	size_t n = sizeof secret, point_n = EVP_PKEY_get1_encoded_public_key(peer, &point);
	struct span value;

	expect(VERIFY, "9000");
	authenticate(0x11, 0x9D, 0x85, (struct span){ point, point_n }, &apdu);
	expect_data(blob_span(&apdu), &data);
	value = response_value(&data);
	assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
	assert_int_equal(EVP_PKEY_derive_set_peer(ctx, testcard_ec), 1);
	assert_int_equal(EVP_PKEY_derive(ctx, secret, &n), 1);
	assert_int_equal(value.n, n);
	assert_memory_equal(value.at, secret, n);

	blob_clear(&apdu);
	authenticate(0x11, 0x9C, 0x85, (struct span){ point, point_n }, &apdu);
	expect(VERIFY, "9000");
	send_bytes(blob_span(&apdu), &data);
	assert_string_equal(to_hex(blob_span(&data)), "6A80");
	blob_clear(&apdu);
	point[40] ^= 1;
	authenticate(0x11, 0x9D, 0x85, (struct span){ point, point_n }, &apdu);
	send_bytes(blob_span(&apdu), &data);
	assert_string_equal(to_hex(blob_span(&data)), "6A80");
	expect("0087119D267C2482008120"
	       "0000000000000000000000000000000000000000000000000000000000000001"
	       "00",
		"6A80");
	OPENSSL_free(point);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
}

static void wrong_algorithms_and_keys(void **state)
{
	expect(VERIFY, "9000");
	expect("0087119A047C028200", "6A86");
	expect("0087079C047C028200", "6A86");
	expect("00870782047C028200", "6A86");
	expect("00870777047C028200", "6A86");
	expect("0087FF9A047C028200", "6A86");
	expect("0087FF9B047C028100", "6A86");
}

static void broken_templates(void **state)
{
	static const char *const broken[] = { "", "007C", "027C00", "027C02", "047C028200",
		"067C048200817F", "067C0482008100", "087C06820081018400", "0A7C088200810101810102",
		"087C0682008101018200", "037D0100", "047C80820000" };
	char apdu[64];

	expect(VERIFY, "9000");
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		const char *answer;

		snprintf(apdu, sizeof apdu, "0087119E%s", broken[i]);
		answer = say(apdu);
		assert_true(strcmp(answer, "6A80") == 0 || strcmp(answer, "6700") == 0);
	}
}

static void challenges_are_for_everybody_and_answers_wrong(void **state)
{
	char first[64];
	const char *answer = say("0087039B047C02810000");

	assert_int_equal(strlen(answer), 2 * (12 + 2));
	assert_memory_equal(answer, "7C0A8108", 8);
	strcpy(first, answer);
	assert_string_not_equal(say("0087039B047C02810000"), first);
	assert_memory_equal(say("0087089B047C02800000"), "7C128010", 8);
	expect("0087039B0C7C0A8208000000000000000000", "6300");
	expect("0087039B027C0000", "6A80");
}

/* ---- anything at all ---- */

/* Valid commands, cut, glued and flipped at random: whatever comes, the card answers with a status word. */
static void random_bytes_get_a_status_word(void **state)
{
	static const char *const seeds[] = { SELECT, VERIFY, WRONG, STATUS, GET_CHUID, GET_PRINTED,
		SIGN_9C, "00C0000000", "0024008010313233343536FFFF313233343536FFFF",
		"002C0080103132333435363738313233343536FFFF", "0087039B047C02810000",
		"1087119E047C028200", "00CB3FFF0000055C035FC1020000",
		"0087119D477C45820085410400000000000000000000000000000000" };
	const char *rounds = getenv("VCARD_FUZZ_ROUNDS");
	unsigned long left = rounds ? strtoul(rounds, NULL, 10) : 20000;
	unsigned seed =
		(unsigned)(getenv("VCARD_FUZZ_SEED") ? atoi(getenv("VCARD_FUZZ_SEED")) : getpid());
	AUTO(blob) struct blob answer = { 0 };
	uint8_t apdu[2048];
	size_t n = 0;

	print_message("# seed %u\n", seed);
	for (srandom(seed); left; left--) {
		size_t part;

		if (n > 1024 || random() % 3)
			n = 0;
		assert_true(hex_read(seeds[(size_t)random() % (sizeof seeds / sizeof *seeds)],
			apdu + n, 512, &part));
		n += part;
		for (long flips = random() % 4; flips && n; flips--)
			apdu[(size_t)random() % n] = (uint8_t)random();
		if (random() % 4 == 0)
			n = (size_t)random() % (n + 1);
		send_bytes((struct span){ apdu, n }, &answer);
		assert_true(answer.at[answer.n - 2] >= 0x60);
		if (random() % 64 == 0)
			card_reset(card);
		if (random() % 512 == 0) {
			/* By now PIN and PUK are locked. */
			card_free(card);
			card = testcard_load();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		card_test(rsa_signs_in_a_chain),
		card_test(a_chain_is_lost_by_anything_in_between),
		card_test(a_chain_has_an_end),
		card_test(rsa_takes_extended_commands),
		card_test(rsa_refuses_what_is_no_block),
		card_test(card_authentication_needs_no_pin),
		card_test(the_signature_key_wants_a_fresh_pin),
		card_test(key_management_agrees_and_does_not_sign),
		card_test(wrong_algorithms_and_keys),
		card_test(broken_templates),
		card_test(challenges_are_for_everybody_and_answers_wrong),
		card_test(random_bytes_get_a_status_word),
	};

	return cmocka_run_group_tests_name(
		"vcard_auth", tests, testcard_make_directory, testcard_remove_directory);
}
