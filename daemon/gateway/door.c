/* door.c: see door.h. */
#include "daemon/gateway/door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/gateway/conn.h"

/* Connections that are taken before others get their turn. */
#define ACCEPTS_A_TURN 16
/* A handshake of that age may have to make room: a phone in a poor network is done before. */
#define YOUNG_MS 2000
#define PAUSE_US (100 * 1000)
#define PAUSE_SLACK_US (10 * 1000)
/* Bytes that were sent and are not acknowledged for so long end the connection. */
#define UNACKNOWLEDGED_MS 60000
/* With phones that knock without end a gateway with a mistake in its configuration is started no more often. */
#define AWAY_MS 5000
/* Descriptors for everything that is not a device. */
#define DESCRIPTORS_SPARE 64

struct door {
	struct hub *hub;
	sd_event_source *io;
	sd_event_source *pause;
	int fd;
};

static void pause_door(struct door *d)
{
	if (sd_event_source_set_enabled(d->io, SD_EVENT_OFF) < 0 ||
		sd_event_source_set_time_relative(d->pause, PAUSE_US) < 0 ||
		sd_event_source_set_enabled(d->pause, SD_EVENT_ONESHOT) < 0)
		err_abort("the listening socket cannot be paused");
}

static int on_pause_over(UNUSED sd_event_source *source, UNUSED uint64_t usec, void *userdata)
{
	struct door *d = userdata;

	if (sd_event_source_set_enabled(d->io, SD_EVENT_ON) < 0)
		err_abort("the listening socket cannot be read");
	return 0;
}

/* An unfinished handshake that may be given up, or NULL. */
static struct due_entry *find_old_handshake(struct hub *h)
{
	struct due_entry *oldest = due_peek(h->due, DUE_HANDSHAKE);

	return oldest && due_age_ms(h->due, oldest) >= YOUNG_MS ? oldest : NULL;
}

static bool is_crowded(const struct hub *h)
{
	return h->env.handshakes >= h->settings->max_handshakes;
}

/* Somebody is there: now others may have to go. */
static void make_room(struct hub *h)
{
	if (roster_count(h->roster) >= h->settings->max_connections)
		conn_shed_stranger(h);
	struct due_entry *oldest = is_crowded(h) ? find_old_handshake(h) : NULL;
	if (!oldest)
		return;
	conn_free(conn_of_stream(stream_of_entry(oldest)));
	h->tally.shed++;
}

static bool set_options(int fd)
{
	const int on = 1, unacknowledged = UNACKNOWLEDGED_MS;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged,
		       sizeof(unacknowledged)) == 0;
}

/* False when there is nothing more to accept, or nothing more can be. */
static bool accept_one(struct door *d)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	const char *why;

	if (is_crowded(d->hub) && !find_old_handshake(d->hub)) {
		pause_door(d);
		return false;
	}
	int fd = accept4(d->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		log_note(NOTE_GATEWAY_PAUSED, NULL, "no new connections for a moment: %s", strerror(errno));
		pause_door(d);
	}
	/* Other errors are of the connection that was to be accepted: accept(2). */
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	if (!set_options(fd)) {
		fd_cleanup(&fd);
		return true;
	}
	make_room(d->hub);
	if (!conn_open(d->hub, fd, (const struct sockaddr *)&from, &why)) {
		d->hub->tally.refused++;
		log_debug("a connection was refused: %s", why);
	}
	return true;
}

static int on_io(
	UNUSED sd_event_source *source, UNUSED int fd, UNUSED uint32_t events, void *userdata)
{
	struct door *d = userdata;

	for (int i = 0; i < ACCEPTS_A_TURN && accept_one(d); i++)
		continue;
	return 0;
}

struct err *door_new(struct hub *h, int fd, struct door **ret_door)
{
	AUTO(door) struct door *d = xcalloc(1, sizeof(*d));
	int flags = fcntl(fd, F_GETFL);

	d->hub = h;
	d->fd = fd;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_errno(errno, "the listening socket");
	int r = sd_event_add_io(h->event, &d->io, fd, EPOLLIN, on_io, d);
	if (r < 0)
		return err_errno(-r, "the listening socket");
	r = sd_event_add_time_relative(
		h->event, &d->pause, CLOCK_BOOTTIME, 0, PAUSE_SLACK_US, on_pause_over, d);
	if (r < 0)
		return err_errno(-r, "a timer");
	*ret_door = take(d);
	return NULL;
}

void door_free(struct door *d)
{
	if (!d)
		return;
	sd_event_source_disable_unref(d->io);
	sd_event_source_disable_unref(d->pause);
	free(d);
}

void door_turn_away(int fd)
{
	int64_t now = clock_boot_ms(), end = now + AWAY_MS;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	sigset_t none;

	/* Nothing has to be put in order any more: signals end it. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (; now < end; now = clock_boot_ms()) {
		if (poll(&ready, 1, (int)(end - now)) > 0) {
			int device = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
			fd_cleanup(&device);
		}
	}
}

void door_fit_descriptors(struct settings *s)
{
	struct rlimit limit;
	rlim_t want = (rlim_t)s->max_connections + DESCRIPTORS_SPARE;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		err_abort("the limit of descriptors: %s", strerror(errno));
	if (limit.rlim_cur >= want)
		return;
	limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		err_abort("the limit of descriptors: %s", strerror(errno));
	if (limit.rlim_cur >= want)
		return;
	s->max_connections = limit.rlim_cur > 2 * DESCRIPTORS_SPARE
				     ? (uint32_t)(limit.rlim_cur - DESCRIPTORS_SPARE)
				     : DESCRIPTORS_SPARE;
	log_note(NOTE_GATEWAY_LIMIT, NULL,
		"at most %u devices can be connected: the limit of descriptors is %llu. "
		"Raise LimitNOFILE= or lower max-connections",
		s->max_connections, (unsigned long long)limit.rlim_cur);
}
