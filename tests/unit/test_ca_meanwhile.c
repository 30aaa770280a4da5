/* test_ca_meanwhile.c: what changes between the evidence and a certificate: card, CRLs, configuration, issuer. */
#include "tests/unit/unit.h"

#include "daemon/ca/ledger_part.h"
#include "tests/unit/ca_world.h"

#include "evidence/seal.h"
#include "proto/msg.h"

#define AUTHENTICATION COMMON__PURPOSE__AUTHENTICATION
#define SIGNING COMMON__PURPOSE__SIGNING
#define ENCRYPTION COMMON__PURPOSE__ENCRYPTION

static void the_card_is_revoked_meanwhile(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO_MSG Ca__Certified *second = NULL;

	assert_ok(world_certify(r, AUTHENTICATION, &c));
	world_now_ms += 1000;
	world_crls(w, w->card->cert, 30 * WORLD_DAY_MS);
	assert_err(world_certify(r, SIGNING, &second), &ERR_CERT_REVOKED);
	assert_err(world_make(r, ENCRYPTION), &ERR_CERT_REVOKED);
	/* What was issued before is still the answer. */
	assert_ok(world_certify(r, AUTHENTICATION, &second));
}

static void revocation_gets_stale(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;
	uint64_t before = world_rows(w);

	world_now_ms += 31 * WORLD_DAY_MS;
	assert_err(world_certify(r, AUTHENTICATION, &c), &ERR_REVOCATION_UNKNOWN);
	assert_int_equal(world_rows(w), before);
	world_crls(w, NULL, WORLD_DAY_MS);
	assert_ok(world_certify(r, AUTHENTICATION, &c));
	/* From the nonce's time on, however late. */
	assert_int_equal(c->not_before_ms, (world_now_ms - 31 * WORLD_DAY_MS) / 1000 * 1000);
}

/* The world's anchor, with more lines, which count in place of earlier ones. */
static void write_anchor(struct world *w, const char *more)
{
	AUTO_MEM char *conf = xasprintf("anchor \"test\" {\ncertificate = \"%s/root.pem\"\n"
					"intermediates = {\"%s/issuer.pem\"}\n"
					"policies = {\"2.16.840.1.101.3.2.1.3.13\"}\n"
					"crl-files = {\"%s/root.crl\", \"%s/cards.crl\"}\n%s\n}\n",
		w->dir, w->dir, w->dir, w->dir, more);

	world_write(w, "etc/ca.conf.d/10-test.conf", BYTES(conf, strlen(conf)));
	state_free(w->s);
	w->s = world_open();
}

/* Takes the evidence out of the log: what needs it to judge the card again fails, what need not goes on. */
static void without_evidence(struct world *w)
{
	assert_ok(ledger_run(
		w->s->ledger, "DELETE FROM piece WHERE id IN (SELECT row * 16 FROM receipt)"));
}

/* Another process certifies than the one that verified: what that one found stands while nothing has changed. */
static void what_verify_found_stands(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;

	without_evidence(w);
	state_free(w->s);
	w->s = world_open();
	world_now_ms += WORLD_DAY_MS;
	assert_ok(world_certify(r, AUTHENTICATION, &c));
	/* The same revocations, published anew: looked at again. */
	world_crls(w, NULL, 30 * WORLD_DAY_MS);
	assert_err_text(world_make(r, ENCRYPTION), &ERR_STORE, "evidence");
}

static void it_falls_with_the_configuration(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;

	/* Another file with CRLs was not looked at, whatever it says. */
	AUTO_MEM char *more = xasprintf("crl-files += {\"%s/more.crl\"}", w->dir);
	world_write(w, "more.crl", BYTES("", 0));
	write_anchor(w, more);
	without_evidence(w);
	assert_err_text(world_certify(r, AUTHENTICATION, &c), &ERR_STORE, "evidence");
	/* Nor was the card judged under other policies, or with other certificates for its path. */
	write_anchor(w, "policies += {\"1.2.3.4\"}");
	assert_err_text(world_certify(r, AUTHENTICATION, &c), &ERR_STORE, "evidence");
	write_anchor(w, "intermediates = {}");
	assert_err_text(world_certify(r, AUTHENTICATION, &c), &ERR_STORE, "evidence");
	write_anchor(w, "");
	assert_ok(world_certify(r, AUTHENTICATION, &c));
	/* No anchor any more. */
	world_write(w, "etc/ca.conf.d/10-test.conf", BYTES("", 0));
	state_free(w->s);
	w->s = world_open();
	assert_err_text(world_make(r, ENCRYPTION), &ERR_STORE, "evidence");
}

/* An administrator who no longer believes the cards' issuer, or asks for another policy, is heard at once. */
static void the_cards_issuer_is_distrusted_meanwhile(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;

	write_anchor(w, "intermediates = {}");
	assert_err(world_certify(r, AUTHENTICATION, &c), &ERR_CERT_UNTRUSTED);
	write_anchor(w, "policies = {\"1.2.3.4\"}");
	assert_err(world_certify(r, AUTHENTICATION, &c), &ERR_POLICY);
	write_anchor(w, "");
	assert_ok(world_certify(r, AUTHENTICATION, &c));
}

static void a_card_expires_meanwhile(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;

	world_crls(w, NULL, 900 * WORLD_DAY_MS);
	world_now_ms += 801 * WORLD_DAY_MS;
	assert_err(world_certify(r, AUTHENTICATION, &c), &ERR_CERT_EXPIRED);
}

static void the_issuer_is_retired(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO_MSG Ca__Certified *again = NULL;

	assert_ok(world_certify(r, AUTHENTICATION, &c));
	w->s->issuer->key_id[0] ^= 1; /* as if another were the one of now */
	assert_err(world_certify(r, SIGNING, &again), &ERR_CA_RETIRED);
	assert_ok(world_certify(r, AUTHENTICATION, &again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_card_is_revoked_meanwhile),
		cmocka_unit_test(revocation_gets_stale),
		cmocka_unit_test(what_verify_found_stands),
		cmocka_unit_test(it_falls_with_the_configuration),
		cmocka_unit_test(the_cards_issuer_is_distrusted_meanwhile),
		cmocka_unit_test(a_card_expires_meanwhile),
		cmocka_unit_test(the_issuer_is_retired),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
