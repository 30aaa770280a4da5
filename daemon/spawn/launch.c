/*
 * launch.c: everything that allocates or can fail with a text is made ready before the fork; the child only calls the
 * kernel. It dies with us: nobody would be left to end it.
 */
#include "daemon/spawn/launch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "daemon/spawn/place.h"

#define FIRST_PASSED 3
#define VARIABLES_MAX (OPTIONS_VARIABLES_MAX + 24)

/* What a program may inherit from whoever started us: the machine's facts, and what a sanitizer is told. */
static const char *const INHERITED[] = { "PATH", "LANG", "TZ", "PCSCLITE_CSOCK_NAME", "OPENSC_CONF",
	"SOFTHSM2_CONF", "DERIVD_DEBUG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" };

struct environment {
	char *variables[VARIABLES_MAX + 1];
	size_t n;
	char pid[32]; /* LISTEN_PID=, which only the child can know */
};

static void env_add(struct environment *env, char *take_variable)
{
	assert(env->n < VARIABLES_MAX);
	env->variables[env->n++] = take_variable;
}

static void env_free(struct environment *env)
{
	for (size_t i = 0; i < env->n; i++) {
		if (env->variables[i] != env->pid)
			free(env->variables[i]);
	}
	free(env);
}
DEFINE_AUTO(env, struct environment *, env_free);

static struct environment *make_environment(
	const struct options *o, const struct service *s, size_t n_fds, const char *names)
{
	struct environment *env = xcalloc(1, sizeof(*env));

	env_add(env, env->pid);
	env_add(env, xasprintf("LISTEN_FDS=%zu", n_fds));
	env_add(env, xasprintf("LISTEN_FDNAMES=%s", names));
	env_add(env, xasprintf("CONFIGURATION_DIRECTORY=%s/etc", o->dir));
	env_add(env, xasprintf("RUNTIME_DIRECTORY=%s/run", o->dir));
	if (s->state)
		env_add(env, xasprintf("STATE_DIRECTORY=%s/lib/%s", o->dir, s->program));
	if (s->home)
		env_add(env, xasprintf("STATE_DIRECTORY=%s/lib/%s", o->dir, s->home));
	if (!s->accept)
		env_add(env, xasprintf("NOTIFY_SOCKET=%s/run/notify", o->dir));
	for (size_t i = 0; i < ARRAY_LEN(INHERITED); i++) {
		const char *value = getenv(INHERITED[i]);
		if (value)
			env_add(env, xasprintf("%s=%s", INHERITED[i], value));
	}
	for (size_t i = 0; i < o->n_variables; i++)
		env_add(env, xstrdup(o->variables[i]));
	return env;
}

static void must(int result, const char *what)
{
	if (result < 0)
		err_abort("derivd-spawn: %s: %s", what, strerror(errno));
}

/* Above all targets first, so that none is overwritten before it was moved. */
static void place_fds(const int *fds, size_t n_fds)
{
	int moved[SERVICE_SOCKETS_MAX];

	for (size_t i = 0; i < n_fds; i++) {
		moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_PASSED + SERVICE_SOCKETS_MAX);
		must(moved[i], "dup");
	}
	for (size_t i = 0; i < n_fds; i++)
		must(dup2(moved[i], FIRST_PASSED + (int)i), "dup");
	must(close_range((unsigned int)(FIRST_PASSED + n_fds), ~0U, 0), "close descriptors");
}

static void become_user(const struct options *o, const struct service *s)
{
	size_t i = service_index(s);

	if (!o->users[i].given)
		return;
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(o->users[i].gid, o->users[i].gid, o->users[i].gid), "setresgid");
	must(setresuid(o->users[i].uid, o->users[i].uid, o->users[i].uid), "setresuid");
}

static void reset_signals(void)
{
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	must(sigaction(SIGPIPE, &standard, NULL), "sigaction");
	must(sigprocmask(SIG_SETMASK, &none, NULL), "sigprocmask");
}

static void run_child(const struct options *o, const struct service *s, const int *fds,
	size_t n_fds, struct environment *env, char *path, int log, pid_t parent)
{
	char *argv[] = { path, (char *)(uintptr_t)s->argument, NULL };

	must(dup2(log, STDOUT_FILENO), "the log");
	must(dup2(log, STDERR_FILENO), "the log");
	place_fds(fds, n_fds);
	become_user(o, s);
	/* After the change of user, which would undo it. */
	must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl");
	if (getppid() != parent)
		_exit(1);
	reset_signals();
	snprintf(env->pid, sizeof(env->pid), "LISTEN_PID=%d", getpid());
	execve(path, argv, env->variables);
	dprintf(STDERR_FILENO, "<3>derivd-spawn: %s: %s\n", path, strerror(errno));
	_exit(LAUNCH_EXEC_FAILED);
}

struct err *launch(const struct options *o, const struct service *s, const int *fds, size_t n_fds,
	const char *names, pid_t *ret_pid)
{
	AUTO(env) struct environment *env = make_environment(o, s, n_fds, names);
	AUTO_MEM char *path = xasprintf("%s/%s", o->bin, s->binary ? s->binary : s->program);
	AUTO_FD int log = -1;
	pid_t parent = getpid();

	assert(n_fds <= SERVICE_SOCKETS_MAX);
	TRY(place_open_log(o, s->program, &log));
	pid_t child = fork();
	if (child < 0)
		return err_errno(errno, "fork");
	if (child == 0)
		run_child(o, s, fds, n_fds, env, path, log, parent);
	*ret_pid = child;
	return NULL;
}
