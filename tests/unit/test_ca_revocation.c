/* test_ca_revocation.c: CRLs that are fetched: through the real derivd-courier from a real web server. */
#include "tests/unit/unit.h"

#include "tests/unit/ca_world.h"

#include <openssl/x509v3.h>
#include <unistd.h>
#include <utime.h>

#include "base/io.h"
#include "daemon/ca/crl_store.h"
#include "daemon/ca/revocation.h"
#include "daemon/ca/verdict.h"
#include "evidence/cert.h"
#include "evidence/seal.h"
#include "proto/msg.h"
#include "tests/unit/enrollment.h"
#include "tests/unit/stand.h"

/* A world whose cards point to CRLs on a web server; only the root's CRL is a file. */
struct web_world {
	struct world *w;
	pid_t web, courier;
	unsigned int port;
	char *url;
	struct world_card *card;
};

static void write_conf(struct web_world *ww, const char *allow)
{
	AUTO_MEM char *conf =
		xasprintf("%s\nanchor \"test\" {\ncertificate = \"%s/root.pem\"\n"
			  "intermediates = {\"%s/issuer.pem\"}\ncrl-files = {\"%s/root.crl\"}\n}\n",
			allow, ww->w->dir, ww->w->dir, ww->w->dir);

	world_write(ww->w, "etc/ca.conf.d/10-test.conf", BYTES(conf, strlen(conf)));
	state_free(ww->w->s);
	ww->w->s = world_open();
}

static void publish(
	struct web_world *ww, X509 *issuer, EVP_PKEY *key, const X509 *revoked, int64_t validity_ms)
{
	AUTO(buf)
	struct buf *crl = world_make_crl(issuer, key, revoked, ++ww->w->crl_number, validity_ms);

	world_write(ww->w, "www/cards.crl", buf_bytes(crl));
}

static void publish_good(struct web_world *ww, const X509 *revoked)
{
	publish(ww, ww->w->ca, ww->w->ca_key, revoked, 30 * WORLD_DAY_MS);
}

/* With one extension more; value NULL: that of a delta CRL. */
static void publish_part(struct web_world *ww, int nid, const char *value)
{
	AUTO(buf)
	struct buf *whole = world_make_crl(
		ww->w->ca, ww->w->ca_key, NULL, ++ww->w->crl_number, 30 * WORLD_DAY_MS);
	AUTO(crl) X509_CRL *crl = NULL;
	AUTO(buf) struct buf *out = buf_new();
	ASN1_INTEGER *base = ASN1_INTEGER_new();

	assert_ok(crl_parse(buf_bytes(whole), &crl));
	if (value) {
		X509_EXTENSION *ext = enrollment_ext(nid, value);
		assert_int_equal(X509_CRL_add_ext(crl, ext, -1), 1);
		X509_EXTENSION_free(ext);
	} else {
		ASN1_INTEGER_set(base, 1);
		assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, 1, 0), 1);
	}
	ASN1_INTEGER_free(base);
	assert_true(X509_CRL_sign(crl, ww->w->ca_key, EVP_sha256()) > 0);
	uint8_t *p = buf_grow(out, (size_t)i2d_X509_CRL(crl, NULL));
	assert_true(i2d_X509_CRL(crl, &p) > 0);
	world_write(ww->w, "www/cards.crl", buf_bytes(out));
}

static struct web_world *web_world_new(void)
{
	struct web_world *ww = xcalloc(1, sizeof(*ww));
	AUTO_MEM char *program = stand_program("derivd-courier");
	static const char courier[] = "allow = {\"http://127.0.0.1:*\"}\n";

	ww->w = world_new(NULL);
	AUTO_MEM char *www = world_path(ww->w, "www");
	AUTO_MEM char *sock = world_path(ww->w, "run/courier.sock");
	assert_ok(io_mkdirs(www, 0755));
	world_write(ww->w, "etc/courier.conf", BYTES(courier, strlen(courier)));
	ww->web = stand_web(www, &ww->port);
	ww->courier = stand_listen(sock, program);
	ww->url = xasprintf("http://127.0.0.1:%u/cards.crl", ww->port);
	const struct world_card_options card = { .crl_url = ww->url };
	ww->card = world_new_card(ww->w, &card);
	publish_good(ww, NULL);
	write_conf(ww, "");
	return ww;
}

static void web_world_free(struct web_world *ww)
{
	stand_stop(ww->courier);
	stand_stop(ww->web);
	world_card_free(ww->card);
	world_free(ww->w);
	free(ww->url);
	free(ww);
}
DEFINE_AUTO(web_world, struct web_world *, web_world_free);

