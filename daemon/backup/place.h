/* place.h: directories of backups, and putting files back, with the rights of those whose files they are. */
#ifndef DERIVD_BACKUP_PLACE_H
#define DERIVD_BACKUP_PLACE_H

#include "base/def.h"
#include "base/err.h"
#include "daemon/backup/sums.h"

/*
 * Makes the directory (it must not be there; ERR_CONFIG) for the owner of the directory state, and, as root, becomes that user:
 * what services wrote is never parsed as root, and where they can put links root neither reads nor writes. Therefore state must
 * lie where only root can put something else in its place: never a file or directory within it. ERR_SYSTEM, also when that
 * user cannot reach the directory.
 */
MUST_CHECK struct err *place_begin(const char *dir, const char *state);
/*
 * The files of a backup that are to be put back, in the order of its sums: opened by root, who alone may read them, and copied by
 * the user whose files they become. ERR_SYSTEM.
 */
struct place_source {
	size_t n;
	int fd[SUMS_MAX];
};
MUST_CHECK struct err *place_open(
	const char *dir, const struct sums *sums, struct place_source **ret_source);
void place_source_free(struct place_source *s);
DEFINE_AUTO(place_source, struct place_source *, place_source_free);
/* The bytes of a file, to a new file (mode 0600, synced). Whatever is at to is replaced. ERR_SYSTEM. */
MUST_CHECK struct err *place_copy(int from, const char *to);
/* Deletes a directory with all that is in it, or what else is there; nothing there is fine. ERR_SYSTEM. */
MUST_CHECK struct err *place_clear(const char *dir);
/* Renames what is there to "PATH.before-STAMP", or with a number behind it if that is taken; nothing there is fine. ERR_SYSTEM. */
MUST_CHECK struct err *place_aside(const char *path, const char *stamp);
/*
 * The same for a database that is to be replaced: not while somebody uses it. A damaged one goes aside as it is, with its
 * write-ahead log, which would damage what comes in its place. ERR_BUSY, ERR_SYSTEM.
 */
MUST_CHECK struct err *place_aside_db(const char *path, const char *stamp);
/* What was said to a restore: "[--replace | --check] DIR". */
struct place_words {
	const char *dir; /* of argv */
	bool replace;
	bool only_check;
};
/* argv[0] is the command. ERR_CONFIG. */
MUST_CHECK struct err *place_words(int argc, char **argv, struct place_words *ret_words);
/* The time now as it stands in names, "20261122T230000Z"; the caller frees. */
char *place_stamp(void);

#endif
