/* actions.h: the actions that request.def names. Each runs in the event, before the new state is written. */
#ifndef DERIVD_CORE_ACTIONS_H
#define DERIVD_CORE_ACTIONS_H

#include "daemon/core/request.h"

typedef struct err *request_action(struct core *c, struct request *r, const struct cause *cause);
typedef struct err *credential_action(
	struct core *c, struct credential *k, const struct cause *cause);

/* request_act.c */
request_action
	request_leave_session; /* the session's row and seat go; both sides hear of it when it did not end well */
request_action request_post_verify;        /* a job for derivd-ca */
request_action request_drop_evidence;      /* too old: derivctl may ask for a new signature */
request_action request_cancel_credentials; /* each one by its own state */

/* credential_act.c */
credential_action credential_post_certify;
credential_action credential_post_items;   /* items.c */
credential_action credential_drop_work;    /* jobs and items that nobody needs any more */
credential_action credential_take_back;    /* the same, and a job to revoke */
credential_action credential_succeed;      /* the slot's live one steps back */
credential_action credential_retire;       /* revoked too, if derivd.conf says so */
credential_action credential_post_removal; /* items.c: the device is told to remove it */

/* A new job, due now. */
struct err *post_job(struct core *c, struct job *job);
/* New pins, if the gateway has others than the device was told last. */
struct err *items_post_pins(struct core *c, struct device *d);
/* Items get their numbers in the order of these calls. payload may be NULL. */
struct err *post_item(struct core *c, struct item *item);

#endif
