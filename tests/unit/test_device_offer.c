/*
 * test_device_offer.c: from an offer to a statement and items back, in one process: what the device states is what those who rely on
 * it accept; what cannot be stored is not acknowledged.
 */
#include "tests/unit/unit.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/device/apply.h"
#include "client/device/fault.h"
#include "client/device/make.h"
#include "client/device/offer_answer.h"
#include "proto/msg.h"

static char base[] = "/tmp/derivd-unit-offer.XXXXXX";

/* An enrollment that has begun: keys, home, state. */
static struct {
	EVP_PKEY *delivery, *invitation, *identity;
	uint8_t delivery_public[ED25519_PUBLIC_LEN];
	uint8_t invitation_public[ED25519_PUBLIC_LEN];
	struct home *home;
	struct state *state;
	struct buf *offer, *offer_signature;
	Common__Signed wire;
	Device__Offer message;
} t;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static struct state *begun(void)
{
	struct state *s = state_new();

	s->stage = STAGE_PENDING;
	s->host = xstrdup("kiosk.example.org");
	s->port = 4433;
	s->platform = xstrdup("test");
	memset(s->deployment, 0x77, sizeof(s->deployment));
	sha256(BYTES(t.delivery_public, ED25519_PUBLIC_LEN), s->delivery_hash);
	s->attempt = attempt_new();
	s->attempt->operation = COMMON__OPERATION__ENROLL;
	memcpy(s->attempt->invitation_public, t.invitation_public, ED25519_PUBLIC_LEN);
	uint8_t seed[32];
	size_t len = sizeof(seed);
	assert_int_equal(EVP_PKEY_get_raw_private_key(t.invitation, seed, &len), 1);
	buf_add(s->attempt->seed, seed, len);
	return s;
}

static int setup(void **state)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "%s/home", base);
	t.delivery = sig_new_ed25519();
	t.invitation = sig_new_ed25519();
	sig_raw_public(t.delivery, t.delivery_public);
	sig_raw_public(t.invitation, t.invitation_public);
	assert_ok(home_open(dir, true, &t.home));
	t.state = begun();
	assert_ok(make_identity(t.home, t.state));
	assert_ok(home_save(t.home, t.state));
	assert_ok(home_get_key(t.home, t.state->identity_key, &t.identity));
	return 0;
}

