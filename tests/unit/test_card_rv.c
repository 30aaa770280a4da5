/* test_card_rv.c: return values of modules and of PC/SC become errors that say what to do. */
#include "tests/unit/unit.h"

#include "pkcs11/pcsc.h"
#include "pkcs11/rv.h"
#include "proto/kind.h"

static void kinds_of_pkcs11(void **state)
{
	static const struct {
		CK_RV rv;
		const struct err_kind *kind;
	} table[] = {
		{ CKR_DEVICE_REMOVED, &ERR_CARD_REMOVED },
		{ CKR_TOKEN_NOT_PRESENT, &ERR_CARD_REMOVED },
		{ CKR_SESSION_HANDLE_INVALID, &ERR_CARD_FAILED },
		{ CKR_USER_NOT_LOGGED_IN, &ERR_CARD_FAILED },
		{ CKR_TOKEN_NOT_RECOGNIZED, &ERR_CARD_UNKNOWN },
		{ CKR_PIN_INCORRECT, &ERR_PIN_WRONG },
		{ CKR_PIN_LOCKED, &ERR_PIN_LOCKED },
		{ CKR_PIN_LEN_RANGE, &ERR_PIN_FORMAT },
		{ CKR_PIN_EXPIRED, &ERR_PIN_EXPIRED },
		{ CKR_FUNCTION_CANCELED, &ERR_TIMED_OUT },
		{ CKR_KEY_FUNCTION_NOT_PERMITTED, &ERR_CARD_NO_KEY },
		{ CKR_CRYPTOKI_NOT_INITIALIZED, &ERR_MODULE },
		{ CKR_VENDOR_DEFINED | 17, &ERR_MODULE },
		{ (CK_RV)-1, &ERR_MODULE },
	};

	assert_ok(rv_error(CKR_OK, "C_Sign"));
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_err_text(rv_error(table[i].rv, "C_Sign"), table[i].kind, "C_Sign");
	assert_err_text(rv_error(CKR_PIN_LOCKED, "C_Login"), &ERR_PIN_LOCKED, "CKR_PIN_LOCKED");
	assert_string_equal(rv_name(CKR_OK), "CKR_OK");
	assert_string_equal(rv_name(CKR_VENDOR_DEFINED | 0x11), "CKR_0x80000011");
}

static void kinds_of_pcsc(void **state)
{
	static const struct {
		LONG rv;
		const struct err_kind *kind;
	} table[] = {
		{ SCARD_E_NO_SERVICE, &ERR_PCSC_GONE },
		{ SCARD_E_NO_READERS_AVAILABLE, &ERR_READER_NONE },
		{ SCARD_E_UNKNOWN_READER, &ERR_READER_UNKNOWN },
		{ SCARD_E_SHARING_VIOLATION, &ERR_READER_IN_USE },
		{ SCARD_E_NO_SMARTCARD, &ERR_CARD_NONE },
		{ SCARD_W_REMOVED_CARD, &ERR_CARD_REMOVED },
		{ SCARD_W_UNRESPONSIVE_CARD, &ERR_CARD_MUTE },
		{ SCARD_E_NOT_TRANSACTED, &ERR_CARD_FAILED },
	};

	assert_ok(pcsc_error(SCARD_S_SUCCESS, "SCardConnect"));
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_err_text(
			pcsc_error(table[i].rv, "SCardConnect"), table[i].kind, "SCardConnect");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_of_pkcs11),
		cmocka_unit_test(kinds_of_pcsc),
	};

	return cmocka_run_group_tests_name("card_rv", tests, NULL, NULL);
}
