/*
 * notice.h: who is to be told what. A notice is a row and a job, written in the event that causes it; what is alike and not
 * sent yet becomes one (PROTOCOL.courier sections 5 to 7).
 */
#ifndef DERIVD_CORE_NOTICE_H
#define DERIVD_CORE_NOTICE_H

#include "daemon/core/core.h"
#include "daemon/core/session.h"

/* Alike things that happen within it are one notice. */
#define NOTICE_GATHER_MS 10000
#define NOTICE_HOUR_MS (3600 * 1000LL)
#define NOTICE_SAY_MS (600 * 1000LL)
/* A notice that is refused for good stays in the queue so long, to be tried again. */
#define NOTICE_GIVE_UP_MS (30 * 24 * 3600 * 1000LL)

/* A credential has moved: its holder is told of a certificate, and of a revocation but for the device's. Part of an event. */
MUST_CHECK struct err *notice_certified(struct core *c, const struct credential *k);
MUST_CHECK struct err *notice_revoking(struct core *c, const struct credential *k);
MUST_CHECK struct err *notice_device_revoked(
	struct core *c, const struct device *d, unsigned int reason);
/* It has happened, and was told, before the store was put back to an earlier state: not again. */
MUST_CHECK struct err *notice_known(
	struct core *c, const struct credential *k, Courier__NoticeKind kind);
/* Operators: event is a row's, error a kind's name or NULL. */
MUST_CHECK struct err *notice_trouble(struct core *c, enum event event, const char *error);
/* Credentials that end soon, at most 100; and rows that are old enough go. */
MUST_CHECK struct err *notice_sweep(struct core *c, bool *ret_more);

/* Leases one job and has derivd-courier asked. An event. */
MUST_CHECK struct err *notice_pump(struct core *c, unsigned int *ret_leased);
/* The question, for outbox_ask. */
MUST_CHECK struct err *notice_ask(struct core *c, const struct job *j);
/* What was done of it. *ret_owed: what is not, or NULL. */
MUST_CHECK struct err *notice_done(
	struct core *c, const struct job *j, const Courier__Noticed *m, struct err **ret_owed);
/* What became of it, in the audit chain. Part of an event. */
MUST_CHECK struct err *notice_audit(struct core *c, enum event event, const struct notice *n,
	const char *error, const char *text);
/* There is no way to tell: recorded. */
MUST_CHECK struct err *notice_nobody(struct core *c, const struct job *j, const struct err *why);
/* Is it known that nobody can be told? */
bool notice_is_deaf(const struct core *c);
/* What derivd-courier says of its channels has come. An event. */
MUST_CHECK struct err *notice_channels(struct core *c, const struct answer *a);
void notice_ask_channels(struct core *c);

#endif
