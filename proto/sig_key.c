/* sig_key.c: the keys of the protocol: Ed25519 by their raw bytes, P-256 by their SubjectPublicKeyInfo. */
#include <assert.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "proto/sig.h"

struct err *sig_public_raw(struct bytes raw, EVP_PKEY **ret_key)
{
	if (raw.len != ED25519_PUBLIC_LEN)
		return err_new(&ERR_FORMAT, "an Ed25519 key of %zu bytes, not %d", raw.len,
			ED25519_PUBLIC_LEN);
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.data, raw.len);
	if (!key)
		return sig_openssl_error(&ERR_FORMAT, "an Ed25519 key");
	*ret_key = key;
	return NULL;
}

/*
 * One key must have one encoding, since its hash is its name: the named curve and the uncompressed point, which in
 * DER is this head and 64 bytes (RFC 5480 section 2).
 */
#define POINT_LEN 65
static const uint8_t p256_head[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
	0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42,
	0x00, 0x04 };

bool sig_is_p256_spki(struct bytes der)
{
	return der.len == P256_SPKI_LEN && memcmp(der.data, p256_head, sizeof(p256_head)) == 0;
}

/* Contexts of libcrypto that are made once: looking for what makes EC keys costs as much as making one. */
static EVP_PKEY_CTX *ec_context(int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);

	if (!ctx || init(ctx) != 1)
		err_abort("OpenSSL has no EC keys");
	return ctx;
}

/* OpenSSL's reader of encodings costs seven times as much; it, too, checks that the point is on the curve. */
struct err *sig_public_spki(struct bytes der, EVP_PKEY **ret_key)
{
	static EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	if (!sig_is_p256_spki(der))
		return err_new(&ERR_FORMAT, "not the SubjectPublicKeyInfo of a P-256 key");
	if (!ctx)
		ctx = ec_context(EVP_PKEY_fromdata_init);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_PKEY_PARAM_GROUP_NAME, (char *)SN_X9_62_prime256v1, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
			(void *)(der.data + P256_SPKI_LEN - POINT_LEN), POINT_LEN),
		OSSL_PARAM_construct_end(),
	};
	if (EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return sig_openssl_error(&ERR_FORMAT, "a P-256 key");
	*ret_key = key;
	return NULL;
}

EVP_PKEY *sig_new_ed25519(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!key)
		err_abort("OpenSSL makes no Ed25519 key");
	return key;
}

EVP_PKEY *sig_new_p256(void)
{
	static EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	if (!ctx)
		ctx = ec_context(EVP_PKEY_keygen_init);
	if (EVP_PKEY_CTX_set_group_name(ctx, SN_X9_62_prime256v1) != 1 ||
		EVP_PKEY_generate(ctx, &key) != 1)
		err_abort("OpenSSL makes no P-256 key");
	return key;
}

struct err *sig_from_seed(struct bytes seed, EVP_PKEY **ret_key)
{
	if (seed.len != ED25519_SEED_LEN)
		return err_new(
			&ERR_FORMAT, "a seed of %zu bytes, not %d", seed.len, ED25519_SEED_LEN);
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed.data, seed.len);
	if (!key)
		return sig_openssl_error(&ERR_FORMAT, "an Ed25519 seed");
	*ret_key = key;
	return NULL;
}

void sig_raw_public(EVP_PKEY *key, uint8_t ret_raw[static ED25519_PUBLIC_LEN])
{
	size_t len = ED25519_PUBLIC_LEN;

	if (EVP_PKEY_get_raw_public_key(key, ret_raw, &len) != 1 || len != ED25519_PUBLIC_LEN)
		err_abort("not an Ed25519 key");
}

/* OpenSSL's encoders cost ten times what this does; keys with compressed points are left to them. */
static bool p256_spki(EVP_PKEY *key, struct buf *out)
{
	uint8_t point[POINT_LEN];
	char group[32];
	size_t len = 0;

	if (!EVP_PKEY_is_a(key, "EC") ||
		EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
		strcmp(group, SN_X9_62_prime256v1) != 0 ||
		EVP_PKEY_get_octet_string_param(
			key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len) != 1 ||
		len != sizeof(point) || point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return false;
	buf_add(out, p256_head, sizeof(p256_head));
	buf_add(out, point + 1, sizeof(point) - 1);
	return true;
}

struct buf *sig_spki(EVP_PKEY *key)
{
	struct buf *b = buf_new();
	uint8_t *der = NULL;

	if (p256_spki(key, b))
		return b;
	int len = i2d_PUBKEY(key, &der);
	if (len <= 0)
		err_abort("a key that has no SubjectPublicKeyInfo");
	buf_add(b, der, (size_t)len);
	OPENSSL_free(der);
	return b;
}
