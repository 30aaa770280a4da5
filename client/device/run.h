/* run.h: connections one after the other, with growing, jittered pauses between them (PROTOCOL.device section 9). */
#ifndef DERIVD_DEVICE_RUN_H
#define DERIVD_DEVICE_RUN_H

#include "client/device/talk.h"

struct run_options {
	struct talk_options talk;
	bool patient;           /* also when the gateway was not reached at first */
	uint64_t retry_most_ms; /* longest pause */
};

/*
 * Until the goal is reached, or an error that no new connection mends: everything of this device's with fate BROKEN; ERR_REMOVED,
 * ERR_STOPPED; the time is over; while the enrollment is not accepted, everything with fate REFUSE.
 */
MUST_CHECK struct err *run_until(const struct home *h, const struct run_options *options);

#endif
