/*
 * path.h: is this certificate good? Candidate paths are enumerated here, bounded, because OpenSSL's builder does not go
 * back when its first candidate issuer is a dead end; each candidate is judged by OpenSSL (RFC 5280 section 6), with
 * policies and revocation. Revocation data is the caller's: CRLs that it fetched and holds.
 */
#ifndef DERIVD_EVIDENCE_PATH_H
#define DERIVD_EVIDENCE_PATH_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "proto/sig.h"

#define PATH_LEN_MAX 8     /* certificates, anchor included */
#define PATH_TRIED_MAX 64  /* candidate paths */
#define PATH_ANCHORS_MAX 64 /* that a configuration may name */
#define PATH_BELOW_MAX 63   /* certificates that it may name below one of them */

struct path_params {
	int64_t time_ms;             /* judged at this time */
	STACK_OF(X509) *anchors;     /* lent; a path must end at one of these */
	STACK_OF(X509) *untrusted;   /* lent; candidates for the middle; may be NULL */
	STACK_OF(X509_CRL) *crls;    /* lent; may be NULL */
	STACK_OF(X509) *cleared;     /* lent; not revoked, as the caller found otherwise (OCSP): want of a CRL is no error */
	bool check_revocation;       /* of every certificate but the anchor: fail closed */
	/* RFC 5280 section 6.1.1 (c): NULL-ended dotted OIDs; NULL: any policy. */
	const char *const *policies;
	bool policy_optional;        /* (f) not set: policies are required only where a certificate says so */
	bool inhibit_mapping;        /* (e) */
	bool inhibit_any_policy;     /* (g) */
	bool allow_weak;             /* keys and digests under 112 bits (SP 800-57), for data of the past */
};

struct path;

/*
 * The first acceptable path, or the error of the best candidate: ERR_CERT_UNTRUSTED (no way to an anchor), ERR_CERT_EXPIRED,
 * ERR_CERT_NOT_YET, ERR_CERT_REVOKED, ERR_REVOCATION_UNKNOWN (also a stale CRL), ERR_POLICY, ERR_CERT_PATH (the rest).
 */
MUST_CHECK struct err *path_build(X509 *leaf, const struct path_params *params, struct path **ret_path);
void path_free(struct path *p);
DEFINE_AUTO(path, struct path *, path_free);
/* Leaf first, anchor last; lent. */
STACK_OF(X509) *path_certs(const struct path *p);
X509 *path_anchor(const struct path *p);
/* Digests (SHA-256 of the DER) of the CRLs that were in play for this path. */
size_t path_proofs(const struct path *p, const uint8_t (**ret_digests)[SHA256_LEN]);
/* Is the policy in the user-constrained policy set (RFC 5280 section 6.1.6)? */
bool path_has_policy(const struct path *p, const char *oid);
/*
 * Certificates whose revocation could not be decided for want of a fresh CRL, in candidate paths whose signatures hold:
 * what the caller may fetch CRLs for before it tries again. The caller frees it (AUTO(x509_stack)); may be empty.
 */
STACK_OF(X509) *path_missing_crls(const struct path_params *params, X509 *leaf);

#endif
