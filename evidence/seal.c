/*
 * seal.c: keys to P-256 recipients are sealed in seal_p256.c; OpenSSL's CMS does the rest: it seals to RSA recipients and opens all.
 * Its convenience functions copy the content through buffers that are not wiped, so the content is written to, and read from,
 * the cipher directly.
 */
#include "evidence/seal.h"

#include <malloc.h>
#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "evidence/cert.h"
#include "evidence/key.h"
#include "evidence/record.h"
#include "evidence/seal_form.h"
#include "evidence/seal_p256.h"
#include "proto/kind.h"

#define CONTENT_LABEL "derivd sealed key v1"
/* PKCS#8 of RSA-4096, and some. */
#define PKCS8_MAX 4096
#define P256_LEN 32
#define P256_POINT_LEN 65

static void cms_free(CMS_ContentInfo *cms)
{
	CMS_ContentInfo_free(cms);
}
DEFINE_AUTO(cms, CMS_ContentInfo *, cms_free);

static void p8_free(PKCS8_PRIV_KEY_INFO *p8)
{
	PKCS8_PRIV_KEY_INFO_free(p8);
}
DEFINE_AUTO(p8, PKCS8_PRIV_KEY_INFO *, p8_free);

static void chain_free(BIO *bio)
{
	BIO_free_all(bio);
}
DEFINE_AUTO(chain, BIO *, chain_free);

/* --- libcrypto's memory --- */

static void *wiping_malloc(size_t len, const char *file UNUSED, int line UNUSED)
{
	return malloc(len);
}

static void wiping_free(void *p, const char *file UNUSED, int line UNUSED)
{
	if (p)
		wipe(p, malloc_usable_size(p));
	free(p);
}

static void *wiping_realloc(void *p, size_t len, const char *file, int line)
{
	size_t old = p ? malloc_usable_size(p) : 0;

	if (len == 0) {
		wiping_free(p, file, line);
		return NULL;
	}
	void *q = malloc(len);
	if (!q)
		return NULL;
	if (p)
		memcpy(q, p, old < len ? old : len);
	wiping_free(p, file, line);
	return q;
}

bool seal_wipe_freed(void)
{
	return CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free) == 1;
}

void seal_start(void)
{
	if (!seal_wipe_freed())
		err_abort("seal_start came after the first use of libcrypto");
}

/* --- sealing --- */

/* Whether the key is sound was looked at when the certificate came: with the statement, or into ca.conf. */
static struct err *check_recipient(X509 *cert, bool *ret_ec)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	const char *type = key ? key_type(key) : NULL;
	bool ec = type && strcmp(type, "p256") == 0;
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(cert);

	if (!type || (!ec && !EVP_PKEY_is_a(key, "RSA")))
		return err_new(&ERR_CERT_NOT_ELIGIBLE,
			"its key is of type %s, where P-256 or RSA is needed",
			type ? type : "unknown");
	if (!id || ASN1_STRING_length(id) < 1 || ASN1_STRING_length(id) > SEAL_SKI_MAX)
		return err_new(&ERR_CERT_NOT_ELIGIBLE,
			"its certificate has no subject key identifier of 1 to %d bytes",
			SEAL_SKI_MAX);
	if (!cert_has_key_usage(cert, ec ? KU_KEY_AGREEMENT : KU_KEY_ENCIPHERMENT, true))
		return err_new(&ERR_CERT_NOT_ELIGIBLE, "its certificate is not for key %s",
			ec ? "agreement" : "encipherment");
	*ret_ec = ec;
	return NULL;
}

struct err *seal_recipient(X509 *cert)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	bool ec;

	TRY(check_recipient(cert, &ec));
	return err_as(&ERR_CERT_NOT_ELIGIBLE, key_from_pubkey(X509_get_X509_PUBKEY(cert), &key),
		"its key");
}

/*
 * A P-256 key as OneAsymmetricKey (RFC 5958, RFC 5915): everything in it but scalar and point is fixed. OpenSSL writes the
 * same bytes, but looks through all its encoders first, which costs as much as a signature.
 */
static struct err *put_p256(EVP_PKEY *key, struct secret *out)
{
	static const uint8_t before[] = { 0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06,
		0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
		0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20 };
	static const uint8_t between[] = { 0xa1, 0x44, 0x03, 0x42, 0x00 };
	AUTO(buf) struct buf *spki = sig_spki(key);
	uint8_t scalar[P256_LEN];
	BIGNUM *d = NULL;

	bool ok = buf_len(spki) == P256_SPKI_LEN &&
		  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
		  BN_bn2binpad(d, scalar, sizeof(scalar)) == sizeof(scalar);
	BN_clear_free(d);
	if (!ok)
		return sig_openssl_error(&ERR_SYSTEM, "a private key that cannot be encoded");
	struct err *e = secret_add(out, BYTES(before, sizeof(before)));
	if (!e)
		e = secret_add(out, BYTES(scalar, sizeof(scalar)));
	wipe(scalar, sizeof(scalar));
	TRY(e);
	TRY(secret_add(out, BYTES(between, sizeof(between))));
	return secret_add(
		out, BYTES(buf_data(spki) + P256_SPKI_LEN - P256_POINT_LEN, P256_POINT_LEN));
}

