/*
 * pair.c: keys are found by CKA_ID and by what can be read of their public half. Some tokens give ids in their own order,
 * or none, so an id alone is the last thing to go by; OpenSC has CKA_MODULUS on RSA keys of both classes, and
 * CKA_EC_POINT on public keys only, so a public key object speaks for the private key with its id.
 */
#include "pkcs11/pair.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <string.h>

#define RSA_BYTES_MAX 2048
#define POINT_BYTES_MAX 256

enum fit { FIT_NO, FIT_MAYBE, FIT_YES };

static bool is_rsa(EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "RSA");
}

/* The modulus, big-endian without leading zeros. */
static struct buf *modulus_of(EVP_PKEY *key)
{
	AUTO(buf) struct buf *b = buf_new();
	BIGNUM *n = NULL;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1)
		return NULL;
	int len = BN_num_bytes(n);
	BN_bn2bin(n, buf_grow(b, (size_t)len));
	BN_free(n);
	return take(b);
}

/* The point in uncompressed form. */
static struct buf *point_of(EVP_PKEY *key)
{
	unsigned char *encoded = NULL;
	size_t len = EVP_PKEY_get1_encoded_public_key(key, &encoded);

	if (len == 0)
		return NULL;
	struct buf *b = buf_new();
	buf_add(b, encoded, len);
	OPENSSL_free(encoded);
	return b;
}

static struct bytes without_zeros(struct bytes b)
{
	while (b.len > 0 && b.data[0] == 0) {
		b.data++;
		b.len--;
	}
	return b;
}

/* CKA_EC_POINT should be a DER OCTET STRING (PKCS#11 2.40, section 2.3.3); some tokens give the point itself. */
static struct bytes unwrap_point(struct bytes b)
{
	if (b.len > 2 && b.data[0] == 0x04 && b.data[1] < 0x80 && b.data[1] == b.len - 2)
		return BYTES(b.data + 2, b.len - 2);
	if (b.len > 3 && b.data[0] == 0x04 && b.data[1] == 0x81 && b.data[2] == b.len - 3)
		return BYTES(b.data + 3, b.len - 3);
	return b;
}

/* What the token shows of the key's public half; *ret_have stays NULL when it shows nothing. */
static struct err *read_half(
	const struct token *t, CK_OBJECT_HANDLE object, bool rsa, struct buf **ret_have)
{
	if (rsa)
		return object_get(t, object, CKA_MODULUS, RSA_BYTES_MAX, ret_have);
	return object_get(t, object, CKA_EC_POINT, POINT_BYTES_MAX, ret_have);
}

static struct err *compare(
	const struct token *t, CK_OBJECT_HANDLE object, EVP_PKEY *key, enum fit *ret_fit)
{
	bool rsa = is_rsa(key);
	CK_ULONG wanted = rsa ? CKK_RSA : CKK_EC;
	AUTO(buf) struct buf *have = NULL;
	AUTO(buf) struct buf *want = rsa ? modulus_of(key) : point_of(key);
	CK_ULONG type = 0;
	bool there = false;

	*ret_fit = FIT_NO;
	TRY(object_get_ulong(t, object, CKA_KEY_TYPE, &type, &there));
	if (!there || type != wanted)
		return NULL;
	TRY(read_half(t, object, rsa, &have));
	*ret_fit = FIT_MAYBE;
	if (!have || !want || buf_len(have) == 0)
		return NULL;
	struct bytes value = buf_bytes(have);
	value = rsa ? without_zeros(value) : unwrap_point(value);
	*ret_fit = bytes_eq(value, buf_bytes(want)) ? FIT_YES : FIT_NO;
	return NULL;
}

/* The best of a list, if any is at least that good; *ret_n: how many are as good. */
static struct err *pick(const struct token *t, const struct object_list *list, EVP_PKEY *key,
	enum fit at_least, CK_OBJECT_HANDLE *ret_object, size_t *ret_n)
{
	enum fit best = FIT_NO;

