/*
 * crl_store.h: CRLs at hand: files that an administrator puts there, and fetched ones in cache/, by the SHA-256 of their
 * URL. A file is read again when it changed, so that what one process fetched serves all.
 */
#ifndef DERIVD_DAEMON_CA_CRL_STORE_H
#define DERIVD_DAEMON_CA_CRL_STORE_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "proto/sig.h"

/* derivd-courier takes at most 8 MiB. */
#define CRL_MAX (8 * 1024 * 1024)

struct crl_store;

struct crl_store *crl_store_new(void);
void crl_store_free(struct crl_store *s);
DEFINE_AUTO(crl_store, struct crl_store *, crl_store_free);

/* A CRL file, DER or PEM, lent; the whole file must be one CRL. ERR_NOTFOUND, ERR_FORMAT. *ret_age_ms: since it was written. */
MUST_CHECK struct err *crl_store_file(struct crl_store *s, const char *path, int64_t now_ms,
	X509_CRL **ret_crl, int64_t *ret_age_ms);
/*
 * The SHA-256 of a file, zeros when it is not there; read once, and again when it changes, but not parsed.
 * *ret_age_ms as above, 0 when it is not there. ERR_SYSTEM, ERR_LIMIT.
 */
MUST_CHECK struct err *crl_store_digest(struct crl_store *s, const char *path, int64_t now_ms,
	uint8_t ret_digest[static SHA256_LEN], int64_t *ret_age_ms);
/* The same of the very file that a CRL that is held was read from. */
void crl_store_digest_of(
	const struct crl_store *s, const X509_CRL *crl, uint8_t ret_digest[static SHA256_LEN]);
/* Where the CRL of a URL is cached; the caller frees. */
char *crl_store_path(const char *url);
/* A file beside it in which its URL stands, as of the last attempt to fetch it; the caller frees. */
char *crl_store_url_path(const char *url);
/* Exactly one CRL in DER or PEM. ERR_FORMAT. */
MUST_CHECK struct err *crl_parse(struct bytes data, X509_CRL **ret_crl);
/* May a CRL be relied on at that time: begun, and not past its nextUpdate (which must be there)? */
bool crl_is_current(const X509_CRL *crl, int64_t now_ms);
static inline UNUSED void crl_free(X509_CRL *c)
{
	X509_CRL_free(c);
}
DEFINE_AUTO(crl, X509_CRL *, crl_free);

#endif
