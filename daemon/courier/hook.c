/* hook.c: see hook.h. */
#include "daemon/courier/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "proto/kind.h"

#define EXEC_FAILED 127

static void run_child(const struct hook_rules *rules, char *const *argv, int in)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char lang[] = "LANG=C.UTF-8";
	char *const environment[] = { path, lang, NULL };
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	int null = open("/dev/null", O_WRONLY);

	setpgid(0, 0);
	if (null < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		close_range(STDERR_FILENO + 1, ~0U, 0) != 0 ||
		sigaction(SIGPIPE, &standard, NULL) != 0)
		_exit(EXEC_FAILED);
	execve(rules->words[0], argv, environment);
	dprintf(STDERR_FILENO, "<3>hook: %s: %s\n", rules->words[0], strerror(errno));
	_exit(EXEC_FAILED);
}

/* The JSON fits into the pipe: nobody waits for a command that does not read. */
static struct err *feed(int fd, const char *json)
{
	size_t len = strlen(json);

	if (fcntl(fd, F_SETPIPE_SZ, (int)len + 1) < 0 && len > 65536)
		return err_errno(errno, "the hook's standard input");
	return io_write_full(fd, BYTES(json, len));
}

static struct err *wait_child(const struct hook_rules *rules, pid_t child)
{
	AUTO_FD int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int status = 0, ready;

	do {
		ready = pidfd < 0 ? -1 : poll(&p, 1, (int)rules->timeout_ms);
	} while (ready < 0 && errno == EINTR);
	/* The whole group: what it started and left goes too. */
	kill(-child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (ready <= 0)
		return err_new(&ERR_NOTICE, "hook %s: did not end within %llu s", rules->words[0],
			(unsigned long long)rules->timeout_ms / 1000);
	if (WIFSIGNALED(status))
		return err_new(&ERR_NOTICE, "hook %s: died of signal %d", rules->words[0],
			WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_new(&ERR_NOTICE, "hook %s: ended with status %d; the journal has what it said",
			rules->words[0], WEXITSTATUS(status));
	return NULL;
}

struct err *hook_run(const struct hook_rules *rules, const char *kind, const char *json)
{
	char *argv[HOOK_WORDS_MAX + 2] = { NULL };
	int fds[2];
	size_t n = 0;

	for (; rules->words[n]; n++)
		argv[n] = (char *)(uintptr_t)rules->words[n];
	argv[n] = (char *)(uintptr_t)kind;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_errno(errno, "the hook's standard input");
	AUTO_FD int out = fds[0], in = fds[1];
	struct err *e = feed(in, json);
	if (e)
		return e;
	pid_t child = fork();
	if (child < 0)
		return err_errno(errno, "fork");
	if (child == 0)
		run_child(rules, argv, out);
	fd_cleanup(&in);
	in = -1;
	return wait_child(rules, child);
}
