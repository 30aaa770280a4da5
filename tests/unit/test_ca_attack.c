/* test_ca_attack.c: what a compromised derivd, gateway or device may try, and gets refused. */
#include "tests/unit/unit.h"

#include "daemon/ca/ledger_part.h"
#include "tests/unit/ca_world.h"

#include "evidence/cert.h"
#include "evidence/seal.h"
#include "proto/msg.h"

#define AUTHENTICATION COMMON__PURPOSE__AUTHENTICATION
#define SIGNING COMMON__PURPOSE__SIGNING
#define ENCRYPTION COMMON__PURPOSE__ENCRYPTION

/* A request up to the card's signature. */
static struct world_run *signed_run(struct world *w)
{
	struct world_run *r = world_run_new(w);

	assert_ok(world_assess(r));
	world_state(r);
	assert_ok(world_prepare(r));
	world_sign(r);
	return r;
}

/* --- what is signed here and sent back --- */

static void an_offer_of_ones_own(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(pkey) EVP_PKEY *own = sig_new_ed25519();
	AUTO(buf) struct buf *signature = NULL;

	assert_ok(world_assess(r));
	assert_ok(sig_sign(own, SIG_OFFER, pb_bytes(r->assessment->offer->body), &signature));
	memcpy(r->assessment->offer->signature.data, buf_data(signature), ED25519_SIGNATURE_LEN);
	world_state(r);
	assert_err(world_prepare(r), &ERR_SIGNATURE_BAD);
}

static void an_old_offer(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);

	assert_ok(world_assess(r));
	world_state(r);
	world_now_ms += OFFER_LIFETIME_MS + 1;
	assert_err(world_prepare(r), &ERR_SESSION_OVER);
}

static void another_commitment(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);

	assert_ok(world_assess(r));
	world_state(r);
	r->r_d[0] ^= 1;
	assert_err(world_prepare(r), &ERR_STATEMENT_BAD);
}

/* A phone that was led to another gateway says so in its statement. */
static void another_gateway(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(world_run) struct world_run *verified = signed_run(w);

	assert_ok(world_assess(r));
	world_state(r);
	w->s->deployment->host[0] ^= 1;
	assert_err_text(world_prepare(r), &ERR_STATEMENT_BAD, "kiosk.example.org");
	assert_err_text(world_verify(verified), &ERR_STATEMENT_BAD, "kiosk.example.org");
}

static void another_card_at_prepare(void **state)
{
	const struct world_card_options bob = { .subject = "Bob Example" };
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(world_card) struct world_card *card = world_new_card(w, &bob);

	assert_ok(world_assess(r));
	world_state(r);
	r->certs[0] = pb_lend(buf_bytes(card->der));
	assert_err(world_prepare(r), &ERR_EVIDENCE_BAD);
}

/* --- the nonce --- */

static void a_nonce_of_ones_own(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);

	assert_ok(world_assess(r));
	world_state(r);
	assert_ok(world_prepare(r));
	r->nonce->nonce.data[10] ^= 1;
	world_sign(r);
	assert_err_text(world_verify(r), &ERR_EVIDENCE_BAD, "nonce");
}

static void a_nonce_of_another_request(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO(world_run) struct world_run *other = signed_run(w);

	assert_ok(world_assess(r));
	world_state(r);
	assert_ok(world_prepare(r));
	memcpy(r->nonce->nonce.data, other->nonce->nonce.data, r->nonce->nonce.len);
	world_sign(r);
	assert_err_text(world_verify(r), &ERR_EVIDENCE_BAD, "nonce");
}

static void a_nonce_too_late(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = signed_run(w);
	uint64_t before = world_rows(w);

	world_now_ms += NONCE_LIFETIME_MS + 1;
	assert_err(world_verify(r), &ERR_NONCE_EXPIRED);
	assert_int_equal(world_rows(w), before);
	/* The same statement, a new nonce, a new signature: all is well. */
	assert_ok(world_prepare(r));
	world_sign(r);
	assert_ok(world_verify(r));
}

static void a_nonce_over_midnight(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *first = signed_run(w);
	AUTO(world_run) struct world_run *r = NULL;
	AUTO(world_run) struct world_run *next = NULL;
	AUTO(world_device) struct world_device *device = world_new_device();

	assert_ok(world_verify(first));
	world_now_ms += WORLD_DAY_MS - 1000;
	w->device = device;
	r = signed_run(w);
	world_now_ms += 60000;
	next = world_run_new(w);
	assert_ok(world_assess(next));
	world_state(next);
	assert_ok(world_prepare(next)); /* the key rotates here */
	assert_ok(world_verify(r));
	w->device = first->device;
}

