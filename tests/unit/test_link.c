/* test_link.c: links on a loop against a peer at the other end of the socket. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/proc.h"
#include "proto/control.pb-c.h"
#include "proto/frame.h"
#include "proto/link.h"
#include "proto/peer.h"
#include "tests/unit/wire.h"

#define MESSAGES_MAX 4096

/* The link under test is derivd's end of the control socket; what its callbacks saw. */
static struct {
	sd_event *event;
	struct link *link;
	int fd; /* the other end */
	struct peer *client;
	size_t n_messages;
	uint16_t last_number;
	uint32_t last_serial;
	size_t n_ready, n_gone, n_drained;
	const struct err_kind *why;
	char why_text[512];
	bool free_in_message;
} t;

static void on_message(
	struct link *l, const struct msg *msg, uint32_t serial, const void *body, void *userdata)
{
	assert_ptr_equal(userdata, &t);
	assert_non_null(body);
	t.n_messages++;
	t.last_number = msg->number;
	t.last_serial = serial;
	if (t.free_in_message) {
		link_free(l);
		t.link = NULL;
	}
}

static void on_gone(struct link *l, struct err *take_why, void *userdata)
{
	assert_ptr_equal(userdata, &t);
	t.n_gone++;
	t.why = err_get_kind(take_why);
	snprintf(t.why_text, sizeof(t.why_text), "%s", err_get_text(take_why));
	err_free(take_why);
	link_free(l);
	t.link = NULL;
}

static void on_drained(struct link *l, void *userdata)
{
	assert_ptr_equal(userdata, &t);
	t.n_drained++;
}

static void on_ready(struct link *l, void *userdata)
{
	assert_ptr_equal(userdata, &t);
	t.n_ready++;
}

static const struct link_ops ops = {
	.message = on_message,
	.gone = on_gone,
	.drained = on_drained,
};

/* Lets the loop handle all that is there. */
static void turn(void)
{
	while (sd_event_run(t.event, 0) > 0)
		;
}

static int setup(void **state)
{
	int fds[2];

	memset(&t, 0, sizeof(t));
	assert_true(sd_event_new(&t.event) >= 0);
	socket_pair(SOCK_SEQPACKET, fds);
	assert_ok(link_new(t.event, fds[0], LINK_CONTROL, SIDE_SERVER, "test", &ops, &t, &t.link));
	link_set_ready(t.link, on_ready);
	t.fd = fds[1];
	t.client = peer_new(t.fd, LINK_CONTROL, SIDE_CLIENT);
	return 0;
}

static int teardown(void **state)
{
	link_free(t.link);
	peer_free(t.client);
	sd_event_unref(t.event);
	return 0;
}

static void make_ready(void)
{
	assert_ok(peer_hello(t.client, "test-client", 1000));
	turn();
	assert_true(link_is_ready(t.link));
}

static void ask_status(uint32_t serial)
{
	Control__Status s = CONTROL__STATUS__INIT;

	assert_ok(peer_send(t.client, MSG_STATUS, serial, &s));
}

/* An answer of about a megabyte. */
static void answer_large(uint32_t serial)
{
	static uint8_t der[16384];
	Control__Rows rows = CONTROL__ROWS__INIT;
	Control__CredentialRow row = CONTROL__CREDENTIAL_ROW__INIT, *list[60];
	char id[] = "aa";

	row.id = id;
	row.certificate = pb_lend(BYTES(der, sizeof(der)));
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = &row;
	rows.credentials = list;
	rows.n_credentials = ARRAY_LEN(list);
	link_send(t.link, MSG_ROWS, serial, &rows);
}

/* An answer that stays within the datagram. */
static void answer_small(uint32_t serial)
{
	static uint8_t der[16384];
	Control__Rows rows = CONTROL__ROWS__INIT;
	Control__CredentialRow row = CONTROL__CREDENTIAL_ROW__INIT, *list[1] = { &row };
	char id[] = "aa";

	row.id = id;
	row.certificate = pb_lend(BYTES(der, sizeof(der)));
	rows.credentials = list;
	rows.n_credentials = 1;
	link_send(t.link, MSG_ROWS, serial, &rows);
}

/* --- Hello --- */

static void hello_comes_first_and_is_the_links_own(void **state)
{
	assert_false(link_is_ready(t.link));
	make_ready();
	assert_int_equal(t.n_ready, 1);
	assert_int_equal(t.n_messages, 0);
	assert_ptr_equal(link_get_userdata(t.link), &t);
	assert_true(link_get_fd(t.link) >= 0);
}

