/*
 * keeper.c: sockets are opened once and kept while programs come and go, so that nobody's connection is refused during a
 * restart. A main service that dies is started again after a pause that doubles; if it dies this way before it was ever
 * ready, something is wrong that a restart does not mend, and derivd-spawn ends.
 */
#include "daemon/spawn/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/spawn/launch.h"
#include "daemon/spawn/notify.h"
#include "daemon/spawn/place.h"

#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 5000
/* Alive for so long, a service is taken for well. */
#define WELL_MS 10000
#define STARTS_IN_VAIN_MAX 5
#define END_US (10 * 1000 * 1000)
#define ACCURACY_US 1000

/* One process for one connection, in a list of its service. */
struct worker {
	struct worker *next;
	struct running *running;
	sd_event_source *child;
	pid_t pid;
	uid_t uid;
};

struct running {
	struct keeper *keeper;
	const struct service *service;
	int fds[SERVICE_SOCKETS_MAX];
	/* accept */
	sd_event_source *listener;
	struct worker *workers;
	size_t n_workers;
	/* main */
	pid_t pid;
	sd_event_source *child;
	sd_event_source *pause;
	uint64_t pause_ms;
	int64_t started_ms;
	unsigned int starts_in_vain;
	bool ready;
	bool was_ready;
};

struct keeper {
	sd_event *event;
	const struct options *o;
	struct running running[SERVICES];
	int lock_fd;
	int notify_fd;
	sd_event_source *notify;
	sd_event_source *force;
	bool ready;
	bool ending;
	int exit_code;
};

static struct err *start_main(struct running *r);

/* Says "name: what happened" in words. */
static char *how_it_ended(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return xasprintf("ended with status %d", info->si_status);
	return xasprintf("was killed by %s", strsignal(info->si_status));
}

static void exit_when_empty(struct keeper *k)
{
	if (!k->ending)
		return;
	for (size_t i = 0; i < SERVICES; i++) {
		if (k->running[i].pid || k->running[i].n_workers)
			return;
	}
	sd_event_exit(k->event, k->exit_code);
}

static void kill_all(struct keeper *k, int signal)
{
	for (size_t i = 0; i < SERVICES; i++) {
		struct running *r = &k->running[i];
		if (r->pid)
			kill(r->pid, signal);
		for (struct worker *w = r->workers; w; w = w->next)
			kill(w->pid, signal);
	}
}

/* ---- main services ---- */

static int on_pause_over(UNUSED sd_event_source *source, UNUSED uint64_t now, void *userdata)
{
	struct running *r = userdata;
	struct err *e = start_main(r);

	if (e) {
		log_error(e, "%s cannot be started", r->service->program);
		keeper_end(r->keeper, EXIT_FAILURE);
	}
	return 0;
}

static void pause_then_start(struct running *r)
{
	r->pause = sd_event_source_unref(r->pause);
	int result = sd_event_add_time_relative(r->keeper->event, &r->pause, CLOCK_MONOTONIC,
		r->pause_ms * 1000, ACCURACY_US, on_pause_over, r);
	if (result < 0)
		err_abort("derivd-spawn: a timer: %s", strerror(-result));
	log_warning("%s: next start in %ju ms", r->service->program, (uintmax_t)r->pause_ms);
	r->pause_ms = r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->pause_ms * 2;
}

static void count_start(struct running *r)
{
	if (clock_boot_ms() - r->started_ms >= WELL_MS)
		r->pause_ms = PAUSE_FIRST_MS;
	r->starts_in_vain = r->ready ? 0 : r->starts_in_vain + 1;
	r->ready = false;
}

static int on_main_ended(UNUSED sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct running *r = userdata;
	struct keeper *k = r->keeper;
	AUTO_MEM char *how = how_it_ended(info);

	log_info("%s (%d) %s", r->service->program, r->pid, how);
	r->child = sd_event_source_unref(r->child);
	r->pid = 0;
	place_untell(k->o, "pid", r->service->program);
	place_untell(k->o, "status", r->service->program);
	count_start(r);
	if (!k->ending && !r->was_ready && r->starts_in_vain >= STARTS_IN_VAIN_MAX) {
		log_event(LOG_ERR, NULL, NULL, "%s does not start; see %s/log/%s.log",
			r->service->program, k->o->dir, r->service->program);
		keeper_end(k, EXIT_FAILURE);
	}
	if (!k->ending)
		pause_then_start(r);
	exit_when_empty(k);
	return 0;
}