static struct err *put_other(EVP_PKEY *key, struct secret *out)
{
	AUTO(p8) PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
	size_t before = secret_bytes(out).len;
	int len = p8 ? i2d_PKCS8_PRIV_KEY_INFO(p8, NULL) : -1;
	uint8_t *p = secret_room(out) + before;

	if (len <= 0 || (size_t)len > secret_capacity(out) - before ||
		i2d_PKCS8_PRIV_KEY_INFO(p8, &p) != len)
		return sig_openssl_error(&ERR_SYSTEM, "a private key that cannot be encoded");
	secret_set_len(out, before + (size_t)len);
	return NULL;
}

/* The content: what the key was made for, then the key (PROTOCOL.intent section 10). */
struct err *seal_content(
	EVP_PKEY *key, const struct seal_context *context, struct secret **ret_content)
{
	AUTO(buf) struct buf *head = buf_new();
	AUTO(secret) struct secret *encoded = secret_new(PKCS8_MAX);
	uint8_t hash[SHA256_LEN];

	if (!key_type(key))
		return err_new(&ERR_FORMAT, "a private key of a type that is not supported");
	TRY(strcmp(key_type(key), "p256") == 0 ? put_p256(key, encoded) : put_other(key, encoded));
	key_hash(key, hash);
	record_put_str(head, CONTENT_LABEL);
	record_put(head, BYTES(context->deployment, DEPLOYMENT_ID_LEN));
	record_put(head, BYTES(context->intent_hash, SHA256_LEN));
	record_put_u8(head, (uint8_t)context->purpose);
	record_put(head, BYTES(hash, SHA256_LEN));
	buf_add_u32(head, (uint32_t)secret_bytes(encoded).len);
	AUTO(secret) struct secret *content = secret_new(buf_len(head) + secret_bytes(encoded).len);
	TRY(secret_add(content, buf_bytes(head)));
	TRY(secret_add(content, secret_bytes(encoded)));
	*ret_content = take(content);
	return NULL;
}

/* OpenSSL's own default is PKCS#1 v1.5. */
static bool add_rsa_recipient(CMS_ContentInfo *cms, X509 *recipient)
{
	CMS_RecipientInfo *ri =
		CMS_add1_recipient_cert(cms, recipient, CMS_USE_KEYID | CMS_KEY_PARAM);
	EVP_PKEY_CTX *ctx = ri ? CMS_RecipientInfo_get0_pkey_ctx(ri) : NULL;

	return ctx && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1;
}

static bool encrypt(CMS_ContentInfo *cms, struct bytes content)
{
	AUTO(chain) BIO *bio = CMS_dataInit(cms, NULL);

	return bio && BIO_write(bio, content.data, (int)content.len) == (int)content.len &&
	       BIO_flush(bio) == 1 && CMS_dataFinal(cms, bio) == 1;
}

static struct err *seal_rsa(struct bytes content, X509 *recipient, struct buf **ret_sealed)
{
	AUTO(cms) CMS_ContentInfo *cms = NULL;
	AUTO(buf) struct buf *out = buf_new();

	cms = CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), CMS_PARTIAL | CMS_BINARY);
	if (!cms || !add_rsa_recipient(cms, recipient) || !encrypt(cms, content))
		return sig_openssl_error(&ERR_SYSTEM, "a key cannot be sealed");
	int len = i2d_CMS_ContentInfo(cms, NULL);
	uint8_t *p = len > 0 ? buf_grow(out, (size_t)len) : NULL;
	if (!p || i2d_CMS_ContentInfo(cms, &p) != len)
		return sig_openssl_error(&ERR_SYSTEM, "a sealed key cannot be encoded");
	*ret_sealed = take(out);
	return NULL;
}

/* What does not have the form, no receiver would open. */
static struct err *check_form(struct buf *take_sealed, struct buf **ret_sealed)
{
	AUTO(buf) struct buf *sealed = take_sealed;

	TRY(err_as(&ERR_SYSTEM, seal_form(buf_bytes(sealed)), "sealing, with this OpenSSL"));
	*ret_sealed = take(sealed);
	return NULL;
}

struct err *seal_to_key(const struct secret *content, EVP_PKEY *recipient, struct bytes key_id,
	struct buf **ret_sealed)
{
	struct buf *sealed = NULL;

	TRY(seal_p256(secret_bytes(content), recipient, key_id, &sealed));
	return check_form(sealed, ret_sealed);
}

struct err *seal_to(const struct secret *content, X509 *recipient, struct buf **ret_sealed)
{
	struct buf *sealed = NULL;
	bool ec;

	TRY(err_wrap(check_recipient(recipient, &ec), "recipient of a sealed key"));
	if (!ec) {
		TRY(seal_rsa(secret_bytes(content), recipient, &sealed));
		return check_form(sealed, ret_sealed);
	}
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(recipient);
	return seal_to_key(content, X509_get0_pubkey(recipient),
		BYTES(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)), ret_sealed);
}

