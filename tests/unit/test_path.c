/* test_path.c: path building where OpenSSL alone goes astray, and what the person hears when there is no good path. */
#include "tests/unit/unit.h"

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "evidence/path.h"
#include "tests/unit/enrollment.h"

#define NOW INT64_C(1795000000000)
#define DAY INT64_C(86400000)

struct entity {
	EVP_PKEY *key;
	X509 *cert;
};

#define ENTITIES_MAX 128

/* Everything that a test makes, freed at its end. */
static struct {
	struct entity made[ENTITIES_MAX];
	size_t n;
	STACK_OF(X509) *anchors, *untrusted;
	STACK_OF(X509_CRL) *crls;
} world;

static int world_start(void **state)
{
	world.anchors = sk_X509_new_null();
	world.untrusted = sk_X509_new_null();
	world.crls = sk_X509_CRL_new_null();
	return 0;
}

static int world_end(void **state)
{
	for (size_t i = 0; i < world.n; i++) {
		EVP_PKEY_free(world.made[i].key);
		X509_free(world.made[i].cert);
	}
	sk_X509_free(world.anchors);
	sk_X509_free(world.untrusted);
	sk_X509_CRL_pop_free(world.crls, X509_CRL_free);
	memset(&world, 0, sizeof(world));
	return 0;
}

static struct entity *keep(EVP_PKEY *take_key, X509 *take_cert)
{
	struct entity *e = &world.made[world.n++];

	assert_true(world.n <= ENTITIES_MAX);
	*e = (struct entity){ take_key, take_cert };
	return e;
}

static struct entity *root(const char *name)
{
	EVP_PKEY *key = sig_new_p256();

	return keep(key, enrollment_cert(name, key, NULL, key, true, NOW));
}

static struct entity *issue(const struct entity *issuer, const char *name, bool is_ca)
{
	EVP_PKEY *key = sig_new_p256();

	return keep(key, enrollment_cert(name, key, issuer->cert, issuer->key, is_ca, NOW));
}

/* A cross certificate: the same name and key as subject's, from another issuer. */
static struct entity *cross(const struct entity *issuer, const struct entity *subject)
{
	char name[64];

	X509_NAME_get_text_by_NID(
		X509_get_subject_name(subject->cert), NID_commonName, name, sizeof(name));
	EVP_PKEY_up_ref(subject->key);
	return keep(subject->key,
		enrollment_cert(name, subject->key, issuer->cert, issuer->key, true, NOW));
}

static void resign(struct entity *e, const struct entity *issuer)
{
	assert_true(X509_sign(e->cert, issuer->key, EVP_sha256()) > 0);
}

static void add_ext(struct entity *e, int nid, const char *value)
{
	X509_EXTENSION *ext = enrollment_ext(nid, value);

	X509_add_ext(e->cert, ext, -1);
	X509_EXTENSION_free(ext);
}

static void crl(const struct entity *issuer, const struct entity *revoked, int64_t next_update_ms)
{
	X509_CRL *c = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)((NOW - DAY) / 1000));

	X509_CRL_set_version(c, 1);
	X509_CRL_set_issuer_name(c, X509_get_subject_name(issuer->cert));
	X509_CRL_set1_lastUpdate(c, t);
	if (revoked) {
		X509_REVOKED *r = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->cert));
		X509_REVOKED_set_revocationDate(r, t);
		X509_CRL_add0_revoked(c, r);
	}
	ASN1_TIME_set(t, (time_t)(next_update_ms / 1000));
	X509_CRL_set1_nextUpdate(c, t);
	ASN1_TIME_free(t);
	assert_true(X509_CRL_sign(c, issuer->key, EVP_sha256()) > 0);
	sk_X509_CRL_push(world.crls, c);
}

static struct path_params params(void)
{
	return (struct path_params){ .time_ms = NOW,
		.anchors = world.anchors,
		.untrusted = world.untrusted,
		.crls = world.crls };
}

static struct err *build(const struct entity *leaf, const struct path_params *p)
{
	AUTO(path) struct path *path = NULL;

	return path_build(leaf->cert, p, &path);
}

