/* local.c: the embedded CA: it signs what derivd-ca has decided, with ca.key. */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/ca/ca.h"
#include "daemon/ca/state.h"
#include "proto/kind.h"

static struct err *get_key(struct state *s, EVP_PKEY **ret_key)
{
	TRY(keys_private(s->keys, KEY_CA, ret_key));
	return issuer_check_key(s->issuer, *ret_key);
}

static struct err *certify(
	struct state *s, const struct build *build, struct ca_answer **ret_answer)
{
	AUTO(ca_answer) struct ca_answer *a = xcalloc(1, sizeof(*a));
	EVP_PKEY *key;

	TRY(get_key(s, &key));
	struct err *e = build_certificate(build, s->issuer, key, &a->certificate);
	if (e && !err_is(e, &ERR_POLICY))
		return e;
	a->outcome = e ? CA_REJECTED : CA_ISSUED;
	if (e)
		a->text = xstrdup(err_get_text(e));
	err_free(e);
	*ret_answer = take(a);
	return NULL;
}

static struct err *check(struct state *s)
{
	EVP_PKEY *key;

	TRY(get_key(s, &key));
	if (s->issuer->not_after_ms <= clock_real_ms())
		return err_new(&ERR_CA_MISCONFIGURED, "the issuing certificate has expired");
	return NULL;
}

const struct backend backend_local = {
	.name = "local",
	.certify = certify,
	.check = check,
};
