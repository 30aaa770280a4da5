/* test_card_slot.c: tokens by URI, and texts of tokens. (Slots by reader: tests/e2e/test_card.py.) */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "pkcs11/slot.h"
#include "proto/kind.h"

static void pad(CK_UTF8CHAR *field, size_t n, const char *text)
{
	memset(field, ' ', n);
	memcpy(field, text, strlen(text));
}

static bool matches(const char *text, CK_SLOT_ID id)
{
	AUTO(uri) struct uri *u = NULL;
	CK_SLOT_INFO slot = { 0 };
	CK_TOKEN_INFO token = { 0 };

	pad(slot.slotDescription, sizeof(slot.slotDescription), "Reader 00 00");
	pad(slot.manufacturerID, sizeof(slot.manufacturerID), "Maker");
	pad(token.label, sizeof(token.label), "Ann Example");
	pad(token.manufacturerID, sizeof(token.manufacturerID), "piv_II");
	pad(token.model, sizeof(token.model), "PKCS#15 emulated");
	pad(token.serialNumber, sizeof(token.serialNumber), "8899aabbccddee01");
	assert_ok(uri_parse(text, &u));
	return uri_matches(u, id, &slot, &token);
}

static void uris(void **state)
{
	assert_true(matches("pkcs11:", 7));
	assert_true(matches("pkcs11:token=Ann%20Example", 7));
	assert_true(matches("pkcs11:token=Ann%20Example;manufacturer=piv_II", 7));
	assert_true(matches("pkcs11:slot-description=Reader%2000%2000", 7));
	assert_true(matches("pkcs11:slot-id=7", 7));
	assert_false(matches("pkcs11:slot-id=8", 7));
	assert_false(matches("pkcs11:token=Bob", 7));
	assert_false(matches("pkcs11:token=Ann%20Example;serial=1", 7));
	assert_true(uri_matches(NULL, 7, NULL, NULL));
}

static void uris_that_are_refused(void **state)
{
	static const char *const bad[] = { "", "http://example.org", "pkcs11:token=%zz",
		"pkcs11:?pin-value=1234", "pkcs11:?pin-source=/tmp/pin",
		"pkcs11:?module-path=/tmp/evil.so", "pkcs11:x-vendor=1",
		"pkcs11:token=Ann%20Example;type=private" };
	AUTO(uri) struct uri *u = NULL;
	char *long_one = xcalloc(1, URI_MAX + 100);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(uri_parse(bad[i], &u), &ERR_FORMAT);
	memset(long_one, 'a', URI_MAX + 50);
	memcpy(long_one, "pkcs11:token=", 13);
	assert_err(uri_parse(long_one, &u), &ERR_FORMAT);
	free(long_one);
}

static bool means(const char *text, const char *id, const char *label)
{
	AUTO(uri) struct uri *u = NULL;

	assert_ok(uri_parse(text, &u));
	return uri_matches_cert(u, BYTES(id, strlen(id)), BYTES(label, strlen(label)));
}

static void certificates_by_uri(void **state)
{
	assert_true(means("pkcs11:token=Ann", "1", "Mail"));
	assert_true(means("pkcs11:type=cert;id=%31", "1", "Mail"));
	assert_false(means("pkcs11:id=%31", "2", "Mail"));
	assert_true(means("pkcs11:object=Mail", "2", "Mail"));
	assert_false(means("pkcs11:object=Mail;id=%31", "2", "Mail"));
	assert_false(means("pkcs11:object=Mail", "1", ""));
	assert_true(uri_matches_cert(NULL, BYTES("", 0), BYTES("", 0)));
}

static void texts(void **state)
{
	CK_UTF8CHAR field[8];

	pad(field, sizeof(field), "abc");
	AUTO_MEM char *trimmed = slot_text(field, sizeof(field));
	assert_string_equal(trimmed, "abc");
	memcpy(field, "a\0c     ", 8);
	AUTO_MEM char *cut = slot_text(field, sizeof(field));
	assert_string_equal(cut, "a");
	memset(field, 0xff, sizeof(field));
	AUTO_MEM char *escaped = slot_text(field, 2);
	assert_string_equal(escaped, "\\xff\\xff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uris),
		cmocka_unit_test(uris_that_are_refused),
		cmocka_unit_test(certificates_by_uri),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests_name("card_slot", tests, NULL, NULL);
}
