/*
 * ca.h: what derivd-ca asks of the CA behind it. A back end is one file and one line in the registry of ca.c: local.c
 * signs with a key of its own; others will speak EST, CMP or SCEP to a CA elsewhere. The outcome is a return value that
 * the caller acts on, not an error: an error is what went wrong in this process.
 */
#ifndef DERIVD_DAEMON_CA_CA_H
#define DERIVD_DAEMON_CA_CA_H

#include "daemon/ca/build.h"

struct state;

enum ca_outcome {
	CA_ISSUED,
	CA_WAIT,          /* the CA will decide later: ask again */
	CA_REJECTED,      /* for good */
	CA_UNREACHABLE,   /* ask again */
	CA_MISCONFIGURED, /* an operator has to act */
};

struct ca_answer {
	enum ca_outcome outcome;
	struct buf *certificate; /* CA_ISSUED: DER */
	char *text;              /* else: why, for people */
};
void ca_answer_free(struct ca_answer *a);
DEFINE_AUTO(ca_answer, struct ca_answer *, ca_answer_free);

struct backend {
	const char *name; /* "backend" in ca.conf */
	/* A certificate for build->spki. The same build must not give two certificates that both live. */
	struct err *(*certify)(
		struct state *s, const struct build *build, struct ca_answer **ret_answer);
	/* Can it work: keys, certificates, addresses? For derivd-ca check. */
	struct err *(*check)(struct state *s);
};

/* ERR_CA_MISCONFIGURED when there is none of that name. */
MUST_CHECK struct err *backend_find(const char *name, const struct backend **ret_backend);
/* What an outcome other than CA_ISSUED means to derivd: ERR_BUSY, ERR_CA_REJECTED, ERR_CA_UNREACHABLE,
 * ERR_CA_MISCONFIGURED. NULL for CA_ISSUED. */
MUST_CHECK struct err *ca_outcome_error(const struct ca_answer *a);

extern const struct backend backend_local;

#endif