struct err *seal(
	EVP_PKEY *key, X509 *recipient, const struct seal_context *context, struct buf **ret_sealed)
{
	AUTO(secret) struct secret *content = NULL;

	TRY(seal_content(key, context, &content));
	return seal_to(content, recipient, ret_sealed);
}

/* --- unsealing --- */

/* All of it, or nothing when its integrity does not hold. */
static bool decrypt(CMS_ContentInfo *cms, struct secret *content)
{
	AUTO(chain) BIO *bio = CMS_dataInit(cms, NULL);
	size_t len = 0;
	int n = 0;

	if (!bio)
		return false;
	do {
		len += (size_t)n;
		n = BIO_read(
			bio, secret_room(content) + len, (int)(secret_capacity(content) - len));
	} while (n > 0);
	if (BIO_get_cipher_status(bio) != 1) {
		secret_clear(content);
		return false;
	}
	secret_set_len(content, len);
	return true;
}

static struct err *open_cms(
	struct bytes sealed, EVP_PKEY *recipient, X509 *cert, struct secret *content)
{
	const uint8_t *p = sealed.data;
	AUTO(cms) CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)sealed.len);

	if (!cms)
		return sig_openssl_error(&ERR_FORMAT, "it does not parse");
	if (CMS_decrypt_set1_pkey(cms, recipient, cert) != 1 || !decrypt(cms, content))
		return sig_openssl_error(
			&ERR_FORMAT, "it was not sealed to this key, or was changed");
	ERR_clear_error();
	return NULL;
}

static struct err *parse_key(struct bytes pkcs8, EVP_PKEY **ret_key)
{
	const uint8_t *p = pkcs8.data;
	AUTO(p8) PKCS8_PRIV_KEY_INFO *p8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)pkcs8.len);
	AUTO(pkey) EVP_PKEY *key = p8 ? EVP_PKCS82PKEY(p8) : NULL;

	if (!key || p != pkcs8.data + pkcs8.len || !key_type(key))
		return sig_openssl_error(
			&ERR_FORMAT, "the key does not parse, or is of another type");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	int fits = ctx ? EVP_PKEY_pairwise_check(ctx) : 0;
	EVP_PKEY_CTX_free(ctx);
	if (fits != 1)
		return sig_openssl_error(
			&ERR_FORMAT, "the key's two halves do not belong together");
	*ret_key = take(key);
	return NULL;
}

static struct err *compare(struct bytes deployment, struct bytes intent, uint8_t purpose,
	const struct seal_context *expected)
{
	if (!bytes_eq(deployment, BYTES(expected->deployment, DEPLOYMENT_ID_LEN)))
		return err_new(&ERR_EVIDENCE_BAD, "made in another deployment");
	if (purpose != (uint8_t)expected->purpose)
		return err_new(&ERR_EVIDENCE_BAD, "made for purpose %u, not %d", purpose,
			(int)expected->purpose);
	if (!expected->any_intent && !bytes_eq(intent, BYTES(expected->intent_hash, SHA256_LEN)))
		return err_new(&ERR_EVIDENCE_BAD, "made for another intent");
	return NULL;
}

static struct err *read_content(
	struct bytes content, const struct seal_context *expected, EVP_PKEY **ret_key)
{
	struct cursor c = { content };
	struct bytes label, deployment, intent, hash, pkcs8;
	AUTO(pkey) EVP_PKEY *key = NULL;
	uint8_t purpose, own[SHA256_LEN];

	TRY(record_get(&c, "label", 1, 64, &label));
	if (!bytes_eq(label, BYTES(CONTENT_LABEL, strlen(CONTENT_LABEL))))
		return err_new(&ERR_FORMAT, "no sealed key of version 1");
	TRY(record_get(&c, "deployment", DEPLOYMENT_ID_LEN, DEPLOYMENT_ID_LEN, &deployment));
	TRY(record_get(&c, "intent hash", SHA256_LEN, SHA256_LEN, &intent));
	TRY(record_get_u8(&c, "purpose", &purpose));
	TRY(record_get(&c, "key hash", SHA256_LEN, SHA256_LEN, &hash));
	TRY(record_get(&c, "key", 1, PKCS8_MAX, &pkcs8));
	TRY(cursor_end(&c));
	TRY(compare(deployment, intent, purpose, expected));
	TRY(parse_key(pkcs8, &key));
	key_hash(key, own);
	if (!bytes_eq(hash, BYTES(own, SHA256_LEN)))
		return err_new(&ERR_FORMAT, "another key than its hash says");
	*ret_key = take(key);
	return NULL;
}

struct err *unseal(struct bytes sealed, EVP_PKEY *recipient, X509 *cert,
	const struct seal_context *expected, EVP_PKEY **ret_key)
{
	TRY(err_wrap(seal_form(sealed), "sealed key"));
	AUTO(secret) struct secret *content = secret_new(sealed.len);
	TRY(err_wrap(open_cms(sealed, recipient, cert, content), "sealed key"));
	return err_wrap(read_content(secret_bytes(content), expected, ret_key), "sealed key");
}
