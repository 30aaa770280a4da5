/* test_ca_settings.c: ca.conf: what it may say, and how it is refused; templates; the ceremony. */
#include "tests/unit/unit.h"

#include "tests/unit/ca_world.h"

#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "daemon/ca/build.h"
#include "daemon/ca/ca.h"
#include "daemon/ca/init.h"
#include "daemon/ca/template.h"
#include "evidence/cert.h"
#include "evidence/seal.h"
#include "proto/msg.h"
#include "tests/unit/enrollment.h"

/* --- configuration --- */

static const char good_profile[] =
	"purpose = \"authentication\"\neku = {\"clientAuth\"}\nsubject = \"CN=${name}\"\n";

static struct err *load(struct world *w, const char *conf)
{
	AUTO(settings) struct settings *s = NULL;
	AUTO_MEM char *path = world_path(w, "test.conf");

	world_write(w, "test.conf", BYTES(conf, strlen(conf)));
	return settings_load(path, &s);
}

static void refuse(struct world *w, const char *take_conf, const char *part)
{
	AUTO_MEM const char *conf = take_conf;
	AUTO(err) struct err *e = load(w, conf);

	if (!e || !err_is(e, &ERR_CONFIG) || !strstr(err_get_text(e), part))
		fail_msg("%s\n%s", conf, e ? err_get_text(e) : "accepted");
}

/* A later value in a profile overrides an earlier one. */
static char *profile_with(const char *line)
{
	return xasprintf("profile \"p\" {\n%s%s\n}\n", good_profile, line);
}

static void profiles_that_are_refused(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);

	assert_ok(load(w, ""));
	AUTO_MEM char *good = profile_with("");
	assert_ok(load(w, good));
	refuse(w, profile_with("key = \"moon\""), "key must be one of");
	refuse(w, profile_with("key-type = \"rsa1024\""), "key-type must be one of");
	refuse(w, profile_with("validity = \"1097d\""), "1096 days");
	refuse(w, profile_with("validity = \"soon\""), "validity");
	refuse(w, profile_with("key-usage = {\"keyCertSign\"}"), "key-usage");
	refuse(w, profile_with("key-usage = {\"keyAgreement\"}"), "key-usage");
	refuse(w, profile_with("eku = {}"), "at least one");
	refuse(w, profile_with("eku = {\"anyExtendedKeyUsage\"}"), "not for holders");
	refuse(w, profile_with("eku = {\"codeSigning\"}"), "not for holders");
	refuse(w, profile_with("eku = {\"nonsense here\"}"), "no object identifier");
	refuse(w, profile_with("policies = {\"1.2.bad\"}"), "no object identifier");
	refuse(w, profile_with("subject = \"name=${name}\""), "subject");
	refuse(w, profile_with("subject = \"CN=\""), "no value");
	refuse(w, profile_with("subject = \"CN=${nmae}\""), "no variable \"nmae\"");
	refuse(w, profile_with("subject = \"CN=${name\""), "without");
	refuse(w, profile_with("san = {\"dns:x\"}"), "san");
	refuse(w, profile_with("san = {\"mail:\"}"), "san");
	refuse(w, profile_with("sid = \"maybe\""), "sid must be one of");
	refuse(w, profile_with("crl = {\"ftp://x/\"}"), "http://");
	refuse(w, profile_with("colour = \"red\""), "colour");
	refuse(w, profile_with("purpose = \"encryption\""), "made by the server");
	refuse(w, profile_with("purpose = \"encryption\"\nkey = \"server\""), "escrow");
	refuse(w, xasprintf("profile \"a\" {%s}\nprofile \"b\" {%s}\n", good_profile, good_profile),
		"second profile");
}

