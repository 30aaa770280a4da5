/* verified.h: the receipt has come (ENROLLMENT step 8): one transaction makes holder, card, device, credentials and jobs. */
#ifndef DERIVD_CORE_VERIFIED_H
#define DERIVD_CORE_VERIFIED_H

#include "daemon/core/request.h"

MUST_CHECK struct err *verified_apply(
	struct core *c, const uint8_t request[static ID_LEN], const Ca__Verified *v);

/* The same for what was verified and issued once already (recall.h): the house's rules were kept then. */
MUST_CHECK struct err *verified_recall(
	struct core *c, const uint8_t request[static ID_LEN], const Ca__Verified *v);

#endif
