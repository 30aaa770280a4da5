/* test_gateway_roster.c: caps by address and in total, numbers, and one connection for each key. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/buf.h"
#include "daemon/gateway/roster.h"
#include "tests/unit/fake_clock.h"

#define ENTRIES 600

static struct {
	sd_event *event;
	struct due *due;
	struct roster *roster;
	struct settings settings;
	struct roster_entry entries[ENTRIES];
	const char *why;
} t;

static void on_expired(struct due_entry *entry, enum due_kind kind, void *userdata)
{
	assert_int_equal(kind, DUE_ADDRESS);
	roster_expired(t.roster, entry);
}

static int setup(void **state)
{
	const struct due_ops ops = { .wait_ms = { [DUE_ADDRESS] = 60000 }, .expired = on_expired };

	memset(&t, 0, sizeof(t));
	t.settings = (struct settings){
		.max_connections = 500, .max_per_address = 100, .new_per_address = 20
	};
	assert_true(sd_event_new(&t.event) >= 0);
	assert_ok(due_new(t.event, &ops, NULL, &t.due));
	t.roster = roster_new(t.due, &t.settings);
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < ENTRIES; i++)
		roster_leave(t.roster, &t.entries[i]);
	assert_int_equal(roster_count(t.roster), 0);
	roster_free(t.roster);
	due_free(t.due);
	sd_event_unref(t.event);
	return 0;
}

static void pass(int64_t ms)
{
	fake_boot_ms += ms;
	for (int i = 0; i < 4; i++)
		assert_true(sd_event_run(t.event, 0) >= 0);
}

static bool enter(size_t i, const char *address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return roster_enter(t.roster, (const struct sockaddr *)&v4, &t.entries[i], &t.why);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return roster_enter(t.roster, (const struct sockaddr *)&v6, &t.entries[i], &t.why);
}

static void one_address_has_its_cap_and_no_other_suffers(void **state)
{
	for (size_t i = 0; i < 100; i++)
		assert_true(enter(i, "192.0.2.1"));
	assert_false(enter(100, "192.0.2.1"));
	assert_string_equal(t.why, "max-per-address is reached");
	assert_true(enter(100, "192.0.2.2"));
	roster_leave(t.roster, &t.entries[0]);
	assert_true(enter(0, "192.0.2.1"));
}

static void a_mapped_address_is_the_ipv4_address(void **state)
{
	char text[ROSTER_TEXT_MAX];

	for (size_t i = 0; i < 100; i++)
		assert_true(enter(i, i % 2 ? "192.0.2.1" : "::ffff:192.0.2.1"));
	assert_false(enter(100, "::ffff:192.0.2.1"));
	roster_address_text(&t.entries[0], text);
	assert_string_equal(text, "192.0.2.1");
}

static void an_ipv6_network_counts_as_one_and_is_shown_whole(void **state)
{
	char address[64], text[ROSTER_TEXT_MAX];

	for (size_t i = 0; i < 100; i++) {
		snprintf(address, sizeof(address), "2001:db8:0:1::%zx", i + 1);
		assert_true(enter(i, address));
	}
	assert_false(enter(100, "2001:db8:0:1:ffff::1"));
	assert_true(enter(100, "2001:db8:0:2::1"));
	roster_address_text(&t.entries[15], text);
	assert_string_equal(text, "2001:db8:0:1::10");
}

static void all_together_have_a_cap(void **state)
{
	char address[32];

	for (size_t i = 0; i < 500; i++) {
		snprintf(address, sizeof(address), "198.51.%zu.%zu", i / 200, i % 200);
		assert_true(enter(i, address));
	}
	assert_false(enter(500, "192.0.2.1"));
	assert_string_equal(t.why, "max-connections is reached");
	assert_int_equal(roster_count(t.roster), 500);
}

static void an_address_opens_so_many_in_a_second(void **state)
{
	/* 200 at once: as many as come in ten seconds. */
	for (size_t i = 0; i < 200; i++) {
		assert_true(enter(i, "192.0.2.1"));
		roster_leave(t.roster, &t.entries[i]);
	}
	assert_false(enter(0, "192.0.2.1"));
	assert_string_equal(t.why, "new-per-address is exceeded");
	pass(1000);
	for (size_t i = 0; i < 20; i++)
		assert_true(enter(i, "192.0.2.1"));
	assert_false(enter(20, "192.0.2.1"));
}

