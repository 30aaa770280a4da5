/* place.c: see place.h. */
#include "daemon/backup/place.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "daemon/backup/dbcopy.h"
#include "proto/kind.h"

#define CHUNK 65536
/* Of one second. */
#define ASIDE_MAX 100

struct err *place_begin(const char *dir, const char *state)
{
	struct stat st;

	if (stat(state, &st) != 0)
		return err_errno(errno, "%s", state);
	if (mkdir(dir, 0700) != 0) {
		if (errno == EEXIST)
			return err_new(&ERR_CONFIG,
				"%s is there already: name a directory that is not", dir);
		return err_errno(errno, "%s", dir);
	}
	if (geteuid() == 0 && lchown(dir, st.st_uid, st.st_gid) != 0)
		return err_errno(errno, "%s", dir);
	TRY(proc_become_owner(state));
	if (access(dir, W_OK | X_OK) != 0)
		return err_errno(errno,
			"%s: user %u cannot get there; take one below a directory that everybody "
			"may "
			"pass, as /var/backups",
			dir, (unsigned int)geteuid());
	return NULL;
}

void place_source_free(struct place_source *s)
{
	while (s && s->n)
		fd_cleanup(&s->fd[--s->n]);
	free(s);
}

struct err *place_open(const char *dir, const struct sums *sums, struct place_source **ret_source)
{
	AUTO(place_source) struct place_source *s = xcalloc(1, sizeof(*s));

	for (; s->n < sums->n; s->n++) {
		AUTO_MEM char *path = xasprintf("%s/%s", dir, sums->name[s->n]);
		s->fd[s->n] = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
		if (s->fd[s->n] < 0)
			return err_errno(errno, "%s", path);
	}
	*ret_source = take(s);
	return NULL;
}

static struct err *copy_bytes(int from, int to, uint8_t chunk[static CHUNK], const char *path)
{
	for (;;) {
		ssize_t n = read(from, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(errno, "%s", path);
		if (n == 0)
			return NULL;
		TRY(err_wrap(io_write_full(to, BYTES(chunk, (size_t)n)), "%s", path));
	}
}

struct err *place_copy(int from, const char *to)
{
	AUTO_MEM char *part = xasprintf("%s.part", to);

	if (unlink(part) != 0 && errno != ENOENT)
		return err_errno(errno, "%s", part);
	AUTO_FD int out = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0)
		return err_errno(errno, "%s", part);
	/* A key may be among what passes through. */
	AUTO_MEM uint8_t *chunk = xcalloc(1, CHUNK);
	struct err *e = copy_bytes(from, out, chunk, part);
	explicit_bzero(chunk, CHUNK);
	if (!e)
		e = io_put_in_place(part, to, 0600);
	if (e)
		unlink(part);
	return e;
}

struct err *place_clear(const char *dir)
{
	AUTO_MEM char *copy = xstrdup(dir);
	char *const roots[] = { copy, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	struct err *e = walk ? NULL : err_errno(errno, "%s", dir);

	for (const FTSENT *at = walk ? fts_read(walk) : NULL; at && !e; at = fts_read(walk)) {
		bool folder = at->fts_info == FTS_DP || at->fts_info == FTS_DNR;
		if (at->fts_info == FTS_D || (at->fts_info == FTS_NS && at->fts_errno == ENOENT))
			continue;
		if ((folder ? rmdir(at->fts_path) : unlink(at->fts_path)) != 0)
			e = err_errno(errno, "%s", at->fts_path);
	}
	if (walk)
		(void)fts_close(walk);
	return e;
}

/* What was put aside earlier stays, also when that was within the same second. */
struct err *place_aside(const char *path, const char *stamp)
{
	AUTO_MEM char *aside = xasprintf("%s.before-%s", path, stamp);

	for (unsigned int n = 2; n < ASIDE_MAX; n++) {
		if (renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE) == 0 ||
			errno == ENOENT)
			return NULL;
		if (errno != EEXIST)
			return err_errno(errno, "%s", path);
		free(aside);
		aside = xasprintf("%s.before-%s-%u", path, stamp, n);
	}
	return err_errno(EEXIST, "%s", aside);
}

struct err *place_aside_db(const char *path, const char *stamp)
{
	static const char *const ends[] = { "-wal", "-shm", "" };
	AUTO(err) struct err *folded = access(path, F_OK) == 0 ? dbcopy_fold(path) : NULL;

	if (err_is(folded, &ERR_BUSY))
		return take(folded);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		AUTO_MEM char *old = xasprintf("%s%s", path, ends[i]);
		TRY(place_aside(old, stamp));
	}
	return NULL;
}

char *place_stamp(void)
{
	time_t now = clock_real_ms() / 1000;
	struct tm tm;
	char text[32];

	if (!gmtime_r(&now, &tm) || strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm) == 0)
		err_abort("the clock shows no date");
	return xstrdup(text);
}

struct err *place_words(int argc, char **argv, struct place_words *ret_words)
{
	bool replace = argc == 3 && strcmp(argv[1], "--replace") == 0;
	bool only_check = argc == 3 && strcmp(argv[1], "--check") == 0;

	if (argc != 2 && !replace && !only_check)
		return err_new(&ERR_CONFIG,
			"restore takes --replace or --check, and the directory of a "
			"backup");
	*ret_words = (struct place_words){
		.dir = argv[argc - 1], .replace = replace, .only_check = only_check
	};
	return NULL;
}
