/* issuer.c: an issuing certificate and its signatures. */
#include "daemon/ca/issuer.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ca/oid.h"
#include "evidence/cert.h"
#include "evidence/der.h"
#include "evidence/key.h"
#include "proto/kind.h"

static void copy_subject(struct issuer *i)
{
	unsigned char *der = NULL;
	int len = i2d_X509_NAME(X509_get_subject_name(i->cert), &der);

	if (len <= 0)
		err_abort("no memory for a name");
	i->subject = buf_new();
	buf_add(i->subject, der, (size_t)len);
	OPENSSL_free(der);
}

static struct err *make_authority(struct issuer *i)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(i->cert);
	AUTO(buf) struct buf *value = buf_new();

	if (!id)
		return err_new(&ERR_CA_MISCONFIGURED,
			"the issuing certificate has no subject key identifier");
	size_t sequence = der_begin(value, DER_SEQUENCE);
	der_put(value, DER_CONTEXT(0),
		BYTES(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)));
	der_end(value, sequence);
	i->authority = buf_new();
	der_put_extension(i->authority, OID_AUTHORITY_KEY_ID, false, buf_bytes(value));
	return NULL;
}

struct err *issuer_new(const struct bytes *chain, size_t n, struct issuer **ret_issuer)
{
	AUTO(issuer) struct issuer *i = xcalloc(1, sizeof(*i));

	if (n == 0 || n > ISSUER_CHAIN_MAX)
		return err_new(&ERR_CA_MISCONFIGURED, "a chain of %zu certificates", n);
	TRY(err_as(
		&ERR_CA_MISCONFIGURED, cert_parse(chain[0], &i->cert), "the issuing certificate"));
	if (X509_check_ca(i->cert) != 1)
		return err_new(&ERR_CA_MISCONFIGURED, "the issuing certificate is not a CA's");
	cert_key_hash(i->cert, i->key_id);
	copy_subject(i);
	TRY(make_authority(i));
	i->not_after_ms = cert_not_after_ms(i->cert);
	for (; i->n_chain < n; i->n_chain++) {
		i->chain[i->n_chain] = buf_new();
		buf_add_bytes(i->chain[i->n_chain], chain[i->n_chain]);
	}
	*ret_issuer = take(i);
	return NULL;
}

void issuer_free(struct issuer *i)
{
	if (!i)
		return;
	X509_free(i->cert);
	buf_free(i->subject);
	buf_free(i->authority);
	for (size_t k = 0; k < i->n_chain; k++)
		buf_free(i->chain[k]);
	free(i);
}

struct err *issuer_check_key(struct issuer *i, EVP_PKEY *key)
{
	if (i->key_fits)
		return NULL;
	if (X509_check_private_key(i->cert, key) != 1)
		return sig_openssl_error(&ERR_CA_MISCONFIGURED,
			"the CA key does not belong to the issuing certificate");
	i->key_fits = true;
	return NULL;
}

static const EVP_MD *digest_for(EVP_PKEY *key, struct bytes *ret_algorithm)
{
	static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
		0x3d, 0x04, 0x03, 0x02 };
	static const uint8_t ecdsa_sha384[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
		0x3d, 0x04, 0x03, 0x03 };
	static const uint8_t rsa_sha256[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
		0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00 };
	const char *type = key_type(key);

	if (type && strcmp(type, "p256") == 0) {
		*ret_algorithm = BYTES(ecdsa_sha256, sizeof(ecdsa_sha256));
		return EVP_sha256();
	}
	if (type && strcmp(type, "p384") == 0) {
		*ret_algorithm = BYTES(ecdsa_sha384, sizeof(ecdsa_sha384));
		return EVP_sha384();
	}
	if (type && strncmp(type, "rsa", 3) == 0) {
		*ret_algorithm = BYTES(rsa_sha256, sizeof(rsa_sha256));
		return EVP_sha256();
	}
	return NULL;
}

struct err *issuer_algorithm(EVP_PKEY *key, struct bytes *ret_der)
{
	if (!digest_for(key, ret_der))
		return err_new(&ERR_CA_MISCONFIGURED,
			"the CA key is of a type that cannot sign certificates here");
	return NULL;
}

struct err *issuer_sign(EVP_PKEY *key, struct bytes tbs, struct buf *out)
{
	struct bytes algorithm;
	const EVP_MD *digest = digest_for(key, &algorithm);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[1024];
	size_t len = sizeof(signature);

	bool ok = digest && ctx && EVP_DigestSignInit(ctx, NULL, digest, NULL, key) == 1 &&
		  EVP_DigestSign(ctx, signature, &len, tbs.data, tbs.len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return sig_openssl_error(&ERR_CA_MISCONFIGURED, "signing with the CA key");
	size_t outer = der_begin(out, DER_SEQUENCE);
	buf_add_bytes(out, tbs);
	buf_add_bytes(out, algorithm);
	der_put_bits(out, BYTES(signature, len));
	der_end(out, outer);
	return NULL;
}

struct err *issuer_key_identifier(struct bytes spki, uint8_t ret_id[static KEY_IDENTIFIER_LEN])
{
	uint8_t hash[SHA256_LEN];
	struct bytes bits;

	TRY(der_spki_bits(spki, &bits));
	sha256(bits, hash);
	memcpy(ret_id, hash, KEY_IDENTIFIER_LEN);
	return NULL;
}
