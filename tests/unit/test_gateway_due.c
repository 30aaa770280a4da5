/* test_gateway_due.c: deadlines come in order, once, and not when they were cleared or moved. */
#include "tests/unit/unit.h"

#include "daemon/gateway/due.h"
#include "tests/unit/fake_clock.h"

#define SEEN_MAX 64

static struct {
	sd_event *event;
	struct due *due;
	size_t n;
	struct due_entry *entries[SEEN_MAX];
	enum due_kind kinds[SEEN_MAX];
	struct due_entry *set_again; /* from within expired */
	struct due_entry *clear_too;
} t;

static void on_expired(struct due_entry *entry, enum due_kind kind, void *userdata)
{
	assert_ptr_equal(userdata, &t);
	assert_false(due_is_set(entry, kind));
	assert_true(t.n < SEEN_MAX);
	t.entries[t.n] = entry;
	t.kinds[t.n++] = kind;
	if (t.set_again == entry)
		due_set(t.due, entry, kind);
	if (t.clear_too)
		due_clear(t.due, t.clear_too);
}

static int setup(void **state)
{
	const struct due_ops ops = {
		.wait_ms = { [DUE_HANDSHAKE] = 1000, [DUE_PING] = 5000, [DUE_STALL] = 3000 },
		.expired = on_expired,
	};

	memset(&t, 0, sizeof(t));
	assert_true(sd_event_new(&t.event) >= 0);
	assert_ok(due_new(t.event, &ops, &t, &t.due));
	return 0;
}

static int teardown(void **state)
{
	due_free(t.due);
	sd_event_unref(t.event);
	return 0;
}

/* Moves the clock and lets the loop run: the timer is in the past of the real clock. */
static void pass(int64_t ms)
{
	fake_boot_ms += ms;
	for (int i = 0; i < 4; i++)
		assert_true(sd_event_run(t.event, 0) >= 0);
}

static void they_come_when_due_and_once(void **state)
{
	struct due_entry a = { 0 }, b = { 0 }, c = { 0 };

	due_set(t.due, &a, DUE_PING);
	due_set(t.due, &b, DUE_HANDSHAKE);
	pass(500);
	due_set(t.due, &c, DUE_HANDSHAKE);
	assert_int_equal(t.n, 0);
	pass(500);
	assert_int_equal(t.n, 1);
	assert_ptr_equal(t.entries[0], &b);
	assert_int_equal(t.kinds[0], DUE_HANDSHAKE);
	pass(500);
	assert_int_equal(t.n, 2);
	assert_ptr_equal(t.entries[1], &c);
	pass(10000);
	assert_int_equal(t.n, 3);
	assert_ptr_equal(t.entries[2], &a);
	pass(10000);
	assert_int_equal(t.n, 3);
}

static void cleared_and_moved_ones_do_not_come(void **state)
{
	struct due_entry a = { 0 }, b = { 0 };

	due_set(t.due, &a, DUE_HANDSHAKE);
	due_set(t.due, &b, DUE_HANDSHAKE);
	pass(900);
	due_clear(t.due, &a);
	due_clear(t.due, &a);
	due_set(t.due, &b, DUE_PING); /* another kind */
	assert_false(due_is_set(&b, DUE_HANDSHAKE));
	assert_true(due_is_set(&b, DUE_PING));
	pass(900);
	assert_int_equal(t.n, 0);
	pass(4100);
	assert_int_equal(t.n, 1);
	assert_ptr_equal(t.entries[0], &b);
}

static void one_may_be_set_again_and_another_cleared_meanwhile(void **state)
{
	struct due_entry a = { 0 }, b = { 0 };

	due_set(t.due, &a, DUE_HANDSHAKE);
	due_set(t.due, &b, DUE_HANDSHAKE);
	t.set_again = &a;
	t.clear_too = &b;
	pass(1000);
	assert_int_equal(t.n, 1);
	pass(1000);
	assert_int_equal(t.n, 2);
	assert_ptr_equal(t.entries[1], &a);
	t.set_again = NULL;
	due_clear(t.due, &a);
}

static void the_oldest_is_known_with_its_age(void **state)
{
	struct due_entry a = { 0 }, b = { 0 };

	assert_null(due_peek(t.due, DUE_HANDSHAKE));
	due_set(t.due, &a, DUE_HANDSHAKE);
	pass(300);
	due_set(t.due, &b, DUE_HANDSHAKE);
	pass(200);
	assert_ptr_equal(due_peek(t.due, DUE_HANDSHAKE), &a);
	assert_int_equal(due_age_ms(t.due, &a), 500);
	due_clear(t.due, &a);
	assert_ptr_equal(due_peek(t.due, DUE_HANDSHAKE), &b);
	due_clear(t.due, &b);
}

static void a_shorter_wait_holds_for_those_who_wait(void **state)
{
	struct due_entry a = { 0 }, b = { 0 };

	due_set(t.due, &a, DUE_PING);
	pass(10);
	due_set_wait(t.due, DUE_PING, 1000);
	due_set(t.due, &b, DUE_PING);
	pass(1000);
	assert_int_equal(t.n, 2);
	assert_ptr_equal(t.entries[0], &a);
	/* A longer one does not move them. */
	due_set(t.due, &a, DUE_PING);
	due_set_wait(t.due, DUE_PING, 60000);
	pass(1000);
	assert_int_equal(t.n, 3);
}

static void when_the_loop_is_over_nothing_is_due(void **state)
{
	struct due_entry a = { 0 };

	assert_true(sd_event_exit(t.event, 0) >= 0);
	assert_int_equal(sd_event_loop(t.event), 0);
	due_set(t.due, &a, DUE_PING);
	due_clear(t.due, &a);
	assert_int_equal(t.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(they_come_when_due_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			cleared_and_moved_ones_do_not_come, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_may_be_set_again_and_another_cleared_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_is_known_with_its_age, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_shorter_wait_holds_for_those_who_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(
			when_the_loop_is_over_nothing_is_due, setup, teardown),
	};

	return cmocka_run_group_tests_name("gateway due", tests, NULL, NULL);
}
