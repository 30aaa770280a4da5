/* key.c: OpenSSL parses, we insist on types and on the one encoding. */
#include "evidence/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

/* Odd numbers up to here are tried as factors; as many primes are below it as SP 800-56B has. */
#define SMALL_FACTOR 752

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

/* --- soundness --- */

/*
 * Keys of the generator that Infineon's chips had until 2017 (CVE-2017-15361), many smart cards' among them, can be
 * factored. They give themselves away: modulo each of these primes the modulus is a power of 65537. The chance for any other key is
 * one in 2^27 and less.
 */
static bool is_roca(const BIGNUM *n)
{
	static const uint8_t primes[] = { 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53,
		59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139,
		149, 151, 157, 163, 167 };

	for (size_t i = 0; i < ARRAY_LEN(primes); i++) {
		unsigned int p = primes[i], wanted = (unsigned int)BN_mod_word(n, p), power = 1;
		for (unsigned int k = 0; k < p && power != wanted; k++)
			power = power * 65537 % p;
		if (power != wanted)
			return false;
	}
	return true;
}

static bool has_small_factor(const BIGNUM *n)
{
	for (unsigned int d = 3; d < SMALL_FACTOR; d += 2)
		if (BN_mod_word(n, d) == 0)
			return true;
	return false;
}

/* SP 800-56B section 6.4.2.2 (partial public-key validation) and FIPS 186-5 section 5.4, but for the primality test of the modulus:
 * who brings a prime harms nobody else. */
static struct err *check_rsa(EVP_PKEY *key)
{
	BIGNUM *n = NULL, *e = NULL;
	struct err *error = NULL;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		error = sig_openssl_error(&ERR_FORMAT, "an RSA key");
	else if (!BN_is_odd(e) || BN_num_bits(e) < 17 || BN_num_bits(e) > 256)
		error = err_new(&ERR_FORMAT,
			"an RSA key with an exponent that is even, below 65537 or huge");
	else if (!BN_is_odd(n) || has_small_factor(n))
		error = err_new(&ERR_FORMAT, "an RSA key whose modulus has a small factor");
	else if (is_roca(n))
		error = err_new(&ERR_FORMAT, "an RSA key of a faulty generator (CVE-2017-15361): "
					     "anybody can compute its private half");
	BN_free(n);
	BN_free(e);
	return error;
}

/* --- encoding --- */

/* SEQUENCE { SEQUENCE { id-ecPublicKey, curve }, BIT STRING { uncompressed point ... (RFC 5480 section 2) */
static const uint8_t p384_head[] = { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
	0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 };

static bool is_ec_encoding(struct bytes spki)
{
	return sig_is_p256_spki(spki) ||
	       (spki.len == sizeof(p384_head) + 2 * 48 &&
		       memcmp(spki.data, p384_head, sizeof(p384_head)) == 0);
}

/* EC keys have a fixed beginning and length; OpenSSL has checked that the point is on the curve, which has no cofactor.
 * RSA keys must come out as they came in. */
static struct err *check(EVP_PKEY *key, struct bytes spki)
{
	const char *type = key_type(key);

	if (!type)
		return err_new(&ERR_FORMAT, "a key of %d bits of a type that is not supported",
			EVP_PKEY_get_bits(key));
	if (EVP_PKEY_is_a(key, "EC"))
		return is_ec_encoding(spki)
			       ? NULL
			       : err_new(&ERR_FORMAT, "an EC key in another encoding than its one");
	AUTO(buf) struct buf *own = sig_spki(key);
	if (!bytes_eq(buf_bytes(own), spki))
		return err_new(&ERR_FORMAT, "an RSA key in another encoding than its one");
	return check_rsa(key);
}

static struct buf *spki_of(const X509_PUBKEY *pubkey)
{
	struct buf *out = buf_new();
	int len = i2d_X509_PUBKEY(pubkey, NULL);

	if (len <= 0 || len > KEY_SPKI_MAX)
		return out;
	uint8_t *p = buf_grow(out, (size_t)len);
	i2d_X509_PUBKEY(pubkey, &p);
	return out;
}

struct err *key_from_pubkey(const X509_PUBKEY *pubkey, EVP_PKEY **ret_key)
{
	AUTO(buf) struct buf *spki = spki_of(pubkey);
	EVP_PKEY *key = X509_PUBKEY_get0(pubkey);

	if (!key)
		return sig_openssl_error(&ERR_FORMAT, "a public key does not parse");
	TRY(check(key, buf_bytes(spki)));
	if (!EVP_PKEY_up_ref(key))
		err_abort("no memory for a key");
	*ret_key = key;
	return NULL;
}

static void pubkey_free(X509_PUBKEY *p)
{
	X509_PUBKEY_free(p);
}
DEFINE_AUTO(pubkey, X509_PUBKEY *, pubkey_free);

struct err *key_parse(struct bytes spki, EVP_PKEY **ret_key)
{
	const uint8_t *p = spki.data;

	if (spki.len == 0 || spki.len > KEY_SPKI_MAX)
		return err_new(&ERR_FORMAT, "a public key of %zu bytes, where 1 to %d are allowed",
			spki.len, KEY_SPKI_MAX);
	if (sig_is_p256_spki(spki))
		return sig_public_spki(spki, ret_key);
	AUTO(pubkey) X509_PUBKEY *pubkey = d2i_X509_PUBKEY(NULL, &p, (long)spki.len);
	if (!pubkey)
		return sig_openssl_error(&ERR_FORMAT, "a public key does not parse");
	AUTO(buf) struct buf *again = spki_of(pubkey);
	if (!bytes_eq(buf_bytes(again), spki))
		return err_new(
			&ERR_FORMAT, "a public key that is not DER, or something follows it");
	return key_from_pubkey(pubkey, ret_key);
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

void key_hash(EVP_PKEY *key, uint8_t ret_hash[static SHA256_LEN])
{
	AUTO(buf) struct buf *spki = sig_spki(key);

	sha256(buf_bytes(spki), ret_hash);
}