static struct err *start_main(struct running *r)
{
	struct keeper *k = r->keeper;
	const struct service *s = r->service;
	AUTO(buf) struct buf *names = buf_new();
	char pid[16];

	for (size_t i = 0; i < s->n_sockets; i++)
		buf_addf(names, "%s%s", i ? ":" : "", s->sockets[i].name);
	TRY(launch(k->o, s, r->fds, s->n_sockets, buf_str(names), &r->pid));
	r->started_ms = clock_boot_ms();
	int result = sd_event_add_child(k->event, &r->child, r->pid, WEXITED, on_main_ended, r);
	if (result < 0)
		return err_errno(-result, "watch a child");
	log_info("%s (%d) started", s->program, r->pid);
	snprintf(pid, sizeof(pid), "%d", r->pid);
	place_tell(k->o, "pid", s->program, pid);
	return NULL;
}

static void note_ready(struct keeper *k)
{
	char pid[16];

	for (size_t i = 0; i < SERVICES; i++) {
		if (!k->running[i].service->accept && !k->running[i].ready)
			return;
	}
	if (k->ready)
		return;
	k->ready = true;
	snprintf(pid, sizeof(pid), "%d", getpid());
	place_tell(k->o, "ready", NULL, pid);
	log_info("all services are ready");
	sd_notify(0, "READY=1");
}

static void take_notice(struct keeper *k, const struct notice *notice)
{
	for (size_t i = 0; i < SERVICES; i++) {
		struct running *r = &k->running[i];
		if (!r->pid || r->pid != notice->pid)
			continue;
		if (*notice->status)
			place_tell(k->o, "status", r->service->program, notice->status);
		if (!notice->ready || r->ready)
			continue;
		log_info("%s is ready", r->service->program);
		r->ready = r->was_ready = true;
		note_ready(k);
	}
}

static int on_notify(UNUSED sd_event_source *source, int fd, UNUSED uint32_t events, void *userdata)
{
	struct notice notice;

	while (notify_read(fd, &notice)) {
		if (notice.pid)
			take_notice(userdata, &notice);
	}
	return 0;
}

/* ---- one process for each connection ---- */

static int on_worker_ended(UNUSED sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct worker *w = userdata;
	struct running *r = w->running;
	struct worker **at = &r->workers;

	if (info->si_code != CLD_EXITED || info->si_status != 0) {
		AUTO_MEM char *how = how_it_ended(info);
		log_info("%s (%d) %s", r->service->program, w->pid, how);
	}
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	r->n_workers--;
	sd_event_source_unref(w->child);
	free(w);
	exit_when_empty(r->keeper);
	return 0;
}

static size_t workers_of(const struct running *r, uid_t uid)
{
	size_t n = 0;

	for (const struct worker *w = r->workers; w; w = w->next)
		n += w->uid == uid;
	return n;
}

static struct err *start_worker(struct running *r, int connection)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return err_errno(errno, "SO_PEERCRED");
	if (r->n_workers >= r->service->connections_max ||
		workers_of(r, peer.uid) >= r->service->connections_per_uid_max)
		return err_new(&ERR_LIMIT, "too many connections (all: %zu, of uid %u: %zu)",
			r->n_workers, peer.uid, workers_of(r, peer.uid));
	struct worker *w = xcalloc(1, sizeof(*w));
	w->running = r;
	w->uid = peer.uid;
	struct err *e = launch(r->keeper->o, r->service, &connection, 1, "connection", &w->pid);
	if (e) {
		free(w);
		return e;
	}
	int result = sd_event_add_child(
		r->keeper->event, &w->child, w->pid, WEXITED, on_worker_ended, w);
	if (result < 0)
		err_abort("derivd-spawn: watch a child: %s", strerror(-result));
	w->next = r->workers;
	r->workers = w;
	r->n_workers++;
	return NULL;
}

static int on_connection(
	UNUSED sd_event_source *source, int fd, UNUSED uint32_t events, void *userdata)
{
	struct running *r = userdata;
	AUTO_FD int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (connection < 0)
		return 0;
	struct err *e = start_worker(r, connection);
	if (e)
		log_error(e, "%s: a connection is closed", r->service->program);
	return 0;
}

