/* test_frame.c: datagrams and streams, well formed and not; no descriptor is ever left open. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/wire.h"

/* Included for close_all, which has to wipe. */
#include "proto/frame.c"

static int fds[2]; /* we send on 0, frame_recv reads 1 */
static size_t fds_before;

static int setup(void **state)
{
	fds_before = count_fds();
	socket_pair(SOCK_SEQPACKET, fds);
	return 0;
}

static int teardown(void **state)
{
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

/* A datagram of these bytes with n descriptors. */
static void send_raw(struct bytes b, const int *send_fds, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(32 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)b.data, b.len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), send_fds, n * sizeof(int));
	}
	assert_int_equal(sendmsg(fds[0], &m, MSG_NOSIGNAL), b.len);
}

static void send_hex(const char *hex, const int *send_fds, size_t n)
{
	AUTO(buf) struct buf *b = unhex(hex);

	send_raw(buf_bytes(b), send_fds, n);
}

static int memfd(size_t len, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void there_and_back(void **state)
{
	static const size_t lens[] = { 0, 1, 1000, FRAME_INLINE_MAX, FRAME_INLINE_MAX + 1, 100000 };

	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		AUTO(buf) struct buf *body = buf_new();
		AUTO(frame) struct frame *f = NULL;
		bool sent = false;
		memset(buf_grow(body, lens[i]), (int)i + 1, lens[i]);
		assert_ok(frame_send(fds[0], MSG_CA_ASSESS, 0x80000001u, buf_bytes(body), &sent));
		assert_true(sent);
		assert_ok(frame_recv(fds[1], &f));
		assert_int_equal(f->number, MSG_CA_ASSESS);
		assert_int_equal(f->serial, 0x80000001u);
		assert_true(bytes_eq(buf_bytes(f->body), buf_bytes(body)));
	}
}

static void the_largest_body(void **state)
{
	AUTO(buf) struct buf *body = buf_new();
	AUTO(frame) struct frame *f = NULL;
	bool sent = false;

	memset(buf_grow(body, FRAME_BODY_MAX), 7, FRAME_BODY_MAX);
	assert_ok(frame_send(fds[0], MSG_COURIER_FETCHED, 1, buf_bytes(body), &sent));
	assert_ok(frame_recv(fds[1], &f));
	assert_true(bytes_eq(buf_bytes(f->body), buf_bytes(body)));
	buf_add_u8(body, 0);
	assert_err(frame_send(fds[0], MSG_COURIER_FETCHED, 1, buf_bytes(body), &sent), &ERR_LIMIT);
}

static void malformed_datagrams(void **state)
{
	static const struct {
		const char *hex;
		const char *part;
	} cases[] = {
		{ "00", "malformed frame" },
		{ "00010000000000", "malformed frame" },
		{ "0001000200000000", "unknown flags 0x0002" },
		{ "0001800000000000", "unknown flags 0x8000" },
		{ "0301000100000001", "0 descriptors" }, /* a memfd that did not come */
		{ "030100010000000100009000", "0 descriptors" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(frame) struct frame *f = NULL;
		send_hex(cases[i].hex, NULL, 0);
		assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, cases[i].part);
		assert_null(f);
	}
}

static void a_datagram_that_is_too_long(void **state)
{
	AUTO(buf) struct buf *b = unhex("0301000000000001");
	AUTO(frame) struct frame *f = NULL;

	buf_grow(b, FRAME_INLINE_MAX);
	send_raw(buf_bytes(b), NULL, 0);
	assert_ok(frame_recv(fds[1], &f));
	assert_int_equal(buf_len(f->body), FRAME_INLINE_MAX);
	frame_free(take(f));
	buf_add_u8(b, 0);
	send_raw(buf_bytes(b), NULL, 0);
	assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, "longer than");
}

/* CA_ASSESS with a memfd of 0x9000 bytes. */
#define ANNOUNCED "030100010000000100009000"

