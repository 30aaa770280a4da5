/*
 * derivd-spawn DIR: all services of derivd in one directory, for development, tests and demonstrations. It starts the
 * programs that are installed, the way the units in systemd/ do (sockets, environment, users, readiness, restarts), but
 * it isolates nothing: no sandbox, no namespaces, no limits. derivd-spawn(8).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "base/proc.h"
#include "daemon/spawn/keeper.h"
#include "daemon/spawn/options.h"
#include "daemon/spawn/place.h"

static inline UNUSED void event_free(sd_event *event)
{
	sd_event_unref(event);
}
DEFINE_AUTO(event, sd_event *, event_free);

static int on_end(
	UNUSED sd_event_source *source, UNUSED const struct signalfd_siginfo *info, void *userdata)
{
	keeper_end(userdata, EXIT_SUCCESS);
	return 0;
}

static int on_reload(
	UNUSED sd_event_source *source, UNUSED const struct signalfd_siginfo *info, void *userdata)
{
	keeper_reload(userdata);
	return 0;
}

static struct err *block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_new(&ERR_SYSTEM, "signals cannot be blocked");
	return NULL;
}

static struct err *watch_signals(sd_event *event, struct keeper *k)
{
	int r = sd_event_add_signal(event, NULL, SIGTERM, on_end, k);

	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, on_end, k);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGHUP, on_reload, k);
	return r < 0 ? err_errno(-r, "signals") : NULL;
}

static struct err *serve(const struct options *o, int *ret_exit_code)
{
	AUTO(event) sd_event *event = NULL;
	AUTO(keeper) struct keeper *k = NULL;

	log_warning("derivd-spawn isolates nothing: not for production, use the units of systemd");
	TRY(block_signals());
	int r = sd_event_new(&event);
	if (r < 0)
		return err_errno(-r, "the event loop");
	TRY(keeper_new(event, o, &k));
	TRY(watch_signals(event, k));
	r = sd_event_loop(event);
	if (r < 0)
		return err_errno(-r, "the event loop");
	*ret_exit_code = r;
	return NULL;
}

static struct err *run(int argc, char **argv, int *ret_exit_code)
{
	AUTO(options) struct options *o = NULL;

	TRY(options_parse(argc, argv, &o));
	if (o->help) {
		fputs(OPTIONS_USAGE, stdout);
		return NULL;
	}
	return o->wait ? place_wait_ready(o) : serve(o, ret_exit_code);
}

int main(int argc, char **argv)
{
	int exit_code = EXIT_SUCCESS;

	proc_start("derivd-spawn");
	struct err *e = run(argc, argv, &exit_code);
	if (e) {
		log_error(e, "derivd-spawn");
		return EXIT_FAILURE;
	}
	return exit_code;
}
