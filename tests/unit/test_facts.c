/* test_facts.c: what is known of a holder, and what a card certificate says. */
#include "tests/unit/unit.h"

#include <openssl/x509v3.h>

#include "base/text.h"
#include "evidence/record.h"
#include "tests/unit/enrollment.h"

#define NOW INT64_C(1795000000000)
#define OID_SAN "2.5.29.17"
#define OID_SID "1.3.6.1.4.1.311.25.2"

static void sorted_whatever_the_order(void **state)
{
	AUTO(facts) struct facts *a = facts_new();
	AUTO(facts) struct facts *b = facts_new();
	uint8_t da[SHA256_LEN], db[SHA256_LEN];
	const char *name, *value;

	assert_ok(facts_add(a, "upn", "u"));
	assert_ok(facts_add(a, "mail", "m"));
	assert_ok(facts_add(a, "name", "n"));
	assert_ok(facts_add(b, "name", "n"));
	assert_ok(facts_add(b, "upn", "u"));
	assert_ok(facts_add(b, "mail", "m"));
	facts_digest(a, da);
	facts_digest(b, db);
	assert_memory_equal(da, db, SHA256_LEN);
	facts_at(a, 0, &name, &value);
	assert_string_equal(name, "mail");
	assert_string_equal(facts_get(a, "upn"), "u");
	assert_null(facts_get(a, "sid"));
}

static void bad_facts(void **state)
{
	AUTO(facts) struct facts *f = facts_new();
	char longest[FACT_VALUE_MAX + 2], name[8];

	assert_ok(facts_add(f, "name", "n"));
	assert_err_text(facts_add(f, "name", "other"), &ERR_FORMAT, "twice");
	assert_err(facts_add(f, "Name", "n"), &ERR_FORMAT);
	assert_err(facts_add(f, "", "n"), &ERR_FORMAT);
	assert_err(facts_add(f, "abcdefghijklmnopqrstuvwxyzabcdefg", "n"), &ERR_FORMAT);
	assert_err(facts_add(f, "mail", ""), &ERR_FORMAT);
	assert_err(facts_add(f, "mail", "a\tb"), &ERR_FORMAT);
	assert_err(facts_add(f, "mail", "a\xff"), &ERR_FORMAT);
	memset(longest, 'x', sizeof(longest));
	longest[FACT_VALUE_MAX + 1] = '\0';
	assert_err(facts_add(f, "mail", longest), &ERR_FORMAT);
	longest[FACT_VALUE_MAX] = '\0';
	assert_ok(facts_add(f, "mail", longest));
	for (int i = 2; i < FACTS_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_ok(facts_add(f, name, "x"));
	}
	assert_err(facts_add(f, "more", "x"), &ERR_FORMAT);
	assert_int_equal(facts_len(f), FACTS_MAX);
}

static void unsorted_encodings_are_refused(void **state)
{
	AUTO(buf) struct buf *b = buf_new();
	AUTO(facts) struct facts *f = NULL;

	record_put_str(b, "upn");
	record_put_str(b, "u");
	record_put_str(b, "mail");
	record_put_str(b, "m");
	assert_err_text(facts_decode(buf_bytes(b), &f), &ERR_FORMAT, "out of order");
}

/* "ab" with "c" is not "a" with "bc". */
static void holder_ids_do_not_run_together(void **state)
{
	static const char *const pairs[][2] = { { "ab", "c" }, { "a", "bc" } };
	uint8_t ids[2][SHA256_LEN];

	for (size_t i = 0; i < 2; i++) {
		AUTO(facts) struct facts *f = facts_new();
		assert_ok(facts_add(f, FACT_ID_TYPE, pairs[i][0]));
		assert_ok(facts_add(f, FACT_ID, pairs[i][1]));
		assert_err(facts_holder_id(f, ids[i]), &ERR_FORMAT);
		assert_ok(facts_add(f, FACT_ANCHOR, "00"));
		assert_ok(facts_holder_id(f, ids[i]));
	}
	assert_memory_not_equal(ids[0], ids[1], SHA256_LEN);
}