static void an_address_is_forgotten_after_a_while(void **state)
{
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 200; i++) {
			assert_true(enter(i, "192.0.2.1"));
			roster_leave(t.roster, &t.entries[i]);
		}
		assert_false(enter(0, "192.0.2.1"));
		pass(60000);
	}
}

/* Whoever has a /48 has 65536 networks to come from: they fill the table, and nobody else is kept out by it. */
static void addresses_that_left_make_room_for_new_ones(void **state)
{
	char address[64];

	assert_true(enter(1, "192.0.2.1"));
	for (size_t i = 0; i < 5000; i++) {
		snprintf(address, sizeof(address), "2001:db8:0:%zx::1", i);
		if (!enter(0, address))
			fail_msg("%s: %s", address, t.why);
		roster_leave(t.roster, &t.entries[0]);
	}
	assert_true(enter(0, "192.0.2.2"));
	/* Who is connected is not forgotten. */
	for (size_t i = 2; i < 101; i++)
		assert_true(enter(i, "192.0.2.1"));
	assert_false(enter(101, "192.0.2.1"));
	assert_string_equal(t.why, "max-per-address is reached");
}

static void numbers_find_their_connection_and_are_never_used_again(void **state)
{
	uint64_t last = 0;

	for (size_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < 50; i++) {
			assert_true(enter(i, "192.0.2.1"));
			assert_true(t.entries[i].number > last);
			last = t.entries[i].number;
			assert_ptr_equal(roster_find(t.roster, last), &t.entries[i]);
		}
		for (size_t i = 0; i < 50; i++)
			roster_leave(t.roster, &t.entries[i]);
		assert_null(roster_find(t.roster, last));
		pass(60000);
	}
	AUTO(roster) struct roster *other = roster_new(t.due, &t.settings);
	struct roster_entry e = { 0 };
	struct sockaddr_in from = { .sin_family = AF_INET };
	assert_true(roster_enter(other, (const struct sockaddr *)&from, &e, &t.why));
	assert_true(e.number >> 32 != last >> 32);
	roster_leave(other, &e);
}

static void a_key_has_one_connection_the_newest(void **state)
{
	uint8_t key[SHA256_LEN], other[SHA256_LEN];

	memset(key, 1, sizeof(key));
	memset(other, 1, sizeof(other));
	other[31] = 2;
	for (size_t i = 0; i < 3; i++)
		assert_true(enter(i, "192.0.2.1"));
	assert_null(roster_identify(t.roster, &t.entries[0], key));
	assert_null(roster_identify(t.roster, &t.entries[1], other));
	assert_ptr_equal(roster_identify(t.roster, &t.entries[2], key), &t.entries[0]);
	roster_leave(t.roster, &t.entries[0]);
	roster_leave(t.roster, &t.entries[2]);
	assert_true(enter(0, "192.0.2.1"));
	assert_null(roster_identify(t.roster, &t.entries[0], key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_address_has_its_cap_and_no_other_suffers, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_mapped_address_is_the_ipv4_address, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_ipv6_network_counts_as_one_and_is_shown_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(all_together_have_a_cap, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_address_opens_so_many_in_a_second, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_address_is_forgotten_after_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(
			addresses_that_left_make_room_for_new_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(
			numbers_find_their_connection_and_are_never_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_key_has_one_connection_the_newest, setup, teardown),
	};

	return cmocka_run_group_tests_name("gateway roster", tests, NULL, NULL);
}