	*ret_n = 0;
	for (size_t i = 0; i < list->n; i++) {
		enum fit fit = FIT_NO;
		TRY(compare(t, list->at[i], key, &fit));
		if (fit == FIT_NO || fit < at_least || fit < best)
			continue;
		if (fit > best)
			*ret_object = list->at[i];
		*ret_n = fit > best ? 1 : *ret_n + 1;
		best = fit;
	}
	return NULL;
}

/* Among the objects with that id, or all of them if id is empty. */
static struct err *look_for(const struct token *t, CK_OBJECT_CLASS class, EVP_PKEY *key,
	struct bytes id, enum fit at_least, CK_OBJECT_HANDLE *ret_object, size_t *ret_n)
{
	struct object_list list = { 0 };

	TRY(object_find_class(t, class, id, BYTES(NULL, 0), &list));
	return pick(t, &list, key, at_least, ret_object, ret_n);
}

/* Does a public key object with the same id show that the object is another key? */
static struct err *is_another(
	const struct token *t, CK_OBJECT_HANDLE object, EVP_PKEY *key, bool *ret_another)
{
	AUTO(buf) struct buf *id = NULL;
	struct object_list publics = { 0 };
	CK_OBJECT_HANDLE fitting = 0;
	size_t n = 0;

	*ret_another = false;
	TRY(object_get(t, object, CKA_ID, OBJECT_ID_MAX, &id));
	if (!id || buf_len(id) == 0)
		return NULL;
	TRY(object_find_class(t, CKO_PUBLIC_KEY, buf_bytes(id), BYTES(NULL, 0), &publics));
	TRY(pick(t, &publics, key, FIT_MAYBE, &fitting, &n));
	*ret_another = publics.n > 0 && n == 0;
	return NULL;
}

/* The private key with the id of the public key object that is the certificate's. */
static struct err *find_by_public(
	const struct token *t, EVP_PKEY *key, CK_OBJECT_HANDLE *ret_object, size_t *ret_n)
{
	AUTO(buf) struct buf *id = NULL;
	CK_OBJECT_HANDLE public = 0;

	TRY(look_for(t, CKO_PUBLIC_KEY, key, BYTES(NULL, 0), FIT_YES, &public, ret_n));
	if (*ret_n == 0)
		return NULL;
	*ret_n = 0;
	TRY(object_get(t, public, CKA_ID, OBJECT_ID_MAX, &id));
	if (!id || buf_len(id) == 0)
		return NULL;
	return look_for(t, CKO_PRIVATE_KEY, key, buf_bytes(id), FIT_MAYBE, ret_object, ret_n);
}

/* Keys that show nothing but their type: that with the certificate's id, else the only one there is. */
static struct err *find_by_type(const struct token *t, CK_OBJECT_CLASS class, EVP_PKEY *key,
	struct bytes id, CK_OBJECT_HANDLE *ret_object, bool *ret_found)
{
	bool another = false;
	size_t n = 0;

	if (id.len > 0)
		TRY(look_for(t, class, key, id, FIT_MAYBE, ret_object, &n));
	if (n > 0 && class == CKO_PRIVATE_KEY)
		TRY(is_another(t, *ret_object, key, &another));
	*ret_found = n > 0 && !another;
	if (*ret_found || class != CKO_PRIVATE_KEY)
		return NULL;
	TRY(look_for(t, class, key, BYTES(NULL, 0), FIT_MAYBE, ret_object, &n));
	if (n != 1)
		return NULL;
	TRY(is_another(t, *ret_object, key, &another));
	*ret_found = !another;
	return NULL;
}

struct err *pair_find(const struct token *t, CK_OBJECT_CLASS class, EVP_PKEY *key, struct bytes id,
	CK_OBJECT_HANDLE *ret_object, bool *ret_found)
{
	size_t n = 0;

	if (id.len > 0)
		TRY(look_for(t, class, key, id, FIT_YES, ret_object, &n));
	if (n == 0)
		TRY(look_for(t, class, key, BYTES(NULL, 0), FIT_YES, ret_object, &n));
	if (n == 0 && class == CKO_PRIVATE_KEY)
		TRY(find_by_public(t, key, ret_object, &n));
	*ret_found = n > 0;
	return n > 0 ? NULL : find_by_type(t, class, key, id, ret_object, ret_found);
}
