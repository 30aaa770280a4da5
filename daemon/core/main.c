/*
 * main.c: derivd. Two listening sockets are passed in (control, gateway), derivd-ca is connected to; everything else is rows. The
 * loop's turns end here: what the events of a turn wrote is committed when nothing else is ready, or every 64 events.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/core/caworker.h"
#include "daemon/core/control.h"
#include "daemon/core/gateway.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/outbox.h"
#include "daemon/core/presence.h"
#include "daemon/core/seats.h"
#include "daemon/core/turn.h"

#define SWEEP_MS (60 * 1000)
/* The status line is not rewritten more often. */
#define STATUS_MS 1000
/* After a lease that found nothing it may have, or that failed. */
#define PUMP_REST_MS 1000

struct daemon {
	sd_event *event;
	struct core *core;
	struct caworker *ca;
	struct control *control;
	struct gateway *gateway;
	sd_event_source *turn, *timer, *hup;
	int64_t pump_boot_ms, sweep_boot_ms, status_boot_ms;
	bool status_stale;
	char said[256];
};

static const struct from NOBODY = { .kind = FROM_NOBODY };

/* --- status --- */

static void state_text(struct daemon *d, char *ret_text, size_t size)
{
	const struct core *c = d->core;
	const char *ca = c->ca.reachable ? "CA ready" : "CA unreachable";
	const char *gateway =
		d->gateway && gateway_is_connected(d->gateway) ? "" : ", gateway away";
	uint64_t waiting = 0, blocked = 0;
	struct err *e = store_job_count(c->store, &waiting, &blocked);

	if (e) {
		snprintf(ret_text, size, "the store cannot be read");
		err_free(e);
		return;
	}
	snprintf(ret_text, size,
		"%s%zu devices connected%s, %" PRIu64 " jobs waiting, %" PRIu64 " blocked, %s",
		c->frozen ? "NOTHING IS ISSUED, the audit chain is broken; " : "",
		presence_count(c->presence), gateway, waiting, blocked, ca);
}

static void say_status(struct daemon *d)
{
	char text[sizeof(d->said)];

	d->status_stale = false;
	d->status_boot_ms = clock_boot_ms() + STATUS_MS;
	state_text(d, text, sizeof(text));
	if (strcmp(text, d->said) == 0)
		return;
	memcpy(d->said, text, sizeof(text));
	sd_notifyf(0, "STATUS=%s", text);
}

static void facts(void *userdata, struct control_facts *ret_facts)
{
	struct daemon *d = userdata;

	ret_facts->gateway_connected = gateway_is_connected(d->gateway);
	state_text(d, ret_facts->state, sizeof(ret_facts->state));
}

/* --- timers: one, for whatever is due next --- */

static struct err *on_expire(struct core *c, void *arg UNUSED)
{
	return session_expire(c);
}

static struct err *on_sweep(struct core *c, void *arg)
{
	return lifecycle_sweep(c, arg);
}

struct pump {
	unsigned int room, leased;
};

static struct err *on_pump(struct core *c, void *arg)
{
	struct pump *p = arg;

	return outbox_pump(c, p->room, &p->leased);
}

/* The next time anything is due; the present means: jobs are waiting and there is room for them. */
static int64_t next_due(struct daemon *d)
{
	int64_t next = d->sweep_boot_ms, at = seats_next(d->core->seats);
	struct err *e = NULL;

	if (at < next)
		next = at;
	if (d->status_stale && d->status_boot_ms < next)
		next = d->status_boot_ms;
	if (caworker_room(d->ca) == 0)
		return next;
	e = store_job_next(d->core->store, &at);
	if (e) {
		log_error(e, "the queue");
		at = clock_boot_ms() + PUMP_REST_MS;
	}
	if (at < d->pump_boot_ms)
		at = d->pump_boot_ms;
	return at < next ? at : next;
}

static void rearm(struct daemon *d)
{
	int64_t at = next_due(d);

	if (sd_event_source_set_time(d->timer, at > 0 ? (uint64_t)at * 1000 : 0) < 0 ||
		sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT) < 0)
		err_abort("a timer cannot be set");
}