static void the_shortest(void **state)
{
	struct entity *r = root("root"), *leaf = issue(r, "leaf", false);
	struct path_params p = params();
	AUTO(path) struct path *path = NULL;

	sk_X509_push(world.anchors, r->cert);
	assert_ok(path_build(leaf->cert, &p, &path));
	assert_int_equal(sk_X509_num(path_certs(path)), 2);
	assert_int_equal(X509_cmp(path_anchor(path), r->cert), 0);
}

/* The anchor is an issuing CA; its own issuer is not known here. */
static void an_anchor_in_the_middle(void **state)
{
	struct entity *r = root("root"), *ca = issue(r, "ca", true),
		      *leaf = issue(ca, "leaf", false);
	struct path_params p = params();

	sk_X509_push(world.anchors, ca->cert);
	assert_ok(build(leaf, &p));
	p.check_revocation = true;
	assert_err(build(leaf, &p), &ERR_REVOCATION_UNKNOWN);
	crl(ca, NULL, NOW + DAY);
	assert_ok(build(leaf, &p));
}

static void the_leaf_is_no_anchor(void **state)
{
	struct entity *r = root("root");
	struct path_params p = params();

	sk_X509_push(world.anchors, r->cert);
	assert_err(build(r, &p), &ERR_CERT_UNTRUSTED);
}

/* Two ways up from the same CA: the first is a dead end. OpenSSL alone takes it and stops. */
static void goes_back_from_a_dead_end(void **state)
{
	struct entity *good = root("good root"), *lost = root("lost root");
	struct entity *ca = issue(good, "ca", true);
	struct entity *bridge = cross(lost, ca);
	struct entity *leaf = issue(ca, "leaf", false);
	struct path_params p = params();

	sk_X509_push(world.anchors, good->cert);
	sk_X509_push(world.untrusted, bridge->cert);
	sk_X509_push(world.untrusted, lost->cert);
	sk_X509_push(world.untrusted, ca->cert);
	assert_ok(build(leaf, &p));
}

static void goes_back_from_name_constraints(void **state)
{
	struct entity *a = root("a"), *b = root("b"), *ca = issue(b, "ca", true);
	struct entity *narrow = cross(a, ca), *leaf = issue(ca, "leaf", false);
	struct path_params p = params();

	add_ext(narrow, NID_name_constraints, "critical,permitted;email:.example.org");
	resign(narrow, a);
	add_ext(leaf, NID_subject_alt_name, "email:ann@example.com");
	resign(leaf, ca);
	sk_X509_push(world.anchors, a->cert);
	sk_X509_push(world.untrusted, narrow->cert);
	sk_X509_push(world.untrusted, ca->cert);
	assert_err_text(build(leaf, &p), &ERR_CERT_PATH, "permitted");
	sk_X509_push(world.anchors, b->cert);
	assert_ok(build(leaf, &p));
}

/* Twenty CAs of one name that certify each other in all directions: bounded work, and an answer. */
static void a_maze_ends(void **state)
{
	struct entity *cas[20];
	struct path_params p = params();
	struct entity *anchor = root("elsewhere");
	struct entity *r = root("maze");

	for (size_t i = 0; i < ARRAY_LEN(cas); i++)
		cas[i] = cross(r, r);
	for (size_t i = 0; i < ARRAY_LEN(cas); i++)
		sk_X509_push(world.untrusted, cas[i]->cert);
	struct entity *leaf = issue(r, "leaf", false);
	sk_X509_push(world.anchors, anchor->cert);
	assert_err(build(leaf, &p), &ERR_CERT_UNTRUSTED);
}

static void longer_than_allowed(void **state)
{
	struct entity *r = root("root"), *ca = r;
	struct path_params p = params();

	sk_X509_push(world.anchors, r->cert);
	for (int depth = 2; depth <= PATH_LEN_MAX; depth++) {
		AUTO_MEM char *name = xasprintf("ca%d", depth);
		struct entity *leaf = issue(ca, "leaf", false);
		assert_ok(build(leaf, &p));
		ca = issue(ca, name, true);
		sk_X509_push(world.untrusted, ca->cert);
	}
	assert_err(build(issue(ca, "leaf", false), &p), &ERR_CERT_UNTRUSTED);
}

