/* test_ca_card.c: which certificates count as a card's, whom they identify, and what they add. */
#include "tests/unit/unit.h"

#include "tests/unit/ca_world.h"

#include "base/text.h"
#include "evidence/cert.h"
#include "evidence/seal.h"
#include "proto/msg.h"
#include "tests/unit/enrollment.h"

static struct err *assess_card(struct world *w, const struct world_card_options *options)
{
	AUTO(world_card) struct world_card *card = world_new_card(w, options);
	AUTO(world_run) struct world_run *r = world_run_new(w);

	r->card = card;
	return world_assess(r);
}

static void what_never_counts(void **state)
{
	static const struct {
		struct world_card_options card;
		const struct err_kind *kind;
		const char *text;
	} cases[] = {
		{ { .is_ca = true }, &ERR_CERT_NOT_ELIGIBLE, "CA" },
		{ { .key_usage = "critical,keyEncipherment" }, &ERR_CERT_NOT_ELIGIBLE,
			"digital signatures" },
		{ { .eku = "emailProtection" }, &ERR_CERT_NOT_ELIGIBLE, "extended key usages" },
		{ { .eku = "" }, &ERR_CERT_NOT_ELIGIBLE, "extended key usages" },
		{ { .eku = "clientAuth,2.16.840.1.101.3.6.8" }, &ERR_CERT_NOT_ELIGIBLE,
			"card-authentication" },
		{ { .policy = "2.16.840.1.101.3.2.1.3.13,2.16.840.1.101.3.2.1.3.17" },
			&ERR_CERT_NOT_ELIGIBLE, "card-authentication" },
		{ { .policy = "2.16.840.1.101.3.2.1.3.13,2.16.840.1.101.3.2.1.48.13" },
			&ERR_CERT_NOT_ELIGIBLE, "card-authentication" },
		{ { .policy = "2.16.840.1.101.3.2.1.3.13,2.16.840.1.101.3.2.1.3.40" },
			&ERR_CERT_NOT_ELIGIBLE, "derived" },
		{ { .policy = "2.16.840.1.101.3.2.1.3.13,2.16.840.1.101.3.2.1.3.41" },
			&ERR_CERT_NOT_ELIGIBLE, "derived" },
		{ { .policy = "2.16.840.1.101.3.2.1.3.13,2.16.840.1.101.3.2.1.48.109" },
			&ERR_CERT_NOT_ELIGIBLE, "derived" },
		{ { .policy = "2.16.840.1.101.3.2.1.3.13,2.16.840.1.101.3.2.1.48.110" },
			&ERR_CERT_NOT_ELIGIBLE, "derived" },
		{ { .policy = "2.16.840.1.101.3.2.1.3.7" }, &ERR_POLICY, "" },
		{ { .expired = true }, &ERR_CERT_EXPIRED, "" },
		{ { .san = "email:ann@example.org" }, &ERR_CERT_NOT_ELIGIBLE, "identifies" },
		{ { .curve = "P-521" }, &ERR_CERT_NOT_ELIGIBLE, "" },
		{ { .curve = "P-224" }, &ERR_CERT_NOT_ELIGIBLE, "P-256 or P-384" },
		{ { .rsa_bits = 1024 }, &ERR_CERT_PATH, "weak" },
	};
	AUTO(world) struct world *w = world_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(err) struct err *e = assess_card(w, &cases[i].card);
		if (!e || !err_is(e, cases[i].kind) || !strstr(err_get_text(e), cases[i].text))
			fail_msg("case %zu: %s: %s", i, e ? err_get_kind(e)->name : "accepted",
				e ? err_get_text(e) : "");
	}
}

/* A key that evidence must not have is refused before a PIN is asked for. */
static void a_key_that_is_not_sound(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(pkey) EVP_PKEY *key = enrollment_unsound();
	const struct world_card_options card = { .key = key };
	assert_err_text(assess_card(w, &card), &ERR_CERT_NOT_ELIGIBLE, "exponent");
}

