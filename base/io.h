/* io.h: files and descriptors. Every fd that this module makes is close-on-exec. */
#ifndef DERIVD_BASE_IO_H
#define DERIVD_BASE_IO_H

#include <sys/types.h>

#include "base/def.h"
#include "base/err.h"

struct buf;

/* AUTO_FD int fd = -1; closes on leaving the scope. */
static inline UNUSED int fd_take(int *fd)
{
	int v = *fd;
	*fd = -1;
	return v;
}
void fd_cleanup(int *fd);
#define AUTO_FD __attribute__((cleanup(fd_cleanup)))

/* Reads a whole file of at most max bytes. ERR_NOTFOUND, ERR_SYSTEM, ERR_LIMIT. */
MUST_CHECK struct err *io_read_file(const char *path, size_t max, struct buf **ret_buf);
/*
 * Writes a file so that after a crash either the old or the new content is there: temporary file in the same
 * directory, fsync, rename, fsync of the directory. mode: e.g. 0600. ERR_SYSTEM.
 */
MUST_CHECK struct err *io_write_file(const char *path, struct bytes content, mode_t mode);
/*
 * A finished file gets its name: mode, fsync, rename, fsync of the directory, which both are in. ERR_SYSTEM.
 */
MUST_CHECK struct err *io_put_in_place(const char *from, const char *to, mode_t mode);
/* Makes a directory with its parents; an existing one is fine. ERR_SYSTEM. */
MUST_CHECK struct err *io_mkdirs(const char *path, mode_t mode);
/* Full-length loops; EINTR is retried. A read that ends early is ERR_GONE. */
MUST_CHECK struct err *io_read_full(int fd, void *ret_data, size_t len);
MUST_CHECK struct err *io_write_full(int fd, struct bytes data);

/* A SOCK_SEQPACKET connection to a path (at most 107 bytes). ERR_NOTFOUND, ERR_SYSTEM; ERR_TIMEOUT when the service's queue is
 * full and stays so for a second. (All name the path.) */
MUST_CHECK struct err *io_connect_unix(const char *path, int *ret_fd);
/* A listening SOCK_SEQPACKET socket; an existing socket file is replaced; mode by fchmod. ERR_SYSTEM. */
MUST_CHECK struct err *io_listen_unix(const char *path, mode_t mode, int *ret_fd);

#endif
