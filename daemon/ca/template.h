/*
 * template.h: text with facts of the holder in it: "mail:${mail}". ${name?} is optional: where that fact is missing,
 * the whole text is left out. ${name.local} and ${name.domain} are what stands before and behind the one @ of a
 * fact. A value is put in as it is and never looked at again.
 */
#ifndef DERIVD_DAEMON_CA_TEMPLATE_H
#define DERIVD_DAEMON_CA_TEMPLATE_H

#include "evidence/facts.h"

/* Filled text is never longer. */
#define TEMPLATE_TEXT_MAX 65536

/* Values that are no facts; the array ends with a NULL name. */
struct template_value {
	const char *name;
	const char *value;
};

/* What the certificate's own UUID is called; it is known only when a certificate is made. */
#define TEMPLATE_NEW_UUID "new-uuid"

/* Well formed, and every variable is a fact, TEMPLATE_NEW_UUID or one of more (may be NULL)? ERR_CONFIG. */
MUST_CHECK struct err *template_check(const char *text, const struct template_value *more);
/*
 * Fills it in. escape (may be NULL) writes a value into the output. *ret_text is NULL when an optional fact is missing;
 * the caller frees. ERR_POLICY names a required fact that is missing, and a value that has not the form asked for.
 */
MUST_CHECK struct err *template_fill(const char *text, const struct facts *facts,
	const struct template_value *more, void (*escape)(struct buf *out, const char *value),
	char **ret_text);

#endif
