/* test_proc.c: the prologue's effects as the kernel shows them, passed sockets, deadlines, peers. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"

/* Runs in a child and tells how it ended: the exit status, or minus the signal. */
static int run_in_child(void (*run)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* In children a number says which expectation failed. */
static void expect(bool ok, int number)
{
	if (!ok)
		_exit(number);
}

static void pass_sockets(const char *names, int n)
{
	char pid[16], count[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(count, sizeof(count), "%d", n);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static void check_prologue(void)
{
	struct rlimit core;
	struct sigaction pipe_action;

	close(0);
	close(2);
	int extra = fcntl(1, F_DUPFD, 50);
	proc_start("unit");
	expect(fcntl(0, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0, 1);
	expect(fcntl(extra, F_GETFD) < 0 && errno == EBADF, 2);
	expect(umask(0) == 077, 3);
	expect(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0, 4);
	expect(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0, 5);
	expect(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, 6);
	expect(sigaction(SIGPIPE, NULL, &pipe_action) == 0, 7);
	expect(pipe_action.sa_handler == SIG_IGN, 8);
}

static void the_prologue(void **state)
{
	assert_int_equal(run_in_child(check_prologue), 0);
}

static void check_interactive(void)
{
	int extra = fcntl(1, F_DUPFD, 50);

	proc_start_interactive("unit");
	expect(fcntl(extra, F_GETFD) >= 0, 1);
	expect(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0, 2);
	expect(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0, 3);
}

static void the_interactive_prologue(void **state)
{
	assert_int_equal(run_in_child(check_interactive), 0);
}

static void check_passed(void)
{
	int pair[2], fd = -1;

	close_range(3, ~0U, 0);
	expect(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && pair[1] == 4, 1);
	int extra = fcntl(1, F_DUPFD, 50);
	pass_sockets("control:gateway", 2);
	proc_start("unit");
	expect(proc_passed_count() == 2, 2);
	expect(fcntl(3, F_GETFD) >= 0 && fcntl(4, F_GETFD) >= 0, 3);
	expect(fcntl(extra, F_GETFD) < 0, 4);
	expect(!proc_passed_fd("gateway", SOCK_SEQPACKET, false, &fd) && fd == 4, 5);
	expect(!proc_passed_fd("", SOCK_SEQPACKET, false, &fd) && fd == 3, 6);
	expect(fcntl(3, F_GETFD) & FD_CLOEXEC, 7);
	fd = 77;
	expect(err_is(proc_passed_fd("other", SOCK_SEQPACKET, false, &fd), &ERR_CONFIG), 8);
	expect(err_is(proc_passed_fd("control", SOCK_STREAM, false, &fd), &ERR_CONFIG), 9);
	expect(err_is(proc_passed_fd("control", SOCK_SEQPACKET, true, &fd), &ERR_CONFIG), 10);
	expect(fd == 77, 11);
}

static void passed_sockets_are_found_by_name_and_checked(void **state)
{
	assert_int_equal(run_in_child(check_passed), 0);
}

static void check_not_sockets(void)
{
	int fd = -1;

	close_range(3, ~0U, 0);
	expect(open("/dev/null", O_RDWR) == 3, 1);
	pass_sockets("file:closed", 2);
	expect(err_is(proc_passed_fd("file", SOCK_STREAM, true, &fd), &ERR_CONFIG), 2);
	expect(err_is(proc_passed_fd("closed", SOCK_STREAM, true, &fd), &ERR_CONFIG), 3);
}

static void what_is_no_socket_is_refused(void **state)
{
	assert_int_equal(run_in_child(check_not_sockets), 0);
}

static void check_of_another(void)
{
	int fd = -1;

	close_range(3, ~0U, 0);
	pass_sockets("control", 1);
	setenv("LISTEN_PID", "1", 1);
	expect(proc_passed_count() == 0, 1);
	expect(err_is(proc_passed_fd("control", SOCK_STREAM, true, &fd), &ERR_CONFIG), 2);
	setenv("LISTEN_PID", "junk", 1);
	expect(proc_passed_count() == 0, 3);
	pass_sockets("control", -5);
	expect(proc_passed_count() == 0, 4);
}

static void descriptors_for_another_process_are_not_ours(void **state)
{
	assert_int_equal(run_in_child(check_of_another), 0);
}

static void spin(void)
{
	proc_deadline(1);
	/* Neither blocking all signals nor a busy loop may save us. */
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	const struct timespec long_time = { .tv_sec = 20 };
	nanosleep(&long_time, NULL);
}

static void a_deadline_kills(void **state)
{
	struct timespec before, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(run_in_child(spin), -SIGKILL);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 10);
}

static void disarm(void)
{
	const struct timespec time = { .tv_sec = 1, .tv_nsec = 300 * 1000 * 1000 };

	proc_deadline(0);
	proc_deadline(1);
	proc_deadline(0);
	nanosleep(&time, NULL);
}

static void a_disarmed_deadline_does_not(void **state)
{
	assert_int_equal(run_in_child(disarm), 0);
}

static void extend_in_a_child(void)
{
	int status;

	proc_deadline(30);
	pid_t child = fork();
	if (child == 0)
		spin();
	expect(waitpid(child, &status, 0) == child, 1);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, 2);
}

static void a_child_has_a_deadline_of_its_own(void **state)
{
	assert_int_equal(run_in_child(extend_in_a_child), 0);
}

static void owners(void **state)
{
	uid_t uid = 1;
	gid_t gid = 1;

	assert_ok(proc_parse_owner("root:root", &uid, &gid));
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 0);
	assert_ok(proc_parse_owner("4711:4712", &uid, &gid));
	assert_int_equal(uid, 4711);
	assert_int_equal(gid, 4712);
	assert_err_text(proc_parse_owner("root", &uid, &gid), &ERR_FORMAT, "USER:GROUP");
	assert_err_text(proc_parse_owner("no-such:root", &uid, &gid), &ERR_FORMAT, "no-such");
	assert_err_text(proc_parse_owner("root:no-such", &uid, &gid), &ERR_FORMAT, "no-such");
	assert_err(proc_parse_owner("4294967295:0", &uid, &gid), &ERR_FORMAT);
	assert_err(proc_parse_owner(":", &uid, &gid), &ERR_FORMAT);
}

static void paths(void **state)
{
	static const struct {
		const char *variable, *value;
	} empty[] = { { "CONFIGURATION_DIRECTORY", "" }, { "STATE_DIRECTORY", "" },
		{ "RUNTIME_DIRECTORY", "" } };

	for (int set = 0; set < 2; set++) {
		AUTO_MEM char *config = proc_config_path("ca.conf");
		AUTO_MEM char *state_path = proc_state_path("ca", "log.db");
		AUTO_MEM char *core_path = proc_state_path("", "derivd.db");
		AUTO_MEM char *run = proc_runtime_path("ca.sock");
		assert_string_equal(config, SYSCONFDIR "/derivd/ca.conf");
		assert_string_equal(state_path, LOCALSTATEDIR "/lib/derivd-ca/log.db");
		assert_string_equal(core_path, LOCALSTATEDIR "/lib/derivd/derivd.db");
		assert_string_equal(run, "/run/derivd/ca.sock");
		for (size_t i = 0; i < ARRAY_LEN(empty); i++)
			setenv(empty[i].variable, empty[i].value, 1);
	}
	setenv("CONFIGURATION_DIRECTORY", "/x/etc", 1);
	setenv("STATE_DIRECTORY", "/x/lib:/y/lib", 1);
	setenv("RUNTIME_DIRECTORY", "/x/run", 1);
	AUTO_MEM char *config = proc_config_path("ca.conf");
	AUTO_MEM char *state_path = proc_state_path("ca", "log.db");
	AUTO_MEM char *run = proc_runtime_path("ca.sock");
	assert_string_equal(config, "/x/etc/ca.conf");
	assert_string_equal(state_path, "/x/lib/log.db");
	assert_string_equal(run, "/x/run/ca.sock");
	unsetenv("CONFIGURATION_DIRECTORY");
	unsetenv("STATE_DIRECTORY");
	unsetenv("RUNTIME_DIRECTORY");
}

static void the_build_id_is_40_digits(void **state)
{
	const char *id = proc_build_id();

	assert_int_equal(strlen(id), 40);
	assert_int_equal(strspn(id, "0123456789abcdef"), 40);
}

static void the_peer_of_a_socket(void **state)
{
	struct proc_peer peer = { 0 };
	gid_t groups[PROC_GROUPS_MAX];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_ok(proc_get_peer(pair[0], &peer));
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.gid, getegid());
	assert_int_equal(peer.pid, getpid());
	int n = getgroups(PROC_GROUPS_MAX, groups);
	assert_int_equal(peer.n_groups, n);
	assert_memory_equal(peer.groups, groups, (size_t)n * sizeof(gid_t));
	close(pair[0]);
	close(pair[1]);
	assert_err(proc_get_peer(pair[0], &peer), &ERR_SYSTEM);
}