static void pump(struct daemon *d, int64_t now)
{
	struct pump p = { .room = caworker_room(d->ca) };
	int64_t due = INT64_MAX;
	struct err *e =
		p.room && d->pump_boot_ms <= now ? store_job_next(d->core->store, &due) : NULL;

	err_free(e);
	if (due > now && !(d->core->lost_answers && p.room && d->pump_boot_ms <= now))
		return;
	bool ok = turn_run(d->core, &NOBODY, on_pump, &p) && turn_end(d->core);
	if (!ok || p.leased == 0)
		d->pump_boot_ms = now + PUMP_REST_MS;
}

static void sweep(struct daemon *d, int64_t now)
{
	bool more = false;

	if (d->sweep_boot_ms > now)
		return;
	bool ok = turn_run(d->core, &NOBODY, on_sweep, &more) && turn_end(d->core);
	d->sweep_boot_ms = now + (ok && more ? 0 : SWEEP_MS);
	caworker_ask_status(d->ca);
}

static int on_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
	struct daemon *d = userdata;
	int64_t now = clock_boot_ms();

	/* Each ends a turn of its own: a session that is given up leaves its seat at the commit. */
	if (seats_next(d->core->seats) <= now &&
		!(turn_run(d->core, &NOBODY, on_expire, NULL) && turn_end(d->core)))
		seats_postpone(d->core->seats, now + PUMP_REST_MS);
	sweep(d, now);
	pump(d, now);
	if (d->status_stale && d->status_boot_ms <= now)
		say_status(d);
	rearm(d);
	return 0;
}

/* --- ports --- */

static void to_caller(
	void *outside, uint64_t caller, enum msg_number number, uint32_t serial, const void *body)
{
	struct daemon *d = outside;

	control_send(d->control, caller, number, serial, body);
}

static void to_caller_error(void *outside, uint64_t caller, uint32_t serial, const struct err *e)
{
	struct daemon *d = outside;

	control_send_error(d->control, caller, serial, e);
}

static void to_device(void *outside, uint64_t connection, enum msg_number number, uint32_t serial,
	const void *body)
{
	struct daemon *d = outside;

	gateway_send(d->gateway, connection, number, serial, body);
}

static void to_device_error(
	void *outside, uint64_t connection, uint32_t serial, const struct err *e)
{
	struct daemon *d = outside;

	gateway_send_error(d->gateway, connection, serial, e);
}

static void to_ca(void *outside, const struct ask *ask, enum msg_number number, const void *body)
{
	struct daemon *d = outside;

	caworker_ask(d->ca, ask, number, body);
}

static bool under_way(void *outside, const uint8_t job[ID_LEN])
{
	struct daemon *d = outside;

	return caworker_is_asked(d->ca, job);
}

static void changed(void *outside)
{
	struct daemon *d = outside;

	d->status_stale = true;
	if (d->ca)
		rearm(d);
}

static void committed(void *outside)
{
	struct daemon *d = outside;

	if (d->control)
		control_committed(d->control);
	/* A job that waited for another one may be ready now; the pump's own turn sets its rest after this. */
	d->pump_boot_ms = 0;
	changed(d);
}

static const struct ports PORTS = {
	.caller = to_caller,
	.caller_error = to_caller_error,
	.device = to_device,
	.device_error = to_device_error,
	.ask = to_ca,
	.under_way = under_way,
	.committed = committed,
};

/* --- signals --- */

/* The whole file or the old one. The store and the connections stay as they are until a restart. */
static int on_hup(
	sd_event_source *source UNUSED, const struct signalfd_siginfo *info UNUSED, void *userdata)
{
	struct daemon *d = userdata;
	struct settings *fresh = NULL;
	struct err *e = settings_load(&fresh);

	if (e) {
		log_error(e, "the configuration stays as it was");
		return 0;
	}
	settings_free(d->core->settings);
	d->core->settings = fresh;
	log_info("the configuration was read again");
	return 0;
}

