/* test_ca_flow.c: one enrollment from card to certificates, read with OpenSSL's eyes. */
#include "tests/unit/unit.h"

#include "tests/unit/ca_world.h"

#include <openssl/x509v3.h>

#include "base/text.h"
#include "evidence/cert.h"
#include "evidence/key.h"
#include "evidence/seal.h"
#include "proto/msg.h"

/* Chain, times, key, and OpenSSL's strictest reading. */
static X509 *check_certificate(struct world *w, const Ca__Certified *c, EVP_PKEY *key)
{
	AUTO(x509) X509 *issuer = NULL;
	AUTO(x509) X509 *root = NULL;
	X509 *cert = NULL;

	assert_int_equal(c->n_chain, 2);
	assert_ok(cert_parse(pb_bytes(c->certificate), &cert));
	assert_ok(cert_parse(pb_bytes(c->chain[0]), &issuer));
	assert_ok(cert_parse(pb_bytes(c->chain[1]), &root));
	assert_int_equal(X509_check_private_key(cert, key), 1);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *middle = sk_X509_new_null();
	sk_X509_push(middle, issuer);
	X509_STORE_add_cert(store, root);
	X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT);
	X509_STORE_CTX_init(ctx, store, cert, middle);
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)(world_now_ms / 1000));
	if (X509_verify_cert(ctx) != 1)
		fail_msg("%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(middle);
	AUTO_MEM char *serial = cert_serial(cert);
	assert_string_equal(serial, c->serial);
	assert_int_equal(c->not_before_ms, world_now_ms / 1000 * 1000);
	assert_false(c->revoked);
	(void)w;
	return cert;
}

static void authentication(struct world_run *r)
{
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO_MSG Ca__Certified *again = NULL;
	AUTO(facts) struct facts *f = facts_new();

	assert_ok(world_certify(r, COMMON__PURPOSE__AUTHENTICATION, &c));
	AUTO(x509) X509 *cert = check_certificate(r->w, c, r->device->keys[0]);
	assert_ok(cert_facts(cert, f));
	assert_string_equal(facts_get(f, FACT_NAME), "Ann Example");
	assert_string_equal(facts_get(f, FACT_UPN), "ann@example.org");
	assert_string_equal(facts_get(f, FACT_MAIL), "ann@mail.example.org");
	assert_string_equal(facts_get(f, FACT_ORGANIZATION), "Example Agency");
	assert_string_equal(facts_get(f, FACT_COUNTRY), "US");
	assert_int_equal(strlen(facts_get(f, FACT_UUID)), 36);
	assert_string_not_equal(facts_get(f, FACT_UUID), "00112233-4455-4677-8899-aabbccddeeff");
	assert_true(cert_has_eku(cert, "1.3.6.1.5.5.7.3.2"));
	assert_true(cert_has_eku(cert, "1.3.6.1.4.1.311.20.2.2"));
	assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
	assert_ok(world_certify(r, COMMON__PURPOSE__AUTHENTICATION, &again));
	assert_true(bytes_eq(pb_bytes(c->certificate), pb_bytes(again->certificate)));
}

static void signing(struct world_run *r)
{
	AUTO_MSG Ca__Certified *c = NULL;

	assert_ok(world_certify(r, COMMON__PURPOSE__SIGNING, &c));
	AUTO(x509) X509 *cert = check_certificate(r->w, c, r->device->keys[1]);
	assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION);
	assert_true(cert_has_eku(cert, "1.3.6.1.5.5.7.3.4"));
	assert_int_equal(X509_check_email(cert, "ann@mail.example.org", 0, 0), 1);
}

/* Device and officer open the same key; the certificate is for it. */
static void encryption(struct world_run *r)
{
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO(pkey) EVP_PKEY *device = NULL;
	AUTO(pkey) EVP_PKEY *officer = NULL;
	struct seal_context context = { .purpose = COMMON__PURPOSE__ENCRYPTION };

	assert_ok(world_make(r, COMMON__PURPOSE__ENCRYPTION));
	memcpy(context.deployment, r->w->s->deployment->id, DEPLOYMENT_ID_LEN);
	memcpy(context.intent_hash, r->verified->intent_hash.data, SHA256_LEN);
	assert_ok(unseal(pb_bytes(r->made->sealed_device), r->device->sealing,
		r->device->sealing_cert, &context, &device));
	assert_int_equal(r->made->n_sealed_escrow, 1);
	assert_ok(unseal(pb_bytes(r->made->sealed_escrow[0]), r->w->officer_key, r->w->officer,
		&context, &officer));
	assert_int_equal(EVP_PKEY_eq(device, officer), 1);
	assert_true(r->made->sealed_history.len > 0);
	assert_ok(world_certify(r, COMMON__PURPOSE__ENCRYPTION, &c));
	AUTO(x509) X509 *cert = check_certificate(r->w, c, device);
	assert_int_equal(X509_get_key_usage(cert), KU_KEY_AGREEMENT);
}