static void become_member_of_many(void)
{
	static gid_t groups[PROC_GROUPS_MAX + 1];
	struct proc_peer peer = { .uid = 77 };
	int pair[2];

	for (gid_t i = 0; i <= PROC_GROUPS_MAX; i++)
		groups[i] = 50000 + i;
	expect(setgroups(PROC_GROUPS_MAX, groups) == 0, 1);
	expect(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, 2);
	expect(!proc_get_peer(pair[0], &peer) && peer.n_groups == PROC_GROUPS_MAX, 3);
	expect(peer.groups[PROC_GROUPS_MAX - 1] == groups[PROC_GROUPS_MAX - 1], 4);
	peer.uid = 77;
	expect(setgroups(PROC_GROUPS_MAX + 1, groups) == 0, 5);
	expect(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, 6);
	struct err *e = proc_get_peer(pair[0], &peer);
	expect(err_is(e, &ERR_SYSTEM) && strstr(err_get_text(e), "groups"), 7);
	expect(peer.uid == 77, 8);
}

static void a_peer_in_many_groups(void **state)
{
	if (geteuid() != 0)
		unit_skip("only root can join groups");
	assert_int_equal(run_in_child(become_member_of_many), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_prologue),
		cmocka_unit_test(the_interactive_prologue),
		cmocka_unit_test(passed_sockets_are_found_by_name_and_checked),
		cmocka_unit_test(what_is_no_socket_is_refused),
		cmocka_unit_test(descriptors_for_another_process_are_not_ours),
		cmocka_unit_test(a_deadline_kills),
		cmocka_unit_test(a_disarmed_deadline_does_not),
		cmocka_unit_test(a_child_has_a_deadline_of_its_own),
		cmocka_unit_test(owners),
		cmocka_unit_test(paths),
		cmocka_unit_test(the_build_id_is_40_digits),
		cmocka_unit_test(the_peer_of_a_socket),
		cmocka_unit_test(a_peer_in_many_groups),
	};

	unsetenv("CONFIGURATION_DIRECTORY");
	unsetenv("STATE_DIRECTORY");
	unsetenv("RUNTIME_DIRECTORY");
	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