static void memfds_must_be_sealed_whole(void **state)
{
	static const int missing[] = { F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL };

	for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
		AUTO_FD int fd = memfd(0x9000, SEALS & ~missing[i]);
		AUTO(frame) struct frame *f = NULL;
		send_hex(ANNOUNCED, &fd, 1);
		assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, "not a sealed memfd");
	}
	AUTO_FD int fd = memfd(0x9000, SEALS);
	AUTO(frame) struct frame *f = NULL;
	send_hex(ANNOUNCED, &fd, 1);
	assert_ok(frame_recv(fds[1], &f));
	assert_int_equal(buf_len(f->body), 0x9000);
}

static void other_descriptors_are_refused(void **state)
{
	int pipes[2];
	AUTO(frame) struct frame *f = NULL;

	assert_int_equal(pipe(pipes), 0);
	AUTO_FD int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	send_hex(ANNOUNCED, &pipes[0], 1);
	assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, "not a sealed memfd");
	send_hex(ANNOUNCED, &file, 1);
	assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, "not a sealed memfd");
	close(pipes[0]);
	close(pipes[1]);
}

static void memfd_lengths(void **state)
{
	static const struct {
		const char *hex;
		size_t len;
		const char *part;
	} cases[] = {
		{ ANNOUNCED, 0x8fff, "another length" },
		{ ANNOUNCED, 0x9001, "another length" },
		{ ANNOUNCED "00", 0x9000, "malformed frame" },
		{ "0301000100000001000090", 0x9000, "malformed frame" },
		{ "030100010000000100008000", 0x8000, "belong into the message" },
		{ "030100010000000100100001", 0x100001, "at most 1048576" },
		{ "777700010000000100009000", 0x9000, "at most 32768" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FD int fd = memfd(cases[i].len, SEALS);
		AUTO(frame) struct frame *f = NULL;
		send_hex(cases[i].hex, &fd, 1);
		assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, cases[i].part);
	}
}

static void exactly_one_descriptor(void **state)
{
	AUTO_FD int fd = memfd(0x9000, SEALS);
	AUTO(frame) struct frame *f = NULL;
	int many[32];

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = fd;
	send_hex(ANNOUNCED, many, 2);
	assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, "2 descriptors");
	send_hex(ANNOUNCED, many, 32);
	assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, "too many descriptors");
	send_hex("0301000000000001", many, 1);
	assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, "does not announce");
	send_hex("", many, 1);
	assert_err_text(frame_recv(fds[1], &f), &ERR_PROTOCOL, "malformed frame");
}

static void received_descriptors_are_close_on_exec(void **state)
{
	AUTO_FD int fd = memfd(0x9000, SEALS);
	struct datagram d = { .n_fds = 0 };
	bool got = false;

	send_hex(ANNOUNCED, &fd, 1);
	assert_ok(receive(fds[1], &d, &got));
	assert_int_equal(d.n_fds, 1);
	assert_true(fcntl(d.fds[0], F_GETFD) & FD_CLOEXEC);
	close_all(&d);
}

static void what_was_received_is_wiped(void **state)
{
	struct datagram d = { .n_fds = 0 };
	bool got = false;

	send_hex("0106000000000001"
		 "0a06313233343536",
		NULL, 0);
	assert_ok(receive(fds[1], &d, &got));
	assert_int_equal(d.len, 16);
	close_all(&d);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(d.data[i], 0);
}

static void the_end_of_a_connection(void **state)
{
	AUTO(frame) struct frame *f = NULL;
	bool sent = false;

	assert_int_equal(shutdown(fds[0], SHUT_RDWR), 0);
	assert_err(frame_recv(fds[1], &f), &ERR_GONE);
	assert_err(frame_send(fds[1], MSG_HELLO, 0, BYTES(NULL, 0), &sent), &ERR_GONE);
}

/* The kernel reports the reset before the last words of a peer that closed with our message unread. */
static void last_words_after_a_reset(void **state)
{
	AUTO(frame) struct frame *f = NULL;
	bool sent = false;

	assert_ok(frame_send(fds[1], MSG_CARD_OPEN, 1, BYTES("unread", 6), &sent));
	assert_ok(frame_send(fds[0], MSG_ERROR, 0, BYTES("why", 3), &sent));
	close(fds[0]);
	assert_ok(frame_recv(fds[1], &f));
	assert_int_equal(f->number, MSG_ERROR);
	frame_free(take(f));
	assert_err(frame_recv(fds[1], &f), &ERR_GONE);
	fds[0] = dup(fds[1]); /* for teardown */
}

