/*
 * main.c: derivd-device: the phone's side, as a program. It enrolls with what the QR code says, keeps the keys and credentials,
 * stays connected for more, and hands credentials out to other programs. All of that is libderivd-device; here are the words.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/agent/bring.h"
#include "client/agent/export.h"
#include "client/agent/place.h"
#include "client/agent/say.h"
#include "client/agent/show.h"
#include "client/device/derivd-device.h"

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
	"  repin FILE|URI|-    take in the gateway's new keys, signed, when this device missed "
	"their change\n"
	"  status              what this device is\n"
	"  list                its credentials\n"
	"  export --pem DIR [--purpose P] [--serial S]\n"
	"  export --p12 FILE --password-file FILE [--legacy] [--purpose P] [--serial S]\n"
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
	bool legacy;
	bool help;
	bool version;
};

static struct trouble *usage(const char *what)
{
	return trouble_new(DERIVD_DEVICE_KIND_FORMAT, "%s; see derivd-device --help", what);
}

static inline UNUSED void device_free(struct derivd_device *d)
{
	derivd_device_close(d);
}
DEFINE_AUTO(device, struct derivd_device *, device_free);

/* --- enroll, run, repin --- */

static struct trouble *do_enroll(struct derivd_device *d, struct options *o, char *argument)
{
	AUTO(buf) struct buf *uri = NULL;
	const char *platform = o->platform ? o->platform : "linux";
	AUTO_MEM char *described =
		o->name ? xasprintf("%s (%s)", platform, o->name) : xstrdup(platform);
	struct derivd_device_options run = {
		.size = sizeof(run),
		.goal = o->wait ? DERIVD_DEVICE_UNTIL_COMPLETE : DERIVD_DEVICE_UNTIL_ACCEPTED,
		.retry_most_ms = ENROLL_RETRY_MOST_MS,
		.context = &o->json,
		.event = say_event,
	};

	PASS(trouble_err(err_wrap(
		text_parse_duration(o->timeout ? o->timeout : ENROLL_TIMEOUT, &run.timeout_ms),
		"--timeout")));
	if (run.timeout_ms == 0)
		return usage("--timeout must not be 0");
	PASS(bring_uri(argument, &uri));
	PASS(trouble_device(derivd_device_begin(d, buf_str(uri), described)));
	return trouble_device(derivd_device_run(d, &run));
}

static struct trouble *do_run(struct derivd_device *d, struct options *o)
{
	const struct derivd_device_options run = {
		.size = sizeof(run),
		.goal = DERIVD_DEVICE_UNTIL_STOPPED,
		.further = !o->no_issue,
		.patient = true,
		.retry_most_ms = RUN_RETRY_MOST_MS,
		.context = &o->json,
		.event = say_event,
	};

	return trouble_device(derivd_device_run(d, &run));
}

static struct trouble *do_repin(
	struct derivd_device *d, const struct options *o, const char *source)
{
	AUTO(buf) struct buf *text = NULL;
	struct derivd_device_status *s;
	size_t n_pins = 0;
	int known;

	PASS(bring_pins(source, &text));
	PASS(trouble_device(derivd_device_repin(d, buf_str(text), &known)));
	PASS(trouble_device(derivd_device_get_status(d, &s)));
	while (s->pins[n_pins])
		n_pins++;
	AUTO_MEM char *said = xasprintf(
		known ? "Nothing is new: this device knows of change %" PRIu64
			" of the gateway's keys."
		      : "The gateway's keys of change %" PRIu64 " are trusted from now on.",
		s->pins_epoch);
	say(o->json, "repinned",
		json_pack("{s:I, s:i, s:b}", "pins_epoch", (json_int_t)s->pins_epoch, "pins",
			(int)n_pins, "known", known),
		said);
	derivd_device_status_free(s);
	return NULL;
}

static struct trouble *do_export(const struct derivd_device *d, const struct options *o)
{
	const struct export_choice choice = {
		.purpose = o->purpose, .serial = o->serial, .legacy = o->legacy
	};

	if (!o->pem == !o->p12)
		return usage("either --pem or --p12 is needed");
	if (o->pem && o->legacy)
		return usage("--legacy is a form of --p12");
	if (o->pem)
		return export_pem(d, &choice, o->pem);
	if (!o->password_file)
		return usage("--p12 needs --password-file");
	return export_p12(d, &choice, o->p12, o->password_file);
}

/* --- commands --- */

/* These work while run does. */
static struct trouble *read_command(
	const struct derivd_device *d, const struct options *o, const char *command)
{
	if (strcmp(command, "status") == 0)
		return show_status(d, o->json);
	if (strcmp(command, "list") == 0)
		return show_list(d, o->json);
	if (strcmp(command, "export") == 0)
		return do_export(d, o);
	return usage("this command is not known");
}

/* A file was not there, or a credential: run may have replaced it meanwhile. What is there now? */
static struct trouble *read_twice(
	const struct derivd_device *d, const struct options *o, const char *command)
{
	struct trouble *t = read_command(d, o, command);

	if (!trouble_is(t, DERIVD_DEVICE_KIND_STATE_DAMAGED) &&
		!trouble_is(t, DERIVD_DEVICE_KIND_NO_CREDENTIAL))
		return t;
	trouble_free(t);
	return read_command(d, o, command);
}

static struct trouble *run_command(struct options *o, int n, char **words)
{
	AUTO_MEM char *fallback = place_state();
	const char *command = n > 0 ? words[0] : "";
	bool enroll = strcmp(command, "enroll") == 0, run = strcmp(command, "run") == 0;
	bool pins = strcmp(command, "repin") == 0;
	AUTO(device) struct derivd_device *d = NULL;

	if (n != (enroll || pins ? 2 : 1))
		return usage(n == 0 ? "no command was given" : "the arguments do not fit");
	struct trouble *closed = trouble_device(derivd_device_open(o->state ? o->state : fallback,
		enroll || run || pins ? DERIVD_DEVICE_CHANGE : DERIVD_DEVICE_READ, &d));
	if (pins && trouble_is(closed, DERIVD_DEVICE_KIND_BUSY))
		closed->remedy = "End derivd-device run first.";
	PASS(closed);
	if (enroll)
		return do_enroll(d, o, words[1]);
	if (run)
		return do_run(d, o);
	if (pins)
		return do_repin(d, o, words[1]);
	return read_twice(d, o, command);
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
	OPT_PASSWORD_FILE,
	OPT_LEGACY
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
	{ "legacy", no_argument, NULL, OPT_LEGACY },
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
		o->legacy |= c == OPT_LEGACY;
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

	if (derivd_device_wipe_freed() != 0)
		err_abort("libcrypto was used too early");
	proc_start_interactive(PROGRAM);
	if (!parse_options(argc, argv, &o)) {
		fputs(USAGE, stderr);
		return 2;
	}
	if (o.help || o.version) {
		if (o.help)
			fputs(USAGE, stdout);
		else
			printf(PROGRAM " %s\n", derivd_device_version());
		return 0;
	}
	AUTO(trouble) struct trouble *t = run_command(&o, argc - optind, argv + optind);
	if (t)
		say_trouble(o.json, "error", t);
	return t ? 1 : 0;
}
