/* test_peer.c: calls, unsolicited messages between them, time, and peers that differ or vanish. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>

#include "proto/limit.h"
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "proto/card.pb-c.h"
#include "proto/frame.h"
#include "proto/peer.h"
#include "tests/unit/wire.h"

/* Two peers in one process: each send fits the socket, so nothing blocks. */
struct pair {
	struct peer *client, *server;
};

static struct pair pair;

static int setup(void **state)
{
	int fds[2];

	socket_pair(SOCK_SEQPACKET, fds);
	pair.client = peer_new(fds[0], LINK_CARD, SIDE_CLIENT);
	pair.server = peer_new(fds[1], LINK_CARD, SIDE_SERVER);
	return 0;
}

static int teardown(void **state)
{
	peer_free(pair.client);
	peer_free(pair.server);
	return 0;
}

static void ready(void)
{
	peer_set_phase(pair.client, PH_READY);
	peer_set_phase(pair.server, PH_READY);
}

static void send_readers(uint32_t serial, const char *name)
{
	Card__ReaderList list = CARD__READER_LIST__INIT;
	Card__Reader r = CARD__READER__INIT, *readers[] = { &r };
	AUTO_MEM char *copy = xstrdup(name);

	r.name = copy;
	list.readers = readers;
	list.n_readers = 1;
	assert_ok(peer_send(pair.server, MSG_CARD_READER_LIST, serial, &list));
}

static struct err *list_readers(int timeout_ms, Card__ReaderList **ret_list)
{
	Card__ListReaders request = CARD__LIST_READERS__INIT;

	return peer_call(pair.client, MSG_CARD_LIST_READERS, &request, MSG_CARD_READER_LIST,
		timeout_ms, ret_list);
}

/* The next message for the server; its serial. */
static uint32_t serve(uint16_t number)
{
	struct peer_message m;

	assert_ok(peer_recv(pair.server, 1000, &m));
	assert_int_equal(m.msg->number, number);
	msg_free(m.body);
	return m.serial;
}

/* --- Hello --- */

static void *say_hello(void *peer)
{
	return peer_hello(peer, "test-server", 5000);
}

static void hello_is_said_by_both_at_once(void **state)
{
	pthread_t thread;
	void *e;

	assert_int_equal(pthread_create(&thread, NULL, say_hello, pair.server), 0);
	assert_ok(peer_hello(pair.client, "test-client", 5000));
	assert_int_equal(pthread_join(thread, &e), 0);
	assert_ok(e);
	assert_int_equal(peer_get_phase(pair.client), PH_READY);
	assert_int_equal(peer_get_phase(pair.server), PH_READY);
}

static void another_build_is_refused(void **state)
{
	Common__Hello h = COMMON__HELLO__INIT;
	char build[] = "0000000000000000000000000000000000000000", program[] = "derivd-old";

	h.build = build;
	h.program = program;
	assert_ok(peer_send(pair.server, MSG_HELLO, 0, &h));
	assert_err_text(peer_hello(pair.client, "test", 1000), &ERR_BUILD, "derivd-old");
	assert_int_equal(peer_get_phase(pair.client), PH_HELLO);
}

static void hello_may_be_answered_with_an_error(void **state)
{
	AUTO(err) struct err *busy = err_new(&ERR_BUSY, "64 connections of yours are open");

	assert_ok(peer_send_error(pair.server, 0, busy));
	assert_err_text(peer_hello(pair.client, "test", 1000), &ERR_BUSY, "64 connections");
}

/* The server says why and closes before we have said a word. */
static void why_the_peer_hung_up_is_told(void **state)
{
	AUTO(err) struct err *busy = err_new(&ERR_BUSY, "too many");

	assert_ok(peer_send_error(pair.server, 0, busy));
	peer_free(take(pair.server));
	assert_err(peer_hello(pair.client, "test", 1000), &ERR_BUSY);
	assert_err(peer_hello(pair.client, "test", 1000), &ERR_GONE);
}

