/* options.h: the command line of derivd-spawn. */
#ifndef DERIVD_DAEMON_SPAWN_OPTIONS_H
#define DERIVD_DAEMON_SPAWN_OPTIONS_H

#include <sys/types.h>

#include "base/def.h"
#include "base/err.h"
#include "daemon/spawn/service.h"

#define OPTIONS_MODES_MAX 8
#define OPTIONS_VARIABLES_MAX 32

/* A text of every option, for --help. */
extern const char OPTIONS_USAGE[];

struct options {
	char *dir;
	char *bin;
	const char *listen_host; /* numeric; lent from listen */
	const char *listen_port;
	char *listen;
	struct {
		bool given;
		uid_t uid;
		gid_t gid;
	} users[SERVICES];
	struct {
		const char *file;
		mode_t mode;
	} modes[OPTIONS_MODES_MAX];
	size_t n_modes;
	const char *variables[OPTIONS_VARIABLES_MAX]; /* NAME=VALUE */
	size_t n_variables;
	bool wait; /* do nothing but wait for another derivd-spawn to be ready */
	bool help;
};

/* The texts stay those of argv. ERR_CONFIG says what is wrong. *ret_options is freed by options_free. */
MUST_CHECK struct err *options_parse(int argc, char **argv, struct options **ret_options);
void options_free(struct options *o);
DEFINE_AUTO(options, struct options *, options_free);

/* The mode of a socket file: --mode, or the service's own. */
mode_t options_mode(const struct options *o, const struct service_socket *socket);

#endif
