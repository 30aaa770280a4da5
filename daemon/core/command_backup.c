/*
 * command_backup.c: derivd backup and derivd restore, see doc/BACKUP.md. Neither needs the service: the backup is a reader
 * beside it, which SQLite lets in, and the restore is for when it does not run.
 */
#include "daemon/core/command.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/backup/dbcopy.h"
#include "daemon/backup/manifest.h"
#include "daemon/backup/place.h"
#include "daemon/backup/sums.h"
#include "daemon/core/audit.h"
#include "daemon/core/settings.h"
#include "proto/kind.h"

#define STORE_FILE "derivd.db"

/* Is the copy whole, and which chain is in it? */
static struct err *verify(const char *path, struct audit_link *ret_head)
{
	AUTO(store) struct store *s = NULL;
	AUTO(audit) struct audit *a = NULL;

	TRY(dbcopy_check(path));
	TRY(store_open_as_is(path, &s));
	TRY(audit_new(s, &a));
	TRY(err_wrap(audit_check_all(a), "%s", path));
	*ret_head = *audit_head(a);
	return NULL;
}

/* --- backup --- */

static struct err *take_copy(const char *store, const char *dir, struct manifest *m)
{
	AUTO_MEM char *copy = xasprintf("%s/" STORE_FILE, dir);
	struct audit_link head;

	m->taken_ms = clock_real_ms();
	TRY(dbcopy_file(store, copy));
	TRY(verify(copy, &head));
	m->rows = m->audit_rows = head.sequence;
	memcpy(m->head, head.hash, SHA256_LEN);
	memcpy(m->audit_head, head.hash, SHA256_LEN);
	return NULL;
}

struct err *command_backup(const char *dir)
{
	AUTO(settings) struct settings *settings = NULL;
	struct manifest m = { .what = "store" };
	struct sums sums = { .n = 0 };

	TRY(settings_load(&settings));
	if (access(settings->store, F_OK) != 0)
		return err_new(&ERR_CONFIG, "%s: there is no store to back up", settings->store);
	AUTO_MEM char *copy = xstrdup(settings->store);
	TRY(place_begin(dir, dirname(copy)));
	memcpy(m.deployment, settings->deployment, DEPLOYMENT_ID_LEN);
	TRY(take_copy(settings->store, dir, &m));
	TRY(manifest_write(dir, &m));
	TRY(sums_add(&sums, STORE_FILE));
	TRY(sums_add(&sums, MANIFEST_FILE));
	TRY(sums_write(dir, &sums));
	printf("The store is in %s, verified: %" PRIu64 " audit rows.\n", dir, m.rows);
	return NULL;
}

struct err *command_backup_done(void)
{
	AUTO(settings) struct settings *settings = NULL;

	TRY(settings_load(&settings));
	AUTO_MEM char *copy = xstrdup(settings->store);
	TRY(proc_become_owner(dirname(copy)));
	return store_backup_put(settings->store, clock_real_ms());
}

/* --- restore --- */

static struct err *check_same_chain(const struct manifest *m, const struct audit_link *head)
{
	if (head->sequence == m->rows && memcmp(head->hash, m->head, SHA256_LEN) == 0)
		return NULL;
	return err_new(
		&ERR_STORE, "the store in the backup is not the one that its manifest tells of");
}

static struct err *mark(const char *path, const struct manifest *m)
{
	AUTO(store) struct store *s = NULL;

	TRY(store_open_as_is(path, &s));
	return store_restored_put(s, m->taken_ms, m->rows);
}

static struct err *change_places(const char *fresh, const char *path)
{
	AUTO_MEM char *stamp = place_stamp();

	TRY(place_aside_db(path, stamp));
	return io_put_in_place(fresh, path, 0600);
}

/* A copy for the service's user to look at: what is in the backup is root's. */
static struct err *check_copy(const char *fresh, const struct manifest *m)
{
	struct audit_link head;

	TRY(verify(fresh, &head));
	return check_same_chain(m, &head);
}

static struct err *copy_store(
	const struct place_source *source, const struct sums *sums, const char *to)
{
	for (size_t i = 0; i < sums->n; i++) {
		if (strcmp(sums->name[i], STORE_FILE) == 0)
			return place_copy(source->fd[i], to);
	}
	return err_new(&ERR_STORE, "there is no " STORE_FILE " in the backup");
}

/* As the service's user: where that user may put links, root would follow them. */
static struct err *put_back(const struct place_source *source, const struct sums *sums,
	const char *store, const struct manifest *m, bool only_check)
{
	AUTO_MEM char *fresh = xasprintf("%s.restore", store);
	AUTO_MEM char *copy = xstrdup(store);

	TRY(proc_become_owner(dirname(copy)));
	TRY(copy_store(source, sums, fresh));
	struct err *e = check_copy(fresh, m);
	if (!e && !only_check)
		e = mark(fresh, m);
	if (!e && !only_check)
		e = change_places(fresh, store);
	if ((e || only_check) && unlink(fresh) != 0 && !e)
		e = err_errno(errno, "%s", fresh);
	return e;
}

static struct err *restore(const struct place_words *words)
{
	AUTO(settings) struct settings *settings = NULL;
	AUTO(place_source) struct place_source *source = NULL;
	struct manifest m;
	struct sums sums;

	TRY(sums_check(words->dir, &sums));
	TRY(manifest_read(words->dir, "store", &m));
	TRY(manifest_check_deployment(&m));
	TRY(settings_load(&settings));
	if (!words->replace && !words->only_check && access(settings->store, F_OK) == 0)
		return err_new(&ERR_CONFIG,
			"%s is there already: with --replace it is kept under another name",
			settings->store);
	TRY(place_open(words->dir, &sums, &source));
	TRY(put_back(source, &sums, settings->store, &m, words->only_check));
	AUTO_MEM char *taken = text_time(m.taken_ms);
	printf("The store of %s is %s: %" PRIu64 " audit rows.\n", taken,
		words->only_check ? "good" : "back", m.rows);
	return NULL;
}

struct err *command_restore(int argc, char **argv)
{
	struct place_words words;

	TRY(place_words(argc, argv, &words));
	return restore(&words);
}
