/* test_seal.c: sealed keys: who can open them, what is refused, and that no copy of a key stays in memory. */
#include "tests/unit/unit.h"

#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <stdio.h>

#include "base/secret.h"
#include "evidence/key.h"
#include "evidence/seal.h"
#include "evidence/seal_form.h"
#include "tests/unit/enrollment.h"

static const struct seal_context context = {
	.deployment = { 0xd1 },
	.intent_hash = { 0x11 },
	.purpose = COMMON__PURPOSE__ENCRYPTION,
};

struct recipient {
	EVP_PKEY *key;
	X509 *cert;
};

static struct recipient recipient(EVP_PKEY *take_key)
{
	return (struct recipient){ take_key,
		enrollment_cert("recipient", take_key, NULL, take_key, false, 1795000000000) };
}

static void recipient_end(struct recipient *r)
{
	EVP_PKEY_free(r->key);
	X509_free(r->cert);
}

static struct err *open_as(
	const struct buf *sealed, const struct recipient *r, const struct seal_context *expected)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	return unseal(buf_bytes(sealed), r->key, r->cert, expected, &key);
}

static void every_key_to_every_recipient(void **state)
{
	struct recipient rs[] = { recipient(enrollment_ec("P-256")),
		recipient(enrollment_rsa(2048)), recipient(enrollment_rsa(3072)) };
	EVP_PKEY *keys[] = { enrollment_ec("P-256"), enrollment_ec("P-384"), enrollment_rsa(2048),
		enrollment_rsa(3072) };

	for (size_t r = 0; r < ARRAY_LEN(rs); r++) {
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			AUTO(buf) struct buf *sealed = NULL;
			AUTO(pkey) EVP_PKEY *key = NULL;
			assert_ok(seal(keys[k], rs[r].cert, &context, &sealed));
			assert_true(buf_len(sealed) <= SEAL_MAX);
			assert_ok(unseal(buf_bytes(sealed), rs[r].key, rs[r].cert, &context, &key));
			assert_int_equal(EVP_PKEY_eq(key, keys[k]), 1);
		}
	}
	for (size_t k = 0; k < ARRAY_LEN(keys); k++)
		EVP_PKEY_free(keys[k]);
	for (size_t r = 0; r < ARRAY_LEN(rs); r++)
		recipient_end(&rs[r]);
}

static void only_the_recipient_opens(void **state)
{
	struct recipient a = recipient(enrollment_ec("P-256")),
			 b = recipient(enrollment_ec("P-256"));
	struct recipient mixed = { b.key, a.cert };
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(buf) struct buf *sealed = NULL;

	assert_ok(seal(key, a.cert, &context, &sealed));
	assert_ok(open_as(sealed, &a, &context));
	assert_err(open_as(sealed, &b, &context), &ERR_FORMAT);
	assert_err(open_as(sealed, &mixed, &context), &ERR_FORMAT);
	recipient_end(&a);
	recipient_end(&b);
}

static void only_for_what_it_was_made(void **state)
{
	struct recipient r = recipient(enrollment_ec("P-256"));
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(buf) struct buf *sealed = NULL;
	struct seal_context other = context;

	assert_ok(seal(key, r.cert, &context, &sealed));
	other.deployment[15] ^= 1;
	assert_err_text(open_as(sealed, &r, &other), &ERR_EVIDENCE_BAD, "deployment");
	other = context;
	other.purpose = COMMON__PURPOSE__SIGNING;
	assert_err_text(open_as(sealed, &r, &other), &ERR_EVIDENCE_BAD, "purpose");
	other = context;
	other.intent_hash[31] ^= 1;
	assert_err_text(open_as(sealed, &r, &other), &ERR_EVIDENCE_BAD, "intent");
	other.any_intent = true;
	assert_ok(open_as(sealed, &r, &other));
	recipient_end(&r);
}

