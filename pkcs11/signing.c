/* signing.c: C_SignInit, perhaps C_Login, C_Sign, and nothing in between. */
#include "pkcs11/signing.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "pkcs11/rv.h"
#include "proto/kind.h"

/* RSA of 8192 bits. */
#define SIGNATURE_MAX 1024

/* DigestInfo of SHA-256 up to the hash (RFC 8017 section 9.2, note 1). */
static const uint8_t digest_info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };

/* A token that lacks the first mechanism may have the second, which hashes by itself. */
struct mechanisms {
	CK_MECHANISM_TYPE over_hash;
	CK_MECHANISM_TYPE over_message;
	size_t component; /* bytes of r and of s; 0 for RSA */
};

static struct mechanisms mechanisms_of(enum card_algorithm algorithm)
{
	switch (algorithm) {
	case CARD_ECDSA_P256_SHA256:
		return (struct mechanisms){ CKM_ECDSA, CKM_ECDSA_SHA256, 32 };
	case CARD_ECDSA_P384_SHA384:
		return (struct mechanisms){ CKM_ECDSA, CKM_ECDSA_SHA384, 48 };
	default:
		return (struct mechanisms){ CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS, 0 };
	}
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

/* Every C_SignInit that fails has cost nothing. *ret_whole: the message goes in, not its hash. */
static struct err *begin(const struct token *t, CK_OBJECT_HANDLE key,
	const struct mechanisms *mechanisms, bool *ret_whole)
{
	CK_MECHANISM over_hash = { mechanisms->over_hash, NULL, 0 };
	CK_MECHANISM over_message = { mechanisms->over_message, NULL, 0 };
	CK_RV rv = MODULE_CALL(t->module, C_SignInit, t->session, &over_hash, key);

	*ret_whole = rv == CKR_MECHANISM_INVALID;
	if (*ret_whole)
		rv = MODULE_CALL(t->module, C_SignInit, t->session, &over_message, key);
	return rv_error(rv, "C_SignInit");
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
	struct bytes message, bool always_authenticate, const struct signing_pin *pin,
	struct buf **ret_signature)
{
	struct mechanisms mechanisms = mechanisms_of(algorithm);
	AUTO(buf) struct buf *input = signing_input(algorithm, message);
	AUTO(buf) struct buf *raw = NULL;
	bool whole = false;

	TRY(begin(t, key, &mechanisms, &whole));
	if (always_authenticate)
		TRY(authenticate(t, pin));
	TRY(sign(t, whole ? message : buf_bytes(input), &raw));
	if (mechanisms.component)
		return signing_ecdsa_der(algorithm, buf_bytes(raw), ret_signature);
	*ret_signature = take(raw);
	return NULL;
}
