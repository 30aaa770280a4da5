/*
 * seal_p256.c: OpenSSL's CMS would do the same, at twice the cost: it validates the recipient's key with a scalar multiplication
 * each time, and looks up each algorithm again. OpenSSL computes here, too; only the envelope around it is ours, and
 * OpenSSL's CMS opens it.
 */
#include "evidence/seal_p256.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include "base/secret.h"
#include "evidence/seal_form.h"
#include "proto/kind.h"
#include "proto/sig.h"

#define KEY_LEN 32

/*
 * ECC-CMS-SharedInfo (RFC 5753 section 7.2), what the wrapping key is derived for:
 * SEQUENCE { SEQUENCE { id-aes256-wrap }, [2] { OCTET STRING 256 } }
 */
static const uint8_t shared_info[] = { 0x30, 0x15, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	0x65, 0x03, 0x04, 0x01, 0x2d, 0xa2, 0x06, 0x04, 0x04, 0x00, 0x00, 0x01, 0x00 };

static void cipher_free(EVP_CIPHER_CTX *c)
{
	EVP_CIPHER_CTX_free(c);
}
DEFINE_AUTO(cipher, EVP_CIPHER_CTX *, cipher_free);

static void agreement_free(EVP_PKEY_CTX *c)
{
	EVP_PKEY_CTX_free(c);
}
DEFINE_AUTO(agreement, EVP_PKEY_CTX *, agreement_free);

/* Looked up once: that costs more than their use. */
static bool find_ciphers(const EVP_CIPHER **ret_wrap, const EVP_CIPHER **ret_gcm)
{
	static EVP_CIPHER *wrap, *gcm;

	if (!wrap)
		wrap = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
	if (!gcm)
		gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	*ret_wrap = wrap;
	*ret_gcm = gcm;
	return wrap && gcm;
}

/*
 * The key that wraps. The recipient's key is not validated again: libcrypto builds no P-256 key whose point is not on the curve, which
 * has no cofactor (SP 800-56A section 5.6.2.3.3), and refuses to derive from the point at infinity.
 */
static bool derive(EVP_PKEY *ephemeral, EVP_PKEY *recipient, uint8_t ret_key[static KEY_LEN])
{
	AUTO(agreement) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ephemeral, NULL);
	size_t wanted = KEY_LEN, len = KEY_LEN;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_EXCHANGE_PARAM_KDF_TYPE, (char *)OSSL_KDF_NAME_X963KDF, 0),
		OSSL_PARAM_construct_utf8_string(
			OSSL_EXCHANGE_PARAM_KDF_DIGEST, (char *)OSSL_DIGEST_NAME_SHA2_256, 0),
		OSSL_PARAM_construct_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, &wanted),
		OSSL_PARAM_construct_octet_string(
			OSSL_EXCHANGE_PARAM_KDF_UKM, (void *)shared_info, sizeof(shared_info)),
		OSSL_PARAM_construct_end(),
	};

	return ctx && EVP_PKEY_derive_init_ex(ctx, params) == 1 &&
	       EVP_PKEY_derive_set_peer_ex(ctx, recipient, 0) == 1 &&
	       EVP_PKEY_derive(ctx, ret_key, &len) == 1 && len == KEY_LEN;
}

static bool wrap(const EVP_CIPHER *cipher, const uint8_t by[static KEY_LEN],
	const uint8_t key[static KEY_LEN], uint8_t ret_wrapped[static SEAL_WRAPPED_LEN])
{
	AUTO(cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = 0;

	if (!ctx)
		return false;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	return EVP_EncryptInit_ex2(ctx, cipher, by, NULL, NULL) == 1 &&
	       EVP_EncryptUpdate(ctx, ret_wrapped, &len, key, KEY_LEN) == 1 &&
	       len == SEAL_WRAPPED_LEN;
}

static bool encrypt(const EVP_CIPHER *cipher, const uint8_t key[static KEY_LEN],
	struct bytes content, struct seal_parts *p, struct buf *ret_encrypted)
{
	AUTO(cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *room = buf_grow(ret_encrypted, content.len);
	int len = 0, rest = 0;

	return ctx && EVP_EncryptInit_ex2(ctx, cipher, key, p->nonce, NULL) == 1 &&
	       EVP_EncryptUpdate(ctx, room, &len, content.data, (int)content.len) == 1 &&
	       EVP_EncryptFinal_ex(ctx, room + len, &rest) == 1 &&
	       (size_t)len + (size_t)rest == content.len &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, sizeof(p->tag), p->tag) == 1;
}

/* A fresh key encrypts; it is wrapped by one that only the recipient can derive as well. */
static bool compute(
	struct bytes content, EVP_PKEY *recipient, struct seal_parts *p, struct buf *ret_encrypted)
{
	AUTO(pkey) EVP_PKEY *ephemeral = sig_new_p256();
	const EVP_CIPHER *wrap_cipher, *gcm;
	uint8_t key[KEY_LEN], by[KEY_LEN];
	size_t len = 0;

	bool ok = find_ciphers(&wrap_cipher, &gcm) &&
		  EVP_PKEY_get_octet_string_param(ephemeral, OSSL_PKEY_PARAM_PUB_KEY, p->point,
			  sizeof(p->point), &len) == 1 &&
		  len == sizeof(p->point) && RAND_priv_bytes(key, sizeof(key)) == 1 &&
		  RAND_bytes(p->nonce, sizeof(p->nonce)) == 1 && derive(ephemeral, recipient, by) &&
		  wrap(wrap_cipher, by, key, p->wrapped) &&
		  encrypt(gcm, key, content, p, ret_encrypted);
	wipe(key, sizeof(key));
	wipe(by, sizeof(by));
	return ok;
}

struct err *seal_p256(
	struct bytes content, EVP_PKEY *recipient, struct bytes key_id, struct buf **ret_sealed)
{
	AUTO(buf) struct buf *encrypted = buf_new();
	struct seal_parts parts = { .key_id = key_id, .encrypted = encrypted };

	if (!compute(content, recipient, &parts, encrypted))
		return sig_openssl_error(&ERR_SYSTEM, "a key cannot be sealed");
	*ret_sealed = seal_form_write(&parts);
	return NULL;
}
