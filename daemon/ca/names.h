/* names.h: the names in a certificate: subject and subjectAltName of a profile, filled with facts. */
#ifndef DERIVD_DAEMON_CA_NAMES_H
#define DERIVD_DAEMON_CA_NAMES_H

#include "base/buf.h"

struct facts;
struct profile;

/* Are the profile's subject and san well formed? ERR_CONFIG. */
MUST_CHECK struct err *names_check(const struct profile *p);
/*
 * Appends the subject (DER Name). The template is in the order of RFC 4514, the most specific first. Attributes whose
 * optional fact is missing are left out; an empty subject is ERR_POLICY, as are missing facts and values that are too
 * long for their attribute (RFC 5280 appendix A.1).
 */
MUST_CHECK struct err *names_subject(
	const struct profile *p, const struct facts *facts, struct buf *out);
/*
 * Appends the subjectAltName's value (DER GeneralNames), nothing when all names are left out. uuid: the certificate's
 * own, in text form, for ${new-uuid}. ERR_POLICY as above, and for mail addresses and URIs that are not ASCII.
 */
MUST_CHECK struct err *names_san(
	const struct profile *p, const struct facts *facts, const char *uuid, struct buf *out);
/* Appends a Name of fixed text in the same form, for the CA's own certificates. ERR_CONFIG, ERR_POLICY. */
MUST_CHECK struct err *names_fixed(const char *subject, struct buf *out);

#endif
