/*
 * talk.h: one connection to the gateway from Hello to its end: the sequence of PROTOCOL.device, seen from the device. Whatever breaks
 * off goes on with the next connection from what is stored.
 */
#ifndef DERIVD_DEVICE_TALK_H
#define DERIVD_DEVICE_TALK_H

#include "client/device/home.h"
#include "client/device/tell.h"

enum goal {
	GOAL_ACCEPTED, /* the card has signed, and that is verified */
	GOAL_COMPLETE, /* everything of this enrollment has been delivered */
	GOAL_IDLE,     /* all that waits has been delivered; at any error it ends */
	GOAL_STAY,     /* until something ends it */
};

struct talk_options {
	enum goal goal;
	bool allow_issue;      /* answer offers of further credentials */
	int64_t until_boot_ms; /* ERR_TIMED_OUT after it */
	int stop_fd;           /* ERR_STOPPED when it can be read */
	struct listener listener;
};

/* How a connection went. */
struct talk_end {
	bool welcomed; /* the service was reached and knew the protocol: trying again soon makes sense */
	bool told; /* the error is one that the other side sent: it says nothing about this device's own state */
};

/*
 * Connects and talks until the goal is reached (NULL) or something is in the way. Errors: those of wire.h, what the server answered,
 * ERR_TAMPERED, ERR_OFFER, ERR_ITEM, ERR_DECLINED, ERR_CANCELLED, ERR_REMOVED, ERR_STOPPED. *ret_end is filled in any case.
 */
MUST_CHECK struct err *talk_run(
	const struct home *h, const struct talk_options *options, struct talk_end *ret_end);

#endif