static struct err *assess(struct web_world *ww)
{
	AUTO(world_run) struct world_run *r = world_run_new(ww->w);

	state_begin(ww->w->s);
	r->card = ww->card;
	return world_assess(r);
}

static char *cache_file(const struct web_world *ww)
{
	return crl_store_path(ww->url);
}

/* Files have times of the real clock; the test's clock is elsewhere. */
static void stamp(const struct web_world *ww, int64_t ms)
{
	AUTO_MEM char *path = cache_file(ww);
	const struct utimbuf times = { (time_t)(ms / 1000), (time_t)(ms / 1000) };

	assert_int_equal(utime(path, &times), 0);
}

/* A new process, as each connection has: nothing is remembered but what the cache holds. */
static void forget(struct web_world *ww)
{
	state_free(ww->w->s);
	ww->w->s = world_open();
}

static void a_crl_is_fetched_and_kept(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO_MEM char *path = cache_file(ww);
	AUTO_MEM char *www = world_path(ww->w, "www/cards.crl");

	assert_ok(assess(ww));
	assert_int_equal(access(path, F_OK), 0);
	stamp(ww, world_now_ms);
	forget(ww);
	/* The server may go away now. */
	assert_int_equal(remove(www), 0);
	assert_ok(assess(ww));
}

static void a_revoked_card(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();

	publish_good(ww, ww->card->cert);
	assert_err(assess(ww), &ERR_CERT_REVOKED);
}

/* What is older than crl-refresh is fetched again; if that fails, what is not out of date serves on. */
static void it_is_refreshed(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO_MEM char *www = world_path(ww->w, "www/cards.crl");

	assert_ok(assess(ww));
	stamp(ww, world_now_ms);
	world_now_ms += 5 * 3600 * 1000;
	publish_good(ww, ww->card->cert);
	assert_err(assess(ww), &ERR_CERT_REVOKED);
	stamp(ww, world_now_ms);
	assert_int_equal(remove(www), 0);
	world_now_ms += 5 * 3600 * 1000;
	assert_err(assess(ww), &ERR_CERT_REVOKED);
	world_now_ms += 31 * WORLD_DAY_MS;
	AUTO(buf)
	struct buf *root = world_make_crl(ww->w->root, ww->w->root_key, NULL, 99, WORLD_DAY_MS);
	world_write(ww->w, "root.crl", buf_bytes(root));
	assert_err_text(assess(ww), &ERR_REVOCATION_UNKNOWN, "404");
}

static void what_comes_must_be_good(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO(pkey) EVP_PKEY *stranger = sig_new_p256();
	AUTO_MEM char *path = cache_file(ww);

	publish(ww, ww->w->ca, stranger, NULL, WORLD_DAY_MS);
	assert_err_text(assess(ww), &ERR_REVOCATION_UNKNOWN, "not signed");
	assert_int_not_equal(access(path, F_OK), 0);
	forget(ww);
	publish(ww, ww->w->ca, ww->w->ca_key, NULL, -1000);
	assert_err_text(assess(ww), &ERR_REVOCATION_UNKNOWN, "out of date");
	forget(ww);
	world_write(ww->w, "www/cards.crl", BYTES("<html>", 6));
	assert_err_text(assess(ww), &ERR_REVOCATION_UNKNOWN, "neither");
	assert_int_not_equal(access(path, F_OK), 0);
	/* Right after a failure the same URL is not tried again; a moment later it is. */
	publish_good(ww, NULL);
	assert_err_text(assess(ww), &ERR_REVOCATION_UNKNOWN, "a moment ago");
	world_now_ms += 31000;
	assert_ok(assess(ww));
}

/* One request has so much time for fetching and no more; the next one has as much again. */
static void when_others_took_too_long(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO(world_run) struct world_run *r = world_run_new(ww->w);

	state_begin(ww->w->s);
	r->card = ww->card;
	world_now_ms += REVOCATION_MS - 4000;
	struct err *e = world_assess(r);
	assert_int_equal(err_get_fate(e), FATE_RETRY);
	assert_err_text(e, &ERR_REVOCATION_UNKNOWN, "others took too long");
	assert_ok(assess(ww));
}