/* A CA for servers below the same root, which somebody named as an intermediate. */
static void the_issuers_purpose(void **state)
{
	static const struct {
		const char *eku;
		bool good;
	} cases[] = {
		{ "serverAuth", false },
		{ "serverAuth,emailProtection", false },
		{ "serverAuth,clientAuth", true },
		{ "anyExtendedKeyUsage", true },
	};
	AUTO(world) struct world *w = world_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		world_limit_issuer(w, NID_ext_key_usage, cases[i].eku);
		struct err *e = assess_card(w, NULL);
		if (!e != cases[i].good)
			fail_msg("case %zu: %s", i, e ? err_get_text(e) : "accepted");
		assert_true(!e || err_is(e, &ERR_CERT_NOT_ELIGIBLE));
		err_free(e);
	}
}

/* Assesses the card's certificate as it is after a change, signed again. */
static struct err *assess_changed(struct world *w, struct world_card *card)
{
	AUTO(world_run) struct world_run *r = world_run_new(w);

	assert_true(X509_sign(card->cert, w->ca_key, EVP_sha256()) > 0);
	AUTO(buf) struct buf *der = cert_der(card->cert);
	r->certs[0] = pb_lend(buf_bytes(der));
	return world_assess(r);
}

static void names_that_the_issuer_must_not_give(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);

	world_limit_issuer(w, NID_name_constraints, "critical,permitted;email:.example.org");
	assert_ok(assess_card(w, NULL));
	world_limit_issuer(w, NID_name_constraints, "critical,permitted;email:.example.com");
	assert_err(assess_card(w, NULL), &ERR_CERT_PATH);
	world_limit_issuer(w, NID_name_constraints, "critical,excluded;email:.example.org");
	assert_err(assess_card(w, NULL), &ERR_CERT_PATH);
}

/* The issuer's own demand for a policy counts, also where the anchor's configuration asks for none. */
static void a_policy_that_the_issuer_demands(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_card) struct world_card *card = world_new_card(w, NULL);
	AUTO_MEM char *conf = xasprintf("anchor \"test\" {\ncertificate = \"%s/root.pem\"\n"
					"intermediates = {\"%s/issuer.pem\"}\n"
					"crl-files = {\"%s/root.crl\", \"%s/cards.crl\"}\n}\n",
		w->dir, w->dir, w->dir, w->dir);

	world_write(w, "etc/ca.conf.d/10-test.conf", BYTES(conf, strlen(conf)));
	X509_EXTENSION_free(X509_delete_ext(
		card->cert, X509_get_ext_by_NID(card->cert, NID_certificate_policies, -1)));
	state_free(w->s);
	w->s = world_open();
	assert_ok(assess_changed(w, card));
	world_limit_issuer(w, NID_policy_constraints, "critical,requireExplicitPolicy:0");
	assert_err(assess_changed(w, card), &ERR_POLICY);
	assert_ok(assess_card(w, NULL));
}

static void an_extension_that_nobody_knows(void **state)
{
	static const struct {
		int critical;
		const struct err_kind *kind;
	} cases[] = { { 0, NULL }, { 1, &ERR_CERT_PATH } };
	AUTO(world) struct world *w = world_new(NULL);
	ASN1_OBJECT *unknown = OBJ_txt2obj("1.3.6.1.4.1.55555.1.1", 1);
	ASN1_OCTET_STRING *null = ASN1_OCTET_STRING_new();

	ASN1_OCTET_STRING_set(null, (const unsigned char *)"\x05", 2);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(world_card) struct world_card *card = world_new_card(w, NULL);
		X509_EXTENSION *ext =
			X509_EXTENSION_create_by_OBJ(NULL, unknown, cases[i].critical, null);
		assert_int_equal(X509_add_ext(card->cert, ext, -1), 1);
		X509_EXTENSION_free(ext);
		struct err *e = assess_changed(w, card);
		assert_true(cases[i].kind ? err_is(e, cases[i].kind) : !e);
		err_free(e);
	}
	ASN1_OBJECT_free(unknown);
	ASN1_OCTET_STRING_free(null);
}

