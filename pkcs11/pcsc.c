/* pcsc.c: one table of PC/SC return values. */
#include "pkcs11/pcsc.h"

#include "proto/kind.h"

static const struct {
	LONG rv;
	const struct err_kind *kind;
} rows[] = {
	{ SCARD_E_NO_SERVICE, &ERR_PCSC_GONE },
	{ SCARD_E_SERVICE_STOPPED, &ERR_PCSC_GONE },
	{ SCARD_F_COMM_ERROR, &ERR_PCSC_GONE },
	{ SCARD_F_INTERNAL_ERROR, &ERR_PCSC_GONE },
	{ SCARD_E_INVALID_HANDLE, &ERR_PCSC_GONE },
	{ SCARD_W_SECURITY_VIOLATION, &ERR_PCSC_DENIED },
	{ SCARD_E_NO_READERS_AVAILABLE, &ERR_READER_NONE },
	{ SCARD_E_UNKNOWN_READER, &ERR_READER_UNKNOWN },
	{ SCARD_E_READER_UNAVAILABLE, &ERR_READER_UNKNOWN },
	{ SCARD_E_SHARING_VIOLATION, &ERR_READER_IN_USE },
	{ SCARD_E_NO_SMARTCARD, &ERR_CARD_NONE },
	{ SCARD_W_REMOVED_CARD, &ERR_CARD_REMOVED },
	{ SCARD_W_UNRESPONSIVE_CARD, &ERR_CARD_MUTE },
	{ SCARD_W_UNPOWERED_CARD, &ERR_CARD_MUTE },
	{ SCARD_W_UNSUPPORTED_CARD, &ERR_CARD_MUTE },
};

struct err *pcsc_error(LONG rv, const char *what)
{
	const struct err_kind *kind = &ERR_CARD_FAILED;

	if (rv == SCARD_S_SUCCESS)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].rv == rv)
			kind = rows[i].kind;
	return err_new(kind, "%s: %s", what, pcsc_stringify_error(rv));
}