static void a_person_enrolls(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	uint64_t rows;

	assert_ok(world_assess(r));
	assert_string_equal(r->assessment->name, "Ann Example");
	assert_int_equal(r->assessment->n_purposes, 3);
	world_state(r);
	assert_ok(world_prepare(r));
	assert_int_equal(r->nonce->expires_ms, world_now_ms + 300000);
	world_sign(r);
	assert_ok(world_verify(r));
	assert_int_equal(r->verified->n_wanted, 3);
	assert_string_equal(r->verified->wanted[2]->profile, "encryption");
	assert_true(bytes_eq(pb_bytes(r->verified->device_id), BYTES(w->device->id, SHA256_LEN)));
	authentication(r);
	signing(r);
	encryption(r);
	assert_ok(ledger_verify(w->s->ledger, &rows));
}

static struct err *prove(struct world *w, const Common__Bundle *b, STACK_OF(X509) *anchors,
	STACK_OF(X509) *intermediates)
{
	AUTO(bundle_report) struct bundle_report *report = NULL;

	return bundle_verify(b, BYTES(w->s->deployment->delivery_public, ED25519_PUBLIC_LEN),
		BYTES(w->s->deployment->receipt_public, ED25519_PUBLIC_LEN),
		w->s->deployment->kiosk, anchors, intermediates, &report);
}

/* Everything that proves a credential holds together offline. */
static void it_can_be_proved_later(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;
	Common__Bundle b = COMMON__BUNDLE__INIT;
	STACK_OF(X509) *root = sk_X509_new_null(), *ca = sk_X509_new_null();

	world_enroll(r);
	assert_ok(world_make(r, COMMON__PURPOSE__ENCRYPTION));
	assert_ok(world_certify(r, COMMON__PURPOSE__ENCRYPTION, &c));
	b.version = 1;
	b.evidence = &r->evidence;
	b.receipt = r->verified->receipt;
	b.ticket = r->made->ticket;
	b.certificate = c->certificate;
	b.chain = c->chain;
	b.n_chain = c->n_chain;
	b.purpose = COMMON__PURPOSE__ENCRYPTION;
	sk_X509_push(root, w->root);
	sk_X509_push(ca, w->ca);
	assert_ok(prove(w, &b, NULL, NULL));
	assert_ok(prove(w, &b, ca, NULL));
	assert_ok(prove(w, &b, root, ca));
	/* Nobody can see how the card's certificate hangs together with the root. */
	assert_err(prove(w, &b, root, NULL), &ERR_CERT_UNTRUSTED);
	/* The receipt's time counts, not today's. */
	world_now_ms += 4000 * WORLD_DAY_MS;
	assert_ok(prove(w, &b, root, ca));
	sk_X509_free(root);
	sk_X509_free(ca);
}

static void every_kind_of_card_key_signs(void **state)
{
	static const struct world_card_options kinds[] = { { .curve = "P-384" },
		{ .rsa_bits = 2048 }, { .rsa_bits = 3072 } };
	AUTO(world) struct world *w = world_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		AUTO(world_card) struct world_card *card = world_new_card(w, &kinds[i]);
		AUTO(world_device) struct world_device *device = world_new_device();
		AUTO(world_run) struct world_run *r = world_run_new(w);
		AUTO_MSG Ca__Certified *c = NULL;
		r->card = card;
		r->device = device;
		world_enroll(r);
		assert_ok(world_certify(r, COMMON__PURPOSE__AUTHENTICATION, &c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_enrolls),
		cmocka_unit_test(it_can_be_proved_later),
		cmocka_unit_test(every_kind_of_card_key_signs),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
