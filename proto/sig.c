/* sig.c: hashes and signatures. Labels and bodies are joined in memory: Ed25519 signs in one go only. */
#include "proto/sig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/buf.h"
#include "base/text.h"
#include "proto/kind.h"

struct err *sig_openssl_error(const struct err_kind *kind, const char *fmt, ...)
{
	char reason[256] = "no reason given";
	unsigned long code = ERR_peek_last_error();
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		err_abort("no memory for an error text");
	if (code)
		ERR_error_string_n(code, reason, sizeof(reason));
	ERR_clear_error();
	struct err *e = err_new(kind, "%s: %s", text, reason);
	free(text);
	return e;
}

static EVP_MD_CTX *new_digest(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (!c)
		err_abort("OpenSSL has no memory");
	return c;
}

static inline void digest_free(EVP_MD_CTX *c)
{
	EVP_MD_CTX_free(c);
}
DEFINE_AUTO(digest, EVP_MD_CTX *, digest_free);

static void must(int r)
{
	if (r != 1)
		err_abort("OpenSSL cannot compute SHA-256");
}

/* Looked up once: what EVP_sha256 stands for is looked up at each use. */
static const EVP_MD *sha256_md(void)
{
	static EVP_MD *md;

	if (!md)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!md)
		err_abort("OpenSSL has no SHA-256");
	return md;
}

void sha256(struct bytes b, uint8_t ret_hash[static SHA256_LEN])
{
	must(EVP_Digest(b.data, b.len, ret_hash, NULL, sha256_md(), NULL));
}

void sha256_labelled(const char *label, const struct bytes *parts, size_t n_parts,
	uint8_t ret_hash[static SHA256_LEN])
{
	AUTO(digest) EVP_MD_CTX *c = new_digest();

	must(EVP_DigestInit_ex(c, sha256_md(), NULL));
	must(EVP_DigestUpdate(c, label, strlen(label) + 1));
	for (size_t i = 0; i < n_parts; i++)
		must(EVP_DigestUpdate(c, parts[i].data, parts[i].len));
	must(EVP_DigestFinal_ex(c, ret_hash, NULL));
}

char *sig_card_name(const char *serial)
{
	const struct bytes part = BYTES(serial ? serial : "", serial ? strlen(serial) : 0);
	uint8_t hash[SHA256_LEN];

	if (!part.len)
		return NULL;
	sha256_labelled(SIG_CARD_NAME, &part, 1, hash);
	return text_hex(BYTES(hash, 8));
}

static bool is_ed25519(EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "ED25519");
}

static bool is_p256(EVP_PKEY *key)
{
	char group[32];

	return EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

/* NULL for Ed25519, which has its own. */
static const EVP_MD *digest_of(EVP_PKEY *key)
{
	return is_ed25519(key) ? NULL : EVP_sha256();
}

static struct buf *labelled(const char *label, struct bytes body)
{
	struct buf *b = buf_new();

	buf_add(b, label, strlen(label) + 1);
	buf_add_bytes(b, body);
	return b;
}

struct err *sig_sign(
	EVP_PKEY *key, const char *label, struct bytes body, struct buf **ret_signature)
{
	AUTO(digest) EVP_MD_CTX *c = new_digest();
	AUTO(buf) struct buf *message = labelled(label, body);
	AUTO(buf) struct buf *signature = buf_new();
	size_t len = 0;

	if (!is_ed25519(key) && !is_p256(key))
		return err_new(&ERR_SYSTEM, "a key that is neither Ed25519 nor P-256");
	if (EVP_DigestSignInit(c, NULL, digest_of(key), NULL, key) != 1 ||
		EVP_DigestSign(c, NULL, &len, buf_data(message), buf_len(message)) != 1)
		return sig_openssl_error(&ERR_SYSTEM, "signing");
	uint8_t *room = buf_grow(signature, len);
	if (EVP_DigestSign(c, room, &len, buf_data(message), buf_len(message)) != 1)
		return sig_openssl_error(&ERR_SYSTEM, "signing");
	buf_cut(signature, len);
	*ret_signature = take(signature);
	return NULL;
}

struct err *sig_verify(EVP_PKEY *key, const char *label, struct bytes body, struct bytes signature)
{
	AUTO(digest) EVP_MD_CTX *c = new_digest();
	AUTO(buf) struct buf *message = labelled(label, body);

	if (!is_ed25519(key) && !is_p256(key))
		return err_new(
			&ERR_SIGNATURE_BAD, "%s: a key that is neither Ed25519 nor P-256", label);
	if (EVP_DigestVerifyInit(c, NULL, digest_of(key), NULL, key) != 1)
		return sig_openssl_error(&ERR_SIGNATURE_BAD, "%s", label);
	if (EVP_DigestVerify(
		    c, signature.data, signature.len, buf_data(message), buf_len(message)) != 1) {
		ERR_clear_error();
		return err_new(&ERR_SIGNATURE_BAD, "%s: the signature does not verify", label);
	}
	return NULL;
}
