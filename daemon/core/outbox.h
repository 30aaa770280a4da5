/*
 * outbox.h: jobs for derivd-ca: leased in batches, asked, settled by the fate of the answer. Every job is safe to repeat: a crash
 * between lease and settlement asks again (DESIGN section 2.4 and 2.6).
 */
#ifndef DERIVD_CORE_OUTBOX_H
#define DERIVD_CORE_OUTBOX_H

#include "daemon/core/request.h"
#include "daemon/core/session.h"

/* Back-off: doubled from first to most, a quarter of it random either way. */
#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS (15 * 60 * 1000)
/* Somebody may be waiting, and a nonce is good for five minutes. */
#define VERIFY_MOST_MS (20 * 1000)
/* An installation that has to be mended is asked more slowly. */
#define BLOCKED_FIRST_MS (2 * 60 * 1000)
#define BLOCKED_MOST_MS (60 * 60 * 1000)

/* Leases at most room jobs whose time has come and asks derivd-ca. *ret_leased: how many there were. An event. */
MUST_CHECK struct err *outbox_pump(struct core *c, unsigned int room, unsigned int *ret_leased);
/* derivd-ca answered a job, or could not be asked. An event. */
MUST_CHECK struct err *outbox_settle(struct core *c, const struct ask *ask, const struct answer *a);
/* Asks for a leased job; that it cannot be asked is its outcome. */
MUST_CHECK struct err *outbox_ask_one(struct core *c, struct job *j);
/* --- between outbox.c, outbox_ask.c and outbox_apply.c --- */

/* Posts the question for a leased job. An error is the job's outcome. */
MUST_CHECK struct err *outbox_ask(struct core *c, const struct job *j);
/* What comes of a good answer; the caller ends the job, unless *ret_goes_on. */
MUST_CHECK struct err *outbox_apply(
	struct core *c, struct job *j, const void *body, bool *ret_goes_on);
/* Certificate, chain, serial number and dates go to the credential and its papers; the caller puts the credential. */
MUST_CHECK struct err *outbox_keep_certificate(
	struct core *c, struct credential *k, const Ca__Certified *m);
/* What comes of a refusal for good; *ret_keep: the job stays, failed, to be seen. */
MUST_CHECK struct err *outbox_refused(
	struct core *c, const struct job *j, const struct err *why, bool *ret_keep);

#endif
