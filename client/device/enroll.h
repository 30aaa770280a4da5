/* enroll.h: an enrollment begins with what the QR code says. */
#ifndef DERIVD_DEVICE_ENROLL_H
#define DERIVD_DEVICE_ENROLL_H

#include "client/device/home.h"

/*
 * Stores the invitation with new identity and sealing keys. With the same invitation again, nothing changes and the enrollment
 * goes on. ERR_INVITATION for a text that is none; ERR_HOME when the device is enrolled already.
 */
MUST_CHECK struct err *enroll_begin(const struct home *h, const char *uri, const char *platform);

#endif
