/* test_gateway_poller.c: many sockets behind one source: all are served, a batch at a time, and none after it was removed. */
#include "tests/unit/unit.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "daemon/gateway/poller.h"
#include "tests/unit/wire.h"

#define PEERS 200

struct peer {
	struct poller_entry entry; /* first, so that the entry leads to it */
	int fds[2];
	size_t calls;
	uint32_t events;
	struct peer *removes;
};

static struct {
	sd_event *event;
	struct poller *poller;
	struct peer peers[PEERS];
	size_t calls;
} t;

static void on_ready(struct poller_entry *entry, uint32_t events)
{
	struct peer *p = (struct peer *)(void *)entry;

	p->calls++;
	p->events = events;
	t.calls++;
	if (p->removes)
		poller_remove(t.poller, &p->removes->entry);
}

static int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	assert_true(sd_event_new(&t.event) >= 0);
	assert_ok(poller_new(t.event, &t.poller));
	for (size_t i = 0; i < PEERS; i++) {
		struct peer *p = &t.peers[i];
		socket_pair(SOCK_STREAM, p->fds);
		assert_true(poller_add(t.poller, &p->entry, p->fds[0], EPOLLIN, on_ready));
	}
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < PEERS; i++) {
		poller_remove(t.poller, &t.peers[i].entry);
		close(t.peers[i].fds[0]);
		close(t.peers[i].fds[1]);
	}
	poller_free(t.poller);
	sd_event_unref(t.event);
	return 0;
}

static void run(size_t times)
{
	for (size_t i = 0; i < times; i++)
		assert_true(sd_event_run(t.event, 0) >= 0);
}

static void all_that_are_ready_get_their_turn_in_a_few_rounds(void **state)
{
	run(2);
	assert_int_equal(t.calls, 0);
	for (size_t i = 0; i < PEERS; i++)
		assert_int_equal(write(t.peers[i].fds[1], "x", 1), 1);
	/* 200 in batches of 64; they stay ready, as nobody reads them. */
	run(5);
	assert_true(t.calls >= PEERS);
	for (size_t i = 0; i < PEERS; i++) {
		assert_true(t.peers[i].calls >= 1);
		assert_int_equal(t.peers[i].events, EPOLLIN);
	}
}

static void one_that_was_removed_in_the_same_batch_is_not_called(void **state)
{
	struct peer *a = &t.peers[0], *b = &t.peers[1];

	a->removes = b;
	b->removes = a;
	assert_int_equal(write(a->fds[1], "x", 1), 1);
	assert_int_equal(write(b->fds[1], "x", 1), 1);
	run(4);
	assert_true((a->calls == 0) != (b->calls == 0));
}

static void what_is_watched_can_be_changed(void **state)
{
	struct peer *a = &t.peers[0];

	assert_int_equal(write(a->fds[1], "x", 1), 1);
	poller_set(t.poller, &a->entry, 0);
	run(3);
	assert_int_equal(a->calls, 0);
	poller_set(t.poller, &a->entry, EPOLLOUT);
	run(2);
	assert_true(a->calls > 0);
	assert_int_equal(a->events, EPOLLOUT);
	/* The other side's end is told whatever is watched. */
	poller_set(t.poller, &a->entry, 0);
	close(a->fds[1]);
	a->fds[1] = dup(a->fds[0]);
	run(2);
	assert_true(a->events & EPOLLHUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			all_that_are_ready_get_their_turn_in_a_few_rounds, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_was_removed_in_the_same_batch_is_not_called, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_watched_can_be_changed, setup, teardown),
	};

	return cmocka_run_group_tests_name("gateway poller", tests, NULL, NULL);
}