/* --- evidence --- */

static void a_bit_of_the_signature(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = signed_run(w);

	r->evidence.card_signature.data[r->evidence.card_signature.len - 1] ^= 1;
	assert_err(world_verify(r), &ERR_SIGNATURE_BAD);
	r->evidence.card_signature.data[r->evidence.card_signature.len - 1] ^= 1;
	assert_ok(world_verify(r));
}

static void another_kiosk(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);

	assert_ok(world_assess(r));
	world_state(r);
	assert_ok(world_prepare(r));
	w->s->deployment->kiosk[0] ^= 1;
	world_sign(r);
	w->s->deployment->kiosk[0] ^= 1;
	assert_err(world_verify(r), &ERR_EVIDENCE_BAD);
}

/* The device's keys are those that the card signed for: a statement with other keys is another statement. */
static void a_swapped_statement(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = signed_run(w);
	AUTO(world_run) struct world_run *evil = world_run_new(w);
	AUTO(world_device) struct world_device *device = world_new_device();

	memcpy(evil->request_id, r->request_id, REQUEST_ID_LEN);
	evil->device = device;
	assert_ok(world_assess(evil));
	world_state(evil);
	r->evidence.statement = &evil->wire_statement;
	r->evidence.device_random = pb_lend(BYTES(evil->r_d, R_LEN));
	r->evidence.kiosk_random = pb_lend(BYTES(evil->r_k, R_LEN));
	r->evidence.offer = evil->assessment->offer;
	struct err *e = world_verify(r);
	assert_true(err_is(e, &ERR_EVIDENCE_BAD) || err_is(e, &ERR_STATEMENT_BAD) ||
		    err_is(e, &ERR_SIGNATURE_BAD));
	err_free(e);
}

static void one_request_one_intent(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = signed_run(w);
	AUTO_MSG Ca__Verified *first = NULL;
	uint64_t before;

	assert_ok(world_verify(r));
	first = take(r->verified);
	before = world_rows(w);
	/* Again, even when the nonce is long gone: the same receipt, nothing new. */
	world_now_ms += WORLD_DAY_MS;
	assert_ok(world_verify(r));
	assert_true(bytes_eq(pb_bytes(first->receipt->body), pb_bytes(r->verified->receipt->body)));
	assert_int_equal(world_rows(w), before);
	/* No new nonce for it, and no other intent. */
	world_now_ms -= WORLD_DAY_MS;
	assert_err(world_prepare(r), &ERR_WRONG_STATE);
	assert_err(world_assess(r), &ERR_WRONG_STATE);
}

static void two_intents_for_one_request(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = signed_run(w);
	AUTO(buf) struct buf *first_intent = take(r->intent);
	AUTO(buf) struct buf *first_signature = take(r->card_signature);

	assert_ok(world_prepare(r));
	world_sign(r);
	assert_ok(world_verify(r));
	r->evidence.intent = pb_lend(buf_bytes(first_intent));
	r->evidence.card_signature = pb_lend(buf_bytes(first_signature));
	assert_err_text(world_verify(r), &ERR_EVIDENCE_BAD, "another intent");
}

static void a_clock_behind_the_log(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(world_run) struct world_run *late = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO_MSG Ca__Revoked *revoked = NULL;

	world_now_ms -= 1000;
	assert_err(world_certify(r, AUTHENTICATION, &c), &ERR_CLOCK_BEHIND);
	assert_err(world_make(r, ENCRYPTION), &ERR_CLOCK_BEHIND);
	assert_err(world_assess(late), &ERR_CLOCK_BEHIND);
	/* What takes something away is done all the same. */
	assert_ok(world_revoke_device(w, w->device->id, &revoked));
}

/* --- receipts and certificates --- */

static void a_receipt_of_ones_own(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(pkey) EVP_PKEY *own = sig_new_ed25519();
	AUTO(buf) struct buf *signature = NULL;
	AUTO_MSG Ca__Certified *c = NULL;

	assert_ok(sig_sign(own, SIG_RECEIPT, pb_bytes(r->verified->receipt->body), &signature));
	memcpy(r->verified->receipt->signature.data, buf_data(signature), ED25519_SIGNATURE_LEN);
	assert_err(world_certify(r, AUTHENTICATION, &c), &ERR_SIGNATURE_BAD);
	assert_err(world_make(r, ENCRYPTION), &ERR_SIGNATURE_BAD);
}

