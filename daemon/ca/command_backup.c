/*
 * command_backup.c: derivd-ca backup and derivd-ca restore, see doc/BACKUP.md: the log, the keys, and what is published.
 * For root only: no socket yields a key.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/backup/dbcopy.h"
#include "daemon/backup/manifest.h"
#include "daemon/backup/place.h"
#include "daemon/backup/sums.h"
#include "daemon/ca/command.h"
#include "daemon/ca/ledger.h"
#include "proto/kind.h"

#define LOG_FILE "log.db"

/* What lies beside the log: each a directory of small files. */
static const struct {
	const char *name;
	mode_t dir, file;
} folders[] = { { "keys", 0700, 0600 }, { "public", 0755, 0644 } };

static inline void listing_free(DIR *d)
{
	closedir(d);
}
DEFINE_AUTO(listing, DIR *, listing_free);

/* --- the log --- */

static struct err *read_heads(struct ledger *l, struct manifest *m)
{
	static const char sql[] = "SELECT audit_sequence, audit_hash FROM head ORDER BY "
				  "row DESC LIMIT 1";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	int64_t newest;
	bool found;

	TRY(ledger_head(l, &m->rows, m->head, &newest));
	TRY(ledger_query(l, sql, NULL, 0, &rows));
	TRY(ledger_next(rows, &found));
	if (!found)
		return NULL;
	m->audit_rows = (uint64_t)ledger_number(rows, 0);
	return ledger_fixed(rows, 1, m->audit_head, SHA256_LEN);
}

static struct err *walk_log(const char *path, struct manifest *ret_m)
{
	AUTO(ledger) struct ledger *l = NULL;
	uint64_t rows;

	TRY(ledger_open(path, &l));
	TRY(ledger_verify(l, &rows));
	return read_heads(l, ret_m);
}

/* Is the copy whole? Its own heads go to *ret_m. */
static struct err *verify(const char *path, struct manifest *ret_m)
{
	AUTO_MEM char *lock = xasprintf("%s.lock", path);

	TRY(dbcopy_check(path));
	struct err *e = walk_log(path, ret_m);
	/* Nobody else opens the copy. */
	if (unlink(lock) != 0 && errno != ENOENT && !e)
		e = err_errno(errno, "%s", lock);
	return e;
}

/* --- backup --- */

static struct err *save_file(
	const char *from_dir, const char *to_dir, const char *name, struct sums *sums)
{
	AUTO_MEM char *from = xasprintf("%s/%s", from_dir, name);
	AUTO_MEM char *to = xasprintf("%s/%s", to_dir, name);
	AUTO_FD int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

	/* A CRL that was just published had another name while it was written. */
	if (in < 0)
		return errno == ENOENT ? NULL : err_errno(errno, "%s", from);
	TRY(sums_add(sums, name));
	return place_copy(in, to);
}

/* Of the folder's files; what else is there is named, so that nobody believes that it is in the backup. */
static struct err *save_entry(
	const char *state, const char *dir, const char *name, struct sums *sums)
{
	AUTO_MEM char *from = xasprintf("%s/%s", state, name);
	struct stat st;

	if (lstat(from, &st) != 0)
		return errno == ENOENT ? NULL : err_errno(errno, "%s", from);
	if (S_ISREG(st.st_mode))
		return save_file(state, dir, name, sums);
	return err_new(
		&ERR_CONFIG, "%s is no file, and cannot be backed up: it belongs elsewhere", from);
}

static struct err *save_folder(
	const char *state, const char *dir, const char *folder, struct sums *sums)
{
	AUTO_MEM char *from = xasprintf("%s/%s", state, folder);
	AUTO_MEM char *to = xasprintf("%s/%s", dir, folder);
	AUTO(listing) DIR *d = opendir(from);

	if (!d)
		return err_errno(errno, "%s", from);
	if (mkdir(to, 0700) != 0)
		return err_errno(errno, "%s", to);
	errno = 0;
	for (const struct dirent *at = readdir(d); at; at = readdir(d)) {
		AUTO_MEM char *name = xasprintf("%s/%s", folder, at->d_name);
		if (strcmp(at->d_name, ".") != 0 && strcmp(at->d_name, "..") != 0)
			TRY(save_entry(state, dir, name, sums));
		errno = 0;
	}
	return errno ? err_errno(errno, "%s", from) : NULL;
}

static struct err *take_all(const char *state, const char *dir, struct manifest *m)
{
	AUTO_MEM char *log = xasprintf("%s/" LOG_FILE, state);
	AUTO_MEM char *copy = xasprintf("%s/" LOG_FILE, dir);
	struct sums sums = { .n = 0 };

	m->taken_ms = clock_real_ms();
	TRY(dbcopy_file(log, copy));
	TRY(verify(copy, m));
	TRY(sums_add(&sums, LOG_FILE));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		TRY(save_folder(state, dir, folders[i].name, &sums));
	TRY(manifest_write(dir, m));
	TRY(sums_add(&sums, MANIFEST_FILE));
	return sums_write(dir, &sums);
}