/* Twice there: whoever reads one of them may overlook that it is a card-authentication certificate. */
static void what_is_there_twice(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	static const struct {
		int nid;
		const char *value;
	} more[] = { { NID_ext_key_usage, "2.16.840.1.101.3.6.8" },
		{ NID_certificate_policies, "2.16.840.1.101.3.2.1.3.17" } };

	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		AUTO(world_card) struct world_card *card = world_new_card(w, NULL);
		X509_EXTENSION *ext = enrollment_ext(more[i].nid, more[i].value);
		assert_int_equal(X509_add_ext(card->cert, ext, -1), 1);
		X509_EXTENSION_free(ext);
		assert_err_text(assess_changed(w, card), &ERR_CERT_NOT_ELIGIBLE, "malformed");
	}
}

static void any_purpose_of_the_anchors(void **state)
{
	const struct world_card_options logon = { .eku = "msSmartcardLogin" };
	AUTO(world) struct world *w = world_new(NULL);

	assert_ok(assess_card(w, &logon));
}

static void a_stranger(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	/* The card issuer's name, another key. */
	const struct world_card_options card = { .issuer = w->ca, .issuer_key = key };

	assert_err(assess_card(w, &card), &ERR_CERT_PATH);
}

static void without_an_anchor(void **state)
{
	AUTO(world) struct world *w = world_new("");

	assert_err_text(assess_card(w, NULL), &ERR_CERT_UNTRUSTED, "no anchor");
}

/* A credential issued here, and an administrator who names our own root as an anchor: by key, so in every path. */
static void never_our_own(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(world_run) struct world_run *again = world_run_new(w);
	AUTO(world_card) struct world_card *derived = xcalloc(1, sizeof(*derived));
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO_MEM char *conf = xasprintf(
		"anchor \"own\" {\ncertificate = \"%s/state/public/root.crt\"\n"
		"intermediates = {\"%s/state/public/ca.crt\"}\n"
		"crl-files = {\"%s/state/public/root.crl\", \"%s/state/public/ca.crl\"}\n}\n",
		w->dir, w->dir, w->dir, w->dir);

	world_enroll(r);
	assert_ok(world_certify(r, COMMON__PURPOSE__AUTHENTICATION, &c));
	world_write(w, "etc/ca.conf.d/10-test.conf", BYTES(conf, strlen(conf)));
	state_free(w->s);
	w->s = world_open();
	derived->key = r->device->keys[0];
	EVP_PKEY_up_ref(derived->key);
	assert_ok(cert_parse(pb_bytes(c->certificate), &derived->cert));
	derived->der = cert_der(derived->cert);
	again->card = derived;
	assert_err_text(world_assess(again), &ERR_CERT_NOT_ELIGIBLE, "issued here");
}

static void the_cards_own_id(void **state)
{
	static const struct {
		const char *serial;
		bool good;
	} cases[] = {
		{ "", true }, { "00112233445546778899AABBCCDDEEFF", true },
		{ "00112233-4455-4677-8899-aabbccddeeff", true },
		{ "00112233445546778899AABBCCDDEEF0", false },
		{ "00000000000000000000000000000000", true }, /* no GUID: an old card */
		{ "4711", true },                             /* not a GUID: nothing to compare */
	};
	AUTO(world) struct world *w = world_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(world_run) struct world_run *r = world_run_new(w);
		r->serial = cases[i].serial;
		struct err *e = world_assess(r);
		if (!e != cases[i].good)
			fail_msg("case %zu", i);
		assert_true(!e || err_is(e, &ERR_CERT_NOT_ELIGIBLE));
		err_free(e);
	}
}