/* --- certificates --- */

struct made {
	EVP_PKEY *key;
	X509 *cert;
};

static struct made made(const char *cn)
{
	struct made m = { .key = sig_new_p256() };

	m.cert = enrollment_cert(cn, m.key, NULL, m.key, false, NOW);
	return m;
}

static void made_end(struct made *m)
{
	EVP_PKEY_free(m->key);
	X509_free(m->cert);
}

static void add(struct made *m, int nid, const char *value)
{
	X509_EXTENSION *ext = enrollment_ext(nid, value);

	X509_add_ext(m->cert, ext, -1);
	X509_EXTENSION_free(ext);
}

/* An extension from its bytes in hexadecimal. */
static void add_der(struct made *m, const char *oid, const char *hex)
{
	AUTO(buf) struct buf *der = NULL;
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);

	assert_ok(text_unhex(hex, &der));
	ASN1_OCTET_STRING_set(data, buf_data(der), (int)buf_len(der));
	X509_EXTENSION *ext = X509_EXTENSION_create_by_OBJ(NULL, object, 0, data);
	X509_add_ext(m->cert, ext, -1);
	X509_EXTENSION_free(ext);
	ASN1_OBJECT_free(object);
	ASN1_OCTET_STRING_free(data);
}

/* Signs, and reads the result as one reads a card's. */
static struct err *facts_of(struct made *m, struct facts **ret_facts)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(facts) struct facts *f = facts_new();

	X509_sign(m->cert, m->key, EVP_sha256());
	AUTO(buf) struct buf *der = cert_der(m->cert);
	assert_ok(cert_parse(buf_bytes(der), &cert));
	TRY(cert_facts(cert, f));
	*ret_facts = take(f);
	return NULL;
}

static void a_piv_certificate(void **state)
{
	struct made m = made("JANE Q. DOE (affiliate)");
	AUTO(facts) struct facts *f = NULL;

	X509_NAME *subject = X509_get_subject_name(m.cert);
	X509_NAME_add_entry_by_txt(
		subject, "O", MBSTRING_UTF8, (const uint8_t *)"U.S. Government", -1, 0, 0);
	X509_NAME_add_entry_by_txt(subject, "C", MBSTRING_ASC, (const uint8_t *)"US", -1, 0, 0);
	/* FASC-N, UPN, two mail addresses, urn:uuid in upper case */
	add_der(&m, OID_SAN,
		"3081ada02706086086480165030606a01b0419d4321058210c2d210a8584a1685a01083210c21084"
		"21083feaa023060a2b060104018237140203a0150c136a616e65406167656e63792e6578616d706c"
		"6581176a616e652e646f65406167656e63792e6578616d706c6581157365636f6e64406167656e63"
		"792e6578616d706c65862d75726e3a757569643a46423644324630342d384233422d344231442d39"
		"4332432d334444433446324234423846");
	add_der(&m, OID_SID,
		"303fa03d060a2b060104018237190201a02f042d532d312d352d32312d313030343333363334382d"
		"313137373233383931352d3638323030333333302d35313231");
	assert_ok(facts_of(&m, &f));
	assert_string_equal(facts_get(f, FACT_NAME), "JANE Q. DOE");
	assert_string_equal(
		facts_get(f, FACT_SUBJECT), "CN=JANE Q. DOE (affiliate),O=U.S. Government,C=US");
	assert_string_equal(facts_get(f, FACT_ORGANIZATION), "U.S. Government");
	assert_string_equal(facts_get(f, FACT_COUNTRY), "US");
	assert_string_equal(
		facts_get(f, FACT_FASCN), "d4321058210c2d210a8584a1685a01083210c2108421083fea");
	assert_string_equal(facts_get(f, FACT_UPN), "jane@agency.example");
	assert_string_equal(facts_get(f, FACT_MAIL), "jane.doe@agency.example");
	assert_string_equal(facts_get(f, FACT_UUID), "fb6d2f04-8b3b-4b1d-9c2c-3ddc4f2b4b8f");
	assert_string_equal(
		facts_get(f, FACT_SID), "S-1-5-21-1004336348-1177238915-682003330-5121");
	made_end(&m);
}

