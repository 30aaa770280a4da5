/*
 * proc.h: what every program does in its first lines, and the process facts that it asks for later.
 * Directories come from the variables that systemd sets (CONFIGURATION_DIRECTORY, STATE_DIRECTORY,
 * RUNTIME_DIRECTORY), else from the built-in paths.
 */
#ifndef DERIVD_BASE_PROC_H
#define DERIVD_BASE_PROC_H

#include <sys/types.h>

#include "base/def.h"
#include "base/err.h"

/*
 * The prologue: descriptors 0 to 2 open, the others but those of socket activation closed, umask
 * 077, core dumps off, not dumpable, no new privileges, SIGPIPE ignored, the log started under this
 * name. Never fails: what cannot be had aborts.
 */
void proc_start(const char *program);
/* The same without closing descriptors and without no-new-privileges: for what a person starts. */
void proc_start_interactive(const char *program);

/*
 * The exit status after this error, or NULL. PROC_EXIT_CONFIG (EX_CONFIG of sysexits.h, with which systemd does not start a service
 * again by itself): nothing but a change of the configuration mends it.
 */
#define PROC_EXIT_CONFIG 78
int proc_exit_status(const struct err *e);

/* Identifies this build: 40 hexadecimal digits, the same in every program of one build. */
const char *proc_build_id(void);

/*
 * The first passed descriptor of that name (as in FileDescriptorName=; "" accepts any; with Accept=yes
 * it is "connection"). Lent: it belongs to the process. It must be a socket of that type
 * (SOCK_SEQPACKET or SOCK_STREAM), listening or connected as said; ERR_CONFIG otherwise.
 */
MUST_CHECK struct err *proc_passed_fd(
	const char *name, int socket_type, bool listening, int *ret_fd);
/* How many descriptors were passed. */
int proc_passed_count(void);

/*
 * "$CONFIGURATION_DIRECTORY/file" or "/etc/derivd/file"; the caller frees. State: for program "ca"
 * "$STATE_DIRECTORY/file" or "/var/lib/derivd-ca/file", and for "" (derivd itself) "/var/lib/derivd/file".
 * Runtime: "$RUNTIME_DIRECTORY/file" or "/run/derivd/file".
 */
char *proc_config_path(const char *file);
char *proc_state_path(const char *program, const char *file);
char *proc_runtime_path(const char *file);

/*
 * A timer that nobody can block: when it expires the kernel kills this process with SIGKILL. Armed
 * before each call that may hang; 0 disarms. seconds: wall time from now. Aborts when it cannot be
 * had.
 */
void proc_deadline(unsigned int seconds);

/*
 * "USER:GROUP": names that the system knows, or numbers. The highest number is none: chown would leave things as they are.
 * ERR_FORMAT.
 */
MUST_CHECK struct err *proc_parse_owner(const char *text, uid_t *ret_uid, gid_t *ret_gid);

/*
 * Root becomes who owns the file or directory, for good: what a command writes must not belong to root, and what a service
 * wrote is not parsed by root. Others stay who they are. ERR_SYSTEM.
 */
MUST_CHECK struct err *proc_become_owner(const char *path);

/* The peer of a unix socket. groups: SO_PEERGROUPS. ERR_SYSTEM. */
#define PROC_GROUPS_MAX 1024
struct proc_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	gid_t groups[PROC_GROUPS_MAX];
	size_t n_groups;
};
MUST_CHECK struct err *proc_get_peer(int fd, struct proc_peer *ret_peer);

#endif