/* Any byte of it: the signature is what is said to be wrong, also where it can no longer be read. */
static void an_altered_receipt(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;
	ProtobufCBinaryData *body = &r->verified->receipt->body;

	for (size_t i = 0; i < body->len; i += 3) {
		body->data[i] ^= 1;
		assert_err(world_certify(r, AUTHENTICATION, &c), &ERR_SIGNATURE_BAD);
		body->data[i] ^= 1;
	}
	assert_ok(world_certify(r, AUTHENTICATION, &c));
}

/* A receipt from before the log was put back to an older copy. */
static void a_receipt_that_the_log_lost(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(receipt) struct receipt *receipt = NULL;
	AUTO(buf) struct buf *signature = NULL;
	AUTO(buf) struct buf *body = NULL;
	AUTO_MSG Ca__Certified *c = NULL;

	assert_ok(receipt_decode(pb_bytes(r->verified->receipt->body), &receipt));
	receipt->intent_hash[0] ^= 1;
	body = receipt_encode(receipt);
	assert_ok(state_sign_receipt(w->s, SIG_RECEIPT, buf_bytes(body), &signature));
	memcpy(r->verified->receipt->body.data, buf_data(body), buf_len(body));
	memcpy(r->verified->receipt->signature.data, buf_data(signature), ED25519_SIGNATURE_LEN);
	assert_err_text(world_certify(r, AUTHENTICATION, &c), &ERR_STORE, "backup");
}

static void a_swapped_request(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_device) struct world_device *other = world_new_device();
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(world_run) struct world_run *evil = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;
	struct buf *own[2];

	evil->device = other;
	world_enroll(evil);
	memcpy(own, r->pkcs10, sizeof(own));
	/* Another device's key, then this device's key for another purpose. */
	r->pkcs10[0] = evil->pkcs10[0];
	assert_err_text(world_certify(r, AUTHENTICATION, &c), &ERR_EVIDENCE_BAD, "another key");
	r->pkcs10[0] = own[1];
	assert_err_text(world_certify(r, AUTHENTICATION, &c), &ERR_EVIDENCE_BAD, "another key");
	memcpy(r->pkcs10, own, sizeof(own));
	assert_ok(world_certify(r, AUTHENTICATION, &c));
}

static void a_purpose_that_was_not_signed_for(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;

	r->purposes[0] = AUTHENTICATION;
	r->n_purposes = 1;
	world_enroll(r);
	assert_err(world_certify(r, SIGNING, &c), &ERR_EVIDENCE_BAD);
	assert_err(world_make(r, ENCRYPTION), &ERR_EVIDENCE_BAD);
	assert_err(world_make(r, AUTHENTICATION), &ERR_EVIDENCE_BAD);
}

/* ca.conf changes between offer and certificate: the card signed for the profile of the offer. */
static void a_changed_profile(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MEM char *conf = world_path(w, "etc/ca.conf");
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO(x509) X509 *cert = NULL;
	char line[] = "sed -i 's/clientAuth/emailProtection/' ";
	AUTO_MEM char *command = xasprintf("%s%s", line, conf);

	assert_int_equal(system(command), 0);
	state_free(w->s);
	w->s = world_open();
	assert_true(strcmp(settings_profile(w->s->settings, AUTHENTICATION)->eku.v[0],
			    "1.3.6.1.5.5.7.3.4") == 0);
	assert_ok(world_certify(r, AUTHENTICATION, &c));
	assert_ok(cert_parse(pb_bytes(c->certificate), &cert));
	assert_true(cert_has_eku(cert, "1.3.6.1.5.5.7.3.2"));
	assert_false(cert_has_eku(cert, "1.3.6.1.5.5.7.3.4"));
}

/* --- keys made here --- */