/* All that a card holds, the good one last: it is found; without it, the refusal says why each of the others does not count. */
static void the_one_that_counts_is_found(void **state)
{
	const struct world_card_options signing = { .eku = "emailProtection" };
	const struct world_card_options card_auth = { .eku = "2.16.840.1.101.3.6.8",
		.policy = "2.16.840.1.101.3.2.1.3.17" };
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_card) struct world_card *a = world_new_card(w, &signing);
	AUTO(world_card) struct world_card *b = world_new_card(w, &card_auth);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(world_run) struct world_run *none = world_run_new(w);

	r->certs[0] = pb_lend(buf_bytes(a->der));
	r->certs[1] = pb_lend(buf_bytes(b->der));
	r->certs[2] = pb_lend(buf_bytes(w->card->der));
	r->n_certs = 3;
	assert_ok(world_assess(r));
	assert_int_equal(r->offer->n_certs, 1);
	uint8_t hash[SHA256_LEN];
	cert_hash(w->card->cert, hash);
	assert_memory_equal(r->offer->certs[0], hash, SHA256_LEN);
	none->certs[0] = r->certs[0];
	none->certs[1] = r->certs[1];
	none->n_certs = 2;
	/* The first is told in the error itself, the others are reasons beside it. */
	assert_err_text(world_assess(none), &ERR_CERT_NOT_ELIGIBLE, "extended key usages");
	assert_int_equal(none->reasons.n, 1);
	assert_string_equal(none->reasons.v[0].subject, "card authentication certificate");
	assert_non_null(strstr(none->reasons.v[0].text, "card-authentication"));
}

/* --- other certificates of the card --- */

static const struct world_card_options upn_only = {
	.san = "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:ann@example.org"
};
/* As PIV cards have it: under another policy than the one to log in with, which is the anchor's. */
static const struct world_card_options with_mail = { .eku = "emailProtection",
	.san = "email:ann@mail.example.org",
	.policy = "2.16.840.1.101.3.2.1.3.7" };

static char *same_subject_conf(const struct world *w)
{
	return xasprintf("anchor \"test\" {\ncertificate = \"%s/root.pem\"\nintermediates = "
			 "{\"%s/issuer.pem\"}\npolicies = {\"2.16.840.1.101.3.2.1.3.13\"}\n"
			 "other-certificates = \"same-subject\"\ncrl-files = {\"%s/root.crl\", "
			 "\"%s/cards.crl\"}\n}\n",
		w->dir, w->dir, w->dir, w->dir);
}

static void allow_others(struct world *w)
{
	AUTO_MEM char *conf = same_subject_conf(w);

	world_write(w, "etc/ca.conf.d/10-test.conf", BYTES(conf, strlen(conf)));
	state_free(w->s);
	w->s = world_open();
}

static void another_adds_mail_when_allowed(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_card) struct world_card *card = world_new_card(w, &upn_only);
	AUTO(world_card) struct world_card *other = world_new_card(w, &with_mail);
	AUTO(world_run) struct world_run *alone = world_run_new(w);
	AUTO(world_run) struct world_run *both = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;

	alone->card = both->card = card;
	alone->certs[0] = both->certs[0] = pb_lend(buf_bytes(card->der));
	alone->certs[1] = both->certs[1] = pb_lend(buf_bytes(other->der));
	alone->n_certs = both->n_certs = 2;
	/* By default, no: and without a mail address there is only the authentication certificate. */
	assert_ok(world_assess(alone));
	assert_null(facts_get(alone->offer->facts, FACT_MAIL));
	assert_int_equal(alone->offer->n_certs, 1);
	assert_int_equal(alone->assessment->n_purposes, 1);
	allow_others(w);
	world_enroll(both);
	assert_string_equal(facts_get(both->offer->facts, FACT_MAIL), "ann@mail.example.org");
	assert_int_equal(both->offer->n_certs, 2);
	assert_int_equal(both->assessment->n_purposes, 3);
	assert_ok(world_certify(both, COMMON__PURPOSE__SIGNING, &c));
	/* Other CRLs: both are judged anew. */
	world_crls(w, NULL, 30 * WORLD_DAY_MS);
	assert_ok(world_make(both, COMMON__PURPOSE__ENCRYPTION));
	world_crls(w, other->cert, 30 * WORLD_DAY_MS);
	msg_free(take(c));
	assert_err(world_certify(both, COMMON__PURPOSE__AUTHENTICATION, &c), &ERR_CERT_REVOKED);
}

