/* revocation.c: try with what is at hand, fetch what is missing, try again. */
#include "daemon/ca/revocation.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/url.h"
#include "daemon/ca/crl_fit.h"
#include "daemon/ca/crl_store.h"
#include "daemon/ca/verdict.h"
#include "evidence/cert.h"
#include "proto/courier.pb-c.h"
#include "proto/kind.h"
#include "proto/peer.h"

#define ROUNDS_MAX 4
#define FETCH_MS 5000
/*
 * After a failed fetch, no other of the same URL for a while: a dead server must not cost everybody five seconds. What failed at
 * once may be tried again soon: somebody mends the network and waits in front of the kiosk.
 */
#define QUIET_MIN_MS 1000
#define QUIET_MAX_MS 30000
#define QUIET_FACTOR 6
#define FAILED_MAX 64
#define URLS_MAX 8

struct failed {
	char *url;
	int64_t until_ms; /* boot time */
};

struct revocation {
	const struct settings *settings;
	struct crl_store *store;
	struct verdicts *verdicts;
	struct peer *courier;
	int64_t until_ms; /* boot time: no fetch may end later */
	size_t next_failed;
	struct failed failed[FAILED_MAX];
};

/* One question: the CRLs for it, and what went wrong with URLs. */
struct inquiry {
	struct revocation *r;
	const struct anchor *anchor;
	bool is_signer;
	int64_t now_ms;
	X509 *about;              /* whose URL is tried just now; NULL: not at hand */
	bool indirect;            /* its CRL is not its issuer's */
	STACK_OF(X509_CRL) *crls; /* holds references: the store may read a file again */
	size_t n_urls;
	char *urls[VERDICT_URLS_MAX]; /* what CRLs came from; n_urls counts on beyond its end */
	struct buf *troubles;
	struct basis *basis;
};

struct revocation *revocation_new(const struct settings *settings)
{
	struct revocation *r = xcalloc(1, sizeof(*r));

	r->settings = settings;
	r->store = crl_store_new();
	r->verdicts = verdicts_new();
	revocation_begin(r);
	return r;
}

void revocation_begin(struct revocation *r)
{
	r->until_ms = clock_boot_ms() + REVOCATION_MS;
}

void revocation_free(struct revocation *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < FAILED_MAX; i++)
		free(r->failed[i].url);
	peer_free(r->courier);
	verdicts_free(r->verdicts);
	crl_store_free(r->store);
	free(r);
}

/* The text may begin with what it is about already. */
static void add_trouble(struct inquiry *q, const char *what, struct err *take_e)
{
	const char *text = err_get_text(take_e);
	bool named = strncmp(text, what, strlen(what)) == 0;

	buf_addf(q->troubles, "%s%s%s%s", buf_len(q->troubles) ? "; " : "", named ? "" : what,
		named ? "" : ": ", text);
	err_free(take_e);
}

static bool has_trouble(const struct inquiry *q, const char *url)
{
	AUTO_MEM char *safe = text_safe(BYTES(url, strlen(url)));
	AUTO_MEM char *beginning = xasprintf("%s: ", safe);

	return strstr(buf_str(q->troubles), beginning) != NULL;
}

static bool has_crl(const struct inquiry *q, const X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_CRL_num(q->crls); i++)
		if (sk_X509_CRL_value(q->crls, i) == crl)
			return true;
	return false;
}

static void add_crl(struct inquiry *q, X509_CRL *crl)
{
	if (!X509_CRL_up_ref(crl) || !sk_X509_CRL_push(q->crls, crl))
		err_abort("no memory for CRLs");
}

/* The administrator's files. One that is missing or stale is as good as none; the text will say so. */
static void note_file(struct inquiry *q, const char *path, const X509_CRL *crl, const struct err *e)
{
	static const uint8_t none[SHA256_LEN];
	uint8_t digest[SHA256_LEN];

	if (!e)
		crl_store_digest_of(q->r->store, crl, digest);
	basis_add(q->basis, path, BASIS_FILE, e ? none : digest);
	/* One that is there and of no use may be of use when time goes on. */
	if (e && !err_is(e, &ERR_NOTFOUND))
		basis_end(q->basis, 0);
}

