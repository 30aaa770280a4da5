/* wire.h: what the tests of the wire share. Include after unit.h. */
#ifndef DERIVD_TESTS_UNIT_WIRE_H
#define DERIVD_TESTS_UNIT_WIRE_H

#include <dirent.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/text.h"
#include "proto/msg.h"

static inline UNUSED void socket_pair(int type, int ret_fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_fds), 0);
}

/* Bytes from hexadecimal text; the caller frees. */
static inline UNUSED struct buf *unhex(const char *hex)
{
	struct buf *b = NULL;

	assert_ok(text_unhex(hex, &b));
	return b;
}

/* Open descriptors of this process: a test that closes all that it opened sees the same number again. */
static inline UNUSED size_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Appends one protobuf field of bytes. */
static inline UNUSED void put_field(struct buf *out, uint8_t id, struct bytes content)
{
	buf_add_u8(out, (uint8_t)(id << 3 | 2));
	for (size_t n = content.len;; n >>= 7) {
		buf_add_u8(out, (uint8_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0)));
		if (n <= 0x7f)
			break;
	}
	buf_add_bytes(out, content);
}

#endif
