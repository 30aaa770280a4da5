/* signing.c: C_SignInit, perhaps C_Login, C_Sign, and nothing in between. */
#include "pkcs11/signing.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "pkcs11/rv.h"
#include "proto/kind.h"

/* RSA of 8192 bits. */
#define SIGNATURE_MAX 1024

/* DigestInfo of SHA-256 up to the hash (RFC 8017 section 9.2, note 1). */
static const uint8_t digest_info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };

/*
 * What a token can be asked for, tried in this order: over the hash; over the message, which it hashes by itself; over
 * the whole padded block, for those that know nothing of padding.
 */
struct mechanisms {
	CK_MECHANISM_TYPE v[3];
	size_t n;
	size_t component; /* bytes of r and of s; 0 for RSA */
};

enum { OVER_HASH, OVER_MESSAGE, OVER_BLOCK };

static struct mechanisms mechanisms_of(enum card_algorithm algorithm)
{
	switch (algorithm) {
	case CARD_ECDSA_P256_SHA256:
		return (struct mechanisms){ { CKM_ECDSA, CKM_ECDSA_SHA256 }, 2, 32 };
	case CARD_ECDSA_P384_SHA384:
		return (struct mechanisms){ { CKM_ECDSA, CKM_ECDSA_SHA384 }, 2, 48 };
	default:
		return (struct mechanisms){ { CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS, CKM_RSA_X_509 }, 3,
			0 };
	}
}

/* Only a clear no counts: modules say all sorts of things about mechanisms that work. */
struct err *signing_check(struct module *m, CK_SLOT_ID slot, enum card_algorithm algorithm)
{
	struct mechanisms mechanisms = mechanisms_of(algorithm);

	for (size_t i = 0; i < mechanisms.n; i++) {
		CK_MECHANISM_INFO info = { 0 };
		CK_RV rv = MODULE_CALL(m, C_GetMechanismInfo, slot, mechanisms.v[i], &info);
		if (rv != CKR_MECHANISM_INVALID && (rv != CKR_OK || (info.flags & CKF_SIGN)))
			return NULL;
	}
	return err_new(&ERR_CARD_NO_KEY,
		"the token does not make signatures of the needed kind (%s)",
		mechanisms.component ? "ECDSA" : "RSA PKCS#1 v1.5");
}

struct buf *signing_input(enum card_algorithm algorithm, struct bytes message)
{
	struct buf *b = buf_new();
	uint8_t hash[SHA384_DIGEST_LENGTH];

	if (algorithm == CARD_ECDSA_P384_SHA384) {
		SHA384(message.data, message.len, hash);
		buf_add(b, hash, SHA384_DIGEST_LENGTH);
		return b;
	}
	if (algorithm == CARD_RSA_PKCS1_SHA256)
		buf_add(b, digest_info, sizeof(digest_info));
	sha256(message, hash);
	buf_add(b, hash, SHA256_LEN);
	return b;
}

static struct err *sig_to_der(const ECDSA_SIG *sig, struct buf **ret_der)
{
	unsigned char *der = NULL;
	int len = i2d_ECDSA_SIG(sig, &der);

	if (len <= 0)
		return err_new(&ERR_CARD_FAILED, "the signature has no DER form");
	*ret_der = buf_new();
	buf_add(*ret_der, der, (size_t)len);
	OPENSSL_free(der);
	return NULL;
}

struct err *signing_ecdsa_der(enum card_algorithm algorithm, struct bytes raw, struct buf **ret_der)
{
	size_t component = mechanisms_of(algorithm).component;
	size_t half = raw.len / 2;

	/* Some modules leave out leading zeros, of both alike. */
	if (raw.len == 0 || raw.len % 2 || half > component)
		return err_new(&ERR_CARD_FAILED, "a signature of %zu bytes instead of %zu", raw.len,
			component * 2);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw.data, (int)half, NULL);
	BIGNUM *s = BN_bin2bn(raw.data + half, (int)half, NULL);
	if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1)
		err_abort("no memory for a signature");
	struct err *e = sig_to_der(sig, ret_der);
	ECDSA_SIG_free(sig);
	return e;
}

