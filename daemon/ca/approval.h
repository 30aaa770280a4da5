/*
 * approval.h: who said that this CA may work as it is configured. Root writes the configuration; where ca.conf asks for
 * officers, so many of them, each with a uid of his own, approve it (by its digest, effect.h) before anything is issued under
 * it. What was in force last says how many that are: nobody takes the rule away alone. Approvals are rows of the log, relative
 * to what was in force, so an older one never counts again.
 *
 * This binds those who write configurations. Root who becomes other users, or changes the log, leaves traces and is not kept
 * from it: PRIVSEP.md.
 */
#ifndef DERIVD_DAEMON_CA_APPROVAL_H
#define DERIVD_DAEMON_CA_APPROVAL_H

#include "daemon/ca/effect.h"
#include "daemon/ca/state.h"

/* Whom a change concerns, as shown: the first bytes of the digest. */
#define APPROVAL_SHOWN_LEN 8
/* At least so many hexadecimal digits name a configuration that is approved. */
#define APPROVAL_PREFIX_MIN 8

/* How things stand with the configuration that the state was read with. */
struct approval {
	struct entry_approved standing; /* in force; row 0: nothing yet */
	bool in_force;                  /* it is this one */
	bool waits; /* officers have to say something: it is not in force, or only because root said so alone */
	uint32_t needed; /* officers that a change takes now; 1: root alone makes it */
	uint32_t given;  /* of them, for this one */
	bool own;        /* the uid that was asked for is among them */
};
MUST_CHECK struct err *approval_look(struct state *s, uid_t uid, struct approval *ret_approval);
/* What differs from what is in force. */
MUST_CHECK struct err *approval_difference(
	struct state *s, const struct approval *a, struct effect_lines *ret_lines);

/*
 * Before anything is issued: is the state's configuration in force? If another one came into force since, it is read again.
 * fresh: it is read again in any case, because files are what the request is about. Where root alone may change it, what is
 * new comes into force here. ERR_UNAPPROVED says what waits for whom; ERR_CA_MISCONFIGURED. Not inside a transaction.
 */
MUST_CHECK struct err *approval_check(struct state *s, bool fresh);
/* Where root alone may change it, the state's configuration comes into force; else nothing is done. */
MUST_CHECK struct err *approval_settle(struct state *s);
/* The configuration as the files have it now, for those who tell of it: ERR_UNAPPROVED, or ERR_ALONE, or NULL. */
MUST_CHECK struct err *approval_tell(struct state *s);

/*
 * An officer approves the state's configuration, named by the first digits of its digest. ERR_WRONG_STATE: nothing waits, it is
 * another one, or this uid has approved it already. *ret_approval: how things stand then.
 */
MUST_CHECK struct err *approval_give(
	struct state *s, uid_t uid, const char *prefix, struct approval *ret_approval);
/* Root alone, for a reason. ERR_WRONG_STATE: nothing waits. */
MUST_CHECK struct err *approval_alone(struct state *s, uid_t uid, const char *reason);

#endif
