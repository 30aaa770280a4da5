/* key.c: OpenSSL parses, we insist on types and on the one encoding. */
#include "evidence/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

static const struct {
	const char *name;
	const char *algorithm;
	const char *group; /* NULL: RSA */
	int bits;
} types[] = {
	{ "p256", "EC", SN_X9_62_prime256v1, 256 },
	{ "p384", "EC", SN_secp384r1, 384 },
	{ "rsa2048", "RSA", NULL, 2048 },
	{ "rsa3072", "RSA", NULL, 3072 },
	{ "rsa4096", "RSA", NULL, 4096 },
};

bool key_type_is_known(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].name, type) == 0)
			return true;
	return false;
}

static bool has_group(EVP_PKEY *key, const char *group)
{
	char name[64];
	size_t len = 0;

	return EVP_PKEY_get_group_name(key, name, sizeof(name), &len) == 1 &&
	       strcmp(name, group) == 0;
}

const char *key_type(EVP_PKEY *key)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!EVP_PKEY_is_a(key, types[i].algorithm) ||
			EVP_PKEY_get_bits(key) != types[i].bits)
			continue;
		if (!types[i].group || has_group(key, types[i].group))
			return types[i].name;
	}
	return NULL;
}

static struct err *check(EVP_PKEY *key)
{
	const char *type = key_type(key);

	if (!type)
		return err_new(&ERR_FORMAT, "a key of %d bits of a type that is not supported",
			EVP_PKEY_get_bits(key));
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	int good = ctx ? EVP_PKEY_public_check(ctx) : 0;
	EVP_PKEY_CTX_free(ctx);
	if (good != 1)
		return sig_openssl_error(&ERR_FORMAT, "a public key (%s) that is not sound", type);
	return NULL;
}

/* The bytes must be what an uncompressed encoding of the key gives. */
static struct err *check_encoding(EVP_PKEY *key, struct bytes spki)
{
	AUTO(buf) struct buf *own = sig_spki(key);

	if (!bytes_eq(buf_bytes(own), spki))
		return err_new(&ERR_FORMAT, "a public key in another encoding than its one");
	if (EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_ec_point_conv_form(key) != POINT_CONVERSION_UNCOMPRESSED)
		return err_new(&ERR_FORMAT, "a public key with a compressed point");
	return NULL;
}

struct err *key_parse(struct bytes spki, EVP_PKEY **ret_key)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	const uint8_t *p = spki.data;

	if (spki.len == 0 || spki.len > KEY_SPKI_MAX)
		return err_new(&ERR_FORMAT, "a public key of %zu bytes, where 1 to %d are allowed",
			spki.len, KEY_SPKI_MAX);
	key = d2i_PUBKEY(NULL, &p, (long)spki.len);
	if (!key)
		return sig_openssl_error(&ERR_FORMAT, "a public key does not parse");
	TRY(check(key));
	TRY(check_encoding(key, spki));
	*ret_key = take(key);
	return NULL;
}

struct err *key_parse_p256(struct bytes spki, EVP_PKEY **ret_key)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	TRY(key_parse(spki, &key));
	if (strcmp(key_type(key), "p256") != 0)
		return err_new(&ERR_FORMAT, "a public key of type %s, where p256 is asked for",
			key_type(key));
	*ret_key = take(key);
	return NULL;
}

struct err *key_from_pubkey(const X509_PUBKEY *pubkey, EVP_PKEY **ret_key)
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(pubkey, &der);

	if (len <= 0)
		return sig_openssl_error(&ERR_FORMAT, "a public key does not parse");
	struct err *e = key_parse(BYTES(der, (size_t)len), ret_key);
	OPENSSL_free(der);
	return e;
}

void key_hash(EVP_PKEY *key, uint8_t ret_hash[static SHA256_LEN])
{
	AUTO(buf) struct buf *spki = sig_spki(key);

	sha256(buf_bytes(spki), ret_hash);
}