static void hello_has_its_time(void **state)
{
	int64_t start = clock_boot_ms();

	assert_err(peer_hello(pair.client, "test", 30), &ERR_TIMEOUT);
	assert_in_range(clock_boot_ms() - start, 30, 3000);
}

/* --- calls --- */

static void *answer_one(void *name)
{
	uint32_t serial = serve(MSG_CARD_LIST_READERS);

	send_readers(0, "first of its own accord");
	send_readers(0, "second of its own accord");
	send_readers(serial, name);
	return NULL;
}

static void unsolicited_messages_wait_behind_the_answer(void **state)
{
	AUTO_MSG Card__ReaderList *list = NULL;
	struct peer_message m;
	pthread_t thread;
	char name[] = "answer";

	ready();
	assert_int_equal(pthread_create(&thread, NULL, answer_one, name), 0);
	assert_ok(list_readers(5000, &list));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(list->readers[0]->name, "answer");
	for (size_t i = 0; i < 2; i++) {
		bool there = false;
		assert_ok(peer_wait(pair.client, 0, &there));
		assert_true(there);
		assert_ok(peer_recv(pair.client, 0, &m));
		AUTO_MSG Card__ReaderList *kept = m.body;
		assert_string_equal(kept->readers[0]->name,
			i ? "second of its own accord" : "first of its own accord");
		assert_int_equal(m.serial, 0);
	}
	assert_err(peer_recv(pair.client, 0, &m), &ERR_TIMEOUT);
}

static void as_many_unsolicited_messages_as_can_be_kept(void **state)
{
	AUTO_MSG Card__ReaderList *list = NULL;

	ready();
	for (size_t i = 0; i < 64; i++)
		send_readers(0, "again");
	send_readers(1, "answer");
	assert_ok(list_readers(1000, &list));
	assert_string_equal(list->readers[0]->name, "answer");
	msg_free(take(list));
	send_readers(0, "one too many");
	assert_err_text(list_readers(1000, &list), &ERR_PROTOCOL, "64");
}

static void a_late_answer_is_dropped(void **state)
{
	AUTO_MSG Card__ReaderList *list = NULL;
	int64_t start = clock_boot_ms();

	ready();
	assert_err(list_readers(20, &list), &ERR_TIMEOUT);
	assert_in_range(clock_boot_ms() - start, 20, 3000);
	send_readers(serve(MSG_CARD_LIST_READERS), "late");
	send_readers(2, "in time"); /* to the call that follows */
	assert_ok(list_readers(1000, &list));
	assert_string_equal(list->readers[0]->name, "in time");
}

static void answers_to_nothing_break_the_protocol(void **state)
{
	AUTO_MSG Card__ReaderList *list = NULL;

	ready();
	send_readers(77, "who asked?");
	assert_err_text(list_readers(1000, &list), &ERR_PROTOCOL, "not made");
	assert_null(list);
}

static void another_answer_breaks_the_protocol(void **state)
{
	Common__Done done = COMMON__DONE__INIT;
	AUTO_MSG Card__ReaderList *list = NULL;

	ready();
	assert_ok(peer_send(pair.server, MSG_DONE, 1, &done));
	assert_err_text(list_readers(1000, &list), &ERR_PROTOCOL, "DONE is not the answer");
}

static void an_error_is_an_answer(void **state)
{
	AUTO(err) struct err *none = err_new(&ERR_READER_NONE, "nothing on the bus");
	AUTO_MSG Card__ReaderList *list = NULL;

	ready();
	assert_ok(peer_send_error(pair.server, 1, none));
	assert_err_text(list_readers(1000, &list), &ERR_READER_NONE, "nothing on the bus");
	assert_ok(peer_send_error(pair.server, 0, none)); /* and to the whole connection */
	assert_err(list_readers(1000, &list), &ERR_READER_NONE);
	assert_ok(peer_send_error(pair.server, 9, none)); /* but not to somebody else's request */
	assert_err(list_readers(1000, &list), &ERR_PROTOCOL);
}

