/* frame.c: header, body and memfd, as PROTOCOL.frame has them. */
#include "proto/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/secret.h"
#include "proto/kind.h"
#include "proto/msg.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
/* Room for more descriptors than the one that is allowed, so that all can be seen and closed. */
#define FDS_ROOM 8

struct header {
	uint16_t number;
	uint16_t flags;
	uint32_t serial;
};

/* What one recvmsg brought. fds are open until close_all. */
struct datagram {
	uint8_t data[FRAME_DATAGRAM_MAX];
	size_t len;
	bool cut;
	size_t n_fds;
	int fds[FDS_ROOM];
};

void frame_free(struct frame *f)
{
	if (!f)
		return;
	buf_free(f->body); /* wipes */
	free(f);
}

static struct frame *new_frame(const struct header *h, struct buf *take_body)
{
	struct frame *f = xcalloc(1, sizeof(*f));

	f->number = h->number;
	f->serial = h->serial;
	f->body = take_body;
	return f;
}

static void put_header(struct buf *out, uint16_t number, uint16_t flags, uint32_t serial)
{
	buf_add_u16(out, number);
	buf_add_u16(out, flags);
	buf_add_u32(out, serial);
}

static struct err *get_header(struct cursor *c, struct header *ret_header)
{
	struct header h;

	TRY(cursor_u16(c, &h.number));
	TRY(cursor_u16(c, &h.flags));
	TRY(cursor_u32(c, &h.serial));
	*ret_header = h;
	return NULL;
}

/* --- sending --- */

static struct err *make_memfd(struct bytes body, int *ret_fd)
{
	AUTO_FD int fd = memfd_create("derivd", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_errno(errno, "memfd_create");
	TRY(io_write_full(fd, body));
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_errno(errno, "sealing a memfd");
	*ret_fd = fd_take(&fd);
	return NULL;
}

static struct err *send_failed(int errno_value)
{
	if (errno_value == EPIPE || errno_value == ECONNRESET)
		return err_new(&ERR_GONE, "the other side hung up");
	return err_errno(errno_value, "sending a message");
}

/* memfd: -1 for none. */
static struct err *send_datagram(
	int fd, struct bytes head, struct bytes body, int memfd, bool *ret_sent)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)head.data, .iov_len = head.len },
		{ .iov_base = (void *)(uintptr_t)body.data, .iov_len = body.len },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (memfd >= 0) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &memfd, sizeof(int));
	}
	do {
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return send_failed(errno);
	*ret_sent = n >= 0;
	return NULL;
}

struct err *frame_send(int fd, uint16_t number, uint32_t serial, struct bytes body, bool *ret_sent)
{
	AUTO(buf) struct buf *head = buf_new();
	AUTO_FD int memfd = -1;

	if (body.len > FRAME_BODY_MAX)
		return err_new(&ERR_LIMIT,
			"message 0x%04x would have %zu bytes, at most %d are allowed", number,
			body.len, FRAME_BODY_MAX);
	put_header(head, number, body.len > FRAME_INLINE_MAX ? FRAME_FLAG_MEMFD : 0, serial);
	if (body.len > FRAME_INLINE_MAX) {
		TRY(make_memfd(body, &memfd));
		buf_add_u32(head, (uint32_t)body.len);
		body = BYTES(NULL, 0);
	}
	return send_datagram(fd, buf_bytes(head), body, memfd, ret_sent);
}

/* --- receiving --- */

static void close_all(struct datagram *d)
{
	for (size_t i = 0; i < d->n_fds; i++)
		close(d->fds[i]);
	d->n_fds = 0;
	wipe(d->data, d->len);
}

static void collect_fds(struct msghdr *m, struct datagram *d)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && d->n_fds < FDS_ROOM; i++)
			memcpy(&d->fds[d->n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

/*
 * *ret_got is false when a non-blocking socket has nothing. A peer that closed with messages of ours unread leaves
 * ECONNRESET before what it sent last, once: that may be the error that says why.
 */
static struct err *receive(int fd, struct datagram *d, bool *ret_got)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FDS_ROOM * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = d->data, .iov_len = sizeof(d->data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool reset = false, again;
	ssize_t n;

	do {
		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
		again = n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset));
		reset = reset || (n < 0 && errno == ECONNRESET);
	} while (again);
	if (n < 0 && errno == EAGAIN) {
		*ret_got = false;
		return NULL;
	}
	if (n < 0 && errno != ECONNRESET)
		return err_errno(errno, "receiving a message");
	if (n < 0)
		return err_new(&ERR_GONE, "the other side hung up");
	d->len = (size_t)n;
	d->cut = m.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	collect_fds(&m, d);
	*ret_got = true;
	return NULL;
}

/* The descriptor is a memfd that nobody can change any more, and as long as it says. */
static struct err *check_memfd(int fd, size_t len)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_new(&ERR_PROTOCOL, "a descriptor that is not a sealed memfd");
	if (fstat(fd, &st) < 0)
		return err_errno(errno, "fstat");
	if (st.st_size < 0 || (uint64_t)st.st_size != len)
		return err_new(&ERR_PROTOCOL, "a memfd of another length than it says");
	return NULL;
}

