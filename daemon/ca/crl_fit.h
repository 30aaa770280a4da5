/*
 * crl_fit.h: may what came from a CRL's URL be kept as that CRL? It comes over plain HTTP, and what is kept stands until it is
 * fetched again: another CA's CRL, rightly signed, would have all cards refused until then.
 */
#ifndef DERIVD_DAEMON_CA_CRL_FIT_H
#define DERIVD_DAEMON_CA_CRL_FIT_H

#include "daemon/ca/settings.h"

struct crl_wanted {
	const struct anchor *anchor;
	int64_t now_ms;
	X509 *cert;           /* that names the URL; NULL: not at hand, then held says which CA's it is */
	bool indirect;        /* cert says that another than its issuer signs it */
	const X509_CRL *held; /* what is there under this URL; NULL: nothing */
};

/*
 * One CRL in DER or PEM, signed by a certificate that the anchor's configuration knows; of the right CA, complete and for
 * certificates of that kind; current, and not older than what is held. ERR_FORMAT, ERR_REVOCATION_UNKNOWN.
 */
MUST_CHECK struct err *crl_fit(struct bytes body, const struct crl_wanted *wanted);

#endif