static void a_call_in_halves(void **state)
{
	AUTO(err) struct err *none = err_new(&ERR_READER_NONE, "nothing on the bus");
	Card__ListReaders request = CARD__LIST_READERS__INIT;
	AUTO_MSG Card__ReaderList *list = NULL;
	struct peer_message m = { 0 };
	uint32_t serial = 0;
	bool there = false;

	ready();
	assert_ok(peer_ask(pair.client, MSG_CARD_LIST_READERS, &request, &serial));
	assert_ok(peer_answer(pair.client, serial, 0, &m));
	assert_null(m.msg);
	send_readers(0, "of its own accord");
	assert_ok(peer_answer(pair.client, serial, 0, &m));
	assert_null(m.msg);
	send_readers(serial, "answer");
	assert_ok(peer_answer(pair.client, serial, 0, &m));
	assert_int_equal(m.msg->number, MSG_CARD_READER_LIST);
	assert_ok(peer_settle(&m, MSG_CARD_READER_LIST, &list));
	assert_string_equal(list->readers[0]->name, "answer");
	assert_ok(peer_wait(pair.client, 0, &there));
	assert_true(there); /* the one between was kept */

	assert_ok(peer_ask(pair.client, MSG_CARD_LIST_READERS, &request, &serial));
	assert_ok(peer_send_error(pair.server, serial, none));
	assert_ok(peer_answer(pair.client, serial, 0, &m));
	assert_int_equal(m.msg->number, MSG_ERROR);
	assert_err(peer_settle(&m, MSG_CARD_READER_LIST, &list), &ERR_READER_NONE);

	assert_ok(peer_ask(pair.client, MSG_CARD_LIST_READERS, &request, &serial));
	send_readers(serial + 1, "to somebody else");
	assert_err(peer_answer(pair.client, serial, 0, &m), &ERR_PROTOCOL);
	peer_free(take(pair.server));
	assert_err(peer_answer(pair.client, serial, 0, &m), &ERR_GONE);
}

static void a_peer_that_vanishes(void **state)
{
	AUTO_MSG Card__ReaderList *list = NULL;
	struct peer_message m;

	ready();
	peer_free(take(pair.server));
	assert_err(list_readers(1000, &list), &ERR_GONE);
	assert_err(peer_recv(pair.client, 1000, &m), &ERR_GONE);
}

/* --- the table holds in both directions --- */

static void what_is_not_ours_to_send_is_not_sent(void **state)
{
	Card__ListReaders request = CARD__LIST_READERS__INIT;
	bool there = true;

	assert_err_text(
		peer_send(pair.client, MSG_CARD_LIST_READERS, 1, &request), &ERR_INTERNAL, "now");
	ready();
	assert_err_text(peer_send(pair.server, MSG_CARD_LIST_READERS, 1, &request), &ERR_INTERNAL,
		"this side");
	assert_ok(peer_wait(pair.client, 0, &there));
	assert_false(there);
	assert_ok(peer_wait(pair.server, 0, &there));
	assert_false(there);
}

static void values_over_their_limits_are_not_sent(void **state)
{
	Card__Open open = CARD__OPEN__INIT;
	char name[258] = { 0 };

	ready();
	memset(name, 'x', 257);
	open.reader = name;
	assert_err_text(peer_send(pair.client, MSG_CARD_OPEN, 1, &open), &ERR_PROTOCOL,
		"card.Open.reader: 257 bytes");
	name[256] = '\0';
	assert_ok(peer_send(pair.client, MSG_CARD_OPEN, 1, &open));
	assert_int_equal(serve(MSG_CARD_OPEN), 1);
}

