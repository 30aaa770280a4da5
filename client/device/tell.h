/* tell.h: what the app hears while a device is connected, and what it is asked: derivd-device.h's callbacks, from inside. */
#ifndef DERIVD_DEVICE_TELL_H
#define DERIVD_DEVICE_TELL_H

#include "base/def.h"
#include "base/err.h"
#include "client/device/derivd-device.h"

struct listener {
	void *context;
	void (*event)(void *context, const struct derivd_device_event *event); /* or NULL */
	int (*accept)(void *context, const struct derivd_device_event *offer); /* or NULL */
};

/* The event with this text. What comes from others in the text must be printable. */
void tell(const struct listener *l, struct derivd_device_event event, const char *fmt, ...)
	PRINTF(3, 4);
/* An event that is an error, in its words. */
void tell_error(const struct listener *l, enum derivd_device_event_type type, const struct err *e);
/* The question whether an offer is wanted. */
bool tell_asks(const struct listener *l, struct derivd_device_event offer, const char *fmt, ...)
	PRINTF(3, 4);

#endif