static void add_files(struct inquiry *q)
{
	for (size_t i = 0; i < q->anchor->crl_files.n; i++) {
		const char *path = q->anchor->crl_files.v[i];
		X509_CRL *crl = NULL;
		int64_t age;
		struct err *e = crl_store_file(q->r->store, path, q->now_ms, &crl, &age);
		if (!e && !crl_is_current(crl, q->now_ms))
			e = err_new(&ERR_REVOCATION_UNKNOWN, "not current");
		note_file(q, path, crl, e);
		if (e)
			add_trouble(q, path, e);
		else if (!has_crl(q, crl))
			add_crl(q, crl);
	}
}

/* When the next attempt is allowed, in boot time; 0: at once. */
static int64_t quiet_until(const struct revocation *r, const char *url)
{
	for (size_t i = 0; i < FAILED_MAX; i++)
		if (r->failed[i].url && strcmp(r->failed[i].url, url) == 0)
			return r->failed[i].until_ms > clock_boot_ms() ? r->failed[i].until_ms : 0;
	return 0;
}

static void note_failure(struct revocation *r, const char *url, int64_t began_ms)
{
	int64_t now = clock_boot_ms(), quiet = (now - began_ms) * QUIET_FACTOR;
	size_t at = 0;

	if (quiet < QUIET_MIN_MS)
		quiet = QUIET_MIN_MS;
	if (quiet > QUIET_MAX_MS)
		quiet = QUIET_MAX_MS;

	while (at < FAILED_MAX && !(r->failed[at].url && strcmp(r->failed[at].url, url) == 0))
		at++;
	if (at == FAILED_MAX)
		at = r->next_failed++ % FAILED_MAX;
	free(r->failed[at].url);
	r->failed[at].url = xstrdup(url);
	r->failed[at].until_ms = now + quiet;
}

static struct err *ask_courier(
	struct revocation *r, const Courier__Fetch *fetch, Courier__Fetched **ret_fetched)
{
	AUTO_MEM char *path = proc_runtime_path("courier.sock");

	if (!r->courier)
		TRY(peer_connect(path, LINK_COURIER, "derivd-ca", &r->courier));
	struct err *e = peer_call(r->courier, MSG_COURIER_FETCH, fetch, MSG_COURIER_FETCHED,
		FETCH_MS + 1000, ret_fetched);
	/* These are answers, after which the connection is good; after anything else it may not be. */
	bool answered = !e || err_is(e, &ERR_COURIER) || err_is(e, &ERR_POLICY) ||
			err_is(e, &ERR_FORMAT) || err_is(e, &ERR_LIMIT);
	if (!answered) {
		peer_free(r->courier);
		r->courier = NULL;
	}
	return e;
}

static struct err *call_courier(
	struct revocation *r, const char *url, Courier__Fetched **ret_fetched)
{
	AUTO_MEM char *copy = xstrdup(url);
	char accept[] = "application/pkix-crl, */*";
	Courier__Fetch fetch = COURIER__FETCH__INIT;
	bool was_connected = r->courier != NULL;

	fetch.url = copy;
	fetch.max_bytes = CRL_MAX;
	fetch.timeout_ms = FETCH_MS;
	fetch.accept = accept;
	struct err *e = ask_courier(r, &fetch, ret_fetched);
	if (!e || !was_connected || !err_is(e, &ERR_GONE))
		return e;
	err_free(e); /* it was restarted since the last question */
	return ask_courier(r, &fetch, ret_fetched);
}

/* So that doctor can ask for it when nobody else does. */
static struct err *note_url(const char *url)
{
	AUTO_MEM char *path = crl_store_url_path(url);

	return err_wrap(io_write_file(path, BYTES(url, strlen(url)), 0600), "the cache of CRLs");
}

static struct err *fetch(struct inquiry *q, const char *url, const char *path, const X509_CRL *held)
{
	AUTO_MSG Courier__Fetched *fetched = NULL;
	int64_t began = clock_boot_ms(), until = quiet_until(q->r, url);
	const struct crl_wanted wanted = { .anchor = q->anchor,
		.now_ms = q->now_ms,
		.cert = q->about,
		.indirect = q->indirect,
		.held = held };

