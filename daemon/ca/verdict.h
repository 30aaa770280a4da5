/*
 * verdict.h: certificates that were found good a moment ago. A person's card is looked at some five times within a few
 * seconds (verify, then make and certify for each purpose), and the answer is a function of the certificate, the anchor, the
 * CRLs and the time. So it stands while exactly the same CRLs are in force and nothing in the path has expired; whoever
 * asks gathers the CRLs anew each time, and any other set of them is no match. Only good verdicts are kept, and not for long.
 */
#ifndef DERIVD_DAEMON_CA_VERDICT_H
#define DERIVD_DAEMON_CA_VERDICT_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "proto/sig.h"

#define VERDICT_URLS_MAX 8
/* The longest that one stands. */
#define VERDICT_MS 600000

struct verdict {
	uint8_t certificate[SHA256_LEN];
	const void *anchor;
	int64_t from_ms,
		until_ms; /* when it was found, and when the first certificate of its path expires */
	STACK_OF(X509_CRL) *
		crls; /* all that were at hand; held, so that an address is never used again for another */
	size_t n_urls;
	char *urls[VERDICT_URLS_MAX]; /* where some of them came from */
};

struct verdicts;
struct verdicts *verdicts_new(void);
void verdicts_free(struct verdicts *v);
DEFINE_AUTO(verdicts, struct verdicts *, verdicts_free);

/* Keeps one, in place of the oldest when there are many. crls and urls are copied; with more than VERDICT_URLS_MAX it is not kept. */
void verdicts_add(struct verdicts *v, const struct verdict *verdict);
/* Lent until the next call; NULL when there is none that stands at that time. Forgets those that do not. */
const struct verdict *verdicts_find(struct verdicts *v,
	const uint8_t certificate[static SHA256_LEN], const void *anchor, int64_t now_ms);
/* Are these the CRLs that it was found with, no more and no fewer? */
bool verdict_has_crls(const struct verdict *verdict, const STACK_OF(X509_CRL) *crls);

#endif