static void kinds_of_refusal(void **state)
{
	struct entity *r = root("root"), *other = root("root"), *leaf = issue(r, "leaf", false);
	struct path_params p = params();

	assert_err(build(leaf, &p), &ERR_CERT_UNTRUSTED);
	sk_X509_push(world.anchors, r->cert);
	p.time_ms = NOW + 400 * DAY;
	assert_err(build(leaf, &p), &ERR_CERT_EXPIRED);
	p.time_ms = NOW - 2 * DAY;
	assert_err(build(leaf, &p), &ERR_CERT_NOT_YET);
	p.time_ms = NOW;
	/* The right name, another key, no key identifier that would tell. */
	struct entity *forged = issue(other, "forged", false);
	assert_err_text(build(forged, &p), &ERR_CERT_PATH, "signature");
	struct entity *below = issue(leaf, "below", false);
	sk_X509_push(world.untrusted, leaf->cert);
	assert_err(build(below, &p), &ERR_CERT_PATH);
}

static void revocation(void **state)
{
	struct entity *r = root("root"), *ca = issue(r, "ca", true),
		      *leaf = issue(ca, "leaf", false);
	struct path_params p = params();
	AUTO(path) struct path *path = NULL;
	const uint8_t(*digests)[SHA256_LEN];

	p.check_revocation = true;
	sk_X509_push(world.anchors, r->cert);
	sk_X509_push(world.untrusted, ca->cert);
	crl(r, NULL, NOW + DAY);
	assert_err_text(build(leaf, &p), &ERR_REVOCATION_UNKNOWN, "no CRL for the certificate");
	crl(ca, NULL, NOW - DAY / 2);
	assert_err_text(build(leaf, &p), &ERR_REVOCATION_UNKNOWN, "expired");
	crl(ca, NULL, NOW + DAY);
	assert_ok(path_build(leaf->cert, &p, &path));
	assert_int_equal(path_proofs(path, &digests), 2);
	struct entity *bad = issue(ca, "bad", false);
	sk_X509_CRL_pop_free(world.crls, X509_CRL_free);
	p.crls = world.crls = sk_X509_CRL_new_null();
	crl(r, NULL, NOW + DAY);
	crl(ca, bad, NOW + DAY);
	assert_err_text(build(bad, &p), &ERR_CERT_REVOKED, "is revoked");
	assert_ok(build(leaf, &p));
	/* Expired and revoked: it is the revocation that counts. */
	p.time_ms = NOW + DAY / 2;
	ASN1_TIME_set(X509_getm_notAfter(bad->cert), (time_t)(NOW / 1000));
	resign(bad, ca);
	assert_err(build(bad, &p), &ERR_CERT_REVOKED);
}

static void a_revoked_ca(void **state)
{
	struct entity *r = root("root"), *ca = issue(r, "ca", true),
		      *leaf = issue(ca, "leaf", false);
	struct path_params p = params();

	p.check_revocation = true;
	sk_X509_push(world.anchors, r->cert);
	sk_X509_push(world.untrusted, ca->cert);
	crl(r, ca, NOW + DAY);
	crl(ca, NULL, NOW + DAY);
	assert_err_text(build(leaf, &p), &ERR_CERT_REVOKED, "CN=ca");
}

/* Somebody on the network sends a newer list of the same name that nobody signed. */
static void a_forged_crl_hides_nothing(void **state)
{
	struct entity *r = root("root"), *forger = root("root"), *leaf = issue(r, "leaf", false);
	struct path_params p = params();

	p.check_revocation = true;
	sk_X509_push(world.anchors, r->cert);
	crl(forger, NULL, NOW + 9 * DAY);
	crl(r, NULL, NOW + DAY);
	crl(forger, leaf, NOW + 10 * DAY);
	assert_ok(build(leaf, &p));
	sk_X509_CRL_pop_free(world.crls, X509_CRL_free);
	p.crls = world.crls = sk_X509_CRL_new_null();
	crl(forger, NULL, NOW + DAY);
	assert_err(build(leaf, &p), &ERR_REVOCATION_UNKNOWN);
}

