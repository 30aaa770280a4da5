/* make.c: see make.h. */
#include "client/device/make.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "client/device/fault.h"
#include "proto/plaincert.h"

#define CERTIFICATE_NAME "derivd device"

struct err *make_key(const char *type, EVP_PKEY **ret_key)
{
	static const struct {
		const char *type, *group;
		unsigned int bits;
	} types[] = {
		{ "p256", "P-256", 0 },
		{ "p384", "P-384", 0 },
		{ "rsa2048", NULL, 2048 },
		{ "rsa3072", NULL, 3072 },
		{ "rsa4096", NULL, 4096 },
	};
	EVP_PKEY *key = NULL;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].type, type) != 0)
			continue;
		key = types[i].group ? EVP_EC_gen(types[i].group) : EVP_RSA_gen(types[i].bits);
		if (!key)
			return sig_openssl_error(&ERR_SYSTEM, "a key of type %s", type);
		*ret_key = key;
		return NULL;
	}
	return err_new(&ERR_OFFER,
		"the offer asks for a key of type \"%s\", which this program "
		"cannot make",
		type);
}

struct err *make_request(EVP_PKEY *key, struct buf **ret_der)
{
	bool p384 = EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 384;
	X509_REQ *request = X509_REQ_new();
	unsigned char *der = NULL;
	int len = -1;

	if (request && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
		X509_REQ_set_pubkey(request, key) == 1 &&
		X509_REQ_sign(request, key, p384 ? EVP_sha384() : EVP_sha256()) > 0)
		len = i2d_X509_REQ(request, &der);
	X509_REQ_free(request);
	if (len <= 0)
		return sig_openssl_error(&ERR_SYSTEM, "a PKCS#10");
	*ret_der = buf_new();
	buf_add(*ret_der, der, (size_t)len);
	OPENSSL_free(der);
	return NULL;
}

struct err *make_identity(const struct home *h, struct state *s)
{
	AUTO(pkey) EVP_PKEY *identity = sig_new_p256();
	AUTO(pkey) EVP_PKEY *sealing = sig_new_p256();
	AUTO(buf) struct buf *tls = NULL;
	AUTO(buf) struct buf *sealed = NULL;

	TRY(plaincert_make(identity, identity, PLAINCERT_TLS_CLIENT, CERTIFICATE_NAME, &tls));
	TRY(plaincert_make(sealing, identity, PLAINCERT_SEALING, CERTIFICATE_NAME, &sealed));
	TRY(home_put_key(h, identity, s->identity_key));
	TRY(home_put_key(h, sealing, s->sealing_key));
	TRY(home_put_object(h, buf_bytes(tls), s->identity_certificate));
	return home_put_object(h, buf_bytes(sealed), s->sealing_certificate);
}
