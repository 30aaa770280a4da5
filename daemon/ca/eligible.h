/*
 * eligible.h: does a certificate count as a card's authentication certificate, and whom does it identify? Rules of ca.conf
 * on top of rules that nothing can switch off. Default deny.
 */
#ifndef DERIVD_DAEMON_CA_ELIGIBLE_H
#define DERIVD_DAEMON_CA_ELIGIBLE_H

#include "daemon/ca/state.h"
#include "evidence/path.h"

/*
 * What no configuration can allow: a CA's certificate, a card-authentication one (9E), a derived one, or one that cannot be
 * read well enough to tell. Needs no path, so it comes first. ERR_CERT_NOT_ELIGIBLE.
 */
MUST_CHECK struct err *eligible_at_all(X509 *cert);
/* No issuer of ours may stand in the path, whatever name it bears. ERR_CERT_NOT_ELIGIBLE. */
MUST_CHECK struct err *eligible_path(const struct state *s, const struct path *path);
/* What a card's certificate is for, in words that tell it from the others and do not name the person. Static. */
const char *eligible_use(const X509 *cert);
/* Is it the one that people mean, for clients to log in? Whether it counts is another question. */
bool eligible_is_login(const X509 *cert);
/*
 * May the key of the path's first certificate sign an intent? It must be for digital signatures, have one of the anchor's
 * purposes (by default clientAuth or smartcardLogon), which no CA between must exclude for itself, and a sound key (key.h) that
 * can sign an intent. ERR_CERT_NOT_ELIGIBLE.
 */
MUST_CHECK struct err *eligible_to_sign(const struct anchor *anchor, const struct path *path);
/*
 * serial: the card's own id as derivd-card reported it, in hexadecimal or as a UUID, perhaps empty. When it is a UUID and
 * the certificate names UUIDs, one of them must be equal (STANDARDS D-15). ERR_CERT_NOT_ELIGIBLE.
 */
MUST_CHECK struct err *eligible_serial(const X509 *cert, const char *serial);

/* Adds FACT_ID_TYPE, FACT_ID and FACT_ANCHOR by the anchor's list. ERR_CERT_NOT_ELIGIBLE when nothing identifies. */
MUST_CHECK struct err *eligible_identify(
	const struct anchor *anchor, const X509 *cert, struct facts *facts);

#endif
