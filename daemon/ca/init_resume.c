/*
 * init_resume.c: an init that did not get to its end. deployment.conf.part lies beside where deployment.conf will be, for as
 * long as init is under way: empty at first; with the text of deployment.conf when all else is written and owned as it
 * shall be. So a killed init cannot be mistaken for a CA whose deployment.conf was lost, which nobody may remove.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/ca/init_part.h"

#define PART "deployment.conf.part"

/* What init makes in the state directory. */
static bool is_ours(const char *name)
{
	static const char *const names[] = { "keys", "cache", "ceremony", "public" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return text_starts(name, "log.db");
}

static int remove_one(const FTSENT *at)
{
	return at->fts_info == FTS_DP ? rmdir(at->fts_path) : unlink(at->fts_path);
}

static struct err *clear_away(void)
{
	AUTO_MEM char *state = proc_state_path("ca", ".");
	char *const roots[] = { state, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	struct err *e = walk ? NULL : err_errno(errno, "%s", state);

	for (FTSENT *at = walk ? fts_read(walk) : NULL; at && !e; at = fts_read(walk)) {
		if (at->fts_info == FTS_NS && at->fts_level == 0 && at->fts_errno == ENOENT)
			continue;
		if (at->fts_info == FTS_DNR || at->fts_info == FTS_ERR || at->fts_info == FTS_NS)
			e = err_errno(at->fts_errno, "%s", at->fts_path);
		else if (at->fts_level == 1 && !is_ours(at->fts_name))
			fts_set(walk, at, FTS_SKIP);
		else if (at->fts_level > 0 && at->fts_info != FTS_D && remove_one(at) != 0)
			e = err_errno(errno, "%s", at->fts_path);
	}
	if (walk)
		fts_close(walk);
	return e;
}

/* The process holds it to its end. */
static struct err *lock(void)
{
	static int held = -1;
	AUTO_MEM char *dir = proc_config_path(".");

	if (held >= 0)
		return NULL;
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NULL; /* nothing was begun there */
	if (fd < 0)
		return err_errno(errno, "%s", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return err_new(&ERR_CONFIG, "another derivd-ca init is under way here");
	held = fd_take(&fd);
	return NULL;
}

struct err *init_own(const char *name)
{
	AUTO_MEM char *path = proc_state_path("ca", name);
	AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (geteuid() != 0 || (fd < 0 && errno == ENOENT))
		return NULL;
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return err_new(&ERR_CONFIG, "%s is no directory: remove it", path);
	return fd >= 0 && fchown(fd, 0, 0) == 0 ? NULL : err_errno(errno, "%s", path);
}

/* Is all made but the last step, and for the address that is wanted now? Phones would keep the other for ever. */
static struct err *is_wanted(const char *part, const struct init *options, bool *ret_wanted)
{
	AUTO(deployment) struct deployment *d = NULL;
	AUTO_MEM char *port = NULL;
	struct stat st;

	*ret_wanted = false;
	if (stat(part, &st) != 0)
		return err_errno(errno, "%s", part);
	if (st.st_size == 0)
		return NULL;
	TRY(deployment_load(part, &d));
	port = xasprintf("%u", d->port);
	*ret_wanted = options->host && strcmp(options->host, d->host) == 0 && options->port &&
		      strcmp(options->port, port) == 0;
	return NULL;
}

struct err *init_resume(const struct init *options, bool *ret_resumed)
{
	AUTO_MEM char *whole = proc_config_path("deployment.conf");
	AUTO_MEM char *part = proc_config_path(PART);
	bool wanted;

	*ret_resumed = false;
	TRY(lock());
	if (access(whole, F_OK) == 0 || access(part, F_OK) != 0)
		return NULL;
	TRY(is_wanted(part, options, &wanted));
	if (!wanted) {
		if (options->has_owner)
			TRY(init_own("."));
		TRY(init_begin());
		return err_wrap(clear_away(), "what an earlier init left");
	}
	TRY(io_put_in_place(part, whole, 0644));
	*ret_resumed = true;
	return NULL;
}

struct err *init_begin(void)
{
	AUTO_MEM char *dir = proc_config_path(".");
	AUTO_MEM char *part = proc_config_path(PART);

	TRY(io_mkdirs(dir, 0755));
	TRY(lock());
	return io_write_file(part, BYTES("", 0), 0644);
}

struct err *init_end(struct bytes deployment)
{
	AUTO_MEM char *whole = proc_config_path("deployment.conf");
	AUTO_MEM char *part = proc_config_path(PART);

	TRY(io_write_file(part, deployment, 0644));
	return io_put_in_place(part, whole, 0644);
}