/* The anchor's policies are not asked of the others; so one of them must not sign, though it was found good just now. */
static void another_does_not_sign(void **state)
{
	struct world_card_options login = with_mail;
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_card) struct world_card *card = world_new_card(w, &upn_only);
	AUTO(world_run) struct world_run *both = world_run_new(w);
	AUTO(world_run) struct world_run *r = world_run_new(w);

	login.eku = "clientAuth";
	AUTO(world_card) struct world_card *other = world_new_card(w, &login);
	allow_others(w);
	both->card = card;
	both->certs[0] = pb_lend(buf_bytes(card->der));
	both->certs[1] = pb_lend(buf_bytes(other->der));
	both->n_certs = 2;
	assert_ok(world_assess(both));
	assert_int_equal(both->offer->n_certs, 2);
	r->card = other;
	assert_err(world_assess(r), &ERR_POLICY);
}

static void another_person_adds_nothing(void **state)
{
	struct world_card_options bob = with_mail;
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_card) struct world_card *card = world_new_card(w, &upn_only);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	struct card *judged = NULL;

	bob.subject = "Bob Example";
	AUTO(world_card) struct world_card *other = world_new_card(w, &bob);
	allow_others(w);
	r->card = card;
	r->certs[0] = pb_lend(buf_bytes(card->der));
	r->certs[1] = pb_lend(buf_bytes(other->der));
	r->n_certs = 2;
	assert_ok(world_assess(r));
	assert_null(facts_get(r->offer->facts, FACT_MAIL));
	/* As if an offer had named it all the same. */
	assert_err_text(card_judge(w->s, r->certs, 2, world_now_ms, &judged), &ERR_EVIDENCE_BAD,
		"another subject");
}

/* The same name and anchor, but another issuer below it. */
static void another_issuer_adds_nothing(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	struct world_card_options elsewhere = with_mail;
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(world_card) struct world_card *card = world_new_card(w, &upn_only);

	elsewhere.issuer = w->root;
	elsewhere.issuer_key = w->root_key;
	AUTO(world_card) struct world_card *other = world_new_card(w, &elsewhere);
	allow_others(w);
	r->card = card;
	r->certs[0] = pb_lend(buf_bytes(card->der));
	r->certs[1] = pb_lend(buf_bytes(other->der));
	r->n_certs = 2;
	assert_ok(world_assess(r));
	assert_null(facts_get(r->offer->facts, FACT_MAIL));
	assert_non_null(strstr(r->reasons.v[0].text, "another issuer"));
}

/* --- purposes --- */

static void what_was_asked_for_must_be_possible(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_card) struct world_card *card = world_new_card(w, &upn_only);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(world_run) struct world_run *older = world_run_new(w);

	r->card = older->card = card;
	r->purposes[0] = COMMON__PURPOSE__SIGNING;
	r->n_purposes = 1;
	assert_err_text(world_assess(r), &ERR_POLICY, "no mail");
	older->purposes[0] = COMMON__PURPOSE__DECRYPTION;
	older->n_purposes = 1;
	assert_err_text(world_assess(older), &ERR_POLICY, "no profile");
}

static void one_device_one_holder(void **state)
{
	const struct world_card_options bob = {
		.subject = "Bob Example",
		.san = "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:bob@example.org,email:bob@example.org"
	};
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_card) struct world_card *card = world_new_card(w, &bob);
	AUTO(world_run) struct world_run *first = world_run_new(w);
	AUTO(world_run) struct world_run *second = world_run_new(w);

	world_enroll(first);
	second->card = card;
	assert_ok(world_assess(second));
	world_state(second);
	assert_err_text(world_prepare(second), &ERR_POLICY, "another person");
}

/* --- who it is --- */

/* Five bits a character, least significant first, odd parity: SS, agency, ..., LRC as a 0 that nobody checks. */
static char *fascn(const char *characters)
{
	uint8_t bytes[25] = { 0 };
	size_t at = 0;

	assert_int_equal(strlen(characters), 40);
	for (const char *p = characters; *p; p++) {
		unsigned int v = *p == 'S'   ? 11
				 : *p == 'F' ? 13
				 : *p == 'E' ? 15
					     : (unsigned int)(*p - '0'),
			     ones = 0;
		for (int k = 0; k < 5; k++, at++) {
			unsigned int bit = k < 4 ? v >> k & 1 : !(ones & 1);
			ones += bit;
			bytes[at / 8] |= (uint8_t)(bit << (7 - at % 8));
		}
	}
	return text_hex(BYTES(bytes, sizeof(bytes)));
}

