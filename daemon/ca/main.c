/*
 * main.c: derivd-ca. Without a command it serves the connection that was passed in: one process a connection, several at a
 * time on one log. With a command it is root's tool for ceremonies; no socket makes a CA or signs a caller's bytes.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/ca/command.h"
#include "evidence/seal.h"

static const char usage[] =
	"usage: derivd-ca                 serve the connection that was passed in\n"
	"       derivd-ca officer         the same, of an officer\n"
	"       derivd-ca init OPTIONS    make the CA, its keys and deployment.conf\n"
	"         --organization NAME --host NAME --port NUMBER\n"
	"         --pin HEX|FILE          the gateway's certificate or public key, or its SHA-256; "
	"may be repeated\n"
	"         --escrow FILE           an officer's certificate; at least one; may be repeated\n"
	"         [--algorithm p256|p384] [--days N] [--url URL] [--history FILE] [--owner "
	"USER:GROUP]\n"
	"       derivd-ca check [--checkpoint FILE]  say what is wrong here\n"
	"       derivd-ca approve         what waits for officers\n"
	"       derivd-ca approve --alone --reason TEXT\n"
	"                                 put it in force without them; it is recorded\n"
	"       derivd-ca crl [--force]   publish the CRL if it is due\n"
	"       derivd-ca crl --root FILE [--days N]\n"
	"                                 publish the root's CRL with its key\n"
	"       derivd-ca pins [add HEX|FILE | drop HEX|FILE]\n"
	"                                 the gateway's keys that devices trust, and their change\n"
	"       derivd-ca pins sign [--days N]\n"
	"                                 the same, signed, for devices that were away\n"
	"       derivd-ca backup DIR      log and keys into a new directory, while the service "
	"goes on\n"
	"       derivd-ca restore [--replace | --check] DIR\n"
	"See derivd-ca(8).\n";

static struct err *add(const char *what, const char *values[], size_t max, size_t *n)
{
	if (*n == max)
		return err_new(&ERR_CONFIG, "%s more than %zu times", what, max);
	values[(*n)++] = optarg;
	return NULL;
}

static struct err *take_option(int option, struct init *o)
{
	switch (option) {
	case 'o':
		o->organization = optarg;
		return NULL;
	case 'a':
		o->algorithm = optarg;
		return NULL;
	case 'd':
		o->days = optarg;
		return NULL;
	case 'h':
		o->host = optarg;
		return NULL;
	case 'p':
		o->port = optarg;
		return NULL;
	case 'u':
		for (size_t len = strlen(optarg); len && optarg[len - 1] == '/'; len--)
			optarg[len - 1] = 0;
		o->url = optarg;
		return NULL;
	case 'H':
		o->history = optarg;
		return NULL;
	case 'P':
		return add("--pin", o->pins, PINS_MAX, &o->n_pins);
	case 'e':
		return add("--escrow", o->escrow, ESCROW_MAX, &o->n_escrow);
	case 'w':
		o->has_owner = true;
		return err_wrap(proc_parse_owner(optarg, &o->uid, &o->gid), "--owner");
	default:
		return err_new(&ERR_CONFIG, "see derivd-ca --help");
	}
}

struct err *command_init(int argc, char **argv)
{
	static const struct option options[] = {
		{ "organization", required_argument, NULL, 'o' },
		{ "algorithm", required_argument, NULL, 'a' },
		{ "days", required_argument, NULL, 'd' },
		{ "host", required_argument, NULL, 'h' },
		{ "port", required_argument, NULL, 'p' },
		{ "pin", required_argument, NULL, 'P' },
		{ "escrow", required_argument, NULL, 'e' },
		{ "url", required_argument, NULL, 'u' },
		{ "history", required_argument, NULL, 'H' },
		{ "owner", required_argument, NULL, 'w' },
		{ 0 },
	};
	struct init init = { .algorithm = "p256" };
	AUTO_MEM char *report = NULL;

	for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
		c = getopt_long(argc, argv, "", options, NULL))
		TRY(take_option(c, &init));
	if (optind != argc)
		return err_new(&ERR_CONFIG, "init: \"%s\" is no option", argv[optind]);
	TRY(init_run(&init, &report));
	fputs(report, stdout);
	return NULL;
}

static const struct {
	const char *name;
	struct err *(*run)(int argc, char **argv);
} commands[] = {
	{ "init", command_init },
	{ "check", command_check },
	{ "approve", command_approve },
	{ "crl", command_crl },
	{ "pins", command_pins },
	{ "backup", command_backup },
	{ "restore", command_restore },
};

static struct err *run_command(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return err_new(&ERR_CONFIG, "no command \"%s\": see derivd-ca --help", argv[1]);
}

static int finish(struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	if (!e)
		return EXIT_SUCCESS;
	fprintf(stderr, "derivd-ca: %s\n", err_get_text(e));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	seal_start();
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	bool officer = argc == 2 && strcmp(argv[1], "officer") == 0;
	if (argc > 1 && !officer) {
		proc_start_interactive("derivd-ca");
		return finish(run_command(argc, argv));
	}
	proc_start("derivd-ca");
	struct err *e = officer ? serve_officer() : serve();
	if (!e)
		return EXIT_SUCCESS;
	log_error(e, "derivd-ca");
	return EXIT_FAILURE;
}
