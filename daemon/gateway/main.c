/*
 * main.c: derivd-gateway. It holds the TLS key and the device connections, nothing else: no store, no credential that it
 * could read, no socket but the one that it was given and the one to derivd. It relays frames whose bodies it does not look
 * into, and sheds load rather than die of it. derivd-gateway(8), PROTOCOL.device, PROTOCOL.gateway.
 */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/alive.h"
#include "base/buf.h"
#include "base/credential.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/gateway/door.h"
#include "daemon/gateway/hub.h"
#include "daemon/gateway/init.h"

#define PROGRAM "derivd-gateway"
/* Larger blocks go back to the kernel when they are freed: the items for a device are such. */
#define BLOCK_LARGE (128 * 1024)

static const char USAGE[] =
	"usage: derivd-gateway                     serve (started by systemd or derivd-spawn)\n"
	"       derivd-gateway check               read the configuration and the TLS key, and say "
	"so\n"
	"       derivd-gateway init DIR [--name NAME] [--owner USER:GROUP]\n"
	"                                          make a TLS key and certificate, print the pin\n"
	"       derivd-gateway pin FILE            print the pin of a certificate\n"
	"       derivd-gateway --help | --version\n";

struct options {
	const char *name;
	const char *owner;
};

static struct err *load(struct settings **ret_settings, SSL_CTX **ret_tls)
{
	AUTO_MEM char *path = proc_config_path("gateway.conf");
	AUTO(settings) struct settings *settings = NULL;

	TRY(settings_load(path, &settings));
	TRY(tls_new(settings->key_path, settings->certificate_path, ret_tls));
	*ret_settings = take(settings);
	return NULL;
}

static int on_end(
	sd_event_source *source, const struct signalfd_siginfo *info, UNUSED void *userdata)
{
	log_note(NOTE_ENDING, NULL, "ending: %s", strsignal((int)info->ssi_signo));
	sd_notify(0, "STOPPING=1");
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* The new configuration whole, or the old one. */
static int on_reload(
	UNUSED sd_event_source *source, UNUSED const struct signalfd_siginfo *info, void *userdata)
{
	struct settings *settings = NULL;
	SSL_CTX *tls = NULL;

	sd_notify(0, "RELOADING=1");
	struct err *e = load(&settings, &tls);
	if (e) {
		hub_keep(userdata, e);
		log_error(e, "the old configuration stays");
	} else {
		bool handed_over = credential_is_handed_over(settings->key_path);
		door_fit_descriptors(settings);
		hub_reload(userdata, settings, tls);
		log_note(NOTE_RELOADED, NULL, "new configuration; %s",
			handed_over ? "the TLS key is a credential, which systemd reads at a "
				      "start only: for a new one restart this service"
				    : "connections that are there keep their TLS keys");
	}
	sd_notify(0, "READY=1");
	return 0;
}

static struct err *watch_signals(sd_event *event, struct hub *h)
{
	sigset_t all;

	sigemptyset(&all);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &all, NULL) != 0)
		return err_new(&ERR_SYSTEM, "signals cannot be blocked");
	int r = sd_event_add_signal(event, NULL, SIGTERM, on_end, NULL);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, on_end, NULL);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGHUP, on_reload, h);
	return r < 0 ? err_errno(-r, "signals") : NULL;
}

static inline UNUSED void event_free(sd_event *event)
{
	sd_event_unref(event);
}
DEFINE_AUTO(event, sd_event *, event_free);

static struct err *serve(int fd)
{
	AUTO(event) sd_event *event = NULL;
	AUTO(hub) struct hub *h = NULL;
	AUTO(door) struct door *d = NULL;
	AUTO_MEM char *path = proc_runtime_path("gateway.sock");
	struct settings *settings = NULL;
	SSL_CTX *tls = NULL;

	TRY(load(&settings, &tls));
	door_fit_descriptors(settings);
	int r = sd_event_new(&event);
	if (r < 0)
		return err_errno(-r, "the event loop");
	TRY(hub_new(event, settings, tls, path, &h));
	TRY(watch_signals(event, h));
	TRY(door_new(h, fd, &d));
	TRY(alive_watch(event));
	hub_ready(h);
	r = sd_event_loop(event);
	return r < 0 ? err_errno(-r, "the event loop") : NULL;
}

/* A gateway that cannot come up. */
static struct err *start(void)
{
	int fd;

	TRY(proc_passed_fd("device", SOCK_STREAM, true, &fd));
	struct err *e = serve(fd);
	if (!e)
		return NULL;
	AUTO_MEM char *status = xasprintf("cannot start: %s", err_get_text(e));
	alive_say(status);
	door_turn_away(fd);
	return e;
}

static struct err *check(void)
{
	AUTO(settings) struct settings *settings = NULL;
	AUTO(ssl_ctx) SSL_CTX *tls = NULL;

	TRY(load(&settings, &tls));
	printf("gateway.conf and the TLS key are good. Pin:\n");
	return init_print_pin(settings->certificate_path);
}

static int usage_error(void)
{
	fputs(USAGE, stderr);
	return 2;
}

/* Of a command: to the person who typed it. */
static int tell(struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	if (!e)
		return 0;
	fprintf(stderr, PROGRAM ": %s\n", err_get_text(e));
	return 1;
}

static int run_service(void)
{
	struct err *e = start();
	int status = proc_exit_status(e);

	log_error(e, PROGRAM);
	return status;
}

static int run_command(const struct options *o, int n, char **words)
{
	if (n == 0) {
		proc_start(PROGRAM);
		return run_service();
	}
	proc_start_interactive(PROGRAM);
	if (strcmp(words[0], "check") == 0 && n == 1)
		return tell(check());
	if (strcmp(words[0], "init") == 0 && n == 2)
		return tell(init_run(words[1], o->name, o->owner));
	if (strcmp(words[0], "pin") == 0 && n == 2)
		return tell(init_print_pin(words[1]));
	return usage_error();
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "owner", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .name = "gateway" };
	int c;

	mallopt(M_MMAP_THRESHOLD, BLOCK_LARGE);
	while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
		switch (c) {
		case 'n':
			o.name = optarg;
			break;
		case 'o':
			o.owner = optarg;
			break;
		case 'h':
			fputs(USAGE, stdout);
			return 0;
		case 'V':
			printf("%s %s\n", PROGRAM, PACKAGE_VERSION);
			return 0;
		default:
			return usage_error();
		}
	}
	return run_command(&o, argc - optind, argv + optind);
}
