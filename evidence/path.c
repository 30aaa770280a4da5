/*
 * path.c: which paths there are. From the leaf upwards, each certificate's possible issuers (by name and key identifier,
 * with a signature that holds) are tried in turn, anchors first; every path that reaches an anchor is judged by
 * path_judge.c, until one is good. Depth, candidates and signature checks are bounded, because the certificates
 * in the middle come from outside.
 */
#include "evidence/path.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/cert.h"
#include "evidence/path_judge.h"
#include "proto/kind.h"

/* Signatures that one search may check. */
#define STEPS_MAX 512

struct search {
	const struct path_params *params;
	STACK_OF(X509) *helpers;
	STACK_OF(X509_CRL) *crls;
	STACK_OF(X509) *missing;
	X509 *certs[PATH_LEN_MAX];
	size_t n;
	size_t tried;
	size_t steps;
	struct verdict best; /* of the candidates so far; FAULT_NONE: no candidate */
	struct verdict near; /* why an issuer of the right name was none */
	struct path *found;
};

void path_free(struct path *p)
{
	if (!p)
		return;
	x509_stack_free(p->certs);
	sk_ASN1_OBJECT_pop_free(p->policies, ASN1_OBJECT_free);
	free(p);
}

STACK_OF(X509) *path_certs(const struct path *p)
{
	return p->certs;
}

X509 *path_anchor(const struct path *p)
{
	return sk_X509_value(p->certs, sk_X509_num(p->certs) - 1);
}

size_t path_proofs(const struct path *p, const uint8_t (**ret_digests)[SHA256_LEN])
{
	*ret_digests = p->proofs;
	return p->n_proofs;
}

bool path_has_policy(const struct path *p, const char *oid)
{
	ASN1_OBJECT *wanted = OBJ_txt2obj(oid, 1);
	bool found = false;

	for (int i = 0; wanted && i < sk_ASN1_OBJECT_num(p->policies); i++)
		found |= OBJ_cmp(sk_ASN1_OBJECT_value(p->policies, i), wanted) == 0;
	ASN1_OBJECT_free(wanted);
	return found;
}

bool path_stack_has(STACK_OF(X509) *stack, X509 *cert)
{
	for (int i = 0; i < sk_X509_num(stack); i++)
		if (X509_cmp(sk_X509_value(stack, i), cert) == 0)
			return true;
	return false;
}

void path_stack_add(STACK_OF(X509) *stack, X509 *cert)
{
	if (path_stack_has(stack, cert))
		return;
	if (!X509_up_ref(cert) || !sk_X509_push(stack, cert))
		err_abort("no memory for a path");
}

/* Names an issuer that had the right name, for the case that no other is found. */
static bool is_no_issuer(struct search *s, X509 *issuer, const char *why)
{
	AUTO_MEM char *name = cert_subject(issuer);

	verdict_add(&s->near, FAULT_PATH, xasprintf("%s: %s", name, why));
	return false;
}

static bool is_issuer(struct search *s, X509 *issuer, X509 *subject)
{
	if (X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(subject)) != 0 ||
		s->steps == STEPS_MAX)
		return false;
	int error = X509_check_issued(issuer, subject);
	if (error == X509_V_ERR_AKID_SKID_MISMATCH ||
		error == X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH)
		return false;
	if (error != X509_V_OK)
		return is_no_issuer(s, issuer, X509_verify_cert_error_string(error));
	s->steps++;
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	bool good = key && X509_verify(subject, key) == 1;
	ERR_clear_error();
	return good || is_no_issuer(s, issuer, "the signature is not of its key");
}

static void judge(struct search *s)
{
	struct verdict v = { 0 };

	s->tried++;
	path_judge(s->params, s->certs, s->n, s->helpers, s->crls, s->missing, &v, &s->found);
	bool better =
		v.fault != FAULT_NONE && (s->best.fault == FAULT_NONE || v.fault < s->best.fault);
	free(better ? s->best.text : v.text);
	if (better)
		s->best = v;
}

static bool is_over(const struct search *s)
{
	return s->found || s->tried == PATH_TRIED_MAX || s->steps == STEPS_MAX;
}

static bool is_in_path(const struct search *s, const X509 *cert)
{
	for (size_t i = 0; i < s->n; i++)
		if (X509_cmp(s->certs[i], cert) == 0)
			return true;
	return false;
}

