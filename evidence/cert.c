/* cert.c: one certificate: parsing, hashes, texts, times and the extensions that rules ask for. */
#include "evidence/cert.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "proto/kind.h"

#define NAME_FLAGS                                                                                 \
	((XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) | ASN1_STRFLGS_UTF8_CONVERT)

static bool encode(const X509 *cert, struct buf *out)
{
	int len = i2d_X509(cert, NULL);

	if (len <= 0)
		return false;
	uint8_t *p = buf_grow(out, (size_t)len);
	return i2d_X509(cert, &p) == len;
}

/* The times must be readable now, so that nobody has to ask again later. */
static struct err *check_times(const X509 *cert)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notBefore(cert), &tm) != 1 ||
		ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return sig_openssl_error(&ERR_CERT_BAD, "certificate: a date that does not parse");
	return NULL;
}

struct err *cert_parse(struct bytes der, X509 **ret_cert)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(buf) struct buf *again = buf_new();
	const uint8_t *p = der.data;

	if (der.len == 0 || der.len > CERT_DER_MAX)
		return err_new(&ERR_CERT_BAD, "certificate: %zu bytes, where 1 to %d are allowed",
			der.len, CERT_DER_MAX);
	cert = d2i_X509(NULL, &p, (long)der.len);
	if (!cert)
		return sig_openssl_error(&ERR_CERT_BAD, "certificate: does not parse");
	if (!encode(cert, again) || !bytes_eq(buf_bytes(again), der))
		return err_new(&ERR_CERT_BAD, "certificate: not DER, or something follows it");
	TRY(check_times(cert));
	*ret_cert = take(cert);
	return NULL;
}

struct buf *cert_der(const X509 *cert)
{
	struct buf *out = buf_new();

	if (!encode(cert, out))
		err_abort("a certificate that cannot be encoded");
	return out;
}

void cert_hash(const X509 *cert, uint8_t ret_hash[static SHA256_LEN])
{
	AUTO(buf) struct buf *der = cert_der(cert);

	sha256(buf_bytes(der), ret_hash);
}

void cert_key_hash(const X509 *cert, uint8_t ret_hash[static SHA256_LEN])
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (len <= 0)
		err_abort("a public key that cannot be encoded");
	sha256(BYTES(der, (size_t)len), ret_hash);
	OPENSSL_free(der);
}

/* Strings that OpenSSL cannot convert are shown as the hexadecimal of their encoding (RFC 4514 section 2.4). */
static char *name_text(const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;

	if (!bio)
		err_abort("no memory for a name");
	if (X509_NAME_print_ex(bio, name, 0, NAME_FLAGS) < 0) {
		ERR_clear_error();
		(void)BIO_reset(bio);
		if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 | ASN1_STRFLGS_DUMP_ALL) < 0)
			err_abort("a name that cannot be shown");
	}
	long len = BIO_get_mem_data(bio, &data);
	char *text = text_safe(BYTES(data, (size_t)len));
	BIO_free(bio);
	return text;
}

char *cert_subject(const X509 *cert)
{
	return name_text(X509_get_subject_name(cert));
}

char *cert_issuer(const X509 *cert)
{
	return name_text(X509_get_issuer_name(cert));
}

char *cert_serial(const X509 *cert)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	BIGNUM *bn = ASN1_INTEGER_to_BN(serial, NULL);

	if (!bn)
		err_abort("no memory for a serial number");
	AUTO(buf) struct buf *magnitude = buf_new();
	int len = BN_num_bytes(bn);
	/* Zero has no bytes, but is written as one. */
	uint8_t *room = buf_grow(magnitude, len ? (size_t)len : 1);
	BN_bn2bin(bn, room);
	AUTO_MEM char *hex = text_hex(buf_bytes(magnitude));
	char *text = xasprintf("%s%s", BN_is_negative(bn) ? "-" : "", hex);
	BN_free(bn);
	return text;
}

/* cert_parse made sure that it can be read; for certificates that we made ourselves it always can. */
static int64_t time_ms(const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		err_abort("a certificate with a date that does not parse");
	return (int64_t)timegm(&tm) * 1000;
}

int64_t cert_not_before_ms(const X509 *cert)
{
	return time_ms(X509_get0_notBefore(cert));
}

int64_t cert_not_after_ms(const X509 *cert)
{
	return time_ms(X509_get0_notAfter(cert));
}

bool cert_has_policy(const X509 *cert, const char *oid)
{
	ASN1_OBJECT *wanted = OBJ_txt2obj(oid, 1);
	CERTIFICATEPOLICIES *policies =
		X509_get_ext_d2i(cert, NID_certificate_policies, NULL, NULL);
	bool found = false;

	for (int i = 0; wanted && i < sk_POLICYINFO_num(policies); i++)
		found |= OBJ_cmp(sk_POLICYINFO_value(policies, i)->policyid, wanted) == 0;
	CERTIFICATEPOLICIES_free(policies);
	ASN1_OBJECT_free(wanted);
	ERR_clear_error();
	return found;
}

bool cert_has_eku(const X509 *cert, const char *oid)
{
	ASN1_OBJECT *wanted = OBJ_txt2obj(oid, 1);
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	bool found = false;

	for (int i = 0; wanted && i < sk_ASN1_OBJECT_num(usages); i++)
		found |= OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), wanted) == 0;
	EXTENDED_KEY_USAGE_free(usages);
	ASN1_OBJECT_free(wanted);
	ERR_clear_error();
	return found;
}

bool cert_has_key_usage(const X509 *cert, uint32_t bits, bool absent_is_true)
{
	int state = 0;
	ASN1_BIT_STRING *usage = X509_get_ext_d2i(cert, NID_key_usage, &state, NULL);
	uint32_t has = 0;

	ERR_clear_error();
	if (!usage)
		return state == -1 && absent_is_true;
	const uint8_t *data = ASN1_STRING_get0_data(usage);
	int len = ASN1_STRING_length(usage);
	if (len > 0)
		has |= data[0];
	if (len > 1)
		has |= (uint32_t)data[1] << 8;
	ASN1_BIT_STRING_free(usage);
	return (has & bits) == bits;
}
