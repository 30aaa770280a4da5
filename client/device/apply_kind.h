/* apply_kind.h: what each kind of item does to the state. */
#ifndef DERIVD_DEVICE_APPLY_KIND_H
#define DERIVD_DEVICE_APPLY_KIND_H

#include "client/device/apply.h"

/*
 * Applies the payload to the state in memory, storing keys and objects that it brings. A refusal sets *ret_status and
 * *ret_detail (the caller frees) and leaves the state as it was. ERR_SYSTEM.
 */
MUST_CHECK struct err *apply_kind(const struct home *h, struct state *s, const struct item *item,
	struct bytes payload, enum apply_status *ret_status, char **ret_detail);

#endif
