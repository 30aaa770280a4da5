/*
 * vcard: a PIV card in software, for tests and the demonstration. It plugs into a virtual reader (a
 * stock vpcd, or the rig's own), and does what the control socket says. See README.md.
 */
#include "tests/mock/vcard/control.h"
#include "tests/mock/vcard/link.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE                                                                                      \
	"usage: vcard --connect HOST:PORT|PATH [--control PATH] [--atr HEX] [--out] [--gap MS] "   \
	"CARDDIR\n"                                                                                \
	"       vcard --ctl PATH WORD...\n"

struct options {
	const char *connect, *control, *atr, *ctl;
	unsigned gap_ms;
	bool gap_given;
	bool out;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static bool read_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{ "connect", required_argument, NULL, 'c' },
		{ "control", required_argument, NULL, 's' },
		{ "atr", required_argument, NULL, 'a' },
		{ "gap", required_argument, NULL, 'g' },
		{ "out", no_argument, NULL, 'o' },
		{ "ctl", required_argument, NULL, 't' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			ret->connect = optarg;
			break;
		case 's':
			ret->control = optarg;
			break;
		case 'a':
			ret->atr = optarg;
			break;
		case 'g':
			ret->gap_ms = (unsigned)strtoul(optarg, NULL, 10);
			ret->gap_given = true;
			break;
		case 'o':
			ret->out = true;
			break;
		case 't':
			ret->ctl = optarg;
			break;
		default:
			return false;
		}
	}
	return ret->ctl ? argc > optind : ret->connect && argc == optind + 1;
}

static void serve(struct hand *h, struct link *l, struct control *c)
{
	struct pollfd polls[1 + CONTROL_POLLS] = { 0 };
	bool quit = false;

	while (!quit && !stop) {
		int wait = link_prepare(l, h, &polls[0]);

		for (int i = 1; i <= CONTROL_POLLS; i++)
			polls[i].fd = -1;
		if (c)
			control_prepare(c, &polls[1]);
		if (poll(polls, 1 + CONTROL_POLLS, wait) <= 0)
			continue;
		link_serve(l, h, &polls[0]);
		if (c)
			control_serve(c, h, &polls[1], &quit);
	}
}

static bool run(const struct options *o, const char *dir, struct why *why)
{
	AUTO(hand) struct hand *h = NULL;
	AUTO(link) struct link *l = NULL;
	AUTO(control) struct control *c = NULL;
	/* A stock vpcd looks for the card each 400 ms: a swap that is quicker goes unnoticed. */
	unsigned gap = o->gap_given ? o->gap_ms : strchr(o->connect, '/') ? 0 : 1000;

	if (!hand_new(dir, o->atr, o->out, &h, why))
		return false;
	if (!link_new(o->connect, gap, &l, why))
		return false;
	if (o->control && !control_new(o->control, &c, why))
		return false;
	serve(h, l, c);
	return true;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct options o = { 0 };
	struct why why = { "" };

	if (!read_options(argc, argv, &o)) {
		fputs(USAGE, stderr);
		return 2;
	}
	if (o.ctl)
		return control_ask(o.ctl, argv + optind, argc - optind);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!run(&o, argv[optind], &why)) {
		fprintf(stderr, "vcard: %s\n", why.text);
		return 1;
	}
	return 0;
}