static void nothing_can_be_changed(void **state)
{
	EVP_PKEY *keys[] = { enrollment_ec("P-256"), enrollment_rsa(2048) };
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();

	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		struct recipient r = recipient(keys[k]);
		AUTO(buf) struct buf *sealed = NULL;
		assert_ok(seal(key, r.cert, &context, &sealed));
		AUTO_MEM uint8_t *bytes = bytes_dup(buf_bytes(sealed));
		for (size_t bit = 0; bit < buf_len(sealed) * 8; bit += enrollment_bit_step()) {
			AUTO(buf) struct buf *changed = buf_new();
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			buf_add(changed, bytes, buf_len(sealed));
			assert_err(open_as(changed, &r, &context), &ERR_FORMAT);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t len = 0; len < buf_len(sealed); len++) {
			AUTO_MEM uint8_t *part = bytes_dup(BYTES(bytes, len));
			assert_err(seal_form(BYTES(part, len)), &ERR_FORMAT);
		}
		buf_add_u8(sealed, 0);
		assert_err_text(open_as(sealed, &r, &context), &ERR_FORMAT, "too many");
		recipient_end(&r);
	}
}

/* --- messages that OpenSSL would open, made in ways that we do not take --- */

struct other_way {
	const EVP_CIPHER *cipher;
	unsigned int recipient_flags;
	bool sha1_kdf;
	bool two_recipients;
};

static struct buf *cms_otherwise(
	const struct recipient *r, struct bytes content, struct other_way way)
{
	CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, way.cipher, CMS_PARTIAL | CMS_BINARY);
	AUTO(buf) struct buf *out = buf_new();

	assert_non_null(cms);
	for (int n = way.two_recipients ? 2 : 1; n > 0; n--) {
		CMS_RecipientInfo *ri =
			CMS_add1_recipient_cert(cms, r->cert, CMS_KEY_PARAM | way.recipient_flags);
		assert_non_null(ri);
		if (!way.sha1_kdf)
			EVP_PKEY_CTX_set_ecdh_kdf_md(
				CMS_RecipientInfo_get0_pkey_ctx(ri), EVP_sha256());
	}
	BIO *in = BIO_new_mem_buf(content.data, (int)content.len);
	assert_int_equal(CMS_final(cms, in, NULL, CMS_BINARY), 1);
	BIO_free(in);
	uint8_t *p = buf_grow(out, (size_t)i2d_CMS_ContentInfo(cms, NULL));
	i2d_CMS_ContentInfo(cms, &p);
	CMS_ContentInfo_free(cms);
	return take(out);
}

static void other_forms_are_refused(void **state)
{
	struct recipient r = recipient(enrollment_ec("P-256"));
	const struct other_way good = { EVP_aes_256_gcm(), CMS_USE_KEYID, false, false };
	struct other_way ways[] = { good, good, good, good, good };
	struct bytes content = BYTES("0123456789", 10);

	ways[0].cipher = EVP_aes_256_cbc();
	ways[1].cipher = EVP_aes_128_gcm();
	ways[2].recipient_flags = 0;
	ways[3].sha1_kdf = true;
	ways[4].two_recipients = true;
	AUTO(buf) struct buf *fine = cms_otherwise(&r, content, good);
	assert_ok(seal_form(buf_bytes(fine)));
	/* The form is right; what is inside is no sealed key. */
	assert_err(open_as(fine, &r, &context), &ERR_FORMAT);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		AUTO(buf) struct buf *other = cms_otherwise(&r, content, ways[i]);
		assert_err(seal_form(buf_bytes(other)), &ERR_FORMAT);
	}
	recipient_end(&r);
}

