/*
 * reconcile.h: a store that was put back to an earlier state catches up with derivd-ca's log before it issues anything: requests that
 * it does not know come back with their devices and credentials, revocations are known again, and items get numbers that no
 * device has had. Each step is safe to repeat, so a crash begins again. PROTOCOL.ca section 13.
 */
#ifndef DERIVD_CORE_RECONCILE_H
#define DERIVD_CORE_RECONCILE_H

#include "daemon/core/request.h"
#include "daemon/core/session.h"

/*
 * At the first status of derivd-ca after the start; wrong: what is wrong with the head that it has seen, or NULL. Does this store
 * have to catch up, because a backup was put back, or because derivd.conf accepts the loss? Then it is recorded, and begins.
 * *ret_settled: nothing is left to say of wrong.
 */
MUST_CHECK struct err *reconcile_consider(
	struct core *c, const Common__AuditHead *seen, const struct err *wrong, bool *ret_settled);
/* Asks derivd-ca for the next part, unless it has been asked. Part of an event. */
void reconcile_go_on(struct core *c);
/* derivd-ca's answer to it. An event. */
MUST_CHECK struct err *reconcile_came(
	struct core *c, const struct ask *ask, const struct answer *a);
/* A turn was lost, perhaps with what was caught up in it: from the beginning, with the next status. */
void reconcile_turn_lost(struct core *c);
/* Before anything is issued: ERR_BUSY. */
MUST_CHECK struct err *reconcile_check(const struct core *c);

#endif
