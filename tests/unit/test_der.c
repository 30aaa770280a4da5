/* test_der.c: what is read from certificates by hand is what OpenSSL reads, and only from DER. */
#include "tests/unit/unit.h"

#include <openssl/x509v3.h>

#include "evidence/cert.h"
#include "evidence/der.h"
#include "tests/unit/enrollment.h"

#define NOW_MS 1795000000000

static void remove_key_id(X509 *cert)
{
	int at = X509_get_ext_by_NID(cert, NID_subject_key_identifier, -1);

	X509_EXTENSION_free(X509_delete_ext(cert, at));
}

/* A certificate with this key identifier (OpenSSL's syntax), behind another extension; NULL: without any. */
static struct buf *certificate(EVP_PKEY *key, const char *key_id)
{
	AUTO(x509) X509 *cert = enrollment_cert("somebody", key, NULL, key, false, NOW_MS);

	remove_key_id(cert);
	for (int i = 0; i < (key_id ? 2 : 1); i++) {
		X509_EXTENSION *ext = i ? enrollment_ext(NID_subject_key_identifier, key_id)
					: enrollment_ext(NID_key_usage, "critical,keyAgreement");
		assert_int_equal(X509_add_ext(cert, ext, -1), 1);
		X509_EXTENSION_free(ext);
	}
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	return cert_der(cert);
}

static void key_and_identifier_of_a_certificate(void **state)
{
	EVP_PKEY *keys[] = { sig_new_p256(), enrollment_rsa(2048) };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO(buf) struct buf *der = certificate(keys[i], "0a:0b:0c");
		AUTO(buf) struct buf *own = sig_spki(keys[i]);
		struct bytes spki, id;
		assert_ok(der_certificate_key(buf_bytes(der), &spki, &id));
		assert_true(bytes_eq(spki, buf_bytes(own)));
		assert_true(bytes_eq(id, BYTES("\x0a\x0b\x0c", 3)));
		EVP_PKEY_free(keys[i]);
	}
}

static void a_critical_identifier_is_one_too(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(x509) X509 *cert = enrollment_cert("somebody", key, NULL, key, false, NOW_MS);
	int at = X509_get_ext_by_NID(cert, NID_subject_key_identifier, -1);
	struct bytes spki, id;

	X509_EXTENSION_set_critical(X509_get_ext(cert, at), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	AUTO(buf) struct buf *der = cert_der(cert);
	assert_ok(der_certificate_key(buf_bytes(der), &spki, &id));
	assert_int_equal(id.len, 20);
}

static void what_is_missing_or_cut_is_refused(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(buf) struct buf *bare = certificate(key, NULL), *der = certificate(key, "0a:0b:0c");
	struct bytes spki = { 0 }, id = { 0 };

	assert_err_text(der_certificate_key(buf_bytes(bare), &spki, &id), &ERR_FORMAT, "extension");
	for (size_t len = 0; len < buf_len(der); len++) {
		AUTO_MEM uint8_t *part = bytes_dup(BYTES(buf_data(der), len));
		assert_err(der_certificate_key(BYTES(part, len), &spki, &id), &ERR_FORMAT);
	}
	buf_add_u8(der, 0);
	assert_err(der_certificate_key(buf_bytes(der), &spki, &id), &ERR_FORMAT);
	assert_null(spki.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_and_identifier_of_a_certificate),
		cmocka_unit_test(a_critical_identifier_is_one_too),
		cmocka_unit_test(what_is_missing_or_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