static void non_blocking_sockets(void **state)
{
	AUTO(frame) struct frame *f = NULL;
	AUTO(buf) struct buf *body = buf_new();
	bool sent = true;
	size_t n = 0;

	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	assert_ok(frame_recv(fds[1], &f));
	assert_null(f);
	buf_grow(body, 30000);
	for (; sent && n < 1000; n++)
		assert_ok(frame_send(fds[0], MSG_CA_ASSESS, 1, buf_bytes(body), &sent));
	assert_false(sent);
	for (size_t i = 0; i < n - 1; i++) {
		assert_ok(frame_recv(fds[1], &f));
		assert_int_equal(buf_len(f->body), 30000);
		frame_free(take(f));
	}
	assert_ok(frame_recv(fds[1], &f));
	assert_null(f);
}

/* --- streams --- */

static void streams_there_and_back_in_pieces(void **state)
{
	AUTO(buf) struct buf *out = buf_new();

	frame_pack_stream(out, MSG_DEVICE_PULL, 5, BYTES("\x08\x04", 2));
	frame_pack_stream(out, MSG_DEVICE_PING, 0, BYTES(NULL, 0));
	struct bytes all = buf_bytes(out);
	for (size_t n = 0; n < 14; n++) {
		AUTO(frame) struct frame *none = NULL;
		size_t used = 99;
		assert_ok(frame_unpack_stream(BYTES(all.data, n), 100, &used, &none));
		assert_int_equal(used, 0);
		assert_null(none);
	}
	AUTO(frame) struct frame *a = NULL, *b = NULL;
	size_t used;
	assert_ok(frame_unpack_stream(all, 100, &used, &a));
	assert_int_equal(used, 14);
	assert_int_equal(a->number, MSG_DEVICE_PULL);
	assert_int_equal(a->serial, 5);
	assert_true(bytes_eq(buf_bytes(a->body), BYTES("\x08\x04", 2)));
	assert_ok(frame_unpack_stream(BYTES(all.data + 14, all.len - 14), 100, &used, &b));
	assert_int_equal(used, 12);
	assert_int_equal(buf_len(b->body), 0);
}

static void malformed_streams(void **state)
{
	static const struct {
		const char *hex;
		const char *part;
	} cases[] = {
		{ "00000007", "at least 8" }, { "00000000", "at least 8" },
		{ "ffffffff", "at most 100" },
		{ "0000006d", "a body of 101 bytes, at most 100" }, /* refused at its length */
		{ "00000008060a000100000001", "unknown flags" },    /* there are no memfds here */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf) struct buf *b = unhex(cases[i].hex);
		AUTO(frame) struct frame *f = NULL;
		size_t used = 99;
		assert_err_text(frame_unpack_stream(buf_bytes(b), 100, &used, &f), &ERR_PROTOCOL,
			cases[i].part);
		assert_int_equal(used, 0);
		assert_null(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(the_largest_body),
		cmocka_unit_test(malformed_datagrams),
		cmocka_unit_test(a_datagram_that_is_too_long),
		cmocka_unit_test(memfds_must_be_sealed_whole),
		cmocka_unit_test(other_descriptors_are_refused),
		cmocka_unit_test(memfd_lengths),
		cmocka_unit_test(exactly_one_descriptor),
		cmocka_unit_test(received_descriptors_are_close_on_exec),
		cmocka_unit_test(what_was_received_is_wiped),
		cmocka_unit_test(the_end_of_a_connection),
		cmocka_unit_test(last_words_after_a_reset),
		cmocka_unit_test(non_blocking_sockets),
		cmocka_unit_test(streams_there_and_back_in_pieces),
		cmocka_unit_test(malformed_streams),
	};
	struct CMUnitTest with_sockets[ARRAY_LEN(tests)];

	memcpy(with_sockets, tests, sizeof(tests));
	for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
		with_sockets[i].setup_func = setup;
		with_sockets[i].teardown_func = teardown;
	}
	return cmocka_run_group_tests_name("frame", with_sockets, NULL, NULL);
}