static void other_things_that_are_refused(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);

	refuse(w, xstrdup("nonce-lifetime = \"6min\""), "nonce-lifetime");
	refuse(w, xstrdup("offer-lifetime = \"16min\""), "offer-lifetime");
	refuse(w, xstrdup("crl-every = \"5d\""), "twice");
	refuse(w, xstrdup("anchor \"a\" {}"), "certificate is needed");
	refuse(w, xstrdup("anchor \"a\" {certificate = \"missing.pem\"}"), "missing.pem");
	refuse(w, xstrdup("anchor \"a\" {certificate = \"root.crl\"}"), "root.crl");
	refuse(w, xstrdup("anchor \"a\" {certificate = \"root.pem\"\nidentify = {\"face\"}}"),
		"identify");
	refuse(w, xstrdup("anchor \"a\" {certificate = \"root.pem\"\nidentify = {}}"), "identify");
	refuse(w, xstrdup("anchor \"a\" {certificate = \"root.pem\"\nrevocation = \"none\"}"),
		"revocation");
	refuse(w,
		xstrdup("anchor \"a\" {certificate = \"root.pem\"\nother-certificates = \"all\"}"),
		"other-certificates");
	refuse(w, xstrdup("escrow = {\"missing.pem\"}"), "missing.pem");
	refuse(w, xstrdup("escrow = {\"root.pem\"}"), "not for key agreement");
	refuse(w, xstrdup("history = \"root.pem\""), "not for key agreement");
	refuse(w, xstrdup("app \"Bad Name\" {file = \"root.pem\"}"), "app");
	refuse(w, xstrdup("app \"mail\" {file = \"missing\"}"), "missing");
	assert_ok(load(w, "anchor \"a\" {certificate = \"root.pem\"}"));
	assert_ok(load(w, "nonce-lifetime = \"1min\"\noffer-lifetime = \"5min\""));
}