static void names_without_qualifiers(void **state)
{
	static const char *const names[][2] = {
		{ "DOE.JOHN.Q.1234567890", "DOE.JOHN.Q" },
		{ "Jane Doe -ENC", "Jane Doe" },
		{ "Jane Doe - Smith", "Jane Doe - Smith" },
		{ "Jürgen Groß", "Jürgen Groß" },
		{ "v1.0", "v1.0" },
		{ "(affiliate)", "(affiliate)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct made m = made(names[i][0]);
		AUTO(facts) struct facts *f = NULL;
		assert_ok(facts_of(&m, &f));
		assert_string_equal(facts_get(f, FACT_NAME), names[i][1]);
		made_end(&m);
	}
}

static void unreadable_names(void **state)
{
	/* zero byte, escape sequence, cut off, UPN and FASC-N of other types and lengths, malformed UUIDs */
	static const char *const values[] = {
		"300b810961006240632e6f7267",
		"300b8109611b5b40632e6f7267",
		"30048105616263",
		"3016a014060a2b060104018237140203a00604046a616e65",
		"3011a00f06086086480165030606a003040100",
		"3029a02706086086480165030606a01b0c1978787878787878787878787878787878787878787878"
		"787878",
		"3022862075726e3a757569643a46423644324630342d384233422d344231442d39433243",
		"302f862d75726e3a757569643a46423644324630342d384233422d344231442d394332432d334444"
		"43344632423442385a",
	};

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct made bad = made("x");
		AUTO(facts) struct facts *none = NULL;
		add_der(&bad, OID_SAN, values[i]);
		assert_err(facts_of(&bad, &none), &ERR_CERT_BAD);
		made_end(&bad);
	}
	struct made m = made("x");
	AUTO(facts) struct facts *f = NULL;
	add(&m, NID_subject_alt_name, "email:a@example.org");
	add(&m, NID_subject_alt_name, "email:b@example.org");
	assert_err(facts_of(&m, &f), &ERR_CERT_BAD);
	made_end(&m);
}

static void a_sid_in_another_form(void **state)
{
	/* no GeneralNames; binary, as one program writes it; text that is no SID; no otherName; more behind it; another type */
	static const char *const values[] = {
		"0400",
		"301ba019060a2b060104018237190201a00b0409010500000000000515",
		"3015a013060a2b060104018237190201a005040358595a",
		"3018a016060a2b060104018237190201a0080406532d312d3553",
		"300a8108532d312d352d3231",
		"303fa03d060a2b060104018237190201a02f042d532d312d352d32312d313030343333363334382d"
		"313137373233383931352d3638323030333333302d3531323100",
		"303fa03d060a2b060104018237190201a02f0c2d532d312d352d32312d313030343333363334382d"
		"313137373233383931352d3638323030333333302d35313231",
	};

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct made m = made("x");
		AUTO(facts) struct facts *f = NULL;
		add_der(&m, OID_SID, values[i]);
		assert_err(facts_of(&m, &f), &ERR_CERT_BAD);
		made_end(&m);
	}
}

static void the_signing_certificate_comes_first(void **state)
{
	struct made a = made("Ann"), b = made("Other");
	AUTO(facts) struct facts *f = facts_new();

	add(&b, NID_subject_alt_name, "email:b@example.org");
	assert_ok(cert_facts(a.cert, f));
	assert_ok(cert_facts(b.cert, f));
	assert_string_equal(facts_get(f, FACT_NAME), "Ann");
	assert_string_equal(facts_get(f, FACT_MAIL), "b@example.org");
	made_end(&a);
	made_end(&b);
}