/* Words for: not with this mechanism. */
static bool is_other_wanted(CK_RV rv)
{
	return rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID ||
	       rv == CKR_FUNCTION_NOT_SUPPORTED || rv == CKR_KEY_FUNCTION_NOT_PERMITTED ||
	       rv == CKR_KEY_TYPE_INCONSISTENT;
}

/* Every C_SignInit that fails has cost nothing. *ret_which: what goes in. */
static struct err *begin(const struct token *t, CK_OBJECT_HANDLE key,
	const struct mechanisms *mechanisms, size_t *ret_which)
{
	CK_RV first = CKR_OK;

	for (size_t i = 0; i < mechanisms->n; i++) {
		CK_MECHANISM mechanism = { mechanisms->v[i], NULL, 0 };
		CK_RV rv = MODULE_CALL(t->module, C_SignInit, t->session, &mechanism, key);
		*ret_which = i;
		if (rv == CKR_OK)
			return NULL;
		first = i == 0 ? rv : first;
		if (!is_other_wanted(rv))
			return rv_error(rv, "C_SignInit");
	}
	return rv_error(first, "C_SignInit");
}

/* RFC 8017 section 9.2: 00 01, FF …, 00, DigestInfo. size: of the modulus, in bytes. */
struct buf *signing_block(struct bytes input, size_t size)
{
	struct buf *b = buf_new();
	size_t filling = size - input.len - 3;

	buf_add_u8(b, 0);
	buf_add_u8(b, 1);
	memset(buf_grow(b, filling), 0xFF, filling);
	buf_add_u8(b, 0);
	buf_add(b, input.data, input.len);
	return b;
}

static struct err *authenticate(const struct token *t, const struct signing_pin *pin)
{
	CK_UTF8CHAR *bytes = pin->pad ? NULL : (CK_UTF8CHAR *)(uintptr_t)pin->pin.data;
	CK_RV rv = MODULE_CALL_FOR(t->module, pin->seconds, C_Login, t->session,
		CKU_CONTEXT_SPECIFIC, bytes, pin->pad ? 0 : pin->pin.len);

	return rv_error(rv, "C_Login for this signature");
}

static struct err *sign(const struct token *t, struct bytes input, struct buf **ret_raw)
{
	AUTO(buf) struct buf *raw = buf_new();
	CK_ULONG len = SIGNATURE_MAX;
	uint8_t *room = buf_grow(raw, len);
	CK_RV rv = MODULE_CALL(t->module, C_Sign, t->session, (CK_BYTE *)(uintptr_t)input.data,
		input.len, room, &len);

	TRY(rv_error(rv, "C_Sign"));
	if (len > SIGNATURE_MAX)
		return err_new(
			&ERR_MODULE, "C_Sign gives %lu bytes where %d fit", len, SIGNATURE_MAX);
	buf_cut(raw, len);
	*ret_raw = take(raw);
	return NULL;
}

struct err *signing_sign(const struct token *t, CK_OBJECT_HANDLE key, enum card_algorithm algorithm,
	size_t key_size, struct bytes message, bool always_authenticate,
	const struct signing_pin *pin, struct buf **ret_signature)
{
	struct mechanisms mechanisms = mechanisms_of(algorithm);
	AUTO(buf) struct buf *input = signing_input(algorithm, message);
	AUTO(buf) struct buf *block = NULL;
	AUTO(buf) struct buf *raw = NULL;
	struct bytes forms[] = { buf_bytes(input), message, BYTES(NULL, 0) };
	size_t which = OVER_HASH;

	if (mechanisms.n > OVER_BLOCK) {
		block = signing_block(buf_bytes(input), key_size);
		forms[OVER_BLOCK] = buf_bytes(block);
	}
	TRY(begin(t, key, &mechanisms, &which));
	if (always_authenticate)
		TRY(authenticate(t, pin));
	TRY(sign(t, forms[which], &raw));
	if (mechanisms.component)
		return signing_ecdsa_der(algorithm, buf_bytes(raw), ret_signature);
	*ret_signature = take(raw);
	return NULL;
}
