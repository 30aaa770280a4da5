/* options.c: users and modes are numbers: none of them needs to exist on the machine. */
#include "daemon/spawn/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"

const char OPTIONS_USAGE[] =
	"usage: derivd-spawn [OPTION...] DIR     start all services of derivd in DIR\n"
	"       derivd-spawn --wait DIR          return when all services in DIR are ready\n"
	"\n"
	"Plays systemd for development, tests and demonstrations. It isolates nothing.\n"
	"\n"
	"  --bin DIR                 where the programs are (default: where derivd-spawn is)\n"
	"  --listen HOST:PORT        for devices; default 127.0.0.1:0, the port is in "
	"DIR/run/port\n"
	"  --user PROGRAM=UID[:GID]  run a program under numeric ids; needs root\n"
	"  --mode NAME=MODE          the mode of a socket in DIR/run, in octal\n"
	"  --setenv NAME=VALUE       a variable for all programs\n"
	"  --help\n";

/* "NAME=..." is cut after NAME; the rest is returned, or NULL when there is no '='. */
static char *cut_at_equals(char *text)
{
	char *equals = strchr(text, '=');

	if (!equals)
		return NULL;
	*equals = 0;
	return equals + 1;
}

static struct err *parse_id(const char *text, uint32_t *ret_id)
{
	uint64_t v;

	/* The greatest number means "no id" to the kernel. */
	TRY(err_as(&ERR_CONFIG, text_parse_u64(text, UINT32_MAX - 1, &v), "id \"%s\"", text));
	*ret_id = (uint32_t)v;
	return NULL;
}

static struct err *parse_user(struct options *o, const char *argument)
{
	AUTO_MEM char *program = xstrdup(argument);
	char *uid = cut_at_equals(program);
	const struct service *s = uid ? service_find(program) : NULL;

	if (!s)
		return err_new(&ERR_CONFIG, "--user %s: PROGRAM=UID[:GID] is wanted", argument);
	char *gid = strchr(uid, ':');
	if (gid)
		*gid++ = 0;
	size_t i = service_index(s);
	TRY(err_wrap(parse_id(uid, &o->users[i].uid), "--user %s", argument));
	TRY(err_wrap(parse_id(gid ? gid : uid, &o->users[i].gid), "--user %s", argument));
	o->users[i].given = true;
	return NULL;
}

static struct err *parse_mode(struct options *o, char *argument)
{
	char *text = cut_at_equals(argument);
	char *end = NULL;

	if (!text || !service_has_socket_file(argument))
		return err_new(&ERR_CONFIG, "--mode %s: NAME=MODE with a socket's name is wanted",
			argument);
	unsigned long mode = strtoul(text, &end, 8);
	if (!*text || *end || mode > 0777)
		return err_new(&ERR_CONFIG, "--mode %s: \"%s\" is no mode", argument, text);
	if (o->n_modes == OPTIONS_MODES_MAX)
		return err_new(&ERR_CONFIG, "more than %d times --mode", OPTIONS_MODES_MAX);
	o->modes[o->n_modes].file = argument;
	o->modes[o->n_modes++].mode = (mode_t)mode;
	return NULL;
}

static struct err *parse_variable(struct options *o, const char *argument)
{
	if (!strchr(argument, '=') || *argument == '=')
		return err_new(&ERR_CONFIG, "--setenv %s: NAME=VALUE is wanted", argument);
	if (o->n_variables == OPTIONS_VARIABLES_MAX)
		return err_new(&ERR_CONFIG, "more than %d times --setenv", OPTIONS_VARIABLES_MAX);
	o->variables[o->n_variables++] = argument;
	return NULL;
}

/* "127.0.0.1:0", "[::1]:0". */
static struct err *parse_listen(struct options *o, const char *argument)
{
	char *text = xstrdup(argument);
	char *colon = strrchr(text, ':');
	uint64_t port;

	free(o->listen);
	o->listen = text;
	if (!colon || colon == text)
		return err_new(&ERR_CONFIG, "--listen %s: HOST:PORT is wanted", argument);
	*colon = 0;
	if (*text == '[' && colon[-1] == ']') {
		text++;
		colon[-1] = 0;
	}
	TRY(err_as(&ERR_CONFIG, text_parse_u64(colon + 1, 65535, &port), "--listen %s", argument));
	o->listen_host = text;
	o->listen_port = colon + 1;
	return NULL;
}

static struct err *absolute(const char *path, char **ret_path)
{
	char *real = realpath(path, NULL);

	if (!real)
		return err_as(&ERR_CONFIG, err_errno(errno, "%s", path), "derivd-spawn");
	free(*ret_path);
	*ret_path = real;
	return NULL;
}

/* The directory of our own program. */
static struct err *default_bin(char **ret_bin)
{
	TRY(absolute("/proc/self/exe", ret_bin));
	char *slash = strrchr(*ret_bin, '/');
	*slash = 0;
	return NULL;
}

static struct err *parse_option(struct options *o, int option, char *argument)
{
	switch (option) {
	case 'b':
		return absolute(argument, &o->bin);
	case 'l':
		return parse_listen(o, argument);
	case 'u':
		return parse_user(o, argument);
	case 'm':
		return parse_mode(o, argument);
	case 'e':
		return parse_variable(o, argument);
	case 'w':
		o->wait = true;
		return NULL;
	case 'h':
		o->help = true;
		return NULL;
	default:
		return err_new(&ERR_CONFIG, "an option that does not exist or lacks its argument; "
					    "see derivd-spawn --help");
	}
}

struct err *options_parse(int argc, char **argv, struct options **ret_options)
{
	static const struct option names[] = {
		{ "bin", required_argument, NULL, 'b' },
		{ "listen", required_argument, NULL, 'l' },
		{ "user", required_argument, NULL, 'u' },
		{ "mode", required_argument, NULL, 'm' },
		{ "setenv", required_argument, NULL, 'e' },
		{ "wait", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	AUTO(options) struct options *o = xcalloc(1, sizeof(*o));
	int option;

	TRY(default_bin(&o->bin));
	TRY(parse_listen(o, "127.0.0.1:0"));
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		TRY(parse_option(o, option, optarg));
	if (!o->help && argc - optind != 1)
		return err_new(&ERR_CONFIG, "one directory is wanted; see derivd-spawn --help");
	if (!o->help)
		TRY(absolute(argv[optind], &o->dir));
	for (size_t i = 0; i < SERVICES; i++) {
		if (o->users[i].given && geteuid() != 0)
			return err_new(&ERR_CONFIG, "--user needs root");
	}
	*ret_options = take(o);
	return NULL;
}

void options_free(struct options *o)
{
	if (!o)
		return;
	free(o->dir);
	free(o->bin);
	free(o->listen);
	free(o);
}

mode_t options_mode(const struct options *o, const struct service_socket *socket)
{
	for (size_t i = 0; i < o->n_modes; i++) {
		if (strcmp(o->modes[i].file, socket->file) == 0)
			return o->modes[i].mode;
	}
	return socket->mode;
}