static void another_build_ends_the_link_and_is_told(void **state)
{
	Common__Hello h = COMMON__HELLO__INIT;
	char build[] = "0000000000000000000000000000000000000000", program[] = "derivctl";
	struct peer_message m;

	h.build = build;
	h.program = program;
	assert_ok(peer_send(t.client, MSG_HELLO, 0, &h));
	turn();
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_BUILD);
	assert_ok(peer_recv(t.client, 1000, &m)); /* its Hello */
	msg_free(m.body);
	assert_ok(peer_recv(t.client, 1000, &m));
	assert_int_equal(m.msg->number, MSG_ERROR);
	assert_string_equal(((Common__Error *)m.body)->kind, "other-build");
	msg_free(m.body);
}

static void a_message_before_hello_ends_the_link(void **state)
{
	peer_set_phase(t.client, PH_READY);
	ask_status(1);
	turn();
	assert_int_equal(t.n_gone, 1);
	assert_int_equal(t.n_messages, 0);
	assert_ptr_equal(t.why, &ERR_PROTOCOL);
}

/* --- messages --- */

static void requests_and_answers(void **state)
{
	struct peer_message m;

	make_ready();
	ask_status(5);
	ask_status(6);
	turn();
	assert_int_equal(t.n_messages, 2);
	assert_int_equal(t.last_number, MSG_STATUS);
	assert_int_equal(t.last_serial, 6);
	AUTO(err) struct err *e = err_new(&ERR_DENIED, "not you");
	link_send_error(t.link, 5, e);
	answer_large(6);
	turn();
	assert_ok(peer_recv(t.client, 1000, &m));
	assert_int_equal(m.serial, 5);
	assert_string_equal(((Common__Error *)m.body)->kind, "denied");
	msg_free(m.body);
	assert_ok(peer_recv(t.client, 1000, &m));
	assert_int_equal(m.serial, 6);
	assert_int_equal(m.msg->number, MSG_ROWS);
	msg_free(m.body);
}

static void serials_are_never_zero(void **state)
{
	assert_int_equal(link_next_serial(t.link), 1);
	assert_int_equal(link_next_serial(t.link), 2);
}

static void an_illegal_message_ends_the_link_with_a_word(void **state)
{
	struct peer_message m;
	bool sent;

	make_ready();
	assert_ok(frame_send(t.fd, MSG_SESSION_REVEAL, 9, BYTES(NULL, 0), &sent));
	turn();
	assert_int_equal(t.n_messages, 0);
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_PROTOCOL);
	assert_ok(peer_recv(t.client, 1000, &m));
	assert_int_equal(m.serial, 0);
	assert_string_equal(((Common__Error *)m.body)->kind, "protocol");
	msg_free(m.body);
	assert_err(peer_recv(t.client, 1000, &m), &ERR_GONE);
}

static void phases_can_be_set(void **state)
{
	bool sent;

	make_ready();
	link_set_phase(t.link, PH_OPEN);
	AUTO(buf)
	struct buf *b = unhex("0a10000102030405060708090a0b0c0d0e0f"
			      "1220000102030405060708090a0b0c0d0e0f"
			      "000102030405060708090a0b0c0d0e0f");
	assert_ok(frame_send(t.fd, MSG_SESSION_REVEAL, 9, buf_bytes(b), &sent));
	turn();
	assert_int_equal(t.n_gone, 0);
	assert_int_equal(t.last_number, MSG_SESSION_REVEAL);
}

static void errors_with_a_serial_are_answers(void **state)
{
	AUTO(err) struct err *e = err_new(&ERR_BUSY, "later");

	make_ready();
	assert_ok(peer_send_error(t.client, 3, e));
	turn();
	assert_int_equal(t.last_number, MSG_ERROR);
	assert_int_equal(t.last_serial, 3);
	assert_int_equal(t.n_gone, 0);
	assert_ok(peer_send_error(t.client, 0, e));
	turn();
	assert_int_equal(t.n_messages, 1);
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_BUSY);
}

static void an_answer_that_breaks_the_limits_becomes_an_error(void **state)
{
	Control__Rows rows = CONTROL__ROWS__INIT;
	Control__CredentialRow row = CONTROL__CREDENTIAL_ROW__INIT, *list[1] = { &row };
	struct peer_message m;

	make_ready();
	rows.credentials = list;
	rows.n_credentials = 1; /* without an id */
	link_send(t.link, MSG_ROWS, 4, &rows);
	turn();
	assert_ok(peer_recv(t.client, 1000, &m));
	assert_int_equal(m.serial, 4);
	assert_string_equal(((Common__Error *)m.body)->kind, "internal");
	msg_free(m.body);
	assert_int_equal(t.n_gone, 0);
	link_send(t.link, MSG_ROWS, 0, &rows); /* nobody would miss it: not in silence */
	turn();
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_INTERNAL);
}

