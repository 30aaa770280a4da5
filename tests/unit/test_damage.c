/*
 * test_damage.c: thousands of damaged messages and datagrams, always the same ones. What matters is that the sanitizers
 * see nothing; what is taken in spite of the damage must still keep all limits, and no descriptor may stay open.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "proto/frame.h"
#include "proto/kind.h"
#include "tests/fuzz/sample.h"
#include "tests/unit/wire.h"

#define SEED UINT64_C(0x9e3779b97f4a7c15)
#define SAMPLES 20
#define DAMAGES 12

/* A whole sample of a message that fits its row; most do at once. */
static struct buf *fitting(const struct msg *msg, uint64_t *seed)
{
	for (;;) {
		struct buf *b = sample_message(msg->type, seed);
		if (buf_len(b) <= msg->max)
			return b;
		buf_free(b);
	}
}

static void samples_are_taken(void **state)
{
	uint64_t seed = SEED;
	size_t n;
	const struct msg *table = msg_table(&n);

	for (size_t i = 0; i < n * SAMPLES; i++) {
		const struct msg *msg = &table[i % n];
		AUTO(buf) struct buf *b = fitting(msg, &seed);
		AUTO_MSG ProtobufCMessage *m = NULL;
		AUTO(buf) struct buf *again = NULL;
		assert_ok(msg_parse(msg, buf_bytes(b), &m));
		assert_ok(msg_pack(msg, m, &again));
	}
}

static size_t parse_damaged(const struct msg *msg, struct bytes whole, uint64_t *seed)
{
	AUTO(buf) struct buf *b = sample_damage(whole, seed);
	AUTO_MSG ProtobufCMessage *m = NULL;
	AUTO(err) struct err *e = msg_parse(msg, buf_bytes(b), &m);

	if (e) {
		assert_true(err_is(e, &ERR_PROTOCOL));
		return 0;
	}
	assert_ok(msg_check(m));
	return 1;
}

static void damaged_messages(void **state)
{
	uint64_t seed = SEED;
	size_t n, taken = 0;
	const struct msg *table = msg_table(&n);

	for (size_t i = 0; i < n * SAMPLES; i++) {
		AUTO(buf) struct buf *b = fitting(&table[i % n], &seed);
		for (size_t k = 0; k < DAMAGES; k++)
			taken += parse_damaged(&table[i % n], buf_bytes(b), &seed);
	}
	/* Neither all nor none: otherwise this tests nothing. */
	assert_in_range(taken, n * SAMPLES * DAMAGES / 50, n * SAMPLES * DAMAGES / 2);
}

/* A datagram, whole or damaged, with none, one or more descriptors of some sort. */
static void send_some(int fd, struct bytes b, const int *sorts, uint64_t *seed)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)b.data, b.len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint32_t n = sample_below(seed, 3) ? sample_below(seed, 2) : sample_below(seed, 4);

	if (n) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = (struct cmsghdr *)(void *)control.room;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (uint32_t i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &sorts[sample_below(seed, 3)],
				sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), b.len);
}

static struct buf *announcing(uint32_t len)
{
	struct buf *b = unhex("0301000100000001");

	buf_add_u32(b, len);
	return b;
}

static void damaged_datagrams(void **state)
{
	enum { LEN = 40000 };
	uint64_t seed = SEED;
	int fds[2];
	size_t taken = 0, before = count_fds();

	socket_pair(SOCK_SEQPACKET, fds);
	AUTO_FD int sealed = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	AUTO_FD int open_memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	AUTO_FD int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(sealed, LEN), 0);
	assert_int_equal(ftruncate(open_memfd, LEN), 0);
	assert_int_equal(fcntl(sealed, F_ADD_SEALS,
				 F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		0);
	const int sorts[3] = { sealed, open_memfd, file };
	for (size_t i = 0; i < 20000; i++) {
		AUTO(buf)
		struct buf *whole = i % 2 ? announcing(LEN)
					  : unhex("0104000000000001"
						  "0a025231");
		AUTO(buf) struct buf *damaged = sample_damage(buf_bytes(whole), &seed);
		AUTO(frame) struct frame *f = NULL;
		send_some(
			fds[0], buf_bytes(sample_below(&seed, 2) ? damaged : whole), sorts, &seed);
		AUTO(err) struct err *e = frame_recv(fds[1], &f);
		assert_int_equal(!e, f != NULL);
		assert_true(!e || err_is(e, &ERR_PROTOCOL) || err_is(e, &ERR_GONE));
		taken += f != NULL;
	}
	assert_in_range(taken, 1000, 15000);
	close(fds[0]);
	close(fds[1]);
	close(fd_take(&sealed));
	close(fd_take(&open_memfd));
	close(fd_take(&file));
	assert_int_equal(count_fds(), before);
}

static void damaged_streams(void **state)
{
	uint64_t seed = SEED;
	size_t n, taken = 0;
	const struct msg *table = msg_table(&n);

	for (size_t i = 0; i < n * SAMPLES; i++) {
		AUTO(buf) struct buf *body = fitting(&table[i % n], &seed);
		AUTO(buf) struct buf *out = buf_new();
		AUTO(frame) struct frame *f = NULL;
		size_t used = 0;
		frame_pack_stream(out, table[i % n].number, 1, buf_bytes(body));
		AUTO(buf) struct buf *damaged = sample_damage(buf_bytes(out), &seed);
		AUTO(err) struct err *e = frame_unpack_stream(buf_bytes(damaged), 65536, &used, &f);
		assert_true(!e || err_is(e, &ERR_PROTOCOL));
		assert_int_equal(used > 0, f != NULL);
		assert_true(used <= buf_len(damaged));
		taken += f != NULL;
	}
	assert_in_range(taken, n, n * SAMPLES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_taken),
		cmocka_unit_test(damaged_messages),
		cmocka_unit_test(damaged_datagrams),
		cmocka_unit_test(damaged_streams),
	};

	return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
