/*
 * path_judge.c: one candidate path before OpenSSL (RFC 5280 section 6). Its verification stops at the first error that its
 * callback does not wave through, and looks at revocation before dates; so that the person hears the reason that
 * counts, errors of date and revocation are noted and waved through, and any note is a refusal in the end.
 */
#include "evidence/path_judge.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "evidence/cert.h"

/* 112 bits: RSA-2048, P-256, SHA-256 and up (SP 800-57 part 1 section 5.6.1). */
#define AUTH_LEVEL 2
#define AUTH_BITS 112

struct judge {
	const struct path_params *params;
	X509 *leaf, *anchor;
	STACK_OF(X509) *missing;
	X509_STORE_CTX_check_crl_fn check_crl; /* OpenSSL's own */
	struct verdict verdict;
	size_t n_proofs;
	uint8_t proofs[PATH_PROOFS_MAX][SHA256_LEN];
};

void verdict_add(struct verdict *v, enum fault fault, char *take_text)
{
	if (fault <= v->fault) {
		free(take_text);
		return;
	}
	free(v->text);
	v->fault = fault;
	v->text = take_text;
}

static bool is_want_of_crl(int error)
{
	return error == X509_V_ERR_UNABLE_TO_GET_CRL || error == X509_V_ERR_CRL_HAS_EXPIRED ||
	       error == X509_V_ERR_CRL_NOT_YET_VALID || error == X509_V_ERR_DIFFERENT_CRL_SCOPE;
}

static bool is_about_crl(int error)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return true;
	default:
		return is_want_of_crl(error);
	}
}

static enum fault fault_of(int error)
{
	if (is_about_crl(error))
		return FAULT_UNKNOWN;
	switch (error) {
	case X509_V_ERR_CERT_REVOKED:
		return FAULT_REVOKED;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return FAULT_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return FAULT_NOT_YET;
	case X509_V_ERR_NO_EXPLICIT_POLICY:
		return FAULT_POLICY;
	default:
		return FAULT_PATH;
	}
}

/* Going on after these changes nothing but that later errors are seen, too. */
static bool is_waved_through(int error)
{
	return is_want_of_crl(error) || error == X509_V_ERR_CERT_REVOKED ||
	       error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
}

static struct judge *judge_of(X509_STORE_CTX *ctx)
{
	X509_STORE_CTX *parent;

	while ((parent = X509_STORE_CTX_get0_parent_ctx(ctx)))
		ctx = parent;
	return X509_STORE_CTX_get_app_data(ctx);
}

/* Revocation of the anchor is not asked for, and that of cleared certificates was decided otherwise. */
static bool is_excused(const struct judge *j, int error, X509 *cert)
{
	if (X509_cmp(cert, j->anchor) == 0)
		return is_about_crl(error) || error == X509_V_ERR_CERT_REVOKED;
	return is_want_of_crl(error) && j->params->cleared &&
	       path_stack_has(j->params->cleared, cert);
}

/* What a person understands without OpenSSL at hand. whose: "the certificate", or that of a CA with its name. */
static char *story(int error, const X509 *cert, const char *whose)
{
	AUTO_MEM char *date = NULL;

	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		date = text_time(cert_not_after_ms(cert));
		return xasprintf("%s expired on %s", whose, date);
	case X509_V_ERR_CERT_NOT_YET_VALID:
		date = text_time(cert_not_before_ms(cert));
		return xasprintf("%s is not valid before %s", whose, date);
	case X509_V_ERR_CERT_REVOKED:
		return xasprintf("%s is revoked", whose);
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return xasprintf("there is no CRL for %s", whose);
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return xasprintf("the CRL for %s has expired", whose);
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return xasprintf("the CRL for %s is not valid yet", whose);
	case X509_V_ERR_NO_EXPLICIT_POLICY:
		return xasprintf(
			"%s has none of the certificate policies that are asked for", whose);
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
		return xasprintf("the key of %s is too weak", whose);
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return xasprintf("the signature on %s is too weak", whose);
	default:
		return xasprintf("%s: %s", whose, X509_verify_cert_error_string(error));
	}
}

/*
 * The leaf is not named: who reads this has it at hand, and its name is a person's, sometimes with a number that is nobody
 * else's business.
 */
static char *story_of(int error, const X509 *cert, bool is_leaf, bool of_crl_issuer)
{
	AUTO_MEM char *name = cert && !is_leaf ? cert_subject(cert) : xstrdup("");
	AUTO_MEM char *whose = xasprintf("the certificate%s%s%s", *name ? " of " : "", name,
		of_crl_issuer ? ", an issuer of CRLs," : "");

	return story(error, cert, whose);
}