static void the_end(void **state)
{
	make_ready();
	peer_free(take(t.client));
	turn();
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_GONE);
}

static void a_callback_may_free_its_link(void **state)
{
	make_ready();
	t.free_in_message = true;
	ask_status(1);
	ask_status(2);
	turn();
	assert_int_equal(t.n_messages, 1);
	assert_int_equal(t.n_gone, 0);
}

/* --- slow peers --- */

static void a_queue_fills_and_drains(void **state)
{
	struct peer_message m;
	size_t n = 0;

	make_ready();
	for (; !link_is_full(t.link) && n < MESSAGES_MAX; n++)
		answer_small(1);
	assert_in_range(n, LINK_QUEUE_MAX / 2 / 16600, 200);
	turn();
	assert_int_equal(t.n_drained, 0);
	for (size_t i = 0; i < n; i++) {
		assert_ok(peer_recv(t.client, 0, &m));
		assert_int_equal(m.msg->number, MSG_ROWS);
		msg_free(m.body);
		turn();
	}
	assert_int_equal(t.n_drained, 1);
	assert_false(link_is_full(t.link));
	assert_int_equal(t.n_gone, 0);
	assert_err(peer_recv(t.client, 0, &m), &ERR_TIMEOUT);
}

static void an_overflowing_queue_ends_the_link(void **state)
{
	size_t n = 0;

	make_ready();
	for (; link_is_ready(t.link) && n < MESSAGES_MAX; n++)
		answer_small(1);
	assert_in_range(n, LINK_QUEUE_MAX / 16600, LINK_QUEUE_MAX / 16384 + 64);
	assert_int_equal(t.n_gone, 0); /* not from within link_send */
	answer_small(1);               /* dropped */
	turn();
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_LIMIT);
}

static void a_paused_link_reads_nothing(void **state)
{
	make_ready();
	link_pause(t.link, true);
	ask_status(1);
	turn();
	assert_int_equal(t.n_messages, 0);
	link_pause(t.link, false);
	turn();
	assert_int_equal(t.n_messages, 1);
}

static void a_paused_link_sees_its_peer_leave(void **state)
{
	make_ready();
	link_pause(t.link, true);
	ask_status(1);
	ask_status(2);
	peer_free(take(t.client));
	turn();
	assert_int_equal(t.n_messages, 2);
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_GONE);
}

/* --- closing --- */

static void closing_sends_what_is_queued(void **state)
{
	struct peer_message m;
	size_t n = 0;

	make_ready();
	for (; !link_is_full(t.link); n++)
		answer_small(1);
	link_close(t.link);
	assert_false(link_is_ready(t.link));
	answer_small(1); /* dropped */
	turn();
	assert_int_equal(t.n_gone, 0);
	for (size_t i = 0; i < n; i++) {
		assert_ok(peer_recv(t.client, 0, &m));
		msg_free(m.body);
		turn();
	}
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_GONE);
	assert_err(peer_recv(t.client, 1000, &m), &ERR_GONE);
}

static void closing_an_idle_link(void **state)
{
	make_ready();
	link_close(t.link);
	assert_int_equal(t.n_gone, 0);
	turn();
	assert_int_equal(t.n_gone, 1);
	assert_non_null(strstr(t.why_text, "closed here"));
}

static void a_closing_link_sees_its_peer_leave(void **state)
{
	make_ready();
	while (!link_is_full(t.link))
		answer_small(1);
	link_close(t.link);
	peer_free(take(t.client));
	turn();
	assert_int_equal(t.n_gone, 1);
	assert_ptr_equal(t.why, &ERR_GONE);
}

#define WITH_LINK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LINK(hello_comes_first_and_is_the_links_own),
		WITH_LINK(another_build_ends_the_link_and_is_told),
		WITH_LINK(a_message_before_hello_ends_the_link),
		WITH_LINK(requests_and_answers),
		WITH_LINK(serials_are_never_zero),
		WITH_LINK(an_illegal_message_ends_the_link_with_a_word),
		WITH_LINK(phases_can_be_set),
		WITH_LINK(errors_with_a_serial_are_answers),
		WITH_LINK(an_answer_that_breaks_the_limits_becomes_an_error),
		WITH_LINK(the_end),
		WITH_LINK(a_callback_may_free_its_link),
		WITH_LINK(a_queue_fills_and_drains),
		WITH_LINK(an_overflowing_queue_ends_the_link),
		WITH_LINK(a_paused_link_reads_nothing),
		WITH_LINK(a_paused_link_sees_its_peer_leave),
		WITH_LINK(closing_sends_what_is_queued),
		WITH_LINK(closing_an_idle_link),
		WITH_LINK(a_closing_link_sees_its_peer_leave),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
