/*
 * derivd-card: one session with one smart card, for derivctl, then it ends. It is started for each connection (systemd,
 * Accept=yes). It runs the PKCS#11 module of a vendor in its own process, so it has nothing that such code could
 * take: no network, no store, no key; the PIN passes through it once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "pkcs11/hold.h"
#include "pkcs11/serve.h"
#include "proto/worker.h"

/* The connection is moved at least here, away from numbers that foreign code takes for granted. */
#define CONNECTION_FD_MIN 32

/* How long libraries may take to clean up at the end. */
#define EXIT_S 5

static struct err *load_settings(struct settings **ret_settings)
{
	AUTO_MEM char *path = proc_config_path("card.conf");

	return settings_load(path, ret_settings);
}

static struct err *to_dev_null(int fd)
{
	AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, fd) < 0)
		return err_errno(errno, "/dev/null");
	return NULL;
}

static struct err *take_connection(int *ret_fd)
{
	int passed = -1;

	TRY(proc_passed_fd("", SOCK_SEQPACKET, false, &passed));
	int moved = fcntl(passed, F_DUPFD_CLOEXEC, CONNECTION_FD_MIN);
	if (moved < 0)
		return err_errno(errno, "the connection");
	close(passed);
	*ret_fd = moved;
	return NULL;
}

static struct err *serve(void)
{
	AUTO(settings) struct settings *settings = NULL;
	AUTO_FD int fd = -1;

	TRY(take_connection(&fd));
	/* Standard error is the log. */
	TRY(to_dev_null(STDIN_FILENO));
	TRY(to_dev_null(STDOUT_FILENO));
	struct err *e = load_settings(&settings);
	if (e)
		return worker_refuse(fd_take(&fd), LINK_CARD, "derivd-card", e);
	return serve_connection(fd_take(&fd), settings);
}

static struct err *check_readable(const char *key, const char *path)
{
	if (path && access(path, R_OK) != 0)
		return err_as(&ERR_CONFIG, err_errno(errno, "%s", path), "card.conf: %s", key);
	return NULL;
}

static struct err *check(void)
{
	AUTO(settings) struct settings *settings = NULL;

	TRY(load_settings(&settings));
	TRY(check_readable("module", settings->module));
	TRY(check_readable("opensc-conf", settings->opensc_conf));
	puts("card.conf is good");
	return NULL;
}

/* A card that was held exclusively has been reset by pcscd. */
static struct err *reset(void)
{
	AUTO(settings) struct settings *settings = NULL;

	TRY(load_settings(&settings));
	return settings->pcsc && settings->allow_shared ? hold_reset_all() : NULL;
}

static struct err *usage(void)
{
	return err_new(&ERR_CONFIG, "usage: derivd-card [check | reset]");
}

static struct err *run(int argc, char **argv)
{
	if (argc == 1)
		return serve();
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check();
	if (argc == 2 && strcmp(argv[1], "reset") == 0)
		return reset();
	return usage();
}

/* Of a command: to the person who typed it. */
static int tell(struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	fprintf(stderr, "derivd-card: %s\n", err_get_text(e));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	proc_start("derivd-card");
	struct err *e = run(argc, argv);

	/* What a module does when the process exits is foreign code too. */
	proc_deadline(EXIT_S);
	if (!e)
		return EXIT_SUCCESS;
	/* reset is a command of the unit: its journal. */
	if (argc > 1 && strcmp(argv[1], "reset") != 0)
		return tell(e);
	log_error(e, "derivd-card");
	return EXIT_FAILURE;
}