	if (until)
		return err_new(&ERR_REVOCATION_UNKNOWN,
			"could not be fetched a moment ago; the next attempt is in %lld s",
			(long long)(until - began + 999) / 1000);
	if (began + FETCH_MS > q->r->until_ms)
		return err_new(
			&ERR_REVOCATION_UNKNOWN, "was not fetched, since others took too long");
	TRY(note_url(url));
	struct err *e = call_courier(q->r, url, &fetched);
	if (!e && fetched->status != 200)
		e = err_new(&ERR_COURIER, "the server answers with status %u", fetched->status);
	if (!e)
		e = crl_fit(pb_bytes(fetched->body), &wanted);
	if (!e)
		e = io_write_file(path, pb_bytes(fetched->body), 0600);
	if (e)
		note_failure(q->r, url, began);
	return e;
}

/* The CRL of a URL: from the cache while it is fresh, else fetched; at worst what is cached and not yet out of date. */
static struct err *obtain(struct inquiry *q, const char *url, X509_CRL **ret_crl)
{
	AUTO_MEM char *path = crl_store_path(url);
	AUTO(err) struct err *cached = NULL;
	X509_CRL *crl = NULL;
	int64_t age = 0;

	cached = crl_store_file(q->r->store, path, q->now_ms, &crl, &age);
	bool current = !cached && crl_is_current(crl, q->now_ms);
	if (current && age >= 0 && age < (int64_t)q->r->settings->crl_refresh_ms) {
		*ret_crl = crl;
		return NULL;
	}
	struct err *e = fetch(q, url, path, cached ? NULL : crl);
	if (e && current) {
		log_note(NOTE_CRL_OLD, NULL, "%s: the cached CRL is used on: %s", url, err_get_text(e));
		err_free(e);
		*ret_crl = crl;
		return NULL;
	}
	TRY(e);
	return crl_store_file(q->r->store, path, q->now_ms, ret_crl, &age);
}

/* One URL; *progress when it brought a CRL that was not there before. */
static void try_url(struct inquiry *q, const char *text, bool *progress)
{
	AUTO(url) struct url *url = NULL;
	X509_CRL *crl = NULL;
	uint8_t digest[SHA256_LEN];
	struct err *e = NULL;

	/* Another round, or another certificate with the same address: once is enough. */
	if (has_trouble(q, text))
		return;
	e = url_parse(text, &url);
	if (!e && !url_matches(url, (const char *const *)q->r->settings->fetch_allow.v))
		e = err_new(&ERR_DENIED, "not admitted by fetch-allow in ca.conf");
	if (!e)
		e = obtain(q, url->text, &crl);
	if (e) {
		AUTO_MEM char *shown = text_safe(BYTES(text, strlen(text)));
		add_trouble(q, shown, e);
		return;
	}
	if (has_crl(q, crl))
		return;
	add_crl(q, crl);
	crl_store_digest_of(q->r->store, crl, digest);
	basis_add(q->basis, url->text, BASIS_URL, digest);
	if (q->n_urls < VERDICT_URLS_MAX)
		q->urls[q->n_urls] = xstrdup(url->text);
	q->n_urls++;
	*progress = true;
}

/* The URI that a name is, NULL when it is none for us. */
static char *name_url(const GENERAL_NAME *name)
{
	if (name->type != GEN_URI)
		return NULL;
	const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
	struct bytes b = BYTES(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
	if (b.len > URL_MAX || memchr(b.data, 0, b.len))
		return NULL;
	AUTO_MEM char *text = bytes_strdup(b);
	return strncasecmp(text, "http", 4) == 0 ? take(text) : NULL;
}

/* The names of a point are ways to one CRL (RFC 5280 section 4.2.1.13). Complete CRLs only. */
static bool try_point(struct inquiry *q, const DIST_POINT *point, int *tried)
{
	bool got = false;

	if (point->reasons || !point->distpoint || point->distpoint->type != 0)
		return false;
	q->indirect = point->CRLissuer != NULL;
	GENERAL_NAMES *names = point->distpoint->name.fullname;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && *tried < URLS_MAX && !got; i++) {
		AUTO_MEM char *url = name_url(sk_GENERAL_NAME_value(names, i));
		if (!url)
			continue;
		try_url(q, url, &got);
		++*tried;
	}
	return got;
}