/* ---- all of it ---- */

static struct err *open_service(struct keeper *k, struct running *r)
{
	const struct service *s = r->service;

	for (size_t i = 0; i < s->n_sockets; i++)
		TRY(place_listen(k->o, &s->sockets[i], &r->fds[i]));
	if (!s->accept)
		return NULL;
	int result = sd_event_add_io(k->event, &r->listener, r->fds[0], EPOLLIN, on_connection, r);
	return result < 0 ? err_errno(-result, "watch a socket") : NULL;
}

struct err *keeper_new(sd_event *event, const struct options *o, struct keeper **ret_keeper)
{
	AUTO(keeper) struct keeper *k = xcalloc(1, sizeof(*k));

	k->event = sd_event_ref(event);
	k->o = o;
	k->lock_fd = k->notify_fd = -1;
	for (size_t i = 0; i < SERVICES; i++) {
		struct running *r = &k->running[i];
		r->keeper = k;
		r->service = &SERVICE_TABLE[i];
		r->pause_ms = PAUSE_FIRST_MS;
		r->fds[0] = r->fds[1] = -1;
	}
	TRY(place_prepare(o, &k->lock_fd));
	place_untell(o, "ready", NULL);
	TRY(place_notify_socket(o, &k->notify_fd));
	int result = sd_event_add_io(event, &k->notify, k->notify_fd, EPOLLIN, on_notify, k);
	if (result < 0)
		return err_errno(-result, "watch a socket");
	for (size_t i = 0; i < SERVICES; i++)
		TRY(open_service(k, &k->running[i]));
	for (size_t i = 0; i < SERVICES; i++) {
		if (!SERVICE_TABLE[i].accept)
			TRY(start_main(&k->running[i]));
	}
	*ret_keeper = take(k);
	return NULL;
}

static int on_force(UNUSED sd_event_source *source, UNUSED uint64_t now, void *userdata)
{
	log_warning("some processes do not end: killing them");
	kill_all(userdata, SIGKILL);
	return 0;
}

void keeper_reload(struct keeper *k)
{
	for (size_t i = 0; i < SERVICES; i++) {
		if (k->running[i].pid)
			kill(k->running[i].pid, SIGHUP);
	}
}

void keeper_end(struct keeper *k, int exit_code)
{
	if (k->ending)
		return;
	k->ending = true;
	k->exit_code = exit_code;
	place_untell(k->o, "ready", NULL);
	for (size_t i = 0; i < SERVICES; i++) {
		k->running[i].pause = sd_event_source_unref(k->running[i].pause);
		k->running[i].listener = sd_event_source_unref(k->running[i].listener);
	}
	int result = sd_event_add_time_relative(
		k->event, &k->force, CLOCK_MONOTONIC, END_US, ACCURACY_US, on_force, k);
	if (result < 0)
		err_abort("derivd-spawn: a timer: %s", strerror(-result));
	kill_all(k, SIGTERM);
	exit_when_empty(k);
}

static void close_service(struct keeper *k, struct running *r)
{
	sd_event_source_unref(r->listener);
	sd_event_source_unref(r->pause);
	sd_event_source_unref(r->child);
	for (size_t i = 0; i < r->service->n_sockets; i++) {
		const char *file = r->service->sockets[i].file;
		if (r->fds[i] >= 0)
			place_untell(k->o, file ? file : "port", NULL);
		fd_cleanup(&r->fds[i]);
	}
	while (r->workers) {
		struct worker *w = r->workers;
		r->workers = w->next;
		sd_event_source_unref(w->child);
		free(w);
	}
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	/* Empty after an orderly end; else a start failed half way. */
	kill_all(k, SIGKILL);
	for (size_t i = 0; i < SERVICES; i++)
		close_service(k, &k->running[i]);
	sd_event_source_unref(k->notify);
	sd_event_source_unref(k->force);
	if (k->notify_fd >= 0)
		place_untell(k->o, "notify", NULL);
	fd_cleanup(&k->notify_fd);
	fd_cleanup(&k->lock_fd);
	sd_event_unref(k->event);
	free(k);
}
