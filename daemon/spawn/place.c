/* place.c: the directory tree that stands for /etc/derivd, /run/derivd, /var/lib and the journal. */
#include "daemon/spawn/place.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

#define READY_WAIT_MS (60 * 1000)
#define READY_LOOK_MS 20

static struct err *lock(const struct options *o, int *ret_fd)
{
	AUTO_MEM char *path = xasprintf("%s/run/lock", o->dir);
	AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return err_new(&ERR_CONFIG, "another derivd-spawn runs in %s", o->dir);
	*ret_fd = fd_take(&fd);
	return NULL;
}

struct err *place_prepare(const struct options *o, int *ret_lock_fd)
{
	static const char *const names[] = { "etc", "run", "lib", "log" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_MEM char *path = xasprintf("%s/%s", o->dir, names[i]);
		TRY(io_mkdirs(path, 0755));
	}
	TRY(lock(o, ret_lock_fd));
	for (size_t i = 0; i < SERVICES; i++) {
		if (!SERVICE_TABLE[i].state)
			continue;
		AUTO_MEM char *path = xasprintf("%s/lib/%s", o->dir, SERVICE_TABLE[i].program);
		TRY(io_mkdirs(path, 0700));
		if (o->users[i].given && chown(path, o->users[i].uid, o->users[i].gid) != 0)
			return err_errno(errno, "%s", path);
	}
	return NULL;
}

/* Gives the socket's file to the one program that connects to it, if there is one and it has a user. */
static struct err *give_to_client(
	const struct options *o, const struct service_socket *socket, const char *path)
{
	if (!socket->client)
		return NULL;
	size_t client = service_index(service_find(socket->client));
	if (!o->users[client].given)
		return NULL;
	if (chown(path, o->users[client].uid, o->users[client].gid) != 0)
		return err_errno(errno, "%s", path);
	return NULL;
}

static struct err *set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return err_errno(errno, "a socket");
	return NULL;
}

static struct err *listen_unix(
	const struct options *o, const struct service_socket *socket, int *ret_fd)
{
	AUTO_MEM char *path = xasprintf("%s/run/%s", o->dir, socket->file);
	AUTO_FD int fd = -1;

	TRY(io_listen_unix(path, options_mode(o, socket), &fd));
	TRY(give_to_client(o, socket, path));
	*ret_fd = fd_take(&fd);
	return NULL;
}

static struct err *port_of(int fd, char **ret_port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address = { 0 };
	socklen_t len = sizeof(address);

	if (getsockname(fd, &address.any, &len) != 0)
		return err_errno(errno, "getsockname");
	uint16_t port =
		address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port;
	*ret_port = xasprintf("%u", ntohs(port));
	return NULL;
}

static struct err *bind_tcp(const struct options *o, const struct addrinfo *info, int *ret_fd)
{
	const int on = 1;
	AUTO_FD int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)
		return err_errno(errno, "--listen %s:%s", o->listen_host, o->listen_port);
	*ret_fd = fd_take(&fd);
	return NULL;
}

static struct err *listen_tcp(const struct options *o, int *ret_fd)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *info = NULL;
	AUTO_FD int fd = -1;
	AUTO_MEM char *port = NULL;
	int failed = getaddrinfo(o->listen_host, o->listen_port, &hints, &info);

	if (failed)
		return err_new(
			&ERR_CONFIG, "--listen %s: %s", o->listen_host, gai_strerror(failed));
	struct err *e = bind_tcp(o, info, &fd);
	freeaddrinfo(info);
	TRY(e);
	TRY(port_of(fd, &port));
	place_tell(o, "port", NULL, port);
	*ret_fd = fd_take(&fd);
	return NULL;
}

struct err *place_listen(const struct options *o, const struct service_socket *socket, int *ret_fd)
{
	AUTO_FD int fd = -1;

	TRY(socket->file ? listen_unix(o, socket, &fd) : listen_tcp(o, &fd));
	TRY(set_nonblocking(fd));
	*ret_fd = fd_take(&fd);
	return NULL;
}

struct err *place_notify_socket(const struct options *o, int *ret_fd)
{
	const int on = 1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_MEM char *path = xasprintf("%s/run/notify", o->dir);
	AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_errno(errno, "%s", path);
	if (strlen(path) >= sizeof(address.sun_path))
		return err_new(&ERR_SYSTEM, "%s: too long for a socket's path", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);
	/* Everybody may write: the kernel says who did. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
		chmod(path, 0666) != 0)
		return err_errno(errno, "%s", path);
	*ret_fd = fd_take(&fd);
	return NULL;
}

struct err *place_open_log(const struct options *o, const char *program, int *ret_fd)
{
	AUTO_MEM char *path = xasprintf("%s/log/%s.log", o->dir, program);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return err_errno(errno, "%s", path);
	*ret_fd = fd;
	return NULL;
}

static char *tell_path(const struct options *o, const char *kind, const char *program)
{
	return xasprintf("%s/run/%s%s%s", o->dir, kind, program ? "-" : "", program ? program : "");
}

void place_tell(const struct options *o, const char *kind, const char *program, const char *text)
{
	AUTO_MEM char *path = tell_path(o, kind, program);
	AUTO_MEM char *line = xasprintf("%s\n", text);
	struct err *e = io_write_file(path, BYTES(line, strlen(line)), 0644);

	if (e)
		log_error(e, "derivd-spawn");
}

void place_untell(const struct options *o, const char *kind, const char *program)
{
	AUTO_MEM char *path = tell_path(o, kind, program);

	if (unlink(path) != 0 && errno != ENOENT)
		log_error(err_errno(errno, "%s", path), "derivd-spawn");
}

/* The file of one that was killed remains: it counts only while the process that it names lives. */
static bool is_ready(const char *path)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(err) struct err *e = io_read_file(path, 32, &text);
	long pid = e ? 0 : strtol(buf_str(text), NULL, 10);

	return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

struct err *place_wait_ready(const struct options *o)
{
	const struct timespec pause = { .tv_nsec = READY_LOOK_MS * 1000000L };
	AUTO_MEM char *path = tell_path(o, "ready", NULL);
	int64_t end = clock_boot_ms() + READY_WAIT_MS;

	while (!is_ready(path)) {
		if (clock_boot_ms() > end)
			return err_new(&ERR_TIMEOUT, "%s did not appear within %d s; see %s/log",
				path, READY_WAIT_MS / 1000, o->dir);
		nanosleep(&pause, NULL);
	}
	return NULL;
}