static void unfit_recipients(void **state)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(buf) struct buf *sealed = NULL;
	struct recipient p384 = recipient(enrollment_ec("P-384"));
	struct recipient weak = recipient(enrollment_rsa(1024));
	struct recipient ca = recipient(enrollment_ec("P-256"));
	struct recipient unsound = recipient(enrollment_unsound());
	struct recipient good = recipient(enrollment_rsa(2048));

	assert_ok(seal_recipient(good.cert));
	assert_err(seal_recipient(p384.cert), &ERR_CERT_NOT_ELIGIBLE);
	assert_err_text(seal_recipient(unsound.cert), &ERR_CERT_NOT_ELIGIBLE, "exponent");
	assert_err(seal(key, p384.cert, &context, &sealed), &ERR_CERT_NOT_ELIGIBLE);
	assert_err(seal(key, weak.cert, &context, &sealed), &ERR_CERT_NOT_ELIGIBLE);
	X509_free(ca.cert);
	ca.cert = enrollment_cert("CA", ca.key, NULL, ca.key, true, 1795000000000);
	assert_err_text(seal(key, ca.cert, &context, &sealed), &ERR_CERT_NOT_ELIGIBLE, "agreement");
	while (X509_get_ext_count(ca.cert))
		X509_EXTENSION_free(X509_delete_ext(ca.cert, 0));
	X509_sign(ca.cert, ca.key, EVP_sha256());
	AUTO(buf) struct buf *der = cert_der(ca.cert);
	AUTO(x509) X509 *bare = NULL;
	assert_ok(cert_parse(buf_bytes(der), &bare));
	assert_err_text(seal(key, bare, &context, &sealed), &ERR_CERT_NOT_ELIGIBLE, "identifier");
	assert_null(sealed);
	recipient_end(&p384);
	recipient_end(&weak);
	recipient_end(&ca);
	recipient_end(&unsound);
	recipient_end(&good);
}

/* --- memory --- */

/* How often needle stands in the writable memory of this process, the secret's own pages aside. */
static size_t count_in_memory(const uint8_t *needle, size_t len)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	FILE *mem = fopen("/proc/self/mem", "re");
	char line[512];
	size_t found = 0;

	assert_non_null(maps);
	assert_non_null(mem);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char mode[5];
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 ||
			strncmp(mode, "rw", 2) != 0 || strstr(line, "[stack]") ||
			to - from > 64 << 20)
			continue;
		char *copy = malloc(to - from);
		fseek(mem, (long)from, SEEK_SET);
		size_t got = fread(copy, 1, to - from, mem);
		for (char *at = copy; (at = memmem(at, got - (size_t)(at - copy), needle, len));
			at++)
			found++;
		explicit_bzero(copy, to - from);
		free(copy);
	}
	fclose(maps);
	fclose(mem);
	return found;
}

static void no_copy_of_the_key_stays(void **state)
{
	struct recipient r = recipient(enrollment_ec("P-256"));
	AUTO(buf) struct buf *sealed = NULL;
	/* Its private number as it stands in encodings and, the other way round, in OpenSSL's numbers. What is looked
	 * for is kept in pages that are found once and wiped, on no heap. */
	struct secret *needles[] = { secret_new(32), secret_new(32) };
	EVP_PKEY *key = sig_new_p256();
	BIGNUM *d = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
	BN_bn2binpad(d, secret_room(needles[0]), 32);
	BN_bn2lebinpad(d, secret_room(needles[1]), 32);
	BN_clear_free(d);
	assert_true(count_in_memory(secret_room(needles[1]), 32) > 1);
	assert_ok(seal(key, r.cert, &context, &sealed));
	EVP_PKEY_free(key);
	key = NULL;
	assert_ok(unseal(buf_bytes(sealed), r.key, r.cert, &context, &key));
	EVP_PKEY_free(key);
	assert_int_equal(count_in_memory(secret_room(needles[0]), 32), 1);
	assert_int_equal(count_in_memory(secret_room(needles[1]), 32), 1);
	secret_free(needles[0]);
	secret_free(needles[1]);
	recipient_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_to_every_recipient),
		cmocka_unit_test(only_the_recipient_opens),
		cmocka_unit_test(only_for_what_it_was_made),
		cmocka_unit_test(nothing_can_be_changed),
		cmocka_unit_test(other_forms_are_refused),
		cmocka_unit_test(unfit_recipients),
		cmocka_unit_test(no_copy_of_the_key_stays),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
