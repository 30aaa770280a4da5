/*
 * pair.c: keys are found by CKA_ID first. Some tokens give ids in their own order, or none, so what can be read of the
 * public key decides; OpenSC has CKA_MODULUS on RSA keys of both classes, and CKA_EC_POINT on public keys only.
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

static struct err *compare(
	const struct token *t, CK_OBJECT_HANDLE object, EVP_PKEY *key, enum fit *ret_fit)
{
	CK_ULONG wanted = is_rsa(key) ? CKK_RSA : CKK_EC;
	AUTO(buf) struct buf *have = NULL;
	AUTO(buf) struct buf *want = NULL;
	CK_ULONG type = 0;
	bool there = false;

	*ret_fit = FIT_NO;
	TRY(object_get_ulong(t, object, CKA_KEY_TYPE, &type, &there));
	if (!there || type != wanted)
		return NULL;
	if (is_rsa(key)) {
		want = modulus_of(key);
		TRY(object_get(t, object, CKA_MODULUS, RSA_BYTES_MAX, &have));
	} else {
		want = point_of(key);
		TRY(object_get(t, object, CKA_EC_POINT, POINT_BYTES_MAX, &have));
	}
	*ret_fit = FIT_MAYBE;
	if (!have || !want || buf_len(have) == 0)
		return NULL;
	struct bytes value = buf_bytes(have);
	value = is_rsa(key) ? without_zeros(value) : unwrap_point(value);
	*ret_fit = bytes_eq(value, buf_bytes(want)) ? FIT_YES : FIT_NO;
	return NULL;
}

/* The best of a list, if any is at least that good. */
static struct err *pick(const struct token *t, const struct object_list *list, EVP_PKEY *key,
	enum fit at_least, CK_OBJECT_HANDLE *ret_object, bool *ret_found)
{
	enum fit best = FIT_NO;

	for (size_t i = 0; i < list->n && best != FIT_YES; i++) {
		enum fit fit = FIT_NO;
		TRY(compare(t, list->at[i], key, &fit));
		if (fit < at_least || fit <= best)
			continue;
		best = fit;
		*ret_object = list->at[i];
	}
	*ret_found = best != FIT_NO;
	return NULL;
}

static struct err *find_by_id(const struct token *t, CK_OBJECT_CLASS class, EVP_PKEY *key,
	struct bytes id, CK_OBJECT_HANDLE *ret_object, bool *ret_found)
{
	struct object_list list = { 0 };

	*ret_found = false;
	if (id.len == 0)
		return NULL;
	TRY(object_find_class(t, class, id, BYTES(NULL, 0), &list));
	return pick(t, &list, key, FIT_MAYBE, ret_object, ret_found);
}

static struct err *find_by_value(const struct token *t, CK_OBJECT_CLASS class, EVP_PKEY *key,
	CK_OBJECT_HANDLE *ret_object, bool *ret_found)
{
	struct object_list list = { 0 };

	TRY(object_find_class(t, class, BYTES(NULL, 0), BYTES(NULL, 0), &list));
	return pick(t, &list, key, FIT_YES, ret_object, ret_found);
}

struct err *pair_find(const struct token *t, CK_OBJECT_CLASS class, EVP_PKEY *key, struct bytes id,
	CK_OBJECT_HANDLE *ret_object, bool *ret_found)
{
	AUTO(buf) struct buf *public_id = NULL;
	CK_OBJECT_HANDLE public = 0;

	TRY(find_by_id(t, class, key, id, ret_object, ret_found));
	if (*ret_found)
		return NULL;
	TRY(find_by_value(t, class, key, ret_object, ret_found));
	if (*ret_found || class != CKO_PRIVATE_KEY)
		return NULL;
	bool public_found = false;
	TRY(find_by_value(t, CKO_PUBLIC_KEY, key, &public, &public_found));
	if (!public_found)
		return NULL;
	TRY(object_get(t, public, CKA_ID, OBJECT_ID_MAX, &public_id));
	return find_by_id(t, class, key, public_id ? buf_bytes(public_id) : BYTES(NULL, 0),
		ret_object, ret_found);
}
