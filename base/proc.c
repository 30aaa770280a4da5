/* proc.c: the prologue of every program, its directories, and what the kernel says about a peer. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/text.h"

#define RUNTIME_DIR "/run/derivd"

static void must(int result, const char *what)
{
	if (result < 0)
		err_abort("%s: %s", what, strerror(errno));
}

/* A descriptor 0, 1 or 2 that is closed would be given to the next file that is opened. */
static void open_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		must(fd, "/dev/null");
	} while (fd <= STDERR_FILENO);
	close(fd);
}

static void prologue(const char *program)
{
	const struct rlimit none = { 0, 0 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	open_standard_fds();
	umask(077);
	must(setrlimit(RLIMIT_CORE, &none), "core dumps off");
	must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "not dumpable");
	must(sigaction(SIGPIPE, &ignore, NULL), "ignore SIGPIPE");
	log_init(program, getenv("DERIVD_DEBUG") != NULL);
}

void proc_start(const char *program)
{
	prologue(program);
	unsigned int first = (unsigned int)(SD_LISTEN_FDS_START + proc_passed_count());
	must(close_range(first, ~0U, 0), "close descriptors");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
}

void proc_start_interactive(const char *program)
{
	prologue(program);
}

int proc_exit_status(const struct err *e)
{
	if (!e)
		return EXIT_SUCCESS;
	return err_is(e, &ERR_CONFIG) ? PROC_EXIT_CONFIG : EXIT_FAILURE;
}

int proc_passed_count(void)
{
	int n = sd_listen_fds(0);

	return n < 0 ? 0 : n;
}

struct err *proc_passed_fd(const char *name, int socket_type, bool listening, int *ret_fd)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names);
	int found = -1;

	for (int i = 0; i < n; i++) {
		if (found < 0 && (!*name || strcmp(names[i], name) == 0))
			found = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	if (found < 0)
		return err_new(&ERR_CONFIG,
			"no socket \"%s\" was passed in: this program is started by systemd or "
			"derivd-spawn",
			name);
	int is = sd_is_socket(found, AF_UNSPEC, socket_type, listening);
	if (is < 0)
		return err_as(&ERR_CONFIG, err_errno(-is, "descriptor %d", found),
			"the socket \"%s\" that was passed in", name);
	if (!is)
		return err_new(&ERR_CONFIG,
			"what was passed in as \"%s\" is not a %s socket of type %d", name,
			listening ? "listening" : "connected", socket_type);
	*ret_fd = found;
	return NULL;
}

/* systemd gives a list with colons when a unit has several directories: the first is the program's
 * own. */
static char *path_in(const char *variable, const char *fallback, const char *file)
{
	const char *dir = getenv(variable);

	if (!dir || !*dir)
		return xasprintf("%s/%s", fallback, file);
	return xasprintf("%.*s/%s", (int)strcspn(dir, ":"), dir, file);
}

char *proc_config_path(const char *file)
{
	return path_in("CONFIGURATION_DIRECTORY", SYSCONFDIR "/derivd", file);
}

char *proc_state_path(const char *program, const char *file)
{
	AUTO_MEM char *fallback =
		xasprintf("%s/lib/derivd%s%s", LOCALSTATEDIR, *program ? "-" : "", program);

	return path_in("STATE_DIRECTORY", fallback, file);
}

char *proc_runtime_path(const char *file)
{
	return path_in("RUNTIME_DIRECTORY", RUNTIME_DIR, file);
}

void proc_deadline(unsigned int seconds)
{
	static timer_t timer;
	static pid_t owner; /* fork does not pass timers on */
	const struct itimerspec when = { .it_value = { .tv_sec = (time_t)seconds } };
	struct sigevent kill_us = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };

	if (owner != getpid()) {
		if (seconds == 0)
			return;
		must(timer_create(CLOCK_MONOTONIC, &kill_us, &timer), "a timer");
		owner = getpid();
	}
	must(timer_settime(timer, 0, &when, NULL), "a timer");
}

struct err *proc_get_peer(int fd, struct proc_peer *ret_peer)
{
	struct proc_peer peer = { 0 };
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return err_as(&ERR_SYSTEM, err_errno(errno, "SO_PEERCRED"), "who is the peer");
	len = sizeof(peer.groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups, &len) != 0) {
		if (errno == ERANGE)
			return err_new(&ERR_SYSTEM, "uid %u is in more than %d groups", cred.uid,
				PROC_GROUPS_MAX);
		return err_as(&ERR_SYSTEM, err_errno(errno, "SO_PEERGROUPS"), "who is the peer");
	}
	peer.uid = cred.uid;
	peer.gid = cred.gid;
	peer.pid = cred.pid;
	peer.n_groups = len / sizeof(peer.groups[0]);
	*ret_peer = peer;
	return NULL;
}

struct err *proc_parse_owner(const char *text, uid_t *ret_uid, gid_t *ret_gid)
{
	AUTO_MEM char *name = xstrdup(text);
	char *group_name = strchr(name, ':');
	uint64_t uid = 0, gid = 0;

	if (!group_name)
		return err_new(&ERR_FORMAT, "owner \"%s\": must be USER:GROUP", text);
	*group_name++ = 0;
	const struct passwd *user = getpwnam(name);
	if (!user)
		TRY(err_wrap(text_parse_u64(name, UINT32_MAX - 1, &uid), "no user \"%s\"", name));
	const struct group *group = getgrnam(group_name);
	if (!group)
		TRY(err_wrap(text_parse_u64(group_name, UINT32_MAX - 1, &gid), "no group \"%s\"",
			group_name));
	*ret_uid = user ? user->pw_uid : (uid_t)uid;
	*ret_gid = group ? group->gr_gid : (gid_t)gid;
	return NULL;
}

struct err *proc_become_owner(const char *path)
{
	struct stat st;

	if (geteuid() != 0)
		return NULL;
	if (stat(path, &st) != 0)
		return err_errno(errno, "%s", path);
	if (st.st_uid == 0)
		return NULL;
	if (setgroups(0, NULL) != 0 || setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0)
		return err_errno(errno, "becoming the owner of %s", path);
	return NULL;
}