/* One point with two names for its CRL, the first of which leads nowhere. */
static void another_name_for_the_crl(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	CRL_DIST_POINTS *points =
		X509_get_ext_d2i(ww->card->cert, NID_crl_distribution_points, NULL, NULL);
	GENERAL_NAME *dead = a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_URI, "http://127.0.0.1:1/x", 0);

	GENERAL_NAMES *names = sk_DIST_POINT_value(points, 0)->distpoint->name.fullname;
	assert_int_equal(sk_GENERAL_NAME_unshift(names, dead), 2);
	assert_int_equal(X509_add1_ext_i2d(ww->card->cert, NID_crl_distribution_points, points, 0,
				 X509V3_ADD_REPLACE),
		1);
	CRL_DIST_POINTS_free(points);
	assert_true(X509_sign(ww->card->cert, ww->w->ca_key, EVP_sha256()) > 0);
	buf_free(ww->card->der);
	ww->card->der = cert_der(ww->card->cert);
	assert_ok(assess(ww));
}

/* Signed by a CA of the anchor, but not what this URL is for: it is not kept, so that the right one serves as soon as it is there. */
static void the_crl_of_another_ca(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO(buf) struct buf *before = NULL, *after = NULL;
	AUTO_MEM char *path = cache_file(ww);

	publish(ww, ww->w->root, ww->w->root_key, NULL, 30 * WORLD_DAY_MS);
	assert_err_text(assess(ww), &ERR_REVOCATION_UNKNOWN, "Card Root");
	assert_int_not_equal(access(path, F_OK), 0);
	forget(ww);
	publish_good(ww, NULL);
	assert_ok(assess(ww));
	/* Nor is it in place of what is there. */
	assert_ok(io_read_file(path, 1 << 20, &before));
	stamp(ww, world_now_ms - 5 * 3600 * 1000);
	publish(ww, ww->w->root, ww->w->root_key, NULL, 30 * WORLD_DAY_MS);
	assert_ok(assess(ww));
	assert_ok(io_read_file(path, 1 << 20, &after));
	assert_true(bytes_eq(buf_bytes(before), buf_bytes(after)));
}

/* Parts of a CRL: changes since another, for attributes, for CAs. */
static void a_crl_that_is_not_whole(void **state)
{
	static const struct {
		int nid;
		const char *value;
		bool good;
	} cases[] = {
		{ NID_issuing_distribution_point, "onlyAA:TRUE", false },
		{ NID_issuing_distribution_point, "onlyCA:TRUE", false },
		{ NID_issuing_distribution_point, "onlysomereasons:keyCompromise", false },
		{ NID_issuing_distribution_point, "onlyuser:TRUE", true },
		{ NID_delta_crl, NULL, false },
	};
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO_MEM char *path = cache_file(ww);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_MEM char *value =
			cases[i].value ? xasprintf("critical,%s", cases[i].value) : NULL;
		publish_part(ww, cases[i].nid, value);
		forget(ww);
		struct err *e = assess(ww);
		if (!e != cases[i].good)
			fail_msg("case %zu: %s", i, e ? err_get_text(e) : "accepted");
		assert_true(!e || err_is(e, &ERR_REVOCATION_UNKNOWN));
		assert_int_equal(access(path, F_OK) == 0, cases[i].good);
		err_free(e);
		(void)remove(path);
	}
}

/* An old CRL, rightly signed and not out of date, that hides a revocation. */
static void a_replayed_crl(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO(buf) struct buf *old = NULL;
	AUTO_MEM char *www = world_path(ww->w, "www/cards.crl");

	assert_ok(io_read_file(www, 1 << 20, &old));
	world_now_ms += 3600 * 1000;
	publish_good(ww, ww->card->cert);
	assert_err(assess(ww), &ERR_CERT_REVOKED);
	world_write(ww->w, "www/cards.crl", buf_bytes(old));
	stamp(ww, world_now_ms);
	world_now_ms += 5 * 3600 * 1000;
	assert_err(assess(ww), &ERR_CERT_REVOKED);
}

static void only_what_is_allowed(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();

	write_conf(ww, "fetch-allow = {\"http://crl.example.org/*\"}");
	assert_err_text(assess(ww), &ERR_REVOCATION_UNKNOWN, "fetch-allow");
}

