/* actions.h: the actions that request.def names. Each runs in the event, before the new state is written. */
#ifndef DERIVD_CORE_ACTIONS_H
#define DERIVD_CORE_ACTIONS_H

#include "daemon/core/request.h"

/* --- of requests (request_act.c) --- */

/* The session's row and seat go; both sides hear of it when it did not end well. */
MUST_CHECK struct err *request_leave_session(
	struct core *c, struct request *r, const struct cause *cause);
/* A job for derivd-ca. */
MUST_CHECK struct err *request_post_verify(
	struct core *c, struct request *r, const struct cause *cause);
/* It is too old: derivctl may ask for a new signature. */
MUST_CHECK struct err *request_drop_evidence(
	struct core *c, struct request *r, const struct cause *cause);
/* Each one by its own state. */
MUST_CHECK struct err *request_cancel_credentials(
	struct core *c, struct request *r, const struct cause *cause);

/* --- of credentials (credential_act.c) --- */

MUST_CHECK struct err *credential_post_certify(
	struct core *c, struct credential *k, const struct cause *cause);
/* Jobs and items that nobody needs any more go. */
MUST_CHECK struct err *credential_drop_work(
	struct core *c, struct credential *k, const struct cause *cause);
/* The same, and a job to revoke. */
MUST_CHECK struct err *credential_take_back(
	struct core *c, struct credential *k, const struct cause *cause);
/* The slot's live one steps back. */
MUST_CHECK struct err *credential_succeed(
	struct core *c, struct credential *k, const struct cause *cause);
/* The same for one that had arrived before the store was put back; its work goes. */
MUST_CHECK struct err *credential_recall(
	struct core *c, struct credential *k, const struct cause *cause);
/* It is revoked, too, if derivd.conf says so. */
MUST_CHECK struct err *credential_retire(
	struct core *c, struct credential *k, const struct cause *cause);

/* --- items (items.c) --- */

MUST_CHECK struct err *credential_post_items(
	struct core *c, struct credential *k, const struct cause *cause);
/* The device is told to remove it. */
MUST_CHECK struct err *credential_post_removal(
	struct core *c, struct credential *k, const struct cause *cause);
/* New pins, if the gateway has others than the device was told last. */
MUST_CHECK struct err *items_post_pins(struct core *c, struct device *d);
/* The same for all who are connected; the others hear of it when they say Hello. *ret_more: call again. */
MUST_CHECK struct err *items_tell_pins(struct core *c, bool *ret_more);
/* The device has acknowledged an item of pins, whose payload is still there. */
MUST_CHECK struct err *items_pins_applied(struct core *c, const struct item *i);
/* In place of an item that was not signed, a new one: it has a number of its own, and belongs to no credential. */
MUST_CHECK struct err *items_post_again(struct core *c, const struct job *j);
/* A new item; it gets the device's next number. item->payload may be NULL. */
MUST_CHECK struct err *items_post(struct core *c, struct item *item);

/* A new job, due now unless it says when; it gets an id unless it has one. */
MUST_CHECK struct err *outbox_post(struct core *c, struct job *job);

#endif