struct err *command_backup(int argc, char **argv)
{
	AUTO_MEM char *conf = proc_config_path("deployment.conf");
	AUTO_MEM char *state = proc_state_path("ca", ".");
	AUTO(deployment) struct deployment *d = NULL;
	struct manifest m = { .what = "ca" };

	if (argc != 2)
		return err_new(&ERR_CONFIG, "backup takes a directory, which it makes");
	TRY(deployment_load(conf, &d));
	memcpy(m.deployment, d->id, DEPLOYMENT_ID_LEN);
	TRY(place_begin(argv[1], state));
	TRY(take_all(state, argv[1], &m));
	printf("The CA is in %s, verified: %" PRIu64 " log rows, and the keys.\n", argv[1], m.rows);
	return NULL;
}

/* --- restore --- */

/* Everything into a directory beside. */
static struct err *unpack(
	const struct place_source *source, const char *fresh, const struct sums *sums)
{
	if (mkdir(fresh, 0700) != 0)
		return err_errno(errno, "%s", fresh);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO_MEM char *path = xasprintf("%s/%s", fresh, folders[i].name);
		TRY(io_mkdirs(path, folders[i].dir));
	}
	for (size_t i = 0; i < sums->n; i++) {
		AUTO_MEM char *to = xasprintf("%s/%s", fresh, sums->name[i]);
		TRY(place_copy(source->fd[i], to));
		if (text_starts(sums->name[i], "public/") && chmod(to, 0644) != 0)
			return err_errno(errno, "%s", to);
	}
	return NULL;
}

static struct err *check_fresh(const char *fresh, const struct manifest *m)
{
	AUTO_MEM char *log = xasprintf("%s/" LOG_FILE, fresh);
	struct manifest is = { .what = "ca" };

	TRY(verify(log, &is));
	if (is.rows == m->rows && memcmp(is.head, m->head, SHA256_LEN) == 0)
		return NULL;
	return err_new(
		&ERR_STORE, "the log in the backup is not the one that its manifest tells of");
}

/* The log last, and synced with the directory: without it there is no CA. */
static struct err *change_places(const char *state, const char *fresh)
{
	AUTO_MEM char *stamp = place_stamp();
	AUTO_MEM char *log = xasprintf("%s/" LOG_FILE, state);
	AUTO_MEM char *fresh_log = xasprintf("%s/" LOG_FILE, fresh);
	AUTO_MEM char *cache = xasprintf("%s/cache", state);

	TRY(place_aside_db(log, stamp));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO_MEM char *from = xasprintf("%s/%s", fresh, folders[i].name);
		AUTO_MEM char *to = xasprintf("%s/%s", state, folders[i].name);
		TRY(place_aside(to, stamp));
		if (rename(from, to) != 0)
			return err_errno(errno, "%s", to);
	}
	TRY(io_put_in_place(fresh_log, log, 0600));
	return io_mkdirs(cache, 0700);
}

static struct err *refuse_existing(void)
{
	AUTO_MEM char *log = proc_state_path("ca", LOG_FILE);
	AUTO_MEM char *keys = proc_state_path("ca", "keys");
	const char *found = access(keys, F_OK) == 0 ? keys : NULL;

	found = access(log, F_OK) == 0 ? log : found;
	if (!found)
		return NULL;
	return err_new(&ERR_CONFIG,
		"%s is there already: with --replace it is kept under another name", found);
}

/* As the service's user: where that user may put links, root would follow them. */
static struct err *put_back(
	const char *dir, const struct manifest *m, const struct sums *sums, bool only_check)
{
	AUTO_MEM char *state = proc_state_path("ca", ".");
	AUTO_MEM char *fresh = xasprintf("%s/restore", state);
	AUTO(place_source) struct place_source *source = NULL;

	TRY(place_open(dir, sums, &source));
	TRY(proc_become_owner(state));
	/* Of one that did not get to its end. */
	TRY(place_clear(fresh));
	struct err *e = unpack(source, fresh, sums);
	if (!e)
		e = check_fresh(fresh, m);
	if (!e && !only_check)
		e = change_places(state, fresh);
	AUTO(err) struct err *left = place_clear(fresh);
	return e ? e : take(left);
}

static struct err *restore(const struct place_words *words)
{
	struct manifest m;
	struct sums sums;

	TRY(sums_check(words->dir, &sums));
	TRY(manifest_read(words->dir, "ca", &m));
	TRY(manifest_check_deployment(&m));
	if (!words->replace && !words->only_check)
		TRY(refuse_existing());
	TRY(put_back(words->dir, &m, &sums, words->only_check));
	AUTO_MEM char *taken = text_time(m.taken_ms);
	printf("The CA of %s is %s: %" PRIu64 " log rows, and the keys.\n", taken,
		words->only_check ? "good" : "back", m.rows);
	return NULL;
}

struct err *command_restore(int argc, char **argv)
{
	struct place_words words;

	TRY(place_words(argc, argv, &words));
	return restore(&words);
}
