/*
 * trouble.h: what went wrong, whoever found it: the library or this program. A function returns NULL for success, or a trouble, which
 * is the caller's.
 */
#ifndef DERIVD_AGENT_TROUBLE_H
#define DERIVD_AGENT_TROUBLE_H

#include "base/def.h"
#include "base/err.h"
#include "client/device/derivd-device.h"

struct trouble {
	const char *kind;
	const char *fate;
	char *text;         /* printable */
	const char *remedy; /* or "" */
};

MUST_CHECK struct trouble *trouble_new(const char *kind, const char *fmt, ...) PRINTF(2, 3);
/* NULL stays NULL. */
MUST_CHECK struct trouble *trouble_err(struct err *take_e);
/* The library's, consumed; the remedy says what to do with this program. NULL stays NULL. */
MUST_CHECK struct trouble *trouble_device(struct derivd_device_error *take_error);
/* The same of one that is lent. */
MUST_CHECK struct trouble *trouble_show(const struct derivd_device_error *error);
void trouble_free(struct trouble *t);
DEFINE_AUTO(trouble, struct trouble *, trouble_free);
bool trouble_is(const struct trouble *t, const char *kind);

#define PASS(expression)                                                                           \
	do {                                                                                       \
		struct trouble *pass_ = (expression);                                              \
		if (pass_)                                                                         \
			return pass_;                                                              \
	} while (0)

#endif
