/*
 * card_generic.c: any other token: each certificate of a person whose key may sign. Tokens hide private keys before
 * the PIN, so the public key, where there is one, speaks for its private half; where there is none it is assumed.
 */
#include <openssl/x509v3.h>

#include "base/text.h"
#include "evidence/cert.h"
#include "pkcs11/card.h"
#include "pkcs11/pair.h"

static struct err *match(const struct card_source *source, bool *ret_match)
{
	(void)source;
	*ret_match = true;
	return NULL;
}

/* May the key sign? *ret_known is false when no object of the class is seen. */
static struct err *ask_key(const struct card_source *source, CK_OBJECT_CLASS class,
	CK_ATTRIBUTE_TYPE usage, EVP_PKEY *key, struct card_cert *cert, bool *ret_known)
{
	const struct token *t = source->token;
	CK_OBJECT_HANDLE object = 0;

	TRY(pair_find(t, class, key, buf_bytes(cert->id), &object, ret_known));
	if (!*ret_known)
		return NULL;
	TRY(object_get_bool(t, object, usage, true, &cert->has_key));
	return object_get_bool(
		t, object, CKA_ALWAYS_AUTHENTICATE, false, &cert->always_authenticate);
}

static struct err *look_at_key(
	const struct card_source *source, EVP_PKEY *key, struct card_cert *cert)
{
	bool known = false;

	TRY(ask_key(source, CKO_PRIVATE_KEY, CKA_SIGN, key, cert, &known));
	if (!known)
		TRY(ask_key(source, CKO_PUBLIC_KEY, CKA_VERIFY, key, cert, &known));
	cert->saw_key = known;
	if (!known)
		cert->has_key = (source->info->flags & CKF_LOGIN_REQUIRED) != 0;
	return NULL;
}

/* A certificate that does not parse is kept: derivd-ca says what is wrong with it. */
static struct err *read_one(
	const struct card_source *source, CK_OBJECT_HANDLE object, struct card *card)
{
	struct card_cert *cert = NULL;
	AUTO(x509) X509 *x = NULL;

	TRY(card_read_cert(source, object, card, &cert));
	if (!cert)
		return NULL;
	AUTO(err) struct err *e = cert_parse(buf_bytes(cert->der), &x);
	if (e)
		return NULL;
	if (X509_check_ca(x) == 1) {
		card_drop(card, card->n_certs - 1);
		return NULL;
	}
	EVP_PKEY *key = X509_get0_pubkey(x);
	return key ? look_at_key(source, key, cert) : NULL;
}

static struct err *read(const struct card_source *source, struct card *card)
{
	struct object_list found = { 0 };

	TRY(object_find_class(
		source->token, CKO_CERTIFICATE, BYTES(NULL, 0), BYTES(NULL, 0), &found));
	for (size_t i = 0; i < found.n; i++)
		TRY(err_wrap(read_one(source, found.at[i], card), "certificate %zu", i + 1));
	card_sort(card);
	return NULL;
}

const struct card_type card_generic = { .name = "generic", .match = match, .read = read };