static int on_turn(sd_event_source *source UNUSED, void *userdata)
{
	struct daemon *d = userdata;

	turn_end(d->core);
	return 0;
}

/* --- start --- */

static struct err *check(int r, const char *what)
{
	return r < 0 ? err_errno(-r, "%s", what) : NULL;
}

static struct err *block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? NULL : err_errno(errno, "signals");
}

static struct err *open_loop(struct daemon *d)
{
	TRY(block_signals());
	TRY(check(sd_event_default(&d->event), "the event loop"));
	TRY(check(sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL), "SIGTERM"));
	TRY(check(sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL), "SIGINT"));
	TRY(check(sd_event_add_signal(d->event, &d->hup, SIGHUP, on_hup, d), "SIGHUP"));
	TRY(check(sd_event_add_time(d->event, &d->timer, CLOCK_BOOTTIME, 0, 1000, on_timer, d),
		"a timer"));
	TRY(check(sd_event_add_post(d->event, &d->turn, on_turn, d), "the end of turns"));
	/* After all that is ready: one commit for as much as possible. */
	TRY(check(
		sd_event_source_set_priority(d->turn, SD_EVENT_PRIORITY_IDLE), "the end of turns"));
	return check(sd_event_set_watchdog(d->event, true), "the watchdog");
}

static struct err *passed(const char *name, int *ret_fd)
{
	int fd = -1;

	TRY(proc_passed_fd(name, SOCK_SEQPACKET, true, &fd));
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_errno(errno, "the socket %s", name);
	*ret_fd = fd;
	return NULL;
}

static struct err *open_all(struct daemon *d)
{
	AUTO(settings) struct settings *s = NULL;
	AUTO_MEM char *ca_path = proc_runtime_path("ca.sock");
	int control_fd = -1, gateway_fd = -1;

	TRY(settings_load(&s));
	TRY(passed("control", &control_fd));
	TRY(passed("gateway", &gateway_fd));
	TRY(open_loop(d));
	AUTO_MEM char *store = xstrdup(s->store);
	TRY(core_new(store, take(s), &PORTS, d, &d->core));
	TRY(gateway_new(d->event, d->core, gateway_fd, changed, d, &d->gateway));
	TRY(control_new(d->event, d->core, control_fd, facts, d, &d->control));
	return caworker_new(d->event, d->core, ca_path, changed, d, &d->ca);
}

static struct err *run(struct daemon *d)
{
	TRY(open_all(d));
	d->sweep_boot_ms = clock_boot_ms() + SWEEP_MS;
	rearm(d);
	say_status(d);
	sd_notify(0, "READY=1");
	int r = sd_event_loop(d->event);
	sd_notify(0, "STOPPING=1");
	return check(r, "the event loop");
}

static void close_all(struct daemon *d)
{
	/* What the last turn was about has not been told to anybody; it is committed all the same. */
	if (d->core)
		turn_end(d->core);
	caworker_free(take(d->ca));
	control_free(take(d->control));
	gateway_free(take(d->gateway));
	sd_event_source_disable_unref(d->turn);
	sd_event_source_disable_unref(d->timer);
	sd_event_source_disable_unref(d->hup);
	core_free(d->core);
	sd_event_unref(d->event);
}

static int check_settings(void)
{
	AUTO(settings) struct settings *s = NULL;
	AUTO(err) struct err *e = settings_load(&s);

	if (!e) {
		puts("derivd.conf and deployment.conf are good");
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "derivd: %s\n", err_get_text(e));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct daemon d = { .event = NULL };

	if (argc == 2 && strcmp(argv[1], "--print-states") == 0) {
		request_print_states(stdout);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("derivd " PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check_settings();
	if (argc > 1) {
		fputs("usage: derivd [check | --print-states | --version]\n", stderr);
		return 2;
	}
	proc_start("derivd");
	struct err *e = run(&d);
	close_all(&d);
	if (!e)
		return EXIT_SUCCESS;
	log_error(e, "derivd ends");
	return EXIT_FAILURE;
}
