/* stand.c: child processes of tests. Each is the leader of a group of its own, so that it ends with its children. */
#include "tests/unit/unit.h"

#include "tests/unit/stand.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

char *stand_program(const char *name)
{
	const char *dir = getenv("abs_top_builddir");

	return xasprintf("%s/%s", dir ? dir : ".", name);
}

/* Ends with the test, however that ends. */
static pid_t fork_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	} else {
		setpgid(pid, pid);
	}
	return pid;
}

static void exec_with(const char *program, int fd)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (dup2(fd, 3) != 3 || setenv("LISTEN_PID", pid, 1) != 0 ||
		setenv("LISTEN_FDS", "1", 1) != 0 || setenv("LISTEN_FDNAMES", "connection", 1) != 0)
		_exit(120);
	execl(program, program, (char *)NULL);
	_exit(121);
}

pid_t stand_connect(const char *program, int *ret_fd)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid_t pid = fork_child();
	if (pid == 0)
		exec_with(program, pair[1]);
	close(pair[1]);
	*ret_fd = pair[0];
	return pid;
}

static void accept_loop(int listening, const char *program)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listening, NULL, NULL);
		if (fd < 0)
			_exit(122);
		if (fork() == 0)
			exec_with(program, fd);
		close(fd);
	}
}

pid_t stand_listen(const char *path, const char *program)
{
	int fd;

	assert_ok(io_listen_unix(path, 0600, &fd));
	pid_t pid = fork_child();
	if (pid == 0)
		accept_loop(fd, program);
	close(fd);
	return pid;
}

pid_t stand_web(const char *dir, unsigned int *ret_port)
{
	const char *source = getenv("abs_top_srcdir");
	AUTO_MEM char *script = xasprintf("%s/tests/unit/web_server.py", source ? source : ".");
	char line[32] = "";
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork_child();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execlp("python3", "python3", script, dir, (char *)NULL);
		_exit(123);
	}
	close(ends[1]);
	assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
	close(ends[0]);
	*ret_port = (unsigned int)atoi(line);
	assert_true(*ret_port > 0);
	return pid;
}

void stand_stop(pid_t pid)
{
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
