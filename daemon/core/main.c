/*
 * main.c: derivd. Two listening sockets are passed in (control, gateway), derivd-ca is connected to; everything else is rows. The
 * loop's turns end here: what the events of a turn wrote is committed when nothing else is ready, or every 64 events.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/alive.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/core/away.h"
#include "daemon/core/command.h"
#include "daemon/core/loop.h"
#include "daemon/core/request.h"
#include "daemon/core/turn.h"

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

	if (ask->kind == ASK_NOTICE || ask->kind == ASK_CHANNELS)
		noticeworker_ask(d->notices, ask, number, body);
	else
		caworker_ask(d->ca, ask, number, body);
}

static bool under_way(void *outside, const uint8_t job[ID_LEN])
{
	struct daemon *d = outside;

	return caworker_is_asked(d->ca, job) || noticeworker_is_asked(d->notices, job);
}

static void changed(void *outside)
{
	loop_changed(outside);
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

	free(take(d->not_in_force));
	changed(d);
	if (e) {
		d->not_in_force = xstrdup(err_get_text(e));
		log_error(e, "the configuration stays as it was");
		return 0;
	}
	settings_free(d->core->settings);
	d->core->settings = fresh;
	caworker_reload(d->ca);
	/* The gateway's pins may have changed: the next sweep tells those who are connected. */
	d->core->pins_after = 0;
	d->sweep_boot_ms = 0;
	/* courier.conf may be another one, too. */
	d->channels_boot_ms = 0;
	changed(d);
	log_note(NOTE_RELOADED, NULL, "the configuration was read again");
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
	TRY(check(sd_event_add_post(d->event, &d->turn, on_turn, d), "the end of turns"));
	/* After all that is ready: one commit for as much as possible. */
	TRY(check(
		sd_event_source_set_priority(d->turn, SD_EVENT_PRIORITY_IDLE), "the end of turns"));
	return alive_watch(d->event);
}

static struct err *open_all(struct daemon *d)
{
	AUTO(settings) struct settings *s = NULL;
	AUTO_MEM char *ca_path = proc_runtime_path("ca.sock");
	AUTO_MEM char *notice_path = proc_runtime_path("notice.sock");
	int control_fd = -1, gateway_fd = -1;

	TRY(settings_load(&s));
	TRY(away_listener("control", &control_fd));
	TRY(away_listener("gateway", &gateway_fd));
	TRY(open_loop(d));
	AUTO_MEM char *store = xstrdup(s->store);
	TRY(core_new(store, take(s), &PORTS, d, &d->core));
	TRY(gateway_new(d->event, d->core, gateway_fd, changed, d, &d->gateway));
	TRY(control_new(d->event, d->core, control_fd, loop_facts, d, &d->control));
	TRY(noticeworker_new(d->event, d->core, notice_path, changed, d, &d->notices));
	return caworker_new(d->event, d->core, ca_path, changed, d, &d->ca);
}

static struct err *run(struct daemon *d)
{
	struct err *e = open_all(d);

	if (e) {
		away_tell(e);
		return e;
	}
	TRY(loop_start(d));
	int r = sd_event_loop(d->event);
	sd_notify(0, "STOPPING=1");
	return check(r, "the event loop");
}

static void close_all(struct daemon *d)
{
	if (d->core)
		turn_close(d->core);
	caworker_free(take(d->ca));
	noticeworker_free(take(d->notices));
	control_free(take(d->control));
	gateway_free(take(d->gateway));
	sd_event_source_disable_unref(d->turn);
	sd_event_source_disable_unref(d->timer);
	sd_event_source_disable_unref(d->hup);
	core_free(d->core);
	free(d->not_in_force);
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

static int run_command(struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	if (!e)
		return EXIT_SUCCESS;
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
	if (argc > 2)
		proc_start_interactive("derivd");
	if (argc == 3 && strcmp(argv[1], "backup") == 0 && strcmp(argv[2], "--done") == 0)
		return run_command(command_backup_done());
	if (argc == 3 && strcmp(argv[1], "backup") == 0)
		return run_command(command_backup(argv[2]));
	if (argc > 2 && strcmp(argv[1], "restore") == 0)
		return run_command(command_restore(argc - 1, argv + 1));
	if (argc > 1) {
		fputs("usage: derivd [check | backup DIR | backup --done | "
		      "restore [--replace | --check] DIR | --print-states | --version]\n",
			stderr);
		return 2;
	}
	proc_start("derivd");
	struct err *e = run(&d);
	close_all(&d);
	int status = away_exit_status(e);
	log_error(e, "derivd ends");
	return status;
}
