/* test_ca_change.c: what a change of derivd-ca's configuration is told as, who has to approve it, and what goes on meanwhile. */
#include "tests/unit/unit.h"

#include "tests/unit/ca_world.h"

#include "daemon/ca/approval.h"
#include "proto/msg.h"

#define AUTHENTICATION COMMON__PURPOSE__AUTHENTICATION
#define ANNE 5001
#define BERT 5002
#define TWO "approval {\n\tofficers = 2\n}\n"

/* --- differences --- */

static char *told(const char *before, const char *after)
{
	AUTO(buf) struct buf *all = buf_new();
	struct effect_lines l;

	effect_difference(BYTES(before, strlen(before)), BYTES(after, strlen(after)), &l);
	for (size_t i = 0; i < l.n; i++)
		buf_addf(all, "%s|", l.v[i]);
	effect_lines_clear(&l);
	return xstrdup(buf_str(all));
}

static void a_difference_is_told_in_words(void **state)
{
	static const struct {
		const char *before, *after, *told;
	} cases[] = {
		{ "a: 1\n", "a: 1\n", "" },
		{ "", "a: 1\n", "a added: 1|" },
		{ "a: 1\n", "", "a removed: 1|" },
		{ "a: 1\nb: 2\n", "a: 1\nb: 3\n", "b: 2 -> 3|" },
		/* Of several values it is said which came and which went. */
		{ "a: 1\na: 2\n", "a: 1\na: 3\n", "a: 2 -> 3|" },
		{ "a: 1\n", "a: 1\na: 3\n", "a added: 3|" },
		{ "a: 1\na: 2\n", "a: 3\n", "a removed: 1|a removed: 2|a added: 3|" },
		/* The same twice is not the same once. */
		{ "a: 1\na: 1\n", "a: 1\n", "a removed: 1|" },
		{ "a b: 1\na: 1\nc: 1\n", "a b: 2\nc: 1\nd: 4\n",
			"a b: 1 -> 2|a removed: 1|d added: 4|" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_MEM char *is = told(cases[i].before, cases[i].after);
		assert_string_equal(is, cases[i].told);
	}
}

static void configure(const struct world *w, const char *text)
{
	world_write(w, "etc/ca.conf.d/50-change.conf", BYTES(text, strlen(text)));
}

/* What a process that starts now finds different. */
static char *difference(void)
{
	AUTO(state) struct state *s = world_open();
	AUTO(buf) struct buf *all = buf_new();
	struct effect_lines l;
	struct approval a;

	assert_ok(approval_look(s, 0, &a));
	assert_ok(approval_difference(s, &a, &l));
	for (size_t i = 0; i < l.n; i++)
		buf_addf(all, "%s|", l.v[i]);
	effect_lines_clear(&l);
	return xstrdup(buf_str(all));
}

static void what_counts_is_content(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);

	assert_ok(approval_check(w->s, false));
	configure(w, "# a comment\n");
	AUTO_MEM char *nothing = difference();
	assert_string_equal(nothing, "");
	configure(w, "nonce-lifetime = \"60s\"\noffer-lifetime = \"90s\"\n");
	AUTO_MEM char *times = difference();
	assert_string_equal(
		times, "nonce-lifetime: 5 min -> 1 min|offer-lifetime: 15 min -> 90 s|");
	/* Somebody who names sections after what stands around them fools nobody. */
	configure(w, "app \"x\" {\n\tfile = \"x.txt\"\n}\n");
	world_write(w, "etc/x.txt", BYTES("one", 3));
	AUTO_MEM char *one = difference();
	assert_non_null(strstr(one, "app \"x\" text added: SHA-256 "));
	world_write(w, "etc/x.txt", BYTES("two", 3));
	AUTO_MEM char *two = difference();
	assert_string_not_equal(one, two);
}

/* --- who approves --- */

static struct state *open_changed(const struct world *w, const char *text)
{
	configure(w, text);
	return world_open();
}

static char *name_of(const struct state *s)
{
	static char name[2 * APPROVAL_SHOWN_LEN + 1];

	for (size_t i = 0; i < APPROVAL_SHOWN_LEN; i++)
		(void)snprintf(name + 2 * i, 3, "%02x", s->effect_digest[i]);
	return name;
}

