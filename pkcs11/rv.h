/* rv.h: return values of PKCS#11 functions as errors. */
#ifndef DERIVD_PKCS11_RV_H
#define DERIVD_PKCS11_RV_H

#include <p11-kit/pkcs11.h>

#include "base/def.h"
#include "base/err.h"

/* "CKR_PIN_INCORRECT"; "CKR_0x80000001" for values that have no name here. Lent until the next call. */
const char *rv_name(CK_RV rv);
/*
 * CKR_OK is NULL. Else an error "FUNCTION: what (CKR_NAME)" of the kind that fits: ERR_CARD_REMOVED,
 * ERR_CARD_UNKNOWN, ERR_CARD_FAILED, ERR_CARD_NO_KEY, ERR_PIN_WRONG, ERR_PIN_LOCKED, ERR_PIN_FORMAT,
 * ERR_PIN_EXPIRED, ERR_TIMED_OUT (given up at the PIN pad), ERR_MODULE for what a working module does not say.
 */
MUST_CHECK struct err *rv_error(CK_RV rv, const char *function);

#endif
