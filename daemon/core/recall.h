/* recall.h: what comes back from derivd-ca's log into a store that has lost it (reconcile.h). Parts of events. */
#ifndef DERIVD_CORE_RECALL_H
#define DERIVD_CORE_RECALL_H

#include "daemon/core/request.h"

/*
 * A request with its evidence, receipt, holder, card, device and credentials. What the device made a key for is delivered once
 * more, which does no harm; keys made by derivd-ca, whose copy for the device is gone, count as delivered.
 */
MUST_CHECK struct err *recall_request(
	struct core *c, const uint8_t request[static ID_LEN], const Ca__Recalled *m);
/* A revocation that derivd-ca has logged. */
MUST_CHECK struct err *recall_revoked(struct core *c, const char *serial, unsigned int reason);
MUST_CHECK struct err *recall_device_revoked(struct core *c, struct device *d, unsigned int reason);

#endif
