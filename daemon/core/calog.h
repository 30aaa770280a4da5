/*
 * calog.h: how far derivd-ca's log had come when derivd last heard of it, and what becomes of a log that is put back to an earlier
 * state: nothing is issued until the operator accepts it in derivd.conf, revocations that it has lost are made again at once, and no
 * CRL is published before they are. PROTOCOL.ca section 12.
 */
#ifndef DERIVD_CORE_CALOG_H
#define DERIVD_CORE_CALOG_H

#include "daemon/core/core.h"

/* Part of the start. */
MUST_CHECK struct err *calog_read(struct core *c);
/* derivd-ca's status: has its log what it had? Part of an event. */
MUST_CHECK struct err *calog_compare(struct core *c, const Ca__CaStatus *m);
/* *ret_wait: a CRL would lack revocations now, or nobody knows yet. */
MUST_CHECK struct err *calog_crl_waits(struct core *c, bool *ret_wait);

#endif
