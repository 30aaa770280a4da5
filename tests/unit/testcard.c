/* testcard.c: see testcard.h. */
#include "tests/unit/testcard.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { ANSWER_ROOM = 2 * 65536 + 3 };

char testcard_dir[] = "/tmp/test-vcard-XXXXXX";
EVP_PKEY *testcard_rsa, *testcard_ec;
struct card *card;

void testcard_write(const char *name, const void *data, size_t n)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", testcard_dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
}

void testcard_write_text(const char *name, const char *text)
{
	testcard_write(name, text, strlen(text));
}

void testcard_remove(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", testcard_dir, name);
	unlink(path);
}

void testcard_write_key(const char *name, EVP_PKEY *key)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", testcard_dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

struct card *testcard_load(void)
{
	struct store *s = NULL;
	struct why why = { "" };

	if (!store_load(testcard_dir, &s, &why))
		fail_msg("%s", why.text);
	return card_new(s);
}

const char *to_hex(struct span bytes)
{
	static char text[ANSWER_ROOM];

	for (size_t i = 0; i < bytes.n; i++)
		sprintf(text + 2 * i, "%02X", bytes.at[i]);
	text[2 * bytes.n] = 0;
	return text;
}

void send_bytes(struct span apdu, struct blob *answer)
{
	card_transmit(card, apdu, answer);
	assert_true(answer->n >= 2);
}

const char *say(const char *hex)
{
	AUTO(blob) struct blob answer = { 0 };
	uint8_t apdu[1024];
	size_t n;

	assert_true(hex_read(hex, apdu, sizeof apdu, &n));
	send_bytes((struct span){ apdu, n }, &answer);
	return to_hex(blob_span(&answer));
}

int testcard_make_directory(void **state)
{
	uint8_t chuid[CHUID_BYTES] = { 0x53, 0x82, 0x01, 0x28 };

	for (size_t i = 4; i < sizeof chuid; i++)
		chuid[i] = (uint8_t)i;
	testcard_rsa = EVP_RSA_gen(2048);
	testcard_ec = EVP_EC_gen("P-256");
	if (!mkdtemp(testcard_dir) || !testcard_rsa || !testcard_ec)
		return -1;
	testcard_write("5FC102", chuid, sizeof chuid);
	testcard_write("5FC109.bin", "\x53\x00", 2);
	testcard_write("7E", "\x7E\x02\x4F\x00", 4);
	testcard_write_key("9a.key", testcard_rsa);
	testcard_write_key("9c.key", testcard_ec);
	testcard_write_key("9d.key", testcard_ec);
	testcard_write_key("9e.key", testcard_ec);
	return 0;
}

int testcard_remove_directory(void **state)
{
	static const char *const names[] = { "5FC102", "5FC109.bin", "7E", "9a.key", "9c.key",
		"9d.key", "9e.key", "card.conf", "atr", "9a.pem", "9a.p12", "9a.p12.pass" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		testcard_remove(names[i]);
	EVP_PKEY_free(testcard_rsa);
	EVP_PKEY_free(testcard_ec);
	return rmdir(testcard_dir);
}

int testcard_new(void **state)
{
	card = testcard_load();
	return 0;
}

int testcard_end(void **state)
{
	card_free(card);
	card = NULL;
	testcard_remove("card.conf");
	testcard_remove("atr");
	return 0;
}
