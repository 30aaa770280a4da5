/*
 * setup.h: derivctl setup: what its files share. A question gives an answer, from the command line, a default or a person; each
 * is checked when it comes. Nothing is written before all answers are there. A step knows whether it is needed by looking at
 * what is there, never at what an earlier run meant to do: so a setup that was killed goes on where it was.
 */
#ifndef DERIVD_CTL_SETUP_H
#define DERIVD_CTL_SETUP_H

#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "client/ctl/setup_anchor.h"

enum setup_key {
	SETUP_ORGANIZATION,
	SETUP_HOST,
	SETUP_PORT,
	SETUP_ANCHORS,
	SETUP_POLICIES,
	SETUP_OTHERS,
	SETUP_ESCROW,
	SETUP_URL,
	SETUP_KEYS,
	SETUP_OPERATORS,
	SETUP_OFFICERS,
	SETUP_AUDITORS,
	SETUP_SMTP,
	SETUP_FROM,
	SETUP_NOTIFY,
	SETUP_ANSWERS
};

#define SETUP_VALUES_MAX OPTION_LIST_MAX
struct setup_answer {
	bool given; /* also when it is "none", which has no values */
	size_t n;
	char *values[SETUP_VALUES_MAX];
};

struct setup_found {
	bool ca;       /* deployment.conf */
	bool gateway;  /* its certificate */
	bool anchors;  /* a section in ca.conf */
	bool notices;  /* a channel in courier.conf */
	bool ceremony; /* keys that are to be moved away */
	char *host;    /* of the deployment; NULL without one */
	char *pem;     /* where the gateway's certificate is, or will be */
	char port[8];
};

struct setup {
	struct ctl *ctl;
	bool defaults; /* nobody is asked */
	bool insist;   /* what is doubtful is taken */
	bool dry_run;
	struct option_list users; /* in a tree: "NAME=UID:GID" */
	struct setup_found found;
	struct setup_answer answers[SETUP_ANSWERS];
	struct anchors *anchors; /* of SETUP_ANCHORS */
};

/* The answer cannot be taken; or it can when it is given again, since whoever gives it may know better. */
extern const struct err_kind SETUP_ERR_ANSWER;
extern const struct err_kind SETUP_ERR_DOUBT;

/* One file or certificate that is to be made here in place of one that is given. */
#define SETUP_NEW "new"
/* The unit's own port; another one stands in a drop-in. */
#define SETUP_PORT_DEFAULT "7443"
#define SETUP_PORT_DROP_IN_DIR "/etc/systemd/system/derivd-gateway.socket.d"
#define SETUP_PORT_DROP_IN SETUP_PORT_DROP_IN_DIR "/10-setup.conf"

/* The first value, or NULL. Lent. */
const char *setup_value(const struct setup *s, enum setup_key key);
/* Values separated by commas, blanks around them dropped; "none" is a list without values. SETUP_ERR_ANSWER: too many. */
MUST_CHECK struct err *setup_parse(const char *line, struct setup_answer *ret_answer);
/* One more, copied. SETUP_ERR_ANSWER: too many. */
MUST_CHECK struct err *setup_add(struct setup_answer *a, const char *value);
void setup_answer_clear(struct setup_answer *a);

/* --- setup_check.c: may bring an answer into its one form; SETUP_ERR_ANSWER, SETUP_ERR_DOUBT --- */
MUST_CHECK struct err *check_organization(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_port(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_policies(struct setup *s, struct setup_answer *a);
/* "yes" or "no", also in the person's language; "same-subject" and "none". Becomes one value or none. */
MUST_CHECK struct err *check_others(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_url(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_people(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_mail(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_keys(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_anchors(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_escrow(struct setup *s, struct setup_answer *a);
/* --- setup_host.c --- */
MUST_CHECK struct err *check_host(struct setup *s, struct setup_answer *a);
MUST_CHECK struct err *check_smtp(struct setup *s, struct setup_answer *a);
/* Does something listen at this port, at any address? */
bool setup_is_port_taken(const char *port);
/* This machine's name as phones might reach it; the caller frees; NULL when it has none. */
char *setup_own_name(void);
/* Is a server on this machine only? */
bool setup_is_local(const char *smtp_url);

/* --- setup_found.c --- */
MUST_CHECK struct err *setup_look(struct setup *s);
void setup_show_found(const struct setup *s);
/* Is there a member of the role's group, or does this system not have it? role: "operator". */
bool setup_has_members(const char *role);

/* --- setup_ask.c --- */
/* Options of the command line into answers, all others asked for or taken from the defaults, each checked. CTL_ERR_USAGE,
 * CTL_ERR_CANCELLED. */
MUST_CHECK struct err *setup_answer_all(
	struct setup *s, const struct option_list options[static SETUP_ANSWERS]);
/* The name of an answer's option. */
const char *setup_option(enum setup_key key);
/* What was answered. */
void setup_show_answers(const struct setup *s);
/* "yes" to what is about to be done. CTL_ERR_CANCELLED. */
MUST_CHECK struct err *setup_confirm(void);

/* --- setup_do.c, setup_keys.c, setup_write.c --- */
/* All steps that are needed; with dry_run only says which. *ret_did: was there anything to do? */
MUST_CHECK struct err *setup_do(struct setup *s, bool *ret_did);
/* Is there anything to do, as things stand? */
bool setup_is_needed(const struct setup *s);
/* The escrow key and certificate in the directory of SETUP_KEYS, unless they are there. */
MUST_CHECK struct err *setup_make_escrow(struct setup *s);
MUST_CHECK struct err *setup_write_notices(struct setup *s);
/* The gateway's socket listens at another port than the unit says. */
MUST_CHECK struct err *setup_write_port(struct setup *s);
/* Is there something to write for that? */
bool setup_needs_port(const struct setup *s);

#endif