static void try_certificate(struct inquiry *q, X509 *cert, bool *progress)
{
	CRL_DIST_POINTS *points = X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
	int n = sk_DIST_POINT_num(points), tried = 0;
	bool got = false;

	q->about = cert;
	/* Several points are other ways to the same, too. */
	for (int i = 0; i < n && !got; i++)
		got = try_point(q, sk_DIST_POINT_value(points, i), &tried);
	q->about = NULL;
	*progress |= got;
	if (!tried) {
		AUTO_MEM char *subject = cert_subject(cert);
		add_trouble(q, subject,
			err_new(&ERR_REVOCATION_UNKNOWN,
				"its certificate names no CRL on the web"));
	}
	CRL_DIST_POINTS_free(points);
}

static struct err *ask(struct inquiry *q, X509 *cert, struct path **ret_path)
{
	bool any_policy = !q->is_signer || q->anchor->policies.n == 0;
	const struct path_params params = {
		.time_ms = q->now_ms,
		.anchors = q->anchor->stack,
		.untrusted = q->anchor->intermediates,
		.crls = q->crls,
		.check_revocation = true,
		.policies = any_policy ? NULL : (const char *const *)q->anchor->policies.v,
		.policy_optional = any_policy,
	};

	for (int round = 0;; round++) {
		struct err *e = path_build(cert, &params, ret_path);
		bool progress = false;
		if (!e || !err_is(e, &ERR_REVOCATION_UNKNOWN) || round == ROUNDS_MAX)
			return e;
		AUTO(x509_stack) STACK_OF(X509) *missing = path_missing_crls(&params, cert);
		for (int i = 0; i < sk_X509_num(missing); i++)
			try_certificate(q, sk_X509_value(missing, i), &progress);
		if (!progress)
			return e;
		err_free(e);
	}
}

static void inquiry_begin(struct inquiry *q)
{
	q->crls = sk_X509_CRL_new_null();
	if (!q->crls)
		err_abort("no memory for CRLs");
	q->troubles = buf_new();
	q->basis = basis_new();
	basis_add(q->basis, BASIS_ANCHOR_NAME, BASIS_ANCHOR, q->anchor->digest);
	add_files(q);
}

static void inquiry_end(struct inquiry *q)
{
	sk_X509_CRL_pop_free(q->crls, X509_CRL_free);
	for (size_t i = 0; i < q->n_urls && i < VERDICT_URLS_MAX; i++)
		free(q->urls[i]);
	buf_free(q->troubles);
	basis_free(q->basis);
}

static int64_t crl_end_ms(const X509_CRL *crl)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_CRL_get0_nextUpdate(crl), &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm) * 1000;
}

static void remember(struct inquiry *q, X509 *cert, const struct path *path)
{
	struct verdict v = { .anchor = q->anchor,
		.from_ms = q->now_ms,
		.until_ms = INT64_MAX,
		.crls = q->crls,
		.n_urls = q->n_urls };
	STACK_OF(X509) *certs = path_certs(path);

	cert_hash(cert, v.certificate);
	for (int i = 0; i < sk_X509_num(certs); i++) {
		int64_t end = cert_not_after_ms(sk_X509_value(certs, i));
		if (end < v.until_ms)
			v.until_ms = end;
	}
	memcpy(v.urls, q->urls, sizeof(v.urls));
	if (q->is_signer)
		verdicts_add(q->r->verdicts, &v);
	basis_end(q->basis, v.until_ms);
	for (int i = 0; i < sk_X509_CRL_num(q->crls); i++)
		basis_end(q->basis, crl_end_ms(sk_X509_CRL_value(q->crls, i)));
}

static struct err *with_troubles(struct err *take_e, const char *troubles)
{
	AUTO(err) struct err *e = take_e;

	return err_new(&ERR_REVOCATION_UNKNOWN, "%s: %s", err_get_text(e), troubles);
}

struct err *revocation_path(struct revocation *r, const struct anchor *anchor, X509 *cert,
	bool is_signer, int64_t now_ms, struct basis *basis, struct path **ret_path)
{
	struct inquiry q = { .r = r, .anchor = anchor, .is_signer = is_signer, .now_ms = now_ms };

	inquiry_begin(&q);
	struct err *e = ask(&q, cert, ret_path);
	if (!e)
		remember(&q, cert, *ret_path);
	if (!e && basis)
		basis_merge(basis, q.basis);
	if (err_is(e, &ERR_REVOCATION_UNKNOWN) && buf_len(q.troubles))
		e = with_troubles(e, buf_str(q.troubles));
	inquiry_end(&q);
	return e;
}

