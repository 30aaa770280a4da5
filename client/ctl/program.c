/* program.c: see program.h. */
#include "client/ctl/program.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"

#define WORDS_MAX 48
#define SAID_MAX 4096
#define PATH_LEN_MAX 4096

const struct err_kind CTL_ERR_PROGRAM = { "program-failed", FATE_BROKEN };

static char *own_dir(void)
{
	char path[PATH_LEN_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return xstrdup(SBINDIR);
	path[n] = 0;
	return xstrdup(dirname(path));
}

/* Never by PATH: this is root. */
static char *find(const char *name)
{
	AUTO_MEM char *own = own_dir();
	const char *const dirs[] = { own, SBINDIR, "/usr/bin", "/bin", "/usr/sbin", "/sbin" };
	size_t i = text_starts(name, "derivd") ? 0 : 2;

	for (; i < ARRAY_LEN(dirs); i++) {
		AUTO_MEM char *path = xasprintf("%s/%s", dirs[i], name);
		if (access(path, X_OK) == 0)
			return take(path);
	}
	return xstrdup(name);
}

bool program_is_there(const char *name)
{
	AUTO_MEM char *path = find(name);

	return *path == '/';
}

static struct err *read_said(int fd, struct buf *said)
{
	uint8_t chunk[512];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(errno, "read");
		if (n == 0)
			return NULL;
		/* The rest is read too, so that nobody waits for us. */
		if (buf_len(said) + (size_t)n <= SAID_MAX)
			buf_add(said, chunk, (size_t)n);
	}
}

static struct err *judge(const char *name, int status, const struct buf *said)
{
	size_t len = buf_len(said);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	while (len && buf_data(said)[len - 1] == '\n')
		len--;
	if (len) {
		AUTO_MEM char *text = text_safe(BYTES(buf_data(said), len));
		return err_new(&CTL_ERR_PROGRAM, "%s", text);
	}
	return err_new(&CTL_ERR_PROGRAM, "%s ended with status %d", name, status);
}

/* Both ends of ours are closed in the child by themselves. */
static struct err *start(const struct ctl *c, char *const argv[], int said_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int wrong = posix_spawn_file_actions_init(&actions);

	if (!wrong)
		wrong = posix_spawn_file_actions_adddup2(&actions, said_fd, STDERR_FILENO);
	if (!wrong && c->json)
		wrong = posix_spawn_file_actions_addopen(
			&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!wrong)
		wrong = posix_spawn(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return wrong ? err_errno(wrong, "%s", argv[0]) : NULL;
}

static struct err *set_state(const struct ctl *c, const char *name)
{
	AUTO_MEM char *state = xasprintf("%s/lib/%s", c->tree ? c->tree : "", name);

	if (c->tree && setenv("STATE_DIRECTORY", state, 1) != 0)
		return err_errno(errno, "the environment");
	return NULL;
}

struct err *program_run(const struct ctl *c, const char *name, const char *const words[])
{
	AUTO_MEM char *path = find(name);
	AUTO(buf) struct buf *said = buf_new();
	char *argv[WORDS_MAX + 2] = { path };
	int ends[2], status = 0;
	pid_t pid = -1;

	for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)words[i];
	TRY(set_state(c, name));
	TRY(ctl_written());
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(errno, "a pipe");
	AUTO_FD int mine = ends[0];
	AUTO_FD int theirs = ends[1];
	TRY(start(c, argv, theirs, &pid));
	fd_cleanup(&theirs);
	theirs = -1;
	struct err *e = read_said(mine, said);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return e ? e : judge(name, status, said);
}
