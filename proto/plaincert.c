/* plaincert.c: see plaincert.h. */
#include "proto/plaincert.h"

#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/clock.h"
#include "proto/sig.h"

#define SERIAL_LEN 16
#define DAY_MS (24 * 3600 * 1000LL)
/* RFC 5280 section 4.1.2.5: no date is meant. */
#define NO_END "99991231235959Z"

static bool set_serial(X509 *cert)
{
	uint8_t bytes[SERIAL_LEN];

	clock_random(bytes, sizeof(bytes));
	/* Positive, and of full length. */
	bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40);
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return ok;
}

static bool set_names(X509 *cert, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(
		       subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, subject) == 1;
}

static bool set_dates(X509 *cert)
{
	time_t from = (time_t)((clock_real_ms() - DAY_MS) / 1000);

	return ASN1_TIME_set(X509_getm_notBefore(cert), from) &&
	       ASN1_TIME_set_string(X509_getm_notAfter(cert), NO_END) == 1;
}

static bool add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	bool ok = ext && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

static bool add_extensions(X509 *cert, enum plaincert_use use)
{
	static const struct {
		const char *key_usage, *eku;
	} uses[] = {
		[PLAINCERT_TLS_SERVER] = { "critical,digitalSignature", "serverAuth" },
		[PLAINCERT_TLS_CLIENT] = { "critical,digitalSignature", "clientAuth" },
		[PLAINCERT_SEALING] = { "critical,keyAgreement", NULL },
	};
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	return add_extension(cert, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, &ctx, NID_key_usage, uses[use].key_usage) &&
	       (!uses[use].eku || add_extension(cert, &ctx, NID_ext_key_usage, uses[use].eku)) &&
	       add_extension(cert, &ctx, NID_subject_key_identifier, "hash");
}

static bool build(
	X509 *cert, EVP_PKEY *key, EVP_PKEY *signer, enum plaincert_use use, const char *name)
{
	return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	       set_names(cert, name) && set_dates(cert) && X509_set_pubkey(cert, key) == 1 &&
	       add_extensions(cert, use) && X509_sign(cert, signer, EVP_sha256()) > 0;
}

struct err *plaincert_make(EVP_PKEY *key, EVP_PKEY *signer, enum plaincert_use use,
	const char *name, struct buf **ret_der)
{
	X509 *cert = X509_new();
	unsigned char *der = NULL;
	int len = cert && build(cert, key, signer, use, name) ? i2d_X509(cert, &der) : -1;

	X509_free(cert);
	if (len <= 0)
		return sig_openssl_error(&ERR_SYSTEM, "a certificate for a key cannot be made");
	*ret_der = buf_new();
	buf_add(*ret_der, der, (size_t)len);
	OPENSSL_free(der);
	return NULL;
}