/* By a process of its own, as each officer's connection is. */
static struct err *give(uid_t uid, const char *prefix)
{
	AUTO(state) struct state *s = world_open();
	struct approval a;

	return approval_give(s, uid, prefix ? prefix : name_of(s), &a);
}

static void root_alone_where_nobody_is_asked(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(state) struct state *s = open_changed(w, "nonce-lifetime = \"60s\"\n");
	AUTO_MSG Ca__Certified *c = NULL;
	struct entry_approved first, second;

	assert_ok(entry_approved_newest(s->ledger, &first));
	assert_int_equal(first.how, HOW_FIRST);
	assert_ok(approval_check(s, false));
	assert_ok(entry_approved_newest(s->ledger, &second));
	assert_int_equal(second.how, HOW_ROOT);
	assert_int_equal(second.officers, 1);
	assert_err(give(ANNE, NULL), &ERR_WRONG_STATE);
	assert_err(approval_alone(s, 0, "why"), &ERR_WRONG_STATE);
	/* The process that was there before goes on, by what is in force now. */
	assert_ok(world_certify(r, AUTHENTICATION, &c));
	assert_memory_equal(w->s->effect_digest, s->effect_digest, SHA256_LEN);
}

/* A world where two officers are asked for, and root has changed something since. */
static struct state *waiting(const struct world *w)
{
	AUTO(state) struct state *rule = open_changed(w, TWO);

	assert_ok(approval_check(rule, false));
	return open_changed(w, TWO "nonce-lifetime = \"60s\"\n");
}

static void nothing_is_issued_while_it_waits(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(world_run) struct world_run *next = world_run_new(w);
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO_MSG Ca__Revoked *revoked = NULL;
	AUTO_MSG Ca__CrlPublished *crl = NULL;
	struct state *before = w->s;

	w->s = waiting(w);
	assert_err_text(world_certify(r, AUTHENTICATION, &c), &ERR_UNAPPROVED,
		"nonce-lifetime: 5 min -> 1 min");
	assert_err(world_make(r, COMMON__PURPOSE__ENCRYPTION), &ERR_UNAPPROVED);
	assert_err(world_assess(next), &ERR_UNAPPROVED);
	Ca__Crl q = CA__CRL__INIT;
	q.force = true;
	assert_ok(op_crl(w->s, &q, &crl));
	Ca__RevokeDevice lost = CA__REVOKE_DEVICE__INIT;
	Common__AuditHead head = COMMON__AUDIT_HEAD__INIT;
	head.sequence = 1;
	head.hash = pb_lend(BYTES(w->audit.hash, SHA256_LEN));
	lost.device_id = pb_lend(BYTES(r->device->id, SHA256_LEN));
	lost.audit = &head;
	assert_ok(op_revoke_device(w->s, &lost, &revoked));
	state_free(w->s);
	w->s = before;
}

static void two_people_with_two_uids(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(state) struct state *s = waiting(w);
	struct approval a;

	assert_err(give(ANNE, "00000000"), &ERR_WRONG_STATE);
	assert_err(give(ANNE, ""), &ERR_WRONG_STATE);
	assert_ok(give(ANNE, NULL));
	assert_err_text(give(ANNE, NULL), &ERR_WRONG_STATE, "already");
	assert_err(approval_check(s, false), &ERR_UNAPPROVED);
	assert_ok(give(BERT, NULL));
	assert_ok(approval_check(s, false));
	assert_err_text(give(ANNE, NULL), &ERR_WRONG_STATE, "nothing waits");
	assert_ok(approval_look(s, ANNE, &a));
	assert_int_equal(a.standing.how, HOW_OFFICERS);
	/* The process of before takes it over by itself. */
	assert_ok(approval_check(w->s, false));
	assert_int_equal(w->s->settings->nonce_lifetime_ms, 60000);
}