static char *weak_story(const struct judge *j, X509_STORE_CTX *ctx)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	AUTO_MEM char *name = cert && cert != j->leaf ? cert_subject(cert) : xstrdup("");

	return xasprintf("the signature on the CRL for the certificate%s%s is too weak",
		*name ? " of " : "", name);
}

static int on_error(int ok, X509_STORE_CTX *ctx)
{
	struct judge *j = judge_of(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	bool of_crl_issuer = X509_STORE_CTX_get0_parent_ctx(ctx) != NULL;

	if (ok)
		return 1;
	if (cert && is_excused(j, error, cert)) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	}
	verdict_add(&j->verdict, of_crl_issuer ? FAULT_UNKNOWN : fault_of(error),
		story_of(error, cert, cert == j->leaf, of_crl_issuer));
	if (cert && is_want_of_crl(error))
		path_stack_add(j->missing, cert);
	return is_waved_through(error);
}

/* The digest of a CRL's signature; NID_undef for EdDSA, which brings its own. */
static int digest_of(const X509_CRL *crl)
{
	int digest = NID_undef, key = NID_undef;
	const X509_ALGOR *algorithm = NULL;

	if (!OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &digest, &key) ||
		key != NID_rsassaPss)
		return digest;
	X509_CRL_get0_signature(crl, NULL, &algorithm);
	RSA_PSS_PARAMS *pss =
		ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
	/* RFC 4055 section 3.1: SHA-1 when it is not named. */
	digest = pss && pss->hashAlgorithm ? OBJ_obj2nid(pss->hashAlgorithm->algorithm) : NID_sha1;
	RSA_PSS_PARAMS_free(pss);
	return digest;
}

/* OpenSSL asks for a level of security (AUTH_LEVEL) in the signatures of certificates, and not in those of CRLs. */
static bool is_weak(const X509_CRL *crl)
{
	int nid = digest_of(crl);
	const EVP_MD *md = nid == NID_undef ? NULL : EVP_get_digestbynid(nid);

	return nid != NID_undef && (!md || EVP_MD_get_size(md) * 4 < AUTH_BITS);
}

/* Every CRL that OpenSSL takes up passes here first. */
static int note_crl(X509_STORE_CTX *ctx, X509_CRL *crl)
{
	struct judge *j = judge_of(ctx);
	uint8_t digest[SHA256_LEN];
	unsigned int len = 0;

	if (X509_CRL_digest(crl, EVP_sha256(), digest, &len) != 1)
		return 0;
	if (!j->params->allow_weak && is_weak(crl))
		verdict_add(&j->verdict, FAULT_UNKNOWN, weak_story(j, ctx));
	for (size_t i = 0; i < j->n_proofs; i++)
		if (memcmp(j->proofs[i], digest, SHA256_LEN) == 0)
			return j->check_crl(ctx, crl);
	if (j->n_proofs == PATH_PROOFS_MAX) {
		verdict_add(&j->verdict, FAULT_PATH,
			xasprintf("more than %d CRLs for one path", PATH_PROOFS_MAX));
		return 0;
	}
	memcpy(j->proofs[j->n_proofs++], digest, SHA256_LEN);
	return j->check_crl(ctx, crl);
}

/* RFC 5280 section 6.1.1 (c). No policy at all is another thing to OpenSSL than any: where a CA demands an explicit one (6.1.4
 * (i)), it would find none acceptable. */
static void set_policies(const struct path_params *p, X509_VERIFY_PARAM *param)
{
	static const char *const any[] = { "2.5.29.32.0", NULL };
	const char *const *policies = p->policies ? p->policies : any;

	for (size_t i = 0; policies[i]; i++) {
		ASN1_OBJECT *policy = OBJ_txt2obj(policies[i], 1);
		if (!policy || !X509_VERIFY_PARAM_add0_policy(param, policy))
			err_abort("policy %s: not an object identifier", policies[i]);
	}
}

