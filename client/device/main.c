/*
 * main.c: derivd-device: the phone's side, as a program. It enrolls with what the QR code says, keeps the keys and credentials,
 * stays connected for more, and hands credentials out to other programs. derivd-device(1), PROTOCOL.device.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/secret.h"
#include "base/text.h"
#include "client/device/enroll.h"
#include "client/device/export.h"
#include "client/device/fault.h"
#include "client/device/repin.h"
#include "client/device/run.h"
#include "client/device/show.h"
#include "evidence/seal.h"
#include "evidence/invitation.h"

#define PROGRAM "derivd-device"
/* A kiosk's session is no longer, and delivery takes a little after it. */
#define ENROLL_TIMEOUT "20min"
#define ENROLL_RETRY_MOST_MS 5000
#define RUN_RETRY_MOST_MS (5 * 60 * 1000)

static const char USAGE[] =
	"usage: derivd-device [--state DIR] [--json] COMMAND\n"
	"  enroll [--platform TEXT] [--name TEXT] [--wait] [--timeout TIME] URI|-\n"
	"                      enroll with the text of the kiosk's QR code; - reads it from\n"
	"                      standard input, where other users do not see it\n"
	"  run [--no-issue]    stay connected: receive credentials, answer offers of further ones\n"
	"  repin FILE|URI|-    take in the gateway's new keys, signed, when this device missed their change\n"
	"  status              what this device is\n"
	"  list                its credentials\n"
	"  export --pem DIR [--purpose P] [--serial S]\n"
	"  export --p12 FILE --password-file FILE [--purpose P] [--serial S]\n"
	"  --help | --version\n"
	"P is authentication, signing, encryption or decryption.\n";

struct options {
	const char *state;
	const char *platform;
	const char *name;
	const char *timeout;
	const char *purpose;
	const char *serial;
	const char *pem;
	const char *p12;
	const char *password_file;
	bool json;
	bool wait;
	bool no_issue;
	bool help;
	bool version;
};

static struct err *usage(const char *what)
{
	return err_new(&ERR_FORMAT, "%s; see derivd-device --help", what);
}

/* --- enroll --- */

static void wipe_text(char *text)
{
	if (text)
		wipe(text, strlen(text));
	free(text);
}
DEFINE_AUTO(wipe_text, char *, wipe_text);

/* The invitation is a secret for as long as it lives. */
static struct err *read_uri(char *argument, char **ret_uri)
{
	char line[INVITATION_URI_MAX + 2] = "";

	if (strcmp(argument, "-") != 0) {
		*ret_uri = xstrdup(argument);
		wipe(argument, strlen(argument));
		return NULL;
	}
	if (!fgets(line, sizeof(line), stdin))
		return err_new(&ERR_INVITATION, "nothing came on standard input");
	line[strcspn(line, "\r\n")] = 0;
	*ret_uri = xstrdup(line);
	wipe(line, sizeof(line));
	return NULL;
}

static struct err *do_enroll(
	const struct home *h, struct say *s, const struct options *o, char *argument)
{
	AUTO(wipe_text) char *uri = NULL;
	uint64_t timeout_ms;
	const char *platform = o->platform ? o->platform : "linux";
	AUTO_MEM char *described =
		o->name ? xasprintf("%s (%s)", platform, o->name) : xstrdup(platform);

	TRY(err_wrap(text_parse_duration(o->timeout ? o->timeout : ENROLL_TIMEOUT, &timeout_ms),
		"--timeout"));
	TRY(read_uri(argument, &uri));
	TRY(enroll_begin(h, uri, described));
	const struct run_options run = {
		.talk = {
			.goal = o->wait ? GOAL_COMPLETE : GOAL_ACCEPTED,
			.until_boot_ms = clock_boot_ms() + (int64_t)timeout_ms,
		},
		.retry_most_ms = ENROLL_RETRY_MOST_MS,
	};
	return run_until(h, s, &run);
}

static struct err *do_run(const struct home *h, struct say *s, const struct options *o)
{
	const struct run_options run = {
		.talk = {
			.goal = GOAL_STAY,
			.allow_issue = !o->no_issue,
			.until_boot_ms = INT64_MAX,
		},
		.patient = true,
		.retry_most_ms = RUN_RETRY_MOST_MS,
	};

	return run_until(h, s, &run);
}

/* --- export --- */

static struct err *do_export(const struct home *h, const struct options *o)
{
	struct export_choice choice = { .serial = o->serial };

	if (o->purpose)
		TRY(purpose_parse(o->purpose, &choice.purpose));
	if (!o->pem == !o->p12)
		return usage("either --pem or --p12 is needed");
	if (o->pem)
		return export_pem(h, &choice, o->pem);
	if (!o->password_file)
		return usage("--p12 needs --password-file");
	return export_p12(h, &choice, o->p12, o->password_file);
}