/* A date that nobody can read would be the end of whoever asks for it later. */
static void a_certificate_without_a_date(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(x509) X509 *cert = X509_dup(w->ca);
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;

	assert_int_equal(ASN1_STRING_set(X509_getm_notAfter(cert), "991332000000Z", 13), 1);
	assert_true(X509_sign(cert, w->root_key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	long len = BIO_get_mem_data(bio, &data);
	world_write(w, "bad.pem", BYTES(data, (size_t)len));
	BIO_free(bio);
	refuse(w,
		xstrdup("anchor \"a\" {certificate = \"root.pem\"\nintermediates = {\"bad.pem\"}}"),
		"date");
}

/* Like the officer's certificate, with another key. */
static void write_recipient(struct world *w, EVP_PKEY *key, const char *usage)
{
	AUTO(x509) X509 *cert = X509_dup(w->officer);
	X509_EXTENSION *ext = enrollment_ext(NID_key_usage, usage);

	X509_set_pubkey(cert, key);
	X509_EXTENSION_free(X509_delete_ext(cert, X509_get_ext_by_NID(cert, NID_key_usage, -1)));
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
	assert_true(X509_sign(cert, w->officer_key, EVP_sha256()) > 0);
	AUTO(buf) struct buf *der = cert_der(cert);
	world_write(w, "recipient.crt", buf_bytes(der));
}

/* Whoever holds copies of all encryption keys must have a good key, and one that can be sealed to. */
static void recipients_that_are_refused(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(pkey) EVP_PKEY *unsound = enrollment_unsound(), *rsa = enrollment_rsa(2048);
	AUTO(pkey) EVP_PKEY *p384 = enrollment_ec("P-384");

	write_recipient(w, rsa, "critical,keyEncipherment");
	assert_ok(load(w, "escrow = {\"recipient.crt\"}\nhistory = \"recipient.crt\""));
	write_recipient(w, unsound, "critical,keyEncipherment");
	refuse(w, xstrdup("escrow = {\"recipient.crt\"}"), "exponent");
	refuse(w, xstrdup("history = \"recipient.crt\""), "exponent");
	write_recipient(w, p384, "critical,keyAgreement");
	refuse(w, xstrdup("escrow = {\"recipient.crt\"}"), "P-256 or RSA");
	write_recipient(w, rsa, "critical,digitalSignature");
	refuse(w, xstrdup("escrow = {\"recipient.crt\"}"), "not for key encipherment");
}

/* Bodies that are logged are read again: one encoding, and a digest that follows from every field. */
static void a_profile_has_one_body(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	static const char *const lines[] = { "", "key = \"server\"", "key-type = \"p384\"",
		"validity = \"2y\"", "eku = {\"clientAuth\", \"emailProtection\"}",
		"policies = {\"1.2.3.4\"}", "subject = \"CN=${name}, O=X\"",
		"san = {\"mail:${mail?}\"}", "sid = \"required\"", "crl = {\"http://a/\"}",
		"issuers = {\"http://a/\"}", "ocsp = {\"http://a/\"}" };
	uint8_t digests[ARRAY_LEN(lines)][SHA256_LEN];

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		AUTO(settings) struct settings *s = NULL;
		AUTO(profile) struct profile *p = NULL;
		AUTO_MEM char *conf = profile_with(lines[i]);
		AUTO_MEM char *path = world_path(w, "test.conf");
		world_write(w, "test.conf", BYTES(conf, strlen(conf)));
		assert_ok(settings_load(path, &s));
		assert_ok(profile_decode(buf_bytes(s->profiles[0]->body), &p));
		assert_memory_equal(p->digest, s->profiles[0]->digest, SHA256_LEN);
		memcpy(digests[i], p->digest, SHA256_LEN);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(digests[i], digests[k], SHA256_LEN);
		/* Any byte turned: another profile or none, never the same. */
		for (size_t at = 0; at < buf_len(p->body); at++) {
			AUTO(buf) struct buf *body = buf_new();
			AUTO(profile) struct profile *other = NULL;
			buf_add_bytes(body, buf_bytes(p->body));
			buf_grow(body, 0)[(ptrdiff_t)at - (ptrdiff_t)buf_len(body)] ^= 0x41;
			struct err *e = profile_decode(buf_bytes(body), &other);
			if (!e)
				assert_memory_not_equal(other->digest, p->digest, SHA256_LEN);
			err_free(e);
		}
	}
}

/* --- templates --- */

static struct err *fill(const char *template, char **ret)
{
	AUTO(facts) struct facts *f = facts_new();

	assert_ok(facts_add(f, FACT_NAME, "${mail} {x}"));
	assert_ok(facts_add(f, FACT_MAIL, "a@b.c"));
	assert_ok(facts_add(f, FACT_UPN, "no-at"));
	return template_fill(template, f, NULL, NULL, ret);
}

static void templates(void **state)
{
	AUTO_MEM char *a = NULL, *b = NULL, *c = NULL;
	char *none = NULL;

	assert_ok(fill("<${mail}|${mail.local}|${mail.domain}>", &a));
	assert_string_equal(a, "<a@b.c|a|b.c>");
	assert_ok(fill("${name}", &b)); /* nothing is expanded twice */
	assert_string_equal(b, "${mail} {x}");
	assert_ok(fill("x${sid?}", &c));
	assert_null(c);
	assert_err_text(fill("${sid}", &none), &ERR_POLICY, "no sid");
	assert_err(fill("${upn.local}", &none), &ERR_POLICY);
	assert_err(template_check("${", NULL), &ERR_CONFIG);
	assert_err(template_check("${}", NULL), &ERR_CONFIG);
	assert_err(template_check("${a.b.c}", NULL), &ERR_CONFIG);
	assert_ok(template_check("$ {} $x ${new-uuid} ${mail?}", NULL));
}

/* --- names in certificates --- */

static struct err *build_for(struct world *w, const char *line, const char *name, const char *value)
{
	AUTO(settings) struct settings *s = NULL;
	AUTO(facts) struct facts *f = facts_new();
	AUTO_MEM char *conf = profile_with(line);
	AUTO_MEM char *path = world_path(w, "test.conf");

	world_write(w, "test.conf", BYTES(conf, strlen(conf)));
	assert_ok(settings_load(path, &s));
	assert_ok(facts_add(f, name, value));
	if (strcmp(name, FACT_NAME) != 0)
		assert_ok(facts_add(f, FACT_NAME, "Ann"));
	return build_check(s->profiles[0], f);
}

static void names_that_no_certificate_has(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	static const char long_name[] =
		"0123456789012345678901234567890123456789012345678901234567890123456789";

	assert_ok(build_for(w, "", FACT_NAME, "Ann"));
	assert_ok(build_for(
		w, "", FACT_NAME, "\xc3\x84nn, O=Evil + CN=Root")); /* a value, not syntax */
	assert_err_text(build_for(w, "", FACT_NAME, long_name), &ERR_POLICY, "longer than 64");
	assert_err(
		build_for(w, "subject = \"CN=x, C=${country}\"", FACT_COUNTRY, "USA"), &ERR_POLICY);
	assert_err(build_for(w, "subject = \"CN=x, C=${country}\"", FACT_COUNTRY, "\xc3\x84"),
		&ERR_POLICY);
	assert_err(build_for(w, "san = {\"mail:${mail}\"}", FACT_MAIL, "\xc3\xa4@example.org"),
		&ERR_POLICY);
	assert_err(build_for(w, "san = {\"mail:${mail}\"}", FACT_MAIL, "nobody"), &ERR_POLICY);
	assert_err(build_for(w, "san = {\"mail:${mail}\"}", FACT_UPN, "x"), &ERR_POLICY);
	assert_err(build_for(w, "sid = \"required\"", FACT_UPN, "x"), &ERR_POLICY);
	assert_err_text(build_for(w, "subject = \"O=${organization?}\"", FACT_UPN, "x"),
		&ERR_POLICY, "empty");
}

/* --- the ceremony --- */

static void the_ceremony_is_held_once(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO_MEM char *officer = world_path(w, "officer.pem");
	struct init init = { .organization = "X",
		.algorithm = "p256",
		.host = "h",
		.port = "1",
		.n_pins = 1,
		.pins = { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" },
		.n_escrow = 1,
		.escrow = { officer } };
	char *report = NULL;

	assert_err_text(init_run(&init, &report), &ERR_CONFIG, "is not made again");
	/* What an interrupted ceremony leaves behind has another remedy. */
	AUTO_MEM char *deployment = world_path(w, "etc/deployment.conf");
	assert_int_equal(unlink(deployment), 0);
	assert_err_text(init_run(&init, &report), &ERR_CONFIG, "what an earlier init left was changed");
}

static void expect_whole(const struct init *init, const char *part)
{
	AUTO_MEM char *report = NULL;

	assert_ok(init_run(init, &report));
	assert_int_not_equal(access(part, F_OK), 0);
	struct state *s = world_open();
	assert_ok(s->backend->check(s));
	state_free(s);
}

/*
 * Killed in the middle: run again it makes another. Killed before the last rename: run again it makes that,
 * unless phones shall have another address.
 */
static void a_ceremony_that_was_killed(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO_MEM char *officer = world_path(w, "officer.pem");
	AUTO_MEM char *deployment = world_path(w, "etc/deployment.conf");
	AUTO_MEM char *part = world_path(w, "etc/deployment.conf.part");
	AUTO_MEM char *key = world_path(w, "state/keys/ca.key");
	AUTO(buf) struct buf *before = NULL;
	AUTO(buf) struct buf *after = NULL;
	struct init init = { .organization = "X",
		.algorithm = "p256",
		.host = "kiosk.example.org",
		.port = "4433",
		.n_pins = 1,
		.pins = { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" },
		.n_escrow = 1,
		.escrow = { officer } };

	assert_ok(io_read_file(key, 4096, &before));
	/* All was made but the name of deployment.conf. */
	assert_int_equal(rename(deployment, part), 0);
	expect_whole(&init, part);
	assert_ok(io_read_file(key, 4096, &after));
	assert_true(bytes_eq(buf_bytes(before), buf_bytes(after)));
	assert_int_equal(rename(deployment, part), 0);
	init.host = "other.example.org";
	init.n_escrow = 0;
	AUTO_MEM char *report = NULL;
	assert_err_text(init_run(&init, &report), &ERR_CONFIG, "--escrow");
	init.n_escrow = 1;
	expect_whole(&init, part);
	AUTO(deployment) struct deployment *d = NULL;
	assert_ok(deployment_load(deployment, &d));
	assert_string_equal(d->host, "other.example.org");
	/* Some was made. */
	assert_int_equal(unlink(deployment), 0);
	assert_ok(io_write_file(part, BYTES("", 0), 0644));
	expect_whole(&init, part);
	buf_free(after);
	after = NULL;
	assert_ok(io_read_file(key, 4096, &after));
	assert_false(bytes_eq(buf_bytes(before), buf_bytes(after)));
}

static void what_the_ceremony_needs(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO_MEM char *officer = world_path(w, "officer.pem");
	AUTO_MEM char *root = world_path(w, "root.pem");
	AUTO_MEM char *crl = world_path(w, "root.crl");
	const struct init good = { .organization = "X, \\ Y",
		.algorithm = "p384",
		.host = "h.example",
		.port = "443",
		.n_pins = 2,
		.pins = { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			root },
		.n_escrow = 1,
		.escrow = { officer },
		.history = officer,
		.url = "http://pki.example" };
	AUTO_MEM char *etc = world_path(w, "other/etc");
	AUTO_MEM char *st = world_path(w, "other/state");
	char *report = NULL;
	struct init init;

	assert_ok(io_mkdirs(etc, 0755));
	setenv("CONFIGURATION_DIRECTORY", etc, 1);
	setenv("STATE_DIRECTORY", st, 1);
#define WITHOUT(change, part)                                                                      \
	init = good;                                                                               \
	change;                                                                                    \
	assert_err_text(init_run(&init, &report), &ERR_CONFIG, part)
	WITHOUT(init.n_escrow = 0, "--escrow");
	WITHOUT(init.escrow[0] = crl, "--escrow");
	WITHOUT(init.organization = "", "--organization");
	WITHOUT(init.algorithm = "ed25519", "--algorithm");
	WITHOUT(init.host = "a b", "--host");
	WITHOUT(init.port = "0", "--port");
	WITHOUT(init.n_pins = 0, "--pin");
	WITHOUT(init.pins[0] = "/nonexistent", "--pin");
	assert_int_not_equal(access(st, F_OK), 0); /* nothing was written */
	assert_ok(init_run(&good, &report));
	free(report);
	struct state *s = world_open();
	uint8_t pin[SHA256_LEN];
	cert_key_hash(w->root, pin);
	assert_memory_equal(s->deployment->pins[1], pin, SHA256_LEN);
	assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(s->issuer->cert)), 384);
	assert_ok(s->backend->check(s));
	state_free(s);
}

/* Keys that others can read are not used. */
static void keys_are_private(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO_MEM char *path = world_path(w, "state/keys/ca.key");

	assert_int_equal(chmod(path, 0640), 0);
	assert_err_text(w->s->backend->check(w->s), &ERR_CA_MISCONFIGURED, "chmod 600");
	assert_int_equal(chmod(path, 0600), 0);
	assert_ok(w->s->backend->check(w->s));
}

static void keys_of_another_ca(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(pkey) EVP_PKEY *other = sig_new_p256();
	AUTO_MEM char *dir = world_path(w, "state/keys");
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(buf) struct buf *signature = NULL;
	AUTO_MSG Ca__Certified *c = NULL;

	world_enroll(r);
	assert_ok(keys_write_private(dir, KEY_CA, other));
	assert_err(world_certify(r, COMMON__PURPOSE__AUTHENTICATION, &c), &ERR_CA_MISCONFIGURED);
	state_free(w->s);
	assert_ok(keys_write_private(dir, KEY_DELIVERY, other));
	w->s = world_open();
	assert_err(state_sign_delivery(w->s, "x", BYTES("", 0), &signature), &ERR_CA_MISCONFIGURED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_that_are_refused),
		cmocka_unit_test(other_things_that_are_refused),
		cmocka_unit_test(a_certificate_without_a_date),
		cmocka_unit_test(recipients_that_are_refused),
		cmocka_unit_test(a_profile_has_one_body),
		cmocka_unit_test(templates),
		cmocka_unit_test(names_that_no_certificate_has),
		cmocka_unit_test(the_ceremony_is_held_once),
		cmocka_unit_test(a_ceremony_that_was_killed),
		cmocka_unit_test(what_the_ceremony_needs),
		cmocka_unit_test(keys_are_private),
		cmocka_unit_test(keys_of_another_ca),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
