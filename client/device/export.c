/* export.c: see export.h. */
#include "client/device/export.h"

#include <openssl/pkcs12.h>
#include <string.h>

#include "base/text.h"
#include "client/device/fault.h"
#include "evidence/cert.h"
#include "proto/kind.h"
#include "proto/pem.h"

static void stack_free(STACK_OF(X509) *stack)
{
	sk_X509_pop_free(stack, X509_free);
}
DEFINE_AUTO(stack, STACK_OF(X509) *, stack_free);

static void p12_free(PKCS12 *p12)
{
	PKCS12_free(p12);
}
DEFINE_AUTO(p12, PKCS12 *, p12_free);

struct err *export_find(struct state *s, const char *id, const struct slot **ret_slot)
{
	AUTO(buf) struct buf *hash = NULL;
	const struct slot *slot = NULL;

	TRY(err_as(&ERR_NO_SUCH, text_unhex(id, &hash), "the id of a credential"));
	if (buf_len(hash) == SHA256_LEN)
		slot = state_find_key(s, buf_data(hash));
	if (!slot || !slot_is_whole(slot))
		return err_new(&ERR_NO_SUCH, "no usable credential with this id");
	*ret_slot = slot;
	return NULL;
}

static struct err *load_cert(const struct home *h, const uint8_t hash[static SHA256_LEN],
	struct buf **ret_pem, X509 **ret_cert)
{
	AUTO(buf) struct buf *der = NULL;

	TRY(home_get_object(h, hash, &der));
	TRY(err_as(&ERR_HOME_DAMAGED, cert_parse(buf_bytes(der), ret_cert), "a certificate"));
	*ret_pem = pem_write_certificate(buf_bytes(der));
	return NULL;
}

struct err *export_key(const struct home *h, const struct slot *slot, struct buf **ret_pem)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	TRY(home_get_key(h, slot->key_hash, &key));
	return pem_write_key(key, ret_pem);
}

struct err *export_certificate(const struct home *h, const struct slot *slot, struct buf **ret_pem)
{
	AUTO(x509) X509 *cert = NULL;

	return load_cert(h, slot->certificate, ret_pem, &cert);
}

struct err *export_chain(const struct home *h, const struct state *s, struct buf **ret_pem)
{
	AUTO(buf) struct buf *chain = buf_new();

	for (size_t i = 0; i < s->n_chain; i++) {
		AUTO(buf) struct buf *pem = NULL;
		AUTO(x509) X509 *cert = NULL;
		TRY(load_cert(h, s->chain[i], &pem, &cert));
		buf_add_bytes(chain, buf_bytes(pem));
	}
	*ret_pem = take(chain);
	return NULL;
}

/* --- PKCS#12 --- */

static struct err *stack_chain(const struct home *h, const struct state *s, STACK_OF(X509) *chain)
{
	for (size_t i = 0; i < s->n_chain; i++) {
		AUTO(buf) struct buf *pem = NULL;
		AUTO(x509) X509 *cert = NULL;
		TRY(load_cert(h, s->chain[i], &pem, &cert));
		if (X509_self_signed(cert, 0) != 1 && sk_X509_push(chain, cert) > 0)
			cert = NULL;
	}
	return NULL;
}

static struct err *check_password(const char *password)
{
	size_t len = password ? strlen(password) : 0;

	if (len == 0 || len > EXPORT_PASSWORD_MAX || !text_is_utf8(BYTES(password, len)))
		return err_new(&ERR_FORMAT, "the password must be 1 to %d bytes in UTF-8",
			EXPORT_PASSWORD_MAX);
	return NULL;
}

/* The MAC is put on apart: with PKCS12_create it would be SHA-256's in either form. */
static PKCS12 *make_p12(bool legacy, const char *password, const char *name, EVP_PKEY *key,
	X509 *cert, STACK_OF(X509) *chain)
{
	int cipher = legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
	AUTO(p12)
	PKCS12 *p12 = PKCS12_create(
		password, name, key, cert, chain, cipher, cipher, EXPORT_ITERATIONS, -1, 0);

	if (!p12 || PKCS12_set_mac(p12, password, -1, NULL, 0, EXPORT_ITERATIONS,
			    legacy ? EVP_sha1() : EVP_sha256()) != 1)
		return NULL;
	return take(p12);
}

struct err *export_p12(const struct home *h, const struct state *s, const struct slot *slot,
	bool legacy, const char *password, struct buf **ret_der)
{
	AUTO_MEM char *name = xasprintf("derivd %s", purpose_name(slot->purpose));
	AUTO(stack) STACK_OF(X509) *chain = sk_X509_new_null();
	AUTO(buf) struct buf *pem = NULL;
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(x509) X509 *cert = NULL;
	unsigned char *der = NULL;

	TRY(check_password(password));
	TRY(stack_chain(h, s, chain));
	TRY(load_cert(h, slot->certificate, &pem, &cert));
	TRY(home_get_key(h, slot->key_hash, &key));
	AUTO(p12)
	PKCS12 *p12 = make_p12(legacy, password, name, key, cert, chain);
	int len = p12 ? i2d_PKCS12(p12, &der) : -1;
	if (len <= 0)
		return sig_openssl_error(&ERR_SYSTEM, "a PKCS#12");
	*ret_der = buf_new();
	buf_add(*ret_der, der, (size_t)len);
	OPENSSL_free(der);
	return NULL;
}