static void decided_by_ocsp(void **state)
{
	struct entity *r = root("root"), *ca = issue(r, "ca", true),
		      *leaf = issue(ca, "leaf", false);
	struct path_params p = params();

	p.check_revocation = true;
	p.cleared = sk_X509_new_null();
	sk_X509_push(world.anchors, r->cert);
	sk_X509_push(world.untrusted, ca->cert);
	crl(r, NULL, NOW + DAY);
	sk_X509_push(p.cleared, ca->cert);
	assert_err(build(leaf, &p), &ERR_REVOCATION_UNKNOWN);
	sk_X509_push(p.cleared, leaf->cert);
	assert_ok(build(leaf, &p));
	/* A list that names it counts all the same. */
	crl(ca, leaf, NOW + DAY);
	assert_err(build(leaf, &p), &ERR_CERT_REVOKED);
	sk_X509_free(p.cleared);
}

static void what_to_fetch(void **state)
{
	struct entity *r = root("root"), *ca = issue(r, "ca", true),
		      *leaf = issue(ca, "leaf", false);
	struct path_params p = params();

	sk_X509_push(world.anchors, r->cert);
	sk_X509_push(world.untrusted, ca->cert);
	AUTO(x509_stack) STACK_OF(X509) *both = path_missing_crls(&p, leaf->cert);
	assert_int_equal(sk_X509_num(both), 2);
	crl(ca, NULL, NOW + DAY);
	AUTO(x509_stack) STACK_OF(X509) *one = path_missing_crls(&p, leaf->cert);
	assert_int_equal(sk_X509_num(one), 1);
	assert_int_equal(X509_cmp(sk_X509_value(one, 0), ca->cert), 0);
	crl(r, NULL, NOW + DAY);
	AUTO(x509_stack) STACK_OF(X509) *none = path_missing_crls(&p, leaf->cert);
	assert_int_equal(sk_X509_num(none), 0);
	/* Of an issuer that no anchor stands behind nothing is fetched. */
	struct entity *stranger = root("stranger"), *theirs = issue(stranger, "theirs", false);
	AUTO(x509_stack) STACK_OF(X509) *nothing = path_missing_crls(&p, theirs->cert);
	assert_int_equal(sk_X509_num(nothing), 0);
}

static void policies(void **state)
{
	static const char *const wanted[] = { "1.2.3.4", NULL };
	struct entity *r = root("root"), *ca = issue(r, "ca", true),
		      *with = issue(ca, "with", false);
	struct entity *without = issue(ca, "without", false);
	struct path_params p = params();
	AUTO(path) struct path *path = NULL, *plain = NULL;

	add_ext(ca, NID_certificate_policies, "1.2.3.4,1.2.3.5");
	resign(ca, r);
	add_ext(with, NID_certificate_policies, "1.2.3.4,1.2.3.6");
	resign(with, ca);
	sk_X509_push(world.anchors, r->cert);
	sk_X509_push(world.untrusted, ca->cert);
	assert_ok(build(without, &p));
	/* Policies asked for or not: the set says what the whole path supports. */
	assert_ok(path_build(with->cert, &p, &plain));
	assert_true(path_has_policy(plain, "1.2.3.4"));
	assert_false(path_has_policy(plain, "1.2.3.5"));
	assert_false(path_has_policy(plain, "1.2.3.6"));
	p.policies = wanted;
	assert_err(build(without, &p), &ERR_POLICY);
	assert_ok(path_build(with->cert, &p, &path));
	assert_true(path_has_policy(path, "1.2.3.4"));
	p.policy_optional = true;
	assert_ok(build(without, &p));
}

/* Any policy will do, but one there must be, says the CA. */
static void an_explicit_policy(void **state)
{
	struct entity *r = root("root"), *ca = issue(r, "ca", true);
	struct entity *with = issue(ca, "with", false), *without = issue(ca, "without", false);
	struct path_params p = params();

	add_ext(ca, NID_certificate_policies, "1.2.3.4");
	add_ext(ca, NID_policy_constraints, "critical,requireExplicitPolicy:0");
	resign(ca, r);
	add_ext(with, NID_certificate_policies, "1.2.3.4");
	resign(with, ca);
	sk_X509_push(world.anchors, r->cert);
	sk_X509_push(world.untrusted, ca->cert);
	assert_ok(build(with, &p));
	assert_err(build(without, &p), &ERR_POLICY);
}