static void set_param(const struct path_params *p, X509_VERIFY_PARAM *param)
{
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK;

	if (p->check_revocation)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
			 X509_V_FLAG_EXTENDED_CRL_SUPPORT | X509_V_FLAG_USE_DELTAS;
	if (p->policies && !p->policy_optional)
		flags |= X509_V_FLAG_EXPLICIT_POLICY;
	if (p->inhibit_mapping)
		flags |= X509_V_FLAG_INHIBIT_MAP;
	if (p->inhibit_any_policy)
		flags |= X509_V_FLAG_INHIBIT_ANY;
	set_policies(p, param);
	X509_VERIFY_PARAM_set_flags(param, flags);
	X509_VERIFY_PARAM_set_time(param, (time_t)(p->time_ms / 1000));
	X509_VERIFY_PARAM_set_auth_level(param, p->allow_weak ? 0 : AUTH_LEVEL);
}

static STACK_OF(ASN1_OBJECT) *policies_of(X509_STORE_CTX *ctx, const struct path_params *params)
{
	X509_POLICY_TREE *tree = X509_STORE_CTX_get0_policy_tree(ctx);
	STACK_OF(ASN1_OBJECT) *out = sk_ASN1_OBJECT_new_null();
	STACK_OF(X509_POLICY_NODE) *nodes = NULL;

	if (tree)
		nodes = params->policies ? X509_policy_tree_get0_user_policies(tree)
					 : X509_policy_tree_get0_policies(tree);
	for (int i = 0; out && i < sk_X509_POLICY_NODE_num(nodes); i++) {
		const ASN1_OBJECT *policy =
			X509_policy_node_get0_policy(sk_X509_POLICY_NODE_value(nodes, i));
		if (!sk_ASN1_OBJECT_push(out, OBJ_dup(policy)))
			err_abort("no memory for a path");
	}
	return out;
}

static struct path *new_path(const struct judge *j, X509_STORE_CTX *ctx)
{
	struct path *p = xcalloc(1, sizeof(*p));

	p->certs = X509_STORE_CTX_get1_chain(ctx);
	if (!p->certs)
		err_abort("no memory for a path");
	p->policies = policies_of(ctx, j->params);
	p->n_proofs = j->n_proofs;
	memcpy(p->proofs, j->proofs, sizeof(p->proofs));
	return p;
}

/* OpenSSL's own check of a CRL, so that note_crl can hand on to it. */
static X509_STORE_CTX_check_crl_fn default_check_crl(X509_STORE *store)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!ctx || !X509_STORE_CTX_init(ctx, store, NULL, NULL))
		err_abort("no memory for a path");
	X509_STORE_CTX_check_crl_fn check = X509_STORE_CTX_get_check_crl(ctx);
	X509_STORE_CTX_free(ctx);
	return check;
}

static void run(struct judge *j, X509 *leaf, X509_STORE *store, STACK_OF(X509) *untrusted,
	STACK_OF(X509_CRL) *crls, struct path **ret_path)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!ctx || !X509_STORE_CTX_init(ctx, store, leaf, untrusted))
		err_abort("no memory for a path");
	set_param(j->params, X509_STORE_CTX_get0_param(ctx));
	X509_STORE_CTX_set_app_data(ctx, j);
	X509_STORE_CTX_set_verify_cb(ctx, on_error);
	X509_STORE_CTX_set0_crls(ctx, crls);
	int good = X509_verify_cert(ctx);
	if (good == 1 && j->verdict.fault == FAULT_NONE)
		*ret_path = new_path(j, ctx);
	else
		verdict_add(&j->verdict, FAULT_UNKNOWN,
			xasprintf("OpenSSL: %s",
				X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx))));
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
}

void path_judge(const struct path_params *params, X509 *const *certs, size_t n,
	STACK_OF(X509) *helpers, STACK_OF(X509_CRL) *crls, STACK_OF(X509) *missing,
	struct verdict *ret_verdict, struct path **ret_path)
{
	struct judge j = {
		.params = params, .leaf = certs[0], .anchor = certs[n - 1], .missing = missing
	};
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *untrusted = sk_X509_new_null();

	if (!store || !untrusted || !X509_STORE_add_cert(store, j.anchor))
		err_abort("no memory for a path");
	j.check_crl = default_check_crl(store);
	X509_STORE_set_check_crl(store, note_crl);
	for (size_t i = 1; i + 1 < n; i++)
		if (!sk_X509_push(untrusted, certs[i]))
			err_abort("no memory for a path");
	for (int i = 0; i < sk_X509_num(helpers); i++)
		if (!sk_X509_push(untrusted, sk_X509_value(helpers, i)))
			err_abort("no memory for a path");
	run(&j, certs[0], store, untrusted, crls, ret_path);
	sk_X509_free(untrusted);
	X509_STORE_free(store);
	*ret_verdict = j.verdict;
}
