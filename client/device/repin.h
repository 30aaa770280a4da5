/* repin.h: how a device that missed the change of the gateway's keys comes back (PROTOCOL.device section 7). */
#ifndef DERIVD_DEVICE_REPIN_H
#define DERIVD_DEVICE_REPIN_H

#include "client/device/home.h"

/*
 * text: a signed pin set, perhaps below remarks (lines that begin with #). Who brings it does not matter: the delivery key
 * that the QR code named has signed it. *ret_known: the device has it already. ERR_PINSET: not signed so, of another deployment,
 * of a time that is over, or older than what the device has. ERR_NOT_BEGUN.
 */
MUST_CHECK struct err *repin(const struct home *h, const char *text, bool *ret_known);

#endif