/* A stranger's certificate makes nobody fetch anything. */
static void only_for_certificates_that_are_signed(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	const struct world_card_options options = {
		.crl_url = ww->url, .issuer = ww->w->ca, .issuer_key = key
	};
	AUTO(world_card) struct world_card *card = world_new_card(ww->w, &options);
	AUTO(world_run) struct world_run *r = world_run_new(ww->w);
	AUTO_MEM char *path = cache_file(ww);

	r->card = card;
	assert_err(world_assess(r), &ERR_CERT_PATH);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void without_a_courier(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO_MEM char *sock = world_path(ww->w, "run/courier.sock");

	assert_int_equal(remove(sock), 0);
	struct err *e = assess(ww);
	assert_int_equal(err_get_fate(e), FATE_RETRY);
	assert_err(e, &ERR_REVOCATION_UNKNOWN);
}

static void a_card_that_names_no_crl(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO(world_run) struct world_run *r = world_run_new(ww->w);

	assert_err_text(world_assess(r), &ERR_REVOCATION_UNKNOWN, "names no CRL");
}

/* The courier ends between two questions, as it may: the connection is made again. */
static void the_courier_comes_back(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	AUTO_MEM char *program = stand_program("derivd-courier");
	AUTO_MEM char *sock = world_path(ww->w, "run/courier.sock");

	assert_ok(assess(ww));
	stand_stop(ww->courier);
	ww->courier = stand_listen(sock, program);
	stamp(ww, world_now_ms);
	world_now_ms += 5 * 3600 * 1000;
	publish_good(ww, ww->card->cert);
	assert_err(assess(ww), &ERR_CERT_REVOKED);
}

static bool good_stands(struct web_world *ww, struct bytes der, int64_t now_ms)
{
	uint8_t hash[SHA256_LEN];

	sha256(der, hash);
	return revocation_stands(ww->w->s->revocation, hash, now_ms);
}

/* What was found good stands for the same process, CRLs and certificate, for ten minutes, and nowhere else. */
static void a_good_card_stands_for_a_while(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	struct bytes der = buf_bytes(ww->card->der), other = buf_bytes(ww->w->card->der);

	assert_false(good_stands(ww, der, world_now_ms));
	assert_ok(assess(ww));
	stamp(ww, world_now_ms);
	assert_ok(assess(ww));
	assert_true(good_stands(ww, der, world_now_ms));
	assert_false(good_stands(ww, other, world_now_ms));
	assert_true(good_stands(ww, der, world_now_ms + VERDICT_MS - 1));
	assert_false(good_stands(ww, der, world_now_ms + VERDICT_MS));
	assert_false(good_stands(ww, der, world_now_ms));
	assert_ok(assess(ww));
	assert_false(good_stands(ww, der, world_now_ms - 1));
	assert_ok(assess(ww));
	forget(ww);
	assert_false(good_stands(ww, der, world_now_ms));
}

static void a_good_card_falls_with_its_crl(void **state)
{
	AUTO(web_world) struct web_world *ww = web_world_new();
	struct bytes der = buf_bytes(ww->card->der);
	AUTO_MEM char *cache = cache_file(ww);
	AUTO_MEM char *www = world_path(ww->w, "www/cards.crl");
	AUTO(buf)
	struct buf *crl = world_make_crl(ww->w->root, ww->w->root_key, NULL, 98, WORLD_DAY_MS);

	assert_ok(assess(ww));
	stamp(ww, world_now_ms);
	assert_ok(assess(ww));
	world_write(ww->w, "root.crl", buf_bytes(crl));
	assert_false(good_stands(ww, der, world_now_ms));
	assert_ok(assess(ww));
	assert_true(good_stands(ww, der, world_now_ms));
	/* Due to be fetched again: what comes counts. */
	stamp(ww, world_now_ms - 5 * 3600 * 1000);
	publish_good(ww, ww->card->cert);
	assert_false(good_stands(ww, der, world_now_ms));
	/* Nothing at hand is nothing known. */
	publish_good(ww, NULL);
	stamp(ww, world_now_ms - 5 * 3600 * 1000);
	assert_ok(assess(ww));
	stamp(ww, world_now_ms);
	assert_ok(assess(ww));
	assert_int_equal(remove(www), 0);
	assert_int_equal(remove(cache), 0);
	assert_false(good_stands(ww, der, world_now_ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crl_is_fetched_and_kept),
		cmocka_unit_test(a_revoked_card),
		cmocka_unit_test(it_is_refreshed),
		cmocka_unit_test(what_comes_must_be_good),
		cmocka_unit_test(when_others_took_too_long),
		cmocka_unit_test(another_name_for_the_crl),
		cmocka_unit_test(the_crl_of_another_ca),
		cmocka_unit_test(a_crl_that_is_not_whole),
		cmocka_unit_test(a_replayed_crl),
		cmocka_unit_test(only_what_is_allowed),
		cmocka_unit_test(only_for_certificates_that_are_signed),
		cmocka_unit_test(without_a_courier),
		cmocka_unit_test(a_card_that_names_no_crl),
		cmocka_unit_test(the_courier_comes_back),
		cmocka_unit_test(a_good_card_stands_for_a_while),
		cmocka_unit_test(a_good_card_falls_with_its_crl),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
