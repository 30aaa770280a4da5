/*
 * apply.h: items (ENROLLMENT step 10, PROTOCOL.device section 6). An item is checked, then applied or refused for good; what came of it
 * and the signed acknowledgement are stored together, before the acknowledgement is sent.
 */
#ifndef DERIVD_DEVICE_APPLY_H
#define DERIVD_DEVICE_APPLY_H

#include "client/device/home.h"
#include "proto/device.pb-c.h"

/* What an acknowledgement's status says; 0 is applied. */
enum apply_status {
	APPLY_DONE = 0,
	APPLY_MALFORMED = 1, /* the payload is not what its kind says */
	APPLY_OLD = 2,       /* the number is not above the last one, and this item was not applied */
	APPLY_NO_KEY = 3,    /* a certificate for a key that this device does not have */
	APPLY_SEALED = 4,    /* a sealed key that does not open, or of a purpose whose keys are made here */
	APPLY_FULL = 5,      /* no room */
};

struct applied {
	struct item *item;
	enum apply_status status;
	char *detail; /* why it was refused; NULL when it was applied */
	bool again;   /* it had been acknowledged before: the same acknowledgement */
	const struct kept_ack *ack; /* lent from the state until its next change */
};
void applied_free(struct applied *a);
DEFINE_AUTO(applied, struct applied *, applied_free);

/*
 * ERR_ITEM: not signed by the delivery key, altered, of another deployment or for another device: nothing is acknowledged,
 * as it says nothing that can be believed. ERR_SYSTEM: it could not be stored.
 */
MUST_CHECK struct err *apply_item(const struct home *h, struct state *s, EVP_PKEY *identity,
	struct bytes delivery_public, const Device__Item *m, struct applied **ret_applied);

/* "certificate", "sealed key", ... */
const char *item_kind_name(enum item_kind kind);

#endif
