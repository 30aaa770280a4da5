/*
 * revocation.h: the path from a certificate to an anchor, with revocation data that is fetched where it is missing. CRLs
 * come from the anchor's crl-files, from cache/ in the state directory and, when that does not do, through derivd-courier;
 * URLs only from certificates in paths whose signatures hold, only those that fetch-allow admits. What gets into the cache is
 * crl_fit.h's. Fails closed.
 */
#ifndef DERIVD_DAEMON_CA_REVOCATION_H
#define DERIVD_DAEMON_CA_REVOCATION_H

#include "daemon/ca/basis.h"
#include "daemon/ca/settings.h"
#include "evidence/path.h"

struct revocation;

/* All fetches for one request together take no longer: whoever waits must hear a reason, not see the process killed. */
#define REVOCATION_MS 40000

/* settings outlives it. */
struct revocation *revocation_new(const struct settings *settings);
void revocation_free(struct revocation *r);
DEFINE_AUTO(revocation, struct revocation *, revocation_free);
/* A request begins: from now on REVOCATION_MS are left for fetching. */
void revocation_begin(struct revocation *r);

/*
 * A valid path from cert to this anchor at now_ms, no certificate of it revoked. is_signer: under the anchor's policies. The
 * errors of path_build; the text of ERR_REVOCATION_UNKNOWN says which URLs were tried and what became of each. basis (may be
 * NULL): what it rests on is added.
 */
MUST_CHECK struct err *revocation_path(struct revocation *r, const struct anchor *anchor,
	X509 *cert, bool is_signer, int64_t now_ms, struct basis *basis, struct path **ret_path);
/* Would all that a judgement rests on still give the same: the anchor's configuration and every file are what they were, and
 * none is due to be fetched again? */
bool revocation_basis_stands(struct revocation *r, const struct anchor *anchor,
	const struct basis *basis, int64_t now_ms);
/*
 * Was revocation_path content with the signer of that hash lately, for one of the anchors, and is all that it was content
 * with still in force: the same CRLs, read and fetched again where that is due (verdict.h)? False says nothing.
 */
bool revocation_stands(
	struct revocation *r, const uint8_t cert_hash[static SHA256_LEN], int64_t now_ms);

/*
 * How the CRL of a URL is, for derivctl doctor: good while the cached one is current and not due to be fetched again; else it
 * is fetched to see whether it can be, and not kept. ERR_CRL_UNREACHABLE, ERR_CRL_STALE. *ret_tried: the network was asked.
 */
MUST_CHECK struct err *revocation_try(
	struct revocation *r, const char *url, int64_t now_ms, bool *ret_tried);

#endif
