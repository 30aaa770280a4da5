/* crl_fit.c: signature first, so that what is said of the rest is said by a CA. */
#include "daemon/ca/crl_fit.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "daemon/ca/crl_store.h"
#include "evidence/cert.h"
#include "proto/kind.h"

static bool is_signed_by(X509_CRL *crl, X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);

	return X509_NAME_cmp(X509_get_subject_name(cert), X509_CRL_get_issuer(crl)) == 0 && key &&
	       X509_CRL_verify(crl, key) == 1;
}

/* A certificate that this anchor's configuration knows: whoever is on the wire cannot fill the cache. */
static X509 *find_signer(const struct anchor *anchor, X509_CRL *crl)
{
	STACK_OF(X509) *stacks[] = { anchor->stack, anchor->intermediates };
	X509 *found = NULL;

	for (size_t k = 0; k < ARRAY_LEN(stacks); k++)
		for (int i = 0; i < sk_X509_num(stacks[k]) && !found; i++)
			if (is_signed_by(crl, sk_X509_value(stacks[k], i)))
				found = sk_X509_value(stacks[k], i);
	ERR_clear_error();
	return found;
}

/* A replayed CRL could still be current, and lack the newest revocations. */
static bool is_older(const X509_CRL *a, const X509_CRL *b)
{
	int days = 0, seconds = 0;

	if (ASN1_TIME_diff(
		    &days, &seconds, X509_CRL_get0_lastUpdate(b), X509_CRL_get0_lastUpdate(a)) != 1)
		return true;
	return days < 0 || seconds < 0;
}

static bool is_of_another(X509_CRL *crl, const struct crl_wanted *w)
{
	const X509_NAME *issuer = w->cert && !w->indirect ? X509_get_issuer_name(w->cert)
				  : !w->cert && w->held   ? X509_CRL_get_issuer(w->held)
							  : NULL;

	return issuer && X509_NAME_cmp(issuer, X509_CRL_get_issuer(crl)) != 0;
}

/* RFC 5280 section 5.2.5: a CRL for a part of what its issuer has issued. */
static bool is_part(const ISSUING_DIST_POINT *idp, X509 *cert)
{
	bool is_ca = cert && (X509_get_extension_flags(cert) & EXFLAG_CA);

	return idp->onlyattr > 0 || idp->onlysomereasons || (cert && is_ca && idp->onlyuser > 0) ||
	       (cert && !is_ca && idp->onlyCA > 0);
}

static bool is_incomplete(X509_CRL *crl, X509 *cert)
{
	int state = 0;
	ISSUING_DIST_POINT *idp =
		X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &state, NULL);
	bool part = idp ? is_part(idp, cert) : state != -1;

	ISSUING_DIST_POINT_free(idp);
	ERR_clear_error();
	return part || X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
}

struct err *crl_fit(struct bytes body, const struct crl_wanted *w)
{
	AUTO(crl) X509_CRL *crl = NULL;

	TRY(crl_parse(body, &crl));
	X509 *signer = find_signer(w->anchor, crl);
	if (!signer)
		return err_new(
			&ERR_REVOCATION_UNKNOWN, "what came is not signed by a CA of this anchor");
	if (is_of_another(crl, w)) {
		AUTO_MEM char *name = cert_subject(signer);
		return err_new(
			&ERR_REVOCATION_UNKNOWN, "what came is the CRL of another CA: %s", name);
	}
	if (is_incomplete(crl, w->cert))
		return err_new(&ERR_REVOCATION_UNKNOWN,
			"what came is a CRL for changes only, or for other kinds of certificates");
	if (!crl_is_current(crl, w->now_ms))
		return err_new(&ERR_REVOCATION_UNKNOWN, "what came is out of date");
	if (w->held && is_older(crl, w->held))
		return err_new(&ERR_REVOCATION_UNKNOWN, "what came is older than what was there");
	return NULL;
}