static void extensions(void **state)
{
	struct made m = made("x");

	assert_true(cert_has_key_usage(m.cert, KU_DIGITAL_SIGNATURE, true));
	assert_false(cert_has_key_usage(m.cert, KU_DIGITAL_SIGNATURE, false));
	add(&m, NID_key_usage, "digitalSignature,decipherOnly");
	add(&m, NID_ext_key_usage, "clientAuth");
	add(&m, NID_certificate_policies, "2.16.840.1.101.3.2.1.3.13");
	assert_true(cert_has_key_usage(m.cert, KU_DIGITAL_SIGNATURE, false));
	assert_true(cert_has_key_usage(m.cert, KU_DIGITAL_SIGNATURE | KU_DECIPHER_ONLY, false));
	assert_false(cert_has_key_usage(m.cert, KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION, true));
	assert_true(cert_has_eku(m.cert, "1.3.6.1.5.5.7.3.2"));
	assert_false(cert_has_eku(m.cert, "1.3.6.1.5.5.7.3.1"));
	assert_false(cert_has_eku(m.cert, "nonsense"));
	assert_true(cert_has_policy(m.cert, "2.16.840.1.101.3.2.1.3.13"));
	assert_false(cert_has_policy(m.cert, "2.16.840.1.101.3.2.1.3.17"));
	made_end(&m);
}

static void texts_and_times(void **state)
{
	struct made m = made("Evil\n\xe2\x80\xae, Inc");

	AUTO_MEM char *subject = cert_subject(m.cert);
	assert_null(strchr(subject, '\n'));
	assert_null(strstr(subject, "\xe2\x80\xae"));
	assert_non_null(strstr(subject, "\\, Inc"));
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), 0x0abc);
	AUTO_MEM char *serial = cert_serial(m.cert);
	assert_string_equal(serial, "0abc");
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), -0x80);
	AUTO_MEM char *negative = cert_serial(m.cert);
	assert_string_equal(negative, "-80");
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), 0);
	AUTO_MEM char *zero = cert_serial(m.cert);
	assert_string_equal(zero, "00");
	ASN1_TIME_set_string(X509_getm_notAfter(m.cert), "99991231235959Z");
	assert_int_equal(cert_not_after_ms(m.cert), INT64_C(253402300799000));
	assert_int_equal(cert_not_before_ms(m.cert), NOW - INT64_C(86400000));
	made_end(&m);
}

static void what_is_no_certificate(void **state)
{
	struct made m = made("x");
	AUTO(x509) X509 *cert = NULL;
	AUTO(buf) struct buf *der = cert_der(m.cert);
	struct bytes good = buf_bytes(der);

	for (size_t len = 0; len < good.len; len++) {
		AUTO_MEM uint8_t *part = bytes_dup(BYTES(good.data, len));
		assert_err(cert_parse(BYTES(part, len), &cert), &ERR_CERT_BAD);
	}
	/* The outer length in three bytes where two are enough: BER, not DER. */
	AUTO(buf) struct buf *ber = buf_new();
	assert_int_equal(good.data[1], 0x82);
	buf_add_u8(ber, 0x30);
	buf_add_u8(ber, 0x83);
	buf_add_u8(ber, 0);
	buf_add(ber, good.data + 2, good.len - 2);
	assert_err_text(cert_parse(buf_bytes(ber), &cert), &ERR_CERT_BAD, "DER");
	buf_add_u8(der, 0);
	assert_err_text(cert_parse(buf_bytes(der), &cert), &ERR_CERT_BAD, "DER");
	memset(buf_grow(der, CERT_DER_MAX), 0, CERT_DER_MAX);
	assert_err_text(cert_parse(buf_bytes(der), &cert), &ERR_CERT_BAD, "allowed");
	made_end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted_whatever_the_order),
		cmocka_unit_test(bad_facts),
		cmocka_unit_test(unsorted_encodings_are_refused),
		cmocka_unit_test(holder_ids_do_not_run_together),
		cmocka_unit_test(a_piv_certificate),
		cmocka_unit_test(names_without_qualifiers),
		cmocka_unit_test(unreadable_names),
		cmocka_unit_test(a_sid_in_another_form),
		cmocka_unit_test(the_signing_certificate_comes_first),
		cmocka_unit_test(extensions),
		cmocka_unit_test(texts_and_times),
		cmocka_unit_test(what_is_no_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