static struct err *identify(
	enum identify what, const char *fascn_hex, const char *name, const char *upn, char **ret_id)
{
	struct anchor anchor = {
		.name = (char[]){ "test" }, .n_identify = 1, .identify = { what }
	};
	AUTO(facts) struct facts *f = facts_new();
	AUTO(x509) X509 *cert = X509_new();

	if (fascn_hex)
		assert_ok(facts_add(f, FACT_FASCN, fascn_hex));
	if (name)
		assert_ok(facts_add(f, FACT_NAME, name));
	if (upn)
		assert_ok(facts_add(f, FACT_UPN, upn));
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "serialNumber", MBSTRING_ASC,
		(const unsigned char *)"PNO-47", -1, -1, 0);
	TRY(eligible_identify(&anchor, cert, f));
	assert_string_equal(facts_get(f, FACT_ID_TYPE), identify_name(what));
	*ret_id = xstrdup(facts_get(f, FACT_ID));
	return NULL;
}

static void ways_to_identify(void **state)
{
	/* SS agency FS system FS credential FS series FS issue FS person(10) category org(4) association ES LRC */
	AUTO_MEM char *federal = fascn("S3201F0001F000002F1F1F1234567890132001E0");
	AUTO_MEM char *piv_i = fascn("S9999F9999F999999F0F1F0000000000300003E0");
	AUTO_MEM char *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	char *none = NULL;

	assert_ok(identify(IDENTIFY_FASCN_PERSON, federal, NULL, NULL, &a));
	assert_string_equal(a, "1-3200-1234567890");
	assert_err(
		identify(IDENTIFY_FASCN_PERSON, piv_i, NULL, NULL, &none), &ERR_CERT_NOT_ELIGIBLE);
	federal[0] = federal[0] == '0' ? '1' : '0'; /* parity */
	assert_err(identify(IDENTIFY_FASCN_PERSON, federal, NULL, NULL, &none),
		&ERR_CERT_NOT_ELIGIBLE);
	assert_ok(identify(IDENTIFY_EDIPI, NULL, "DOE.JOHN.Q.1234567890", NULL, &b));
	assert_string_equal(b, "1234567890");
	assert_ok(identify(IDENTIFY_EDIPI, NULL, "John Doe", "1234567890117120@mil", &c));
	assert_string_equal(c, "1234567890");
	assert_err(identify(IDENTIFY_EDIPI, NULL, "John Doe", "john@mil", &none),
		&ERR_CERT_NOT_ELIGIBLE);
	assert_ok(identify(IDENTIFY_SERIAL, NULL, NULL, NULL, &d));
	assert_string_equal(d, "PNO-47");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_never_counts),
		cmocka_unit_test(a_key_that_is_not_sound),
		cmocka_unit_test(the_issuers_purpose),
		cmocka_unit_test(names_that_the_issuer_must_not_give),
		cmocka_unit_test(a_policy_that_the_issuer_demands),
		cmocka_unit_test(an_extension_that_nobody_knows),
		cmocka_unit_test(what_is_there_twice),
		cmocka_unit_test(any_purpose_of_the_anchors),
		cmocka_unit_test(a_stranger),
		cmocka_unit_test(without_an_anchor),
		cmocka_unit_test(never_our_own),
		cmocka_unit_test(the_cards_own_id),
		cmocka_unit_test(the_one_that_counts_is_found),
		cmocka_unit_test(another_adds_mail_when_allowed),
		cmocka_unit_test(another_does_not_sign),
		cmocka_unit_test(another_person_adds_nothing),
		cmocka_unit_test(another_issuer_adds_nothing),
		cmocka_unit_test(what_was_asked_for_must_be_possible),
		cmocka_unit_test(one_device_one_holder),
		cmocka_unit_test(ways_to_identify),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
