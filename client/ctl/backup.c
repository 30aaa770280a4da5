/*
 * backup.c: everything that a deployment is, into one directory, and back (doc/BACKUP.md). The rooms do it themselves, each as
 * its own user: derivd its store, derivd-ca its log and keys. The order is what matters here: the store first, so that
 * derivd-ca's log is never the older one of the two.
 */
#include <errno.h>
#include <fts.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"
#include "client/ctl/backup_sums.h"
#include "client/ctl/options.h"
#include "client/ctl/program.h"
#include "client/ctl/restore_machine.h"

static struct err *only_root(void)
{
	return geteuid() == 0 ? NULL : err_errno(EPERM, _("only root may: a backup has every key"));
}

/* Does something with each file below, with a directory before what is in it, or after. */
static struct err *walk(const char *dir, unsigned short when, struct err *(*act)(const FTSENT *at))
{
	AUTO_MEM char *copy = xstrdup(dir);
	char *const roots[] = { copy, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	struct err *e = walk ? NULL : err_errno(errno, "%s", dir);

	for (const FTSENT *at = walk ? fts_read(walk) : NULL; at && !e; at = fts_read(walk)) {
		bool folder = at->fts_info == FTS_D || at->fts_info == FTS_DP;
		bool error = at->fts_info == FTS_DNR || at->fts_info == FTS_ERR ||
			     at->fts_info == FTS_NS;
		if (error)
			e = err_errno(at->fts_errno, "%s", at->fts_path);
		else if (!folder || at->fts_info == when)
			e = act(at);
	}
	if (walk)
		(void)fts_close(walk);
	return e;
}

/*
 * From now on neither service can change its backup. Each directory before it is read: what a service still wrote into it could
 * lead root to something else by the time that it is touched.
 */
static struct err *take_over(const FTSENT *at)
{
	if (lchown(at->fts_path, 0, 0) != 0 ||
		(at->fts_info == FTS_D && chmod(at->fts_path, 0700) != 0))
		return err_errno(errno, "%s", at->fts_path);
	return NULL;
}

/* A link would be to what a service can still change, or was never its own. */
static struct err *check_plain(const FTSENT *at)
{
	if (at->fts_info == FTS_D || (at->fts_info == FTS_F && at->fts_statp->st_nlink == 1))
		return NULL;
	return err_new(&ERR_CONFIG, "%s is no plain file: the service put something else there",
		at->fts_path);
}

static struct err *remove_one(const FTSENT *at)
{
	if ((at->fts_info == FTS_DP ? rmdir(at->fts_path) : unlink(at->fts_path)) != 0)
		return err_errno(errno, "%s", at->fts_path);
	return NULL;
}

static struct err *remove_all(const char *dir)
{
	TRY(walk(dir, FTS_D, take_over));
	return walk(dir, FTS_DP, remove_one);
}

/* "/etc/derivd/" apart: where it lies, and its name. */
struct config {
	char *path, *copy;
	const char *parent, *name;
};

static void config_split(struct config *ret)
{
	AUTO_MEM char *path = proc_config_path("");

	for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		path[len - 1] = 0;
	ret->copy = xstrdup(path);
	ret->path = take(path);
	ret->name = basename(ret->copy);
	ret->parent = dirname(ret->path);
	if (ret->name == ret->copy)
		ret->parent = ".";
}

static void config_clear(struct config *c)
{
	free(c->path);
	free(c->copy);
}

static struct err *run_tar(const struct ctl *c, const char *archive, bool create)
{
	struct config config;

	config_split(&config);
	const char *const pack[] = { "--create", "--verify", "--file", archive, "--directory",
		config.parent, "--", config.name, NULL };
	const char *const unpack[] = { "--extract", "--same-permissions", "--same-owner", "--file",
		archive, "--directory", config.parent, NULL };
	struct err *e = program_run(c, "tar", create ? pack : unpack);
	config_clear(&config);
	return e;
}

/* Is it the one that was written, and does it get to its end? */
static struct err *check_tar(const struct ctl *c, const char *dir, const char *archive)
{
	bool known;

	TRY(err_wrap(backup_sums_check(dir, &known), "the configuration"));
	if (!known)
		(void)fprintf(stderr,
			_("derivctl: the backup has no checksum of its configuration, as of an "
			  "earlier release: whether %s was changed cannot be seen\n"),
			archive);
	const char *const list[] = { "--list", "--index-file", "/dev/null", "--file", archive,
		NULL };

