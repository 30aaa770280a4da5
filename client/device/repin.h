/* repin.h: how a device that missed the change of the gateway's keys comes back (PROTOCOL.device section 7). */
#ifndef DERIVD_DEVICE_REPIN_H
#define DERIVD_DEVICE_REPIN_H

#include "client/device/home.h"
#include "client/device/say.h"

/*
 * source: the text of a signed pin set, a file that has it, or "-" for standard input. Who brings it does not matter: the
 * delivery key that the QR code named has signed it. ERR_PINSET: not signed so, of another deployment, of a time that is
 * over, or older than what the device has. ERR_NOT_BEGUN.
 */
MUST_CHECK struct err *repin(const struct home *h, struct say *s, const char *source);

#endif