/* At most PATH_LEN_MAX deep: room for the anchor is kept. */
static void extend(struct search *s)
{
	X509 *top = s->certs[s->n - 1];

	for (int i = 0; i < sk_X509_num(s->params->anchors) && !is_over(s); i++) {
		X509 *anchor = sk_X509_value(s->params->anchors, i);
		if (is_in_path(s, anchor) || !is_issuer(s, anchor, top))
			continue;
		s->certs[s->n++] = anchor;
		judge(s);
		s->n--;
	}
	if (s->n + 1 == PATH_LEN_MAX)
		return;
	for (int i = 0; i < sk_X509_num(s->params->untrusted) && !is_over(s); i++) {
		X509 *next = sk_X509_value(s->params->untrusted, i);
		if (is_in_path(s, next) || path_stack_has(s->params->anchors, next) ||
			!is_issuer(s, next, top))
			continue;
		s->certs[s->n++] = next;
		extend(s);
		s->n--;
	}
}

static bool is_signed_by(X509_CRL *crl, X509 *cert)
{
	if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(cert)) != 0)
		return false;
	EVP_PKEY *key = X509_get0_pubkey(cert);
	bool good = key && X509_CRL_verify(crl, key) == 1;
	ERR_clear_error();
	return good;
}

static X509 *find_signer(STACK_OF(X509) *certs, X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (is_signed_by(crl, sk_X509_value(certs, i)))
			return sk_X509_value(certs, i);
	return NULL;
}

/*
 * CRLs come over plain HTTP. OpenSSL picks the newest that names the issuer before it looks at the signature, so one that
 * nobody signed would hide the good one; such are left out here. Those who signed may help OpenSSL to find a CRL's issuer.
 */
static void choose_crls(struct search *s)
{
	for (int i = 0; i < sk_X509_CRL_num(s->params->crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(s->params->crls, i);
		X509 *signer = find_signer(s->params->untrusted, crl);
		if (signer && !path_stack_has(s->helpers, signer) &&
			!sk_X509_push(s->helpers, signer))
			err_abort("no memory for a path");
		if (!signer)
			signer = find_signer(s->params->anchors, crl);
		if (signer && !sk_X509_CRL_push(s->crls, crl))
			err_abort("no memory for a path");
	}
}

static void search(struct search *s, const struct path_params *params, X509 *leaf)
{
	s->params = params;
	s->helpers = sk_X509_new_null();
	s->crls = sk_X509_CRL_new_null();
	s->missing = sk_X509_new_null();
	if (!s->helpers || !s->crls || !s->missing)
		err_abort("no memory for a path");
	if (params->check_revocation)
		choose_crls(s);
	s->certs[s->n++] = leaf;
	if (!path_stack_has(params->anchors, leaf))
		extend(s);
}

static void search_end(struct search *s)
{
	sk_X509_free(s->helpers);
	sk_X509_CRL_free(s->crls);
	x509_stack_free(s->missing);
	path_free(s->found);
	free(s->best.text);
	free(s->near.text);
}

static struct err *error_of(const struct search *s, X509 *leaf)
{
	static const struct err_kind *const kinds[] = {
		[FAULT_UNKNOWN] = &ERR_REVOCATION_UNKNOWN,
		[FAULT_POLICY] = &ERR_POLICY,
		[FAULT_NOT_YET] = &ERR_CERT_NOT_YET,
		[FAULT_EXPIRED] = &ERR_CERT_EXPIRED,
		[FAULT_REVOKED] = &ERR_CERT_REVOKED,
		[FAULT_PATH] = &ERR_CERT_PATH,
	};
	AUTO_MEM char *issuer = cert_issuer(leaf);

	if (s->best.fault != FAULT_NONE)
		return err_new(kinds[s->best.fault], "%s", s->best.text);
	if (s->near.fault != FAULT_NONE)
		return err_new(&ERR_CERT_PATH, "%s", s->near.text);
	return err_new(&ERR_CERT_UNTRUSTED,
		"the issuer %s is not trusted: no chain leads from it to an anchor", issuer);
}

struct err *path_build(X509 *leaf, const struct path_params *params, struct path **ret_path)
{
	struct search s = { 0 };
	struct err *e = NULL;

	search(&s, params, leaf);
	if (s.found)
		*ret_path = take(s.found);
	else
		e = error_of(&s, leaf);
	search_end(&s);
	return e;
}

STACK_OF(X509) *path_missing_crls(const struct path_params *params, X509 *leaf)
{
	struct path_params own = *params;
	struct search s = { 0 };
	STACK_OF(X509) *missing = NULL;

	own.check_revocation = true;
	search(&s, &own, leaf);
	if (s.found)
		sk_X509_pop_free(take(s.missing), X509_free);
	missing = s.missing ? take(s.missing) : sk_X509_new_null();
	if (!missing)
		err_abort("no memory for a path");
	search_end(&s);
	return missing;
}