static void weak_keys(void **state)
{
	EVP_PKEY *rsa = enrollment_rsa(1024);
	struct entity *r = root("root");
	struct entity *leaf = keep(rsa, enrollment_cert("leaf", rsa, r->cert, r->key, false, NOW));
	struct path_params p = params();

	sk_X509_push(world.anchors, r->cert);
	assert_err_text(build(leaf, &p), &ERR_CERT_PATH, "weak");
	p.allow_weak = true;
	assert_ok(build(leaf, &p));
	struct entity *sha1 = issue(r, "sha1", false);
	X509_sign(sha1->cert, r->key, EVP_sha1());
	p.allow_weak = false;
	assert_err_text(build(sha1, &p), &ERR_CERT_PATH, "weak");
}

static void sign_crl(const struct entity *issuer, const EVP_MD *md, bool pss)
{
	X509_CRL *c = sk_X509_CRL_value(world.crls, 0);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;

	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, md, NULL, issuer->key), 1);
	if (pss)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
	assert_true(X509_CRL_sign_ctx(c, ctx) > 0);
	EVP_MD_CTX_free(ctx);
}

/* What SHA-1 signs is no proof that a certificate is not revoked, either. */
static void weak_crls(void **state)
{
	static const struct {
		const char *digest;
		bool rsa, pss, good;
	} cases[] = {
		{ "SHA256", false, false, true },
		{ "SHA1", false, false, false },
		{ "SHA256", true, false, true },
		{ "SHA1", true, false, false },
		{ "MD5", true, false, false },
		{ "SHA256", true, true, true },
		{ "SHA1", true, true, false },
	};
	EVP_PKEY *rsa = enrollment_rsa(2048);
	struct entity *ec_root = root("root");
	struct entity *rsa_root = keep(rsa, enrollment_cert("rsa root", rsa, NULL, rsa, true, NOW));

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct entity *r = cases[i].rsa ? rsa_root : ec_root;
		struct entity *leaf = issue(r, "leaf", false);
		sk_X509_CRL_pop_free(world.crls, X509_CRL_free);
		world.crls = sk_X509_CRL_new_null();
		crl(r, NULL, NOW + DAY);
		sign_crl(r, EVP_get_digestbyname(cases[i].digest), cases[i].pss);
		struct path_params p = params();
		p.check_revocation = true;
		while (sk_X509_num(world.anchors))
			sk_X509_pop(world.anchors);
		sk_X509_push(world.anchors, r->cert);
		AUTO(err) struct err *e = build(leaf, &p);
		if (!e != cases[i].good)
			fail_msg("case %zu: %s", i, e ? err_get_text(e) : "accepted");
		assert_true(!e || (err_is(e, &ERR_REVOCATION_UNKNOWN) &&
					  strstr(err_get_text(e), "weak")));
		p.allow_weak = true;
		assert_ok(build(leaf, &p));
	}
}

/* A constraint that nobody here can judge is a refusal for good: trying again does not help. */
static void unknown_name_constraints(void **state)
{
	struct entity *r = root("root"), *ca = issue(r, "ca", true);
	struct entity *leaf = issue(ca, "leaf", false);
	struct path_params p = params();

	add_ext(ca, NID_name_constraints,
		"critical,permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:@example.org");
	resign(ca, r);
	add_ext(leaf, NID_subject_alt_name,
		"otherName:1.3.6.1.4.1.311.20.2.3;UTF8:ann@example.org");
	resign(leaf, ca);
	sk_X509_push(world.anchors, r->cert);
	sk_X509_push(world.untrusted, ca->cert);
	assert_err_text(build(leaf, &p), &ERR_CERT_PATH, "constraint");
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_start, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(the_shortest),
		WORLD_TEST(an_anchor_in_the_middle),
		WORLD_TEST(the_leaf_is_no_anchor),
		WORLD_TEST(goes_back_from_a_dead_end),
		WORLD_TEST(goes_back_from_name_constraints),
		WORLD_TEST(a_maze_ends),
		WORLD_TEST(longer_than_allowed),
		WORLD_TEST(kinds_of_refusal),
		WORLD_TEST(revocation),
		WORLD_TEST(a_revoked_ca),
		WORLD_TEST(a_forged_crl_hides_nothing),
		WORLD_TEST(decided_by_ocsp),
		WORLD_TEST(what_to_fetch),
		WORLD_TEST(policies),
		WORLD_TEST(an_explicit_policy),
		WORLD_TEST(weak_keys),
		WORLD_TEST(weak_crls),
		WORLD_TEST(unknown_name_constraints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
