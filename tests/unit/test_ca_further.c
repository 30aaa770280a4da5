/* test_ca_further.c: op = issue: further purposes for an enrolled device, and for no other. */
#include "tests/unit/unit.h"

#include "tests/unit/ca_world.h"

#include "evidence/seal.h"
#include "proto/msg.h"

#define AUTHENTICATION COMMON__PURPOSE__AUTHENTICATION

static struct world_run *further_run(struct world *w, struct world_run *first)
{
	struct world_run *r = world_run_new(w);

	r->operation = COMMON__OPERATION__ISSUE;
	r->predecessor = first->verified->receipt;
	return r;
}

static void an_enrolled_device_gets_more(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *first = world_enrolled(w);
	AUTO(world_run) struct world_run *r = further_run(w, first);
	AUTO_MSG Ca__Certified *c = NULL;

	world_enroll(r);
	assert_ok(world_certify(r, AUTHENTICATION, &c));
}

static void not_for_another_holder(void **state)
{
	const struct world_card_options bob = {
		.subject = "Bob Example",
		.san = "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:bob@example.org,email:bob@example.org"
	};
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_card) struct world_card *card = world_new_card(w, &bob);
	AUTO(world_run) struct world_run *first = world_enrolled(w);
	AUTO(world_run) struct world_run *r = further_run(w, first);

	r->card = card;
	assert_err_text(world_assess(r), &ERR_POLICY, "another person");
}

static void not_for_another_device(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_device) struct world_device *device = world_new_device();
	AUTO(world_run) struct world_run *first = world_enrolled(w);
	AUTO(world_run) struct world_run *r = further_run(w, first);

	assert_ok(world_assess(r));
	r->device = device;
	world_state(r);
	assert_err_text(world_prepare(r), &ERR_EVIDENCE_BAD, "other keys");
}

static void not_for_a_revoked_device(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *first = world_enrolled(w);
	AUTO(world_run) struct world_run *before = further_run(w, first);
	AUTO(world_run) struct world_run *after = further_run(w, first);
	AUTO(world_run) struct world_run *anew = world_run_new(w);
	AUTO_MSG Ca__Revoked *revoked = NULL;

	assert_ok(world_assess(before));
	world_state(before);
	assert_ok(world_prepare(before));
	world_sign(before);
	assert_ok(world_revoke_device(w, w->device->id, &revoked));
	assert_err(world_verify(before), &ERR_DEVICE_REVOKED);
	assert_err(world_assess(after), &ERR_DEVICE_REVOKED);
	/* Nor may it come back with the same identity key. */
	assert_ok(world_assess(anew));
	world_state(anew);
	assert_err(world_prepare(anew), &ERR_DEVICE_REVOKED);
}

static void a_predecessor_where_none_belongs(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *first = world_enrolled(w);
	AUTO(world_run) struct world_run *r = further_run(w, first);
	AUTO(world_run) struct world_run *none = world_run_new(w);

	r->operation = COMMON__OPERATION__ENROLL;
	assert_err(world_assess(r), &ERR_EVIDENCE_BAD);
	none->operation = COMMON__OPERATION__ISSUE;
	assert_err(world_assess(none), &ERR_EVIDENCE_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_enrolled_device_gets_more),
		cmocka_unit_test(not_for_another_holder),
		cmocka_unit_test(not_for_another_device),
		cmocka_unit_test(not_for_a_revoked_device),
		cmocka_unit_test(a_predecessor_where_none_belongs),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