static int teardown(void **state)
{
	char dir[64];

	EVP_PKEY_free(t.delivery);
	EVP_PKEY_free(t.invitation);
	EVP_PKEY_free(t.identity);
	home_free(t.home);
	state_free(t.state);
	buf_free(t.offer);
	buf_free(t.offer_signature);
	memset(&t, 0, sizeof(t));
	snprintf(dir, sizeof(dir), "%s/home", base);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* --- offers --- */

static struct offer new_offer(struct facts *facts)
{
	struct offer o = { .operation = COMMON__OPERATION__ENROLL, .n_certs = 1, .facts = facts };

	assert_ok(facts_add(facts, FACT_NAME, "Ada Example"));
	assert_ok(facts_add(facts, FACT_ID_TYPE, "upn"));
	assert_ok(facts_add(facts, FACT_ID, "ada@example.org"));
	assert_ok(facts_add(facts, FACT_ANCHOR, "00"));
	memset(o.deployment, 0x77, sizeof(o.deployment));
	o.created_ms = clock_real_ms();
	o.expires_ms = o.created_ms + 60000;
	o.n_purposes = 3;
	for (size_t i = 0; i < 3; i++) {
		o.purposes[i].purpose = (Common__Purpose)(i + 1);
		o.purposes[i].origin = i < 2 ? COMMON__ORIGIN__DEVICE : COMMON__ORIGIN__SERVER;
		snprintf(o.purposes[i].key_type, KEY_TYPE_MAX, "p256");
	}
	return o;
}

static const Device__Offer *sign_offer(const struct offer *o)
{
	buf_free(t.offer);
	buf_free(t.offer_signature);
	t.offer_signature = NULL;
	t.offer = offer_encode(o);
	assert_ok(sig_sign(t.delivery, SIG_OFFER, buf_bytes(t.offer), &t.offer_signature));
	common__signed__init(&t.wire);
	t.wire.body = pb_lend(buf_bytes(t.offer));
	t.wire.signature = pb_lend(buf_bytes(t.offer_signature));
	device__offer__init(&t.message);
	t.message.offer = &t.wire;
	t.message.delivery_public = pb_lend(BYTES(t.delivery_public, ED25519_PUBLIC_LEN));
	return &t.message;
}

static struct err *answer(const struct offer *o)
{
	AUTO(offer) struct offer *got = NULL;

	return offer_answer(
		t.home, t.state, t.identity, sign_offer(o), (struct offer_question){ 0 }, &got);
}

static void the_statement_is_what_the_others_accept(void **state)
{
	AUTO(facts) struct facts *facts = facts_new();
	const struct offer o = new_offer(facts);
	AUTO(buf) struct buf *spki = sig_spki(t.identity);
	AUTO(statement) struct statement *s = NULL;
	Common__Statement inner;
	Device__Statement m;
	uint8_t hash[SHA256_LEN];

	assert_ok(answer(&o));
	offer_fill_statement(t.state->attempt, spki, &m, &inner);
	assert_ok(statement_check(&inner, &o, buf_bytes(t.offer),
		BYTES(t.invitation_public, ED25519_PUBLIC_LEN), &s));
	assert_string_equal(s->host, "kiosk.example.org");
	assert_int_equal(s->n_requests, 2);
	for (size_t i = 0; i < s->n_requests; i++) {
		AUTO(pkey) EVP_PKEY *key = NULL;
		assert_ok(statement_key_hash(&s->requests[i], hash));
		assert_ok(home_get_key(t.home, hash, &key));
	}
	/* The invitation has done its work. */
	assert_int_equal(buf_len(t.state->attempt->seed), 0);
	assert_true(t.state->has_holder_id);
}

static void the_same_offer_gets_the_same_statement_also_from_the_disk(void **state)
{
	AUTO(facts) struct facts *facts = facts_new();
	const struct offer o = new_offer(facts);

	assert_ok(answer(&o));
	AUTO_MEM char *first = bytes_strdup(buf_bytes(t.state->attempt->statement));
	size_t len = buf_len(t.state->attempt->statement);
	assert_ok(answer(&o));
	assert_true(bytes_eq(buf_bytes(t.state->attempt->statement), BYTES(first, len)));
	state_free(take(t.state));
	assert_ok(home_load(t.home, &t.state));
	assert_ok(answer(&o));
	assert_true(bytes_eq(buf_bytes(t.state->attempt->statement), BYTES(first, len)));
}

static void other_offers_are_refused_before_anything_is_made(void **state)
{
	AUTO(facts) struct facts *facts = facts_new();
	struct offer o = new_offer(facts);

	o.deployment[0] ^= 1;
	assert_err_text(answer(&o), &ERR_OFFER, "deployment");
	o.deployment[0] ^= 1;
	o.created_ms -= INT64_C(2) * 86400000;
	o.expires_ms = o.created_ms + 1;
	assert_err_text(answer(&o), &ERR_OFFER, "clock");
	assert_int_equal(t.state->n_slots, 0);
}

static void more_credentials_only_for_the_same_person_and_enrollment(void **state)
{
	AUTO(facts) struct facts *facts = facts_new();
	struct offer o = new_offer(facts);

	assert_ok(answer(&o));
	o.operation = COMMON__OPERATION__ISSUE;
	memset(o.predecessor, 9, SHA256_LEN);
	assert_err_text(answer(&o), &ERR_OFFER, "not enrolled");
	t.state->stage = STAGE_ENROLLED;
	assert_ok(answer(&o));
	assert_int_equal(t.state->attempt->operation, COMMON__OPERATION__ISSUE);
	assert_int_equal(buf_len(t.state->attempt->invitation_signature), 0);
	t.state->has_receipt = true;
	memset(t.state->receipt, 8, SHA256_LEN);
	assert_err_text(answer(&o), &ERR_OFFER, "another enrollment");
	memcpy(t.state->receipt, o.predecessor, SHA256_LEN);
	t.state->holder_id[0] ^= 1;
	assert_err_text(answer(&o), &ERR_OFFER, "another person");
}

/* --- items --- */

static struct err *give(
	uint64_t number, enum item_kind kind, struct bytes payload, struct applied **ret_applied)
{
	struct item i = { .number = number, .kind = kind, .payload_len = payload.len };
	AUTO(buf) struct buf *signature = NULL;
	Common__Signed wire = COMMON__SIGNED__INIT;
	Device__Item m = DEVICE__ITEM__INIT;

	memset(i.deployment, 0x77, sizeof(i.deployment));
	memcpy(i.device_id, t.state->identity_key, SHA256_LEN);
	sha256(payload, i.payload_digest);
	AUTO(buf) struct buf *body = item_encode(&i);
	assert_ok(sig_sign(t.delivery, SIG_ITEM, buf_bytes(body), &signature));
	wire.body = pb_lend(buf_bytes(body));
	wire.signature = pb_lend(buf_bytes(signature));
	m.item = &wire;
	m.payload = pb_lend(payload);
	return apply_item(t.home, t.state, t.identity, BYTES(t.delivery_public, ED25519_PUBLIC_LEN),
		&m, ret_applied);
}

static struct buf *pins_of(uint64_t epoch)
{
	struct pinset p = { .epoch = epoch, .n_pins = 1, .pins = { { 1 } } };

	memset(p.deployment, 0x77, sizeof(p.deployment));
	p.pins[0][1] = (uint8_t)epoch;
	return pinset_encode(&p);
}

static void pins_never_go_back(void **state)
{
	AUTO(buf) struct buf *older = pins_of(4);
	AUTO(buf) struct buf *newer = pins_of(5);
	AUTO(applied) struct applied *first = NULL;
	AUTO(applied) struct applied *second = NULL;
	AUTO(applied) struct applied *third = NULL;

	assert_ok(give(1, ITEM_PINS, buf_bytes(newer), &first));
	assert_int_equal(first->status, APPLY_DONE);
	assert_int_equal(t.state->pins_epoch, 5);
	assert_ok(give(2, ITEM_PINS, buf_bytes(older), &second));
	assert_int_equal(second->status, APPLY_MALFORMED);
	assert_non_null(strstr(second->detail, "came before"));
	assert_int_equal(t.state->pins[0][1], 5);
	AUTO(buf) struct buf *six = pins_of(6);
	AUTO_MEM uint8_t *foreign = bytes_dup(buf_bytes(six));
	foreign[4] ^= 1;
	assert_ok(give(3, ITEM_PINS, BYTES(foreign, buf_len(six)), &third));
	assert_int_equal(third->status, APPLY_MALFORMED);
	assert_int_equal(t.state->pins_epoch, 5);
}

/* Every write fails from now on, as on a full disk. */
static void fill_disk(bool full)
{
	const struct rlimit limit = { full ? 0 : RLIM_INFINITY, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_cannot_be_stored_is_not_acknowledged(void **state)
{
	AUTO(buf) struct buf *payload = pins_of(0);
	AUTO(applied) struct applied *r = NULL;

	fill_disk(true);
	struct err *e = give(5, ITEM_PINS, buf_bytes(payload), &r);
	fill_disk(false);
	assert_err(e, &ERR_SYSTEM);
	assert_null(r);
	/* The next connection begins from the disk. */
	state_free(take(t.state));
	assert_ok(home_load(t.home, &t.state));
	assert_int_equal(t.state->last_number, 0);
	assert_int_equal(t.state->n_acks, 0);
	assert_ok(give(5, ITEM_PINS, buf_bytes(payload), &r));
	assert_int_equal(r->status, APPLY_DONE);
	assert_int_equal(t.state->last_number, 5);
	assert_int_equal(t.state->n_pins, 1);
}

static void old_numbers_are_refused_and_the_last_acknowledgements_kept(void **state)
{
	AUTO(buf) struct buf *payload = pins_of(0);

	for (uint64_t n = 1; n <= STATE_ACKS_MAX + 4; n++) {
		AUTO(applied) struct applied *r = NULL;
		assert_ok(give(n, ITEM_PINS, buf_bytes(payload), &r));
		assert_int_equal(r->status, APPLY_DONE);
		assert_false(r->again);
	}
	assert_int_equal(t.state->n_acks, STATE_ACKS_MAX);
	AUTO(applied) struct applied *kept = NULL;
	AUTO(applied) struct applied *forgotten = NULL;
	assert_ok(give(STATE_ACKS_MAX + 4, ITEM_PINS, buf_bytes(payload), &kept));
	assert_true(kept->again);
	assert_ok(give(1, ITEM_PINS, buf_bytes(payload), &forgotten));
	assert_int_equal(forgotten->status, APPLY_OLD);
	assert_int_equal(t.state->last_number, STATE_ACKS_MAX + 4);
}

static void a_first_item_says_that_the_device_is_enrolled(void **state)
{
	AUTO(applied) struct applied *r = NULL;

	assert_int_equal(t.state->stage, STAGE_PENDING);
	assert_ok(give(1, ITEM_CHAIN, BYTES("x", 1), &r));
	assert_int_equal(r->status, APPLY_MALFORMED);
	assert_non_null(r->detail);
	assert_int_equal(t.state->stage, STAGE_ENROLLED);
}

static int group_setup(void **state)
{
	return mkdtemp(base) ? 0 : -1;
}

static int group_teardown(void **state)
{
	return rmdir(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_statement_is_what_the_others_accept, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_same_offer_gets_the_same_statement_also_from_the_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(
			other_offers_are_refused_before_anything_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(
			more_credentials_only_for_the_same_person_and_enrollment, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_stored_is_not_acknowledged, setup, teardown),
		cmocka_unit_test_setup_teardown(pins_never_go_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
			old_numbers_are_refused_and_the_last_acknowledgements_kept, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_first_item_says_that_the_device_is_enrolled, setup, teardown),
	};

	return cmocka_run_group_tests_name("device offer", tests, group_setup, group_teardown);
}
