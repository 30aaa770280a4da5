/* fault.h: what can go wrong on the way to the gateway, beside the kinds that the wire has, and what the person can do. */
#ifndef DERIVD_DEVICE_FAULT_H
#define DERIVD_DEVICE_FAULT_H

#include "base/err.h"

extern const struct err_kind ERR_HOST_UNREACHABLE; /* no connection to host and port; RETRY */
extern const struct err_kind
	ERR_GATEWAY_KEY;              /* the other side has not the key that is pinned; REFUSE */
extern const struct err_kind ERR_TLS; /* the handshake failed otherwise; RETRY */
extern const struct err_kind ERR_INVITATION; /* the QR code's text; REFUSE */
extern const struct err_kind ERR_OFFER;      /* an offer that is not for this device; REFUSE */
extern const struct err_kind ERR_DECLINED;   /* what is offered is not wanted here; REFUSE */
extern const struct err_kind ERR_STOPPED;    /* the app wants no more; REFUSE */
extern const struct err_kind ERR_TAMPERED;   /* somebody plays the kiosk; REFUSE */
extern const struct err_kind ERR_ITEM; /* an item that is not for this device, or altered; RETRY */
extern const struct err_kind ERR_HOME; /* the state directory does not allow it; REFUSE */
extern const struct err_kind
	ERR_NOT_BEGUN; /* no enrollment was begun in the state directory; REFUSE */
extern const struct err_kind ERR_HOME_DAMAGED; /* the state directory cannot be read; BROKEN */
extern const struct err_kind ERR_CANCELLED;    /* the kiosk ended the request; REFUSE */
extern const struct err_kind
	ERR_PINSET; /* a pin set that is not for this device, or too old; REFUSE */
extern const struct err_kind ERR_REMOVED; /* the device was removed; REFUSE */

/* What to do about it, or "". */
const char *fault_remedy(const struct err_kind *kind);

#endif
