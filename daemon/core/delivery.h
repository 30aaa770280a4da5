/* delivery.h: items to devices: derivd hints, the device pulls, at most four unacknowledged (ENROLLMENT step 10). */
#ifndef DERIVD_CORE_DELIVERY_H
#define DERIVD_CORE_DELIVERY_H

#include "daemon/core/presence.h"
#include "daemon/core/request.h"

#define PULL_MOST 4

/* A device says Hello: what it is told, and a hint if something waits. An event. */
MUST_CHECK struct err *delivery_greet(
	struct core *c, struct connection *from, uint32_t serial, const Device__Hello *m);
/* Something is ready for a device: it is told so if it is connected. */
MUST_CHECK struct err *delivery_hint(struct core *c, const uint8_t device[static SHA256_LEN]);
/* Events. */
MUST_CHECK struct err *delivery_pull(
	struct core *c, struct connection *from, uint32_t serial, const Device__Pull *m);
MUST_CHECK struct err *delivery_acknowledge(
	struct core *c, struct connection *from, uint32_t serial, const Device__Acknowledge *m);
/* A connection is over: what it had and did not acknowledge waits again. An event. */
MUST_CHECK struct err *delivery_left(struct core *c, const uint8_t device[static SHA256_LEN]);

#endif