static struct err *read_memfd(int fd, size_t len, struct buf **ret_body)
{
	AUTO(buf) struct buf *body = buf_new();
	uint8_t *room = buf_grow(body, len);

	for (size_t at = 0; at < len;) {
		ssize_t n = pread(fd, room + at, len - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(errno, "reading a memfd");
		if (n == 0)
			return err_new(&ERR_PROTOCOL, "a memfd that ends early");
		at += (size_t)n;
	}
	*ret_body = take(body);
	return NULL;
}

/* A message's own maximum holds before its body is read; the table refuses unknown numbers later anyway. */
static size_t body_max(uint16_t number)
{
	const struct msg *msg = msg_find(number);

	return msg ? msg->max : FRAME_INLINE_MAX;
}

static struct err *open_memfd(
	const struct datagram *d, const struct header *h, struct cursor *c, struct buf **ret_body)
{
	uint32_t len;

	if (d->n_fds != 1)
		return err_new(&ERR_PROTOCOL, "%zu descriptors came where one belongs", d->n_fds);
	TRY(cursor_u32(c, &len));
	TRY(cursor_end(c));
	if (len <= FRAME_INLINE_MAX)
		return err_new(
			&ERR_PROTOCOL, "a memfd of %u bytes, which belong into the message", len);
	if (len > body_max(h->number))
		return err_new(&ERR_PROTOCOL,
			"message 0x%04x has %u bytes, at most %zu are allowed", h->number, len,
			body_max(h->number));
	TRY(check_memfd(d->fds[0], len));
	return read_memfd(d->fds[0], len, ret_body);
}

static struct err *open_datagram(const struct datagram *d, struct frame **ret_frame)
{
	struct cursor c = { BYTES(d->data, d->len) };
	AUTO(buf) struct buf *body = NULL;
	struct header h;

	if (d->cut)
		return err_new(&ERR_PROTOCOL,
			"a message longer than %d bytes, or with too many descriptors",
			FRAME_DATAGRAM_MAX);
	TRY(get_header(&c, &h));
	if (h.flags & ~FRAME_FLAG_MEMFD)
		return err_new(&ERR_PROTOCOL, "unknown flags 0x%04x", h.flags);
	if (h.flags & FRAME_FLAG_MEMFD) {
		TRY(open_memfd(d, &h, &c, &body));
	} else {
		if (d->n_fds)
			return err_new(
				&ERR_PROTOCOL, "a descriptor that the message does not announce");
		body = buf_new();
		buf_add_bytes(body, c.rest);
	}
	*ret_frame = new_frame(&h, take(body));
	return NULL;
}

/* Malformed bytes from a peer are a breach of the protocol. */
static struct err *as_protocol(struct err *take_e)
{
	return err_is(take_e, &ERR_FORMAT) ? err_as(&ERR_PROTOCOL, take_e, "malformed frame")
					   : take_e;
}

struct err *frame_recv(int fd, struct frame **ret_frame)
{
	struct datagram d; /* not initialised: 32 KiB that recvmsg fills */
	bool got = false;

	d.n_fds = 0;
	TRY(receive(fd, &d, &got));
	if (!got)
		return NULL;
	if (d.len == 0 && d.n_fds == 0)
		return err_new(&ERR_GONE, "the other side hung up");
	struct err *e = open_datagram(&d, ret_frame);
	close_all(&d);
	return as_protocol(e);
}

/* --- streams --- */

void frame_pack_stream(struct buf *out, uint16_t number, uint32_t serial, struct bytes body)
{
	buf_add_u32(out, (uint32_t)(FRAME_HEADER_LEN + body.len));
	put_header(out, number, 0, serial);
	buf_add_bytes(out, body);
}

struct err *frame_unpack_stream(
	struct bytes bytes, size_t max, size_t *ret_used, struct frame **ret_frame)
{
	struct cursor c = { bytes };
	struct bytes content;
	struct header h;
	uint32_t len;

	*ret_used = 0;
	if (bytes.len < sizeof(len))
		return NULL;
	TRY(cursor_u32(&c, &len));
	if (len < FRAME_HEADER_LEN)
		return err_new(&ERR_PROTOCOL, "a frame of %u bytes, at least %d are needed", len,
			FRAME_HEADER_LEN);
	if (len - FRAME_HEADER_LEN > max)
		return err_new(&ERR_PROTOCOL, "a body of %u bytes, at most %zu are allowed",
			len - FRAME_HEADER_LEN, max);
	if (c.rest.len < len)
		return NULL;
	TRY(cursor_bytes(&c, len, &content));
	c.rest = content;
	TRY(get_header(&c, &h));
	if (h.flags)
		return err_new(&ERR_PROTOCOL, "unknown flags 0x%04x", h.flags);
	AUTO(buf) struct buf *body = buf_new();
	buf_add_bytes(body, c.rest);
	*ret_used = sizeof(len) + len;
	*ret_frame = new_frame(&h, take(body));
	return NULL;
}