static void a_made_key_is_made_once(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Made *first = NULL;
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO(buf) struct buf *copy = NULL;
	AUTO(entry_made) struct entry_made *made = NULL;

	assert_ok(world_make(r, ENCRYPTION));
	first = take(r->made);
	assert_ok(world_make(r, ENCRYPTION));
	assert_true(bytes_eq(pb_bytes(first->ticket->body), pb_bytes(r->made->ticket->body)));
	assert_true(bytes_eq(pb_bytes(first->sealed_device), pb_bytes(r->made->sealed_device)));
	assert_ok(world_certify(r, ENCRYPTION, &c));
	/* Now derivd has it, and the device's copy is gone from here; the officers' copy stays. */
	assert_err(world_make(r, ENCRYPTION), &ERR_WRONG_STATE);
	assert_ok(entry_made_get(w->s->ledger, r->verified->intent_hash.data, ENCRYPTION, &made));
	assert_ok(ledger_get_piece(w->s->ledger, made->row, PIECE_DEVICE_COPY, &copy));
	assert_null(copy);
	assert_ok(ledger_get_piece(w->s->ledger, made->row, PIECE_ESCROW_COPIES, &copy));
	assert_non_null(copy);
}

static void a_ticket_is_needed(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO_MSG Ca__Certified *c = NULL;

	assert_err(world_certify(r, ENCRYPTION, &c), &ERR_EVIDENCE_BAD);
	assert_ok(world_make(r, ENCRYPTION));
	/* Its own key in place of the one that was escrowed. */
	r->pkcs10[ENCRYPTION - 1] = r->pkcs10[0];
	assert_err(world_certify(r, ENCRYPTION, &c), &ERR_EVIDENCE_BAD);
	r->pkcs10[ENCRYPTION - 1] = NULL;
	r->made->ticket->signature.data[0] ^= 1;
	assert_err(world_certify(r, ENCRYPTION, &c), &ERR_SIGNATURE_BAD);
}

static void a_ticket_of_another(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_device) struct world_device *device = world_new_device();
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(world_run) struct world_run *other = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;

	other->device = device;
	world_enroll(other);
	assert_ok(world_make(other, ENCRYPTION));
	assert_ok(world_make(r, ENCRYPTION));
	Ca__Made *own = r->made;
	r->made = other->made;
	assert_err_text(world_certify(r, ENCRYPTION, &c), &ERR_EVIDENCE_BAD, "something else");
	r->made = own;
	assert_ok(world_certify(r, ENCRYPTION, &c));
}

/* A ticket that is rightly signed but not in the log (an older copy of the log was put back). */
static void a_ticket_that_the_log_lost(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(ticket) struct ticket *t = NULL;
	AUTO(buf) struct buf *body = NULL;
	AUTO(buf) struct buf *signature = NULL;
	AUTO_MSG Ca__Certified *c = NULL;

	assert_ok(world_make(r, ENCRYPTION));
	assert_ok(ticket_decode(pb_bytes(r->made->ticket->body), &t));
	t->time_ms++;
	body = ticket_encode(t);
	assert_ok(state_sign_receipt(w->s, SIG_TICKET, buf_bytes(body), &signature));
	memcpy(r->made->ticket->body.data, buf_data(body), buf_len(body));
	memcpy(r->made->ticket->signature.data, buf_data(signature), ED25519_SIGNATURE_LEN);
	assert_err_text(world_certify(r, ENCRYPTION, &c), &ERR_EVIDENCE_BAD, "of the log");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_of_ones_own),
		cmocka_unit_test(an_old_offer),
		cmocka_unit_test(another_commitment),
		cmocka_unit_test(another_gateway),
		cmocka_unit_test(another_card_at_prepare),
		cmocka_unit_test(a_nonce_of_ones_own),
		cmocka_unit_test(a_nonce_of_another_request),
		cmocka_unit_test(a_nonce_too_late),
		cmocka_unit_test(a_nonce_over_midnight),
		cmocka_unit_test(a_bit_of_the_signature),
		cmocka_unit_test(another_kiosk),
		cmocka_unit_test(a_swapped_statement),
		cmocka_unit_test(one_request_one_intent),
		cmocka_unit_test(two_intents_for_one_request),
		cmocka_unit_test(a_clock_behind_the_log),
		cmocka_unit_test(a_receipt_of_ones_own),
		cmocka_unit_test(an_altered_receipt),
		cmocka_unit_test(a_receipt_that_the_log_lost),
		cmocka_unit_test(a_swapped_request),
		cmocka_unit_test(a_purpose_that_was_not_signed_for),
		cmocka_unit_test(a_changed_profile),
		cmocka_unit_test(a_made_key_is_made_once),
		cmocka_unit_test(a_ticket_is_needed),
		cmocka_unit_test(a_ticket_of_another),
		cmocka_unit_test(a_ticket_that_the_log_lost),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