/* --- commands --- */

static char *default_state(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state == '/')
		return xasprintf("%s/" PROGRAM, state);
	return xasprintf("%s/.local/state/" PROGRAM, home && *home == '/' ? home : "");
}

/* These do not lock: they work while run does. */
static struct err *read_command(
	const struct home *h, struct say *s, const struct options *o, const char *command)
{
	if (strcmp(command, "status") == 0)
		return show_status(h, s);
	if (strcmp(command, "list") == 0)
		return show_list(h, s);
	if (strcmp(command, "export") == 0)
		return do_export(h, o);
	return usage("this command is not known");
}

static struct err *run_command(struct say *s, const struct options *o, int n, char **words)
{
	AUTO_MEM char *fallback = default_state();
	const char *command = n > 0 ? words[0] : "";
	bool enroll = strcmp(command, "enroll") == 0, run = strcmp(command, "run") == 0;
	bool pins = strcmp(command, "repin") == 0;
	AUTO(home) struct home *h = NULL;

	if (n != (enroll || pins ? 2 : 1))
		return usage(n == 0 ? "no command was given" : "the arguments do not fit");
	const char *dir = o->state ? o->state : fallback;
	struct err *closed = home_open(dir, enroll || run || pins, &h);
	if (err_is(closed, &ERR_NOTFOUND))
		closed = err_as(&ERR_NOT_BEGUN, closed, "no enrollment was begun here");
	if (pins && err_is(closed, &ERR_HOME))
		closed = err_as(&ERR_BUSY, closed, "end derivd-device run first");
	TRY(closed);
	if (enroll)
		return do_enroll(h, s, o, words[1]);
	if (run)
		return do_run(h, s, o);
	if (pins)
		return repin(h, s, words[1]);
	struct err *e = read_command(h, s, o, command);
	if (!err_is(e, &ERR_HOME_DAMAGED))
		return e;
	/* A file was not there: run may have replaced a credential meanwhile. What is there now? */
	err_free(e);
	return read_command(h, s, o, command);
}

enum {
	OPT_STATE = 256,
	OPT_JSON,
	OPT_PLATFORM,
	OPT_NAME,
	OPT_WAIT,
	OPT_TIMEOUT,
	OPT_NO_ISSUE,
	OPT_PURPOSE,
	OPT_SERIAL,
	OPT_PEM,
	OPT_P12,
	OPT_PASSWORD_FILE
};

static const struct option LONG_OPTIONS[] = {
	{ "state", required_argument, NULL, OPT_STATE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "platform", required_argument, NULL, OPT_PLATFORM },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "wait", no_argument, NULL, OPT_WAIT },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "no-issue", no_argument, NULL, OPT_NO_ISSUE },
	{ "purpose", required_argument, NULL, OPT_PURPOSE },
	{ "serial", required_argument, NULL, OPT_SERIAL },
	{ "pem", required_argument, NULL, OPT_PEM },
	{ "p12", required_argument, NULL, OPT_P12 },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* Where an option's argument goes; NULL for those without. */
static const char **target(struct options *o, int c)
{
	const struct {
		int option;
		const char **target;
	} targets[] = {
		{ OPT_STATE, &o->state },
		{ OPT_PLATFORM, &o->platform },
		{ OPT_NAME, &o->name },
		{ OPT_TIMEOUT, &o->timeout },
		{ OPT_PURPOSE, &o->purpose },
		{ OPT_SERIAL, &o->serial },
		{ OPT_PEM, &o->pem },
		{ OPT_P12, &o->p12 },
		{ OPT_PASSWORD_FILE, &o->password_file },
	};

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		if (targets[i].option == c)
			return targets[i].target;
	}
	return NULL;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "hV", LONG_OPTIONS, NULL)) != -1) {
		const char **text = target(o, c);
		if (text)
			*text = optarg;
		o->json |= c == OPT_JSON;
		o->wait |= c == OPT_WAIT;
		o->no_issue |= c == OPT_NO_ISSUE;
		o->help |= c == 'h';
		o->version |= c == 'V';
		if (c == '?')
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };

	seal_start();
	proc_start_interactive(PROGRAM);
	if (!parse_options(argc, argv, &o)) {
		fputs(USAGE, stderr);
		return 2;
	}
	if (o.help || o.version) {
		if (o.help)
			fputs(USAGE, stdout);
		else
			puts(PROGRAM " " PACKAGE_VERSION);
		return 0;
	}
	AUTO(say) struct say *s = say_new(o.json);
	AUTO(err) struct err *e = run_command(s, &o, argc - optind, argv + optind);
	if (e)
		say_error(s, "error", e);
	return e ? 1 : 0;
}