static void a_change_in_between_voids_the_first(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(state) struct state *s = waiting(w);
	AUTO_MEM char *first = xstrdup(name_of(s));

	assert_ok(give(ANNE, first));
	configure(w, TWO "nonce-lifetime = \"61s\"\n");
	assert_err_text(give(BERT, first), &ERR_WRONG_STATE, "changed after you looked");
	assert_ok(give(BERT, NULL));
	assert_err(approval_check(s, false), &ERR_UNAPPROVED);
	/* Not by going back, either. */
	configure(w, TWO "nonce-lifetime = \"60s\"\n");
	assert_ok(give(BERT, first));
	assert_err(approval_check(s, false), &ERR_UNAPPROVED);
	assert_ok(give(ANNE, first));
	assert_ok(approval_check(s, false));
}

static void the_rule_is_not_taken_away_alone(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(state) struct state *s = waiting(w);
	AUTO(state) struct state *one = open_changed(w, "approval {\n\tofficers = 1\n}\n");

	assert_err_text(approval_check(one, false), &ERR_UNAPPROVED, "approval officers: 2 -> 1");
	assert_ok(give(ANNE, NULL));
	assert_err(approval_check(one, false), &ERR_UNAPPROVED);
	assert_ok(give(BERT, NULL));
	assert_ok(approval_check(one, false));
	/* From now on it is as they wanted it. */
	AUTO(state) struct state *free_again = open_changed(w, "nonce-lifetime = \"62s\"\n");
	assert_ok(approval_check(free_again, false));
}

static void what_was_in_force_before_needs_approval_too(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(state) struct state *s = waiting(w);

	assert_ok(give(ANNE, NULL));
	assert_ok(give(BERT, NULL));
	configure(w, TWO);
	AUTO(state) struct state *back = world_open();
	assert_err(approval_check(back, false), &ERR_UNAPPROVED);
}

static void root_alone_is_not_forgotten(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(state) struct state *s = waiting(w);
	AUTO(state) struct state *one = open_changed(w, "approval {\n\tofficers = 1\n}\n");
	struct approval a;

	assert_ok(approval_alone(one, 0, "Bert is ill"));
	assert_ok(approval_check(one, false));
	assert_err_text(approval_tell(one), &ERR_ALONE, "Bert is ill");
	assert_err(approval_alone(one, 0, "again"), &ERR_WRONG_STATE);
	/* The rule holds until officers let it go, for this and for the next change. */
	assert_ok(approval_look(one, 0, &a));
	assert_int_equal(a.needed, 2);
	assert_ok(give(ANNE, NULL));
	assert_err(approval_tell(one), &ERR_ALONE);
	assert_ok(give(BERT, NULL));
	assert_ok(approval_tell(one));
	assert_ok(approval_look(one, 0, &a));
	assert_int_equal(a.needed, 1);
}

static void pins_are_not_announced_unapproved(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_run) struct world_run *r = world_enrolled(w);
	AUTO(state) struct state *rule = open_changed(w, TWO);
	AUTO_MSG Ca__SignedItem *m = NULL;
	Ca__SignItem q = CA__SIGN_ITEM__INIT;
	uint8_t id[ITEM_ID_LEN] = { 1 };

	assert_ok(approval_check(rule, false));
	q.device_id = pb_lend(BYTES(r->device->id, SHA256_LEN));
	q.item_id = pb_lend(BYTES(id, sizeof(id)));
	q.number = 1;
	q.kind = CA__ITEM_KIND__PINS;
	/* The process has what is in force, the file has not. */
	assert_ok(approval_check(w->s, false));
	configure(w, TWO "nonce-lifetime = \"60s\"\n");
	assert_err(op_sign_item(w->s, &q, &m), &ERR_UNAPPROVED);
	q.kind = CA__ITEM_KIND__CHAIN;
	assert_ok(op_sign_item(w->s, &q, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_difference_is_told_in_words),
		cmocka_unit_test(what_counts_is_content),
		cmocka_unit_test(root_alone_where_nobody_is_asked),
		cmocka_unit_test(nothing_is_issued_while_it_waits),
		cmocka_unit_test(two_people_with_two_uids),
		cmocka_unit_test(a_change_in_between_voids_the_first),
		cmocka_unit_test(the_rule_is_not_taken_away_alone),
		cmocka_unit_test(what_was_in_force_before_needs_approval_too),
		cmocka_unit_test(root_alone_is_not_forgotten),
		cmocka_unit_test(pins_are_not_announced_unapproved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