	return err_wrap(program_run(c, "tar", list), "the configuration");
}

/* --- backup --- */

static struct err *fill(const struct ctl *c, const char *dir)
{
	AUTO_MEM char *etc = xasprintf("%s/" BACKUP_ETC, dir);
	AUTO_MEM char *store = xasprintf("%s/store", dir);
	AUTO_MEM char *ca = xasprintf("%s/ca", dir);
	const char *const for_store[] = { "backup", store, NULL };
	const char *const for_ca[] = { "backup", ca, NULL };

	TRY(err_wrap(run_tar(c, etc, true), "the configuration"));
	TRY(err_wrap(backup_sums_write(dir), "the configuration"));
	TRY(program_run(c, "derivd", for_store));
	TRY(program_run(c, "derivd-ca", for_ca));
	TRY(walk(dir, FTS_D, take_over));
	return walk(dir, FTS_D, check_plain);
}

/* Under another name until it is whole. The services' users go through it to their parts. */
static struct err *make(const struct ctl *c, const char *dir)
{
	AUTO_MEM char *part = xasprintf("%s.part", dir);

	if (access(dir, F_OK) == 0)
		return ctl_usage(_("%s is there already: name a directory that is not"), dir);
	if (mkdir(part, 0700) != 0)
		return err_errno(errno, "%s", part);
	struct err *e = chmod(part, 0711) == 0 ? fill(c, part) : err_errno(errno, "%s", part);
	if (!e)
		return io_put_in_place(part, dir, 0700);
	AUTO(err) struct err *left = remove_all(part);
	return left ? err_wrap(e, "(%s)", err_get_text(left)) : e;
}

struct err *cmd_backup(struct ctl *c, int argc, char **argv)
{
	const struct option_row none[] = { { NULL, OPTION_FLAG, NULL } };
	const char *const done[] = { "backup", "--done", NULL };
	const char *dir;

	TRY(options_parse(argc, argv, none, 1, 1, &dir));
	TRY(only_root());
	TRY(make(c, dir));
	TRY(program_run(c, "derivd", done));
	if (c->json) {
		AUTO(json) json_t *j = json_pack("{s:s, s:b}", "backup", dir, "verified", 1);

		json_print(j);
	} else {
		(void)printf(_("The backup is whole: %s. It has the CA's keys: keep it as you keep "
			       "them.\n"),
			dir);
	}
	return NULL;
}

/* --- restore --- */

/* how: "--replace", "--check" or NULL. derivd-ca first: a store never meets an older log. */
static struct err *run_both(const struct ctl *c, const char *dir, const char *how)
{
	AUTO_MEM char *store = xasprintf("%s/store", dir);
	AUTO_MEM char *ca = xasprintf("%s/ca", dir);
	const char *const for_ca[] = { "restore", how ? how : ca, how ? ca : NULL, NULL };
	const char *const for_store[] = { "restore", how ? how : store, how ? store : NULL, NULL };

	TRY(program_run(c, "derivd-ca", for_ca));
	return program_run(c, "derivd", for_store);
}

/* Nothing of it is changed before all of it has been looked at, but for the configuration of an empty machine: the looking needs it. */
static struct err *put_back(
	const struct ctl *c, const char *dir, bool replace, bool only_check, bool *ret_fresh)
{
	AUTO_MEM char *conf = proc_config_path("deployment.conf");
	AUTO_MEM char *etc = xasprintf("%s/" BACKUP_ETC, dir);

	if (access(dir, X_OK) != 0)
		return err_errno(errno, "%s", dir);
	if (access(conf, F_OK) != 0 && only_check)
		return err_new(&ERR_CONFIG,
			_("%s is not there: a backup is checked where its deployment is, "
			  "or restored"),
			conf);
	TRY(check_tar(c, dir, etc));
	*ret_fresh = access(conf, F_OK) != 0;
	if (*ret_fresh)
		TRY(err_wrap(run_tar(c, etc, false), "the configuration"));
	TRY(run_both(c, dir, "--check"));
	return only_check ? NULL : run_both(c, dir, replace ? "--replace" : NULL);
}

struct err *cmd_restore(struct ctl *c, int argc, char **argv)
{
	bool replace = false, only_check = false, fresh = false;
	const struct option_row rows[] = {
		{ "replace", OPTION_FLAG, &replace },
		{ "check", OPTION_FLAG, &only_check },
		{ NULL, OPTION_FLAG, NULL },
	};
	const char *dir;

	TRY(options_parse(argc, argv, rows, 1, 1, &dir));
	TRY(only_root());
	TRY(put_back(c, dir, replace, only_check, &fresh));
	if (c->json) {
		AUTO(json) json_t *j = json_pack("{s:s}", only_check ? "good" : "restored", dir);

		json_print(j);
	} else if (!only_check) {
		if (fresh)
			TRY(restore_machine_say(c));
		(void)printf(_("Next:  derivd-ca check; start the services; derivctl status\n"));
	}
	return NULL;
}
