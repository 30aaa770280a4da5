/*
 * err.h: error objects. A function that can fail returns struct err *, NULL being success. An error
 * has a kind (the address of a constant, so that a typo does not compile), a fate that says who has
 * to act, a text and perhaps a cause. Context is added on the way up; it is logged once, where it
 * is handled. Running out of memory aborts: state is in the store and everything from outside is
 * capped.
 */
#ifndef DERIVD_BASE_ERR_H
#define DERIVD_BASE_ERR_H

#include "base/def.h"

enum err_fate {
	FATE_RETRY,  /* may go away by itself: back off and try again */
	FATE_REFUSE, /* the requester did or brought something wrong: tell the requester */
	FATE_BROKEN, /* this installation is wrong: tell the operator */
};

/* name: stable, lower case with dashes; it is what the wire, the journal and --json carry. */
struct err_kind {
	const char *name;
	enum err_fate fate;
};

extern const struct err_kind ERR_SYSTEM;   /* a system call failed; BROKEN */
extern const struct err_kind ERR_FORMAT;   /* bytes that do not parse; REFUSE */
extern const struct err_kind ERR_LIMIT;    /* more than a named maximum; REFUSE */
extern const struct err_kind ERR_CONFIG;   /* configuration; BROKEN */
extern const struct err_kind ERR_GONE;     /* the peer hung up; RETRY */
extern const struct err_kind ERR_TIMEOUT;  /* the peer did not answer in time; RETRY */
extern const struct err_kind ERR_NOTFOUND; /* a file or name that is not there; REFUSE */

struct err;

/* A new error. Never returns NULL. The caller owns it. */
MUST_CHECK struct err *err_new(const struct err_kind *kind, const char *fmt, ...) PRINTF(2, 3)
	__attribute__((returns_nonnull));
/* ERR_SYSTEM (ERR_NOTFOUND for ENOENT) with strerror(errno_value) behind the text. */
MUST_CHECK struct err *err_errno(int errno_value, const char *fmt, ...) PRINTF(2, 3)
	__attribute__((returns_nonnull));
/* Puts context before take_cause; kind and fate stay the cause's. NULL stays NULL. */
MUST_CHECK struct err *err_wrap(struct err *take_cause, const char *fmt, ...) PRINTF(2, 3);
/* As err_wrap, but the kind is the new one; the cause stays in the text. NULL stays NULL. */
MUST_CHECK struct err *err_as(
	const struct err_kind *kind, struct err *take_cause, const char *fmt, ...) PRINTF(3, 4);
/* Frees an error with its causes; NULL is fine. */
void err_free(struct err *e);
DEFINE_AUTO(err, struct err *, err_free);

bool err_is(const struct err *e, const struct err_kind *kind);
const struct err_kind *err_get_kind(const struct err *e);
enum err_fate err_get_fate(const struct err *e);
/* "context: context: text", lent until err_free. */
const char *err_get_text(const struct err *e);
/* "retry", "refuse" or "broken". */
const char *err_fate_name(enum err_fate fate);

/* Ends the process with a line on standard error: for what has no other way out, as no memory has. */
void err_abort(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));

#define TRY(expression)                                                                            \
	do {                                                                                       \
		struct err *try_ = (expression);                                                   \
		if (try_)                                                                          \
			return try_;                                                               \
	} while (0)

#endif
