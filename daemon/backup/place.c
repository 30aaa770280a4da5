/* place.c: see place.h. */
#include "daemon/backup/place.h"

#include <errno.h>
#include <fcntl.h>
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

struct err *place_begin(const char *dir, const char *like)
{
	struct stat st;

	if (stat(like, &st) != 0)
		return err_errno(errno, "%s", like);
	if (mkdir(dir, 0700) != 0 && errno == EEXIST)
		return err_new(
			&ERR_CONFIG, "%s is there already: name a directory that is not", dir);
	if (access(dir, F_OK) != 0)
		return err_errno(errno, "%s", dir);
	if (geteuid() == 0 && chown(dir, st.st_uid, st.st_gid) != 0)
		return err_errno(errno, "%s", dir);
	TRY(proc_become_owner(like));
	if (access(dir, W_OK | X_OK) != 0)
		return err_errno(errno,
			"%s: user %u cannot get there; take one below a directory that everybody "
			"may "
			"pass, as /var/backups",
			dir, (unsigned int)geteuid());
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

struct err *place_copy(const char *from, const char *to, const char *like)
{
	AUTO_MEM char *part = xasprintf("%s.part", to);
	AUTO_FD int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	struct stat st;

	if (in < 0)
		return err_errno(errno, "%s", from);
	if (stat(like, &st) != 0)
		return err_errno(errno, "%s", like);
	if (unlink(part) != 0 && errno != ENOENT)
		return err_errno(errno, "%s", part);
	AUTO_FD int out = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0)
		return err_errno(errno, "%s", part);
	/* A key may be among what passes through. */
	AUTO_MEM uint8_t *chunk = xcalloc(1, CHUNK);
	struct err *e = copy_bytes(in, out, chunk, part);
	explicit_bzero(chunk, CHUNK);
	TRY(e);
	if (geteuid() == 0 && fchown(out, st.st_uid, st.st_gid) != 0)
		return err_errno(errno, "%s", part);
	return io_put_in_place(part, to, 0600);
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
