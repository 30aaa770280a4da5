/* test_url.c: which addresses from certificates are taken, and which globs admit them. */
#include "tests/unit/unit.h"

#include "base/url.h"

static void test_good(void **state)
{
	AUTO(url) struct url *u = NULL;
	AUTO(url) struct url *v6 = NULL;

	assert_ok(url_parse("HTTP://CRL.Example.GOV:8080/Path/x.crl?y=1", &u));
	assert_string_equal(u->text, "http://crl.example.gov:8080/Path/x.crl?y=1");
	assert_string_equal(u->host, "crl.example.gov");
	assert_int_equal(u->port, 8080);
	assert_ok(url_parse("https://[2001:db8::1]/", &v6));
	assert_string_equal(v6->host, "2001:db8::1");
	assert_int_equal(v6->port, 443);
}

static void test_bad(void **state)
{
	static const char *const bad[] = { "", "http://", "file:///etc/passwd", "ldap://x/",
		"http:///x", "http://a b/", "http://user@host/", "http://good.gov:80@evil/",
		"http://host:70000/", "http://host:x/", "http://[::1/", "http://[::1]x/",
		"http://ho\\st/", "http://h/#f", "http://h\x01/", "http://\xc3\xa9/",
		"javascript:1", "http://a_b/", "http://h:80:80/" };
	struct url *u = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(url_parse(bad[i], &u), &ERR_FORMAT);
}

static void test_globs(void **state)
{
	static const char *const any[] = { "http://*", NULL };
	static const char *const dir[] = { "http://crl.gov/pki/*", NULL };
	static const char *const loop[] = { "http://127.0.0.1:*", "http://[::1]/*", NULL };
	AUTO(url) struct url *crl = NULL;
	AUTO(url) struct url *evil = NULL;
	AUTO(url) struct url *local = NULL;
	AUTO(url) struct url *local6 = NULL;

	assert_ok(url_parse("http://crl.gov/pki/a.crl", &crl));
	assert_ok(url_parse("http://crl.gov.evil.org/pki/a.crl", &evil));
	assert_ok(url_parse("http://127.0.0.1:99/x", &local));
	assert_ok(url_parse("http://[::1]/x", &local6));
	assert_true(url_matches(crl, any));
	assert_true(url_matches(crl, dir));
	assert_false(url_matches(evil, dir));
	assert_false(url_matches(crl, loop));
	assert_false(url_matches_host(local, any));
	assert_true(url_matches_host(local, loop));
	assert_true(url_matches_host(local6, loop));
	assert_true(url_matches_host(crl, dir));
}

/* A glob for a domain's hosts is not met by a path that looks like one. */
static void test_globs_keep_host_and_path_apart(void **state)
{
	static const char *const gov[] = { "http://*.example.gov/*", NULL };
	static const char *const ports[] = { "http://crl.gov:*", NULL };
	static const char *const bare[] = { "http://crl.gov", NULL };
	static const char *const all[] = { "*", NULL };
	static const char *const evil[] = { "http://169.254.169.254/x.example.gov/y",
		"http://evil.org/.example.gov/", "http://evil.org?.example.gov/",
		"http://evil.org/?a=http://crl.example.gov/x", "http://crl.example.gov.evil.org/x",
		"http://crl.example.gov", "https://crl.example.gov/x" };

	for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
		AUTO(url) struct url *u = NULL;
		assert_ok(url_parse(evil[i], &u));
		if (url_matches(u, gov))
			fail_msg("%s", evil[i]);
		assert_true(url_matches(u, all));
	}
	AUTO(url) struct url *good = NULL;
	AUTO(url) struct url *port = NULL;
	AUTO(url) struct url *plain = NULL;
	assert_ok(url_parse("http://a.crl.example.gov/x/y.crl?z=/", &good));
	assert_ok(url_parse("http://crl.gov:8080/a.crl", &port));
	assert_ok(url_parse("http://crl.gov", &plain));
	assert_true(url_matches(good, gov));
	assert_true(url_matches(port, ports));
	assert_false(url_matches(port, bare));
	assert_true(url_matches(plain, bare));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_globs_keep_host_and_path_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