/* Gathers the CRLs as the full check would. verdict is not touched by that. */
static bool is_in_force(struct revocation *r, const struct verdict *verdict, int64_t now_ms)
{
	struct inquiry q = { .r = r, .anchor = verdict->anchor, .now_ms = now_ms };
	bool progress = false;

	inquiry_begin(&q);
	for (size_t i = 0; i < verdict->n_urls; i++)
		try_url(&q, verdict->urls[i], &progress);
	bool same = verdict_has_crls(verdict, q.crls);
	inquiry_end(&q);
	return same;
}

bool revocation_stands(struct revocation *r, const uint8_t hash[static SHA256_LEN], int64_t now_ms)
{
	for (size_t i = 0; i < r->settings->n_anchors; i++) {
		const struct verdict *v =
			verdicts_find(r->verdicts, hash, r->settings->anchors[i], now_ms);
		if (v && is_in_force(r, v, now_ms))
			return true;
	}
	return false;
}

static bool file_stands(struct revocation *r, const struct basis_source *source, int64_t now_ms)
{
	bool fetched = source->kind == BASIS_URL;
	AUTO_MEM char *path = fetched ? crl_store_path(source->name) : xstrdup(source->name);
	uint8_t digest[SHA256_LEN];
	int64_t age;
	AUTO(err) struct err *e = crl_store_digest(r->store, path, now_ms, digest, &age);

	if (e || memcmp(digest, source->digest, SHA256_LEN) != 0)
		return false;
	return !fetched || (age >= 0 && age < (int64_t)r->settings->crl_refresh_ms);
}

bool revocation_basis_stands(struct revocation *r, const struct anchor *anchor,
	const struct basis *basis, int64_t now_ms)
{
	const struct basis_source *conf = basis_find(basis, BASIS_ANCHOR_NAME);

	if (!conf || memcmp(conf->digest, anchor->digest, SHA256_LEN) != 0)
		return false;
	/* A file that ca.conf names now and did not then was not looked at. */
	for (size_t i = 0; i < anchor->crl_files.n; i++)
		if (!basis_find(basis, anchor->crl_files.v[i]))
			return false;
	for (size_t i = 0; i < basis->n; i++)
		if (basis->v[i].kind != BASIS_ANCHOR && !file_stands(r, &basis->v[i], now_ms))
			return false;
	return now_ms < basis->until_ms;
}

/* --- for doctor --- */

static struct err *try_fetch(struct revocation *r, const char *text, X509_CRL **ret_crl)
{
	AUTO_MSG Courier__Fetched *fetched = NULL;
	AUTO(url) struct url *url = NULL;

	TRY(url_parse(text, &url));
	if (!url_matches(url, (const char *const *)r->settings->fetch_allow.v))
		return err_new(&ERR_DENIED, "not admitted by fetch-allow in ca.conf");
	TRY(call_courier(r, url->text, &fetched));
	if (fetched->status != 200)
		return err_new(&ERR_COURIER, "the server answers with status %u", fetched->status);
	return crl_parse(pb_bytes(fetched->body), ret_crl);
}

struct err *revocation_try(struct revocation *r, const char *url, int64_t now_ms, bool *ret_tried)
{
	AUTO_MEM char *path = crl_store_path(url);
	AUTO(crl) X509_CRL *fetched = NULL;
	X509_CRL *crl = NULL;
	int64_t age = 0;
	AUTO(err) struct err *cached = crl_store_file(r->store, path, now_ms, &crl, &age);

	*ret_tried = false;
	if (!cached && crl_is_current(crl, now_ms) && age >= 0 &&
		age < (int64_t)r->settings->crl_refresh_ms)
		return NULL;
	*ret_tried = true;
	struct err *e = try_fetch(r, url, &fetched);
	if (e)
		return err_as(&ERR_CRL_UNREACHABLE, e, "it cannot be fetched");
	if (!crl_is_current(fetched, now_ms))
		return err_new(&ERR_CRL_STALE, "its server has none that is current");
	return NULL;
}
