/* pcsc.h: PC/SC return values as errors, and the timer around PC/SC calls. */
#ifndef DERIVD_PKCS11_PCSC_H
#define DERIVD_PKCS11_PCSC_H

#include <winscard.h>

#include "base/def.h"
#include "base/err.h"

/* Seconds that a call may take beyond the time that it is asked to wait. */
#define PCSC_CALL_S 20

/*
 * SCARD_S_SUCCESS is NULL. Else ERR_PCSC_GONE, ERR_PCSC_DENIED, ERR_READER_NONE, ERR_READER_UNKNOWN, ERR_READER_IN_USE, ERR_CARD_NONE,
 * ERR_CARD_MUTE, ERR_CARD_REMOVED, ERR_CARD_FAILED, with pcsc-lite's text behind "what".
 */
MUST_CHECK struct err *pcsc_error(LONG rv, const char *what);

/* rv = PCSC_CALL(SCardConnect(...)); */
#define PCSC_CALL_FOR(seconds, call)                                                               \
	__extension__({                                                                            \
		proc_deadline((seconds) + PCSC_CALL_S);                                            \
		LONG pcsc_rv_ = (call);                                                            \
		proc_deadline(0);                                                                  \
		pcsc_rv_;                                                                          \
	})
#define PCSC_CALL(call) PCSC_CALL_FOR(0, call)

#endif