static void what_may_not_come_is_refused(void **state)
{
	struct peer_message m;
	bool sent;

	ready();
	assert_ok(frame_send(peer_get_fd(pair.client), MSG_CARD_SIGN, 1, BYTES(NULL, 0), &sent));
	assert_err_text(
		peer_recv(pair.server, 1000, &m), &ERR_PROTOCOL, "CARD_SIGN may not come now");
	assert_ok(frame_send(
		peer_get_fd(pair.client), MSG_CARD_OPEN, 1, BYTES("\x0a\x01\x07", 3), &sent));
	assert_err_text(peer_recv(pair.server, 1000, &m), &ERR_PROTOCOL, "card.Open.reader");
}

static void large_messages_cross(void **state)
{
	Card__Facts facts = CARD__FACTS__INIT;
	Card__Certificate c = CARD__CERTIFICATE__INIT, *list[16];
	AUTO_MEM uint8_t *der = xcalloc(1, 16384);
	char name[] = "reader", type[] = "piv";
	struct peer_message m;

	ready();
	c.der = pb_lend(BYTES(der, 16384));
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = &c;
	facts.reader = name;
	facts.card_type = type;
	facts.certificates = list;
	facts.n_certificates = ARRAY_LEN(list);
	assert_ok(peer_send(pair.server, MSG_CARD_FACTS, 1, &facts));
	assert_ok(peer_recv(pair.client, 1000, &m));
	AUTO_MSG Card__Facts *got = m.body;
	assert_int_equal(got->n_certificates, 16);
	assert_int_equal(got->certificates[15]->der.len, 16384);
}

/* --- connecting --- */

static void *accept_hello(void *listening)
{
	int fd = accept4(*(int *)listening, NULL, NULL, SOCK_CLOEXEC);
	AUTO(peer) struct peer *p = peer_new(fd, LINK_CARD, SIDE_SERVER);

	return peer_hello(p, "test-server", 5000);
}

static void connecting(void **state)
{
	char dir[] = "/tmp/proto-test-XXXXXX";
	AUTO_FD int fd = -1;
	pthread_t thread;
	void *e;

	assert_non_null(mkdtemp(dir));
	AUTO_MEM char *path = xasprintf("%s/socket", dir);
	AUTO(peer) struct peer *p = NULL;
	assert_err_text(peer_connect(path, LINK_CARD, "test", &p), &ERR_UNREACHABLE, path);
	assert_ok(io_listen_unix(path, 0600, &fd));
	assert_int_equal(pthread_create(&thread, NULL, accept_hello, &fd), 0);
	assert_ok(peer_connect(path, LINK_CARD, "test", &p));
	assert_int_equal(pthread_join(thread, &e), 0);
	assert_ok(e);
	assert_int_equal(peer_get_phase(p), PH_READY);
	unlink(path);
	rmdir(dir);
}

#define WITH_PEERS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PEERS(hello_is_said_by_both_at_once),
		WITH_PEERS(another_build_is_refused),
		WITH_PEERS(hello_may_be_answered_with_an_error),
		WITH_PEERS(why_the_peer_hung_up_is_told),
		WITH_PEERS(hello_has_its_time),
		WITH_PEERS(unsolicited_messages_wait_behind_the_answer),
		WITH_PEERS(as_many_unsolicited_messages_as_can_be_kept),
		WITH_PEERS(a_late_answer_is_dropped),
		WITH_PEERS(answers_to_nothing_break_the_protocol),
		WITH_PEERS(another_answer_breaks_the_protocol),
		WITH_PEERS(an_error_is_an_answer),
		WITH_PEERS(a_call_in_halves),
		WITH_PEERS(a_peer_that_vanishes),
		WITH_PEERS(what_is_not_ours_to_send_is_not_sent),
		WITH_PEERS(values_over_their_limits_are_not_sent),
		WITH_PEERS(what_may_not_come_is_refused),
		WITH_PEERS(large_messages_cross),
		cmocka_unit_test(connecting),
	};

	/* Sorted at first use, which must not be two threads' at once. */
	(void)limit_table(&(size_t){ 0 });
	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
