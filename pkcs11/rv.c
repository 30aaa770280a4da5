/*
 * rv.c: one table of return values. The kinds follow from what modules really say (OpenSC: a pulled card is
 * CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT or CKR_SESSION_HANDLE_INVALID, depending on the function): where a value
 * does not tell a removed card from a failing one, session.c asks PC/SC.
 */
#include "pkcs11/rv.h"

#include <stdio.h>

#include "proto/kind.h"

struct row {
	CK_RV rv;
	const char *name;
	const struct err_kind *kind;
	const char *text;
};

#define ROW(rv, kind, text)                                                                        \
	{                                                                                          \
		CKR_##rv, "CKR_" #rv, &ERR_##kind, text                                            \
	}

static const struct row rows[] = {
	ROW(DEVICE_REMOVED, CARD_REMOVED, "the card was taken out"),
	ROW(TOKEN_NOT_PRESENT, CARD_REMOVED, "there is no card"),
	ROW(SESSION_HANDLE_INVALID, CARD_FAILED, "the card was reset or taken out"),
	ROW(SESSION_CLOSED, CARD_FAILED, "the card was reset or taken out"),
	ROW(TOKEN_NOT_RECOGNIZED, CARD_UNKNOWN, "the module does not know this card"),
	ROW(DEVICE_ERROR, CARD_FAILED, "the card or the reader failed"),
	ROW(DEVICE_MEMORY, CARD_FAILED, "the card has no room"),
	ROW(FUNCTION_FAILED, CARD_FAILED, "the card refused"),
	ROW(GENERAL_ERROR, CARD_FAILED, "the module gives no reason"),
	ROW(USER_NOT_LOGGED_IN, CARD_FAILED, "the card forgot the PIN"),
	ROW(USER_ALREADY_LOGGED_IN, CARD_FAILED, "the module holds an old login"),
	ROW(USER_ANOTHER_ALREADY_LOGGED_IN, CARD_FAILED, "the module holds an old login"),
	ROW(OPERATION_NOT_INITIALIZED, CARD_FAILED, "the card forgot the operation"),
	ROW(OPERATION_ACTIVE, CARD_FAILED, "the module holds an old operation"),
	ROW(OBJECT_HANDLE_INVALID, CARD_FAILED, "the card's objects changed"),
	ROW(DATA_INVALID, CARD_FAILED, "the card refused the data"),
	ROW(DATA_LEN_RANGE, CARD_FAILED, "the card refused the data's length"),
	ROW(KEY_HANDLE_INVALID, CARD_NO_KEY, "the key is not there"),
	ROW(KEY_FUNCTION_NOT_PERMITTED, CARD_NO_KEY, "the key may not sign"),
	ROW(KEY_TYPE_INCONSISTENT, CARD_NO_KEY, "the key is of another type"),
	ROW(KEY_SIZE_RANGE, CARD_NO_KEY, "the key is of another size"),
	ROW(MECHANISM_INVALID, CARD_NO_KEY, "the card has no such signature"),
	ROW(PIN_INCORRECT, PIN_WRONG, "the PIN is wrong"),
	ROW(PIN_INVALID, PIN_FORMAT, "the PIN has characters that the card does not take"),
	ROW(PIN_LEN_RANGE, PIN_FORMAT, "the PIN is too short or too long"),
	ROW(PIN_LOCKED, PIN_LOCKED, "the PIN is locked"),
	ROW(PIN_EXPIRED, PIN_EXPIRED, "the PIN has expired"),
	ROW(USER_PIN_NOT_INITIALIZED, PIN_EXPIRED, "the PIN was never set"),
	ROW(FUNCTION_CANCELED, TIMED_OUT, "given up at the PIN pad"),
	ROW(CANCEL, TIMED_OUT, "given up at the PIN pad"),
	ROW(HOST_MEMORY, MODULE, "the module has no memory"),
	ROW(CRYPTOKI_NOT_INITIALIZED, MODULE, "the module forgot its start"),
	ROW(ARGUMENTS_BAD, MODULE, "the module refuses the call"),
	ROW(SLOT_ID_INVALID, MODULE, "the module forgot the slot"),
	ROW(FUNCTION_NOT_SUPPORTED, MODULE, "the module lacks the function"),
	ROW(BUFFER_TOO_SMALL, MODULE, "the answer is larger than anything of its kind"),
	ROW(ATTRIBUTE_TYPE_INVALID, MODULE, "the object lacks the attribute"),
	ROW(ATTRIBUTE_SENSITIVE, MODULE, "the object does not show the attribute"),
	ROW(ATTRIBUTE_VALUE_INVALID, MODULE, "the module refuses the attribute"),
	ROW(MECHANISM_PARAM_INVALID, MODULE, "the module refuses the mechanism"),
	ROW(CANT_LOCK, MODULE, "the module cannot lock"),
};

static const struct row *find(CK_RV rv)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].rv == rv)
			return &rows[i];
	return NULL;
}

const char *rv_name(CK_RV rv)
{
	static char unnamed[32];
	const struct row *row = find(rv);

	if (row)
		return row->name;
	if (rv == CKR_OK)
		return "CKR_OK";
	snprintf(unnamed, sizeof(unnamed), "CKR_0x%lx", rv);
	return unnamed;
}

struct err *rv_error(CK_RV rv, const char *function)
{
	const struct row *row = find(rv);

	if (rv == CKR_OK)
		return NULL;
	return err_new(row ? row->kind : &ERR_MODULE, "%s (%s: %s)",
		row ? row->text : "the module says something unexpected", function, rv_name(rv));
}
