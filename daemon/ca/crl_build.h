/* crl_build.h: our own CRLs (RFC 5280 section 5), written as DER, and where they are published. */
#ifndef DERIVD_DAEMON_CA_CRL_BUILD_H
#define DERIVD_DAEMON_CA_CRL_BUILD_H

#include "daemon/ca/issuer.h"

/* Appends an entry. reason: RFC 5280 section 5.3.1; 0 is left out. */
void crl_add_entry(struct buf *entries, struct bytes serial, int64_t when_ms, uint32_t reason);
/* A complete CRL with those entries. ERR_CA_MISCONFIGURED. */
MUST_CHECK struct err *crl_build(const struct issuer *issuer, EVP_PKEY *key, uint64_t number,
	int64_t this_update_ms, int64_t next_update_ms, const struct buf *entries,
	struct buf **ret_der);

#endif
