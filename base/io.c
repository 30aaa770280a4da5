/* io.c: files and unix sockets. */
#include "base/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

#define READ_CHUNK 16384

/* Connections that wait for accept; the kernel caps it at net.core.somaxconn. */
#define BACKLOG 128

/* For a service that does not come to accept. */
static const struct timeval CONNECT_WAIT = { .tv_sec = 1 };

void fd_cleanup(int *fd)
{
	if (*fd < 0)
		return;
	int saved_errno = errno;
	/* Not repeated after EINTR: on Linux the descriptor is gone then too. */
	close(*fd);
	errno = saved_errno;
}

static ssize_t read_some(int fd, void *room, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, room, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

struct err *io_read_file(const char *path, size_t max, struct buf **ret_buf)
{
	AUTO(buf) struct buf *b = buf_new();
	struct stat st;
	/* O_NONBLOCK: a pipe in the place of a file must not stop us; a regular file does not mind.
	 */
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return err_errno(errno, "%s", path);
	if (fstat(fd, &st) != 0)
		return err_errno(errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_new(&ERR_SYSTEM, "%s: not a regular file", path);
	/* The size is not believed: files in /proc say 0, and others may grow. */
	for (;;) {
		size_t len = buf_len(b);
		ssize_t n = read_some(fd, buf_grow(b, READ_CHUNK), READ_CHUNK);
		if (n < 0)
			return err_errno(errno, "%s", path);
		buf_cut(b, len + (size_t)n);
		if (n == 0)
			break;
		if (buf_len(b) > max)
			return err_new(&ERR_LIMIT, "%s: larger than %zu bytes", path, max);
	}
	*ret_buf = take(b);
	return NULL;
}

static struct err *fill_and_close(int take_fd, const char *path, struct bytes content, mode_t mode)
{
	AUTO_FD int fd = take_fd;

	if (fchmod(fd, mode) != 0)
		return err_errno(errno, "%s", path);
	TRY(err_wrap(io_write_full(fd, content), "%s", path));
	if (fsync(fd) != 0)
		return err_errno(errno, "%s: fsync", path);
	if (close(fd_take(&fd)) != 0)
		return err_errno(errno, "%s: close", path);
	return NULL;
}

static struct err *sync_dir_of(const char *path)
{
	AUTO_MEM char *copy = xstrdup(path);
	const char *dir = dirname(copy);
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(errno, "%s", dir);
	if (fsync(fd) != 0)
		return err_errno(errno, "%s: fsync", dir);
	return NULL;
}

struct err *io_write_file(const char *path, struct bytes content, mode_t mode)
{
	AUTO_MEM char *temporary = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return err_as(
			&ERR_SYSTEM, err_errno(errno, "%s", temporary), "cannot write %s", path);
	struct err *e = fill_and_close(fd, temporary, content, mode);
	if (!e && rename(temporary, path) != 0)
		e = err_errno(errno, "%s", path);
	if (e) {
		unlink(temporary);
		return err_as(&ERR_SYSTEM, e, "cannot write %s", path);
	}
	e = sync_dir_of(path);
	return e ? err_as(&ERR_SYSTEM, e, "cannot write %s", path) : NULL;
}

static struct err *sync_file(const char *path, mode_t mode)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_errno(errno, "%s", path);
	if (fchmod(fd, mode) != 0 || fsync(fd) != 0)
		return err_errno(errno, "%s", path);
	return NULL;
}

struct err *io_put_in_place(const char *from, const char *to, mode_t mode)
{
	struct err *e = sync_file(from, mode);

	if (!e && rename(from, to) != 0)
		e = err_errno(errno, "%s", to);
	if (!e)
		e = sync_dir_of(to);
	return e ? err_as(&ERR_SYSTEM, e, "cannot write %s", to) : NULL;
}

static struct err *make_dir(const char *path, mode_t mode)
{
	struct stat st;

	/* The umask is not ours to change: chmod after it, which changes nothing where it allows the mode. */
	if (mkdir(path, mode) == 0)
		return chmod(path, mode) == 0 ? NULL : err_errno(errno, "%s", path);
	int mkdir_errno = errno;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return NULL;
	return err_as(&ERR_SYSTEM, err_errno(mkdir_errno, "%s", path), "cannot make a directory");
}

struct err *io_mkdirs(const char *path, mode_t mode)
{
	AUTO_MEM char *part = xstrdup(path);

	for (char *p = part + 1; *part && *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		TRY(make_dir(part, mode));
		*p = '/';
	}
	return make_dir(part, mode);
}

struct err *io_read_full(int fd, void *ret_data, size_t len)
{
	uint8_t *p = ret_data;

	while (len) {
		ssize_t n = read_some(fd, p, len);
		if (n < 0)
			return err_errno(errno, "read");
		if (n == 0)
			return err_new(&ERR_GONE, "the end came %zu bytes too early", len);
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

struct err *io_write_full(int fd, struct bytes data)
{
	while (data.len) {
		ssize_t n = write(fd, data.data, data.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return err_new(&ERR_GONE, "write: %s", strerror(errno));
		if (n < 0)
			return err_errno(errno, "write");
		data = BYTES(data.data + n, data.len - (size_t)n);
	}
	return NULL;
}

static struct err *unix_address(const char *path, struct sockaddr_un *ret_address)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return err_new(&ERR_SYSTEM, "%s: longer than the %zu bytes of a socket's path",
			path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	*ret_address = address;
	return NULL;
}

struct err *io_connect_unix(const char *path, int *ret_fd)
{
	struct sockaddr_un address;

	TRY(unix_address(path, &address));
	AUTO_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(errno, "%s", path);
	/* Linux counts the wait for a full queue as sending. Event loops call this, too. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &CONNECT_WAIT, sizeof(CONNECT_WAIT)) != 0)
		return err_errno(errno, "%s", path);
	int result;
	do {
		result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	} while (result != 0 && errno == EINTR);
	if (result != 0 && errno == EAGAIN)
		return err_new(&ERR_TIMEOUT, "%s: the service takes no connections", path);
	if (result != 0)
		return err_errno(errno, "%s", path);
	*ret_fd = fd_take(&fd);
	return NULL;
}

struct err *io_listen_unix(const char *path, mode_t mode, int *ret_fd)
{
	struct sockaddr_un address;
	struct stat st;

	TRY(unix_address(path, &address));
	AUTO_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(errno, "%s", path);
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_new(&ERR_SYSTEM, "%s: there is something that is not a socket", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_errno(errno, "%s", path);
	/* On Linux the file takes the descriptor's mode: nobody connects before chmod below says
	 * so. */
	if (fchmod(fd, 0) != 0)
		return err_errno(errno, "%s", path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return err_as(&ERR_SYSTEM, err_errno(errno, "%s", path), "cannot listen");
	if (chmod(path, mode) != 0 || listen(fd, BACKLOG) != 0)
		return err_errno(errno, "%s", path);
	*ret_fd = fd_take(&fd);
	return NULL;
}
