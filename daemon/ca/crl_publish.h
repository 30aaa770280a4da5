/* crl_publish.h: CRLs that revoke nothing: the first of each CA, and those of the root, whose key comes from offline. */
#ifndef DERIVD_DAEMON_CA_CRL_PUBLISH_H
#define DERIVD_DAEMON_CA_CRL_PUBLISH_H

#include "daemon/ca/entry.h"
#include "daemon/ca/issuer.h"

#define ROOT_CRL_DAYS 365
#define ROOT_CRL_MS (ROOT_CRL_DAYS * INT64_C(86400) * 1000)

/*
 * The next CRL of the CA with that certificate: its row in the log, then file (below the state directory).
 * ERR_CA_MISCONFIGURED when the key is another CA's, and the errors of ledger.h.
 */
MUST_CHECK struct err *crl_publish_empty(struct ledger *l, struct bytes certificate, EVP_PKEY *key,
	int64_t validity_ms, const char *file);
/* The root's newest CRL in the log; number 0: there is none. */
MUST_CHECK struct err *crl_newest_root(
	struct ledger *l, const struct issuer *issuer, struct entry_crl *ret_crl);

#endif
