/*
 * sums.h: the file SHA256SUMS of a backup's directory, as sha256sum(1) writes and checks it. It is written last: a backup
 * without it did not get to its end.
 * The last file that it names is the manifest, so that a list that was cut off is known as such.
 */
#ifndef DERIVD_BACKUP_SUMS_H
#define DERIVD_BACKUP_SUMS_H

#include "base/def.h"
#include "base/err.h"

#define SUMS_FILE "SHA256SUMS"
#define MANIFEST_FILE "manifest"
#define SUMS_MAX 64
#define SUMS_NAME_MAX 64

/* Names of files, relative to the directory. */
struct sums {
	size_t n;
	char name[SUMS_MAX][SUMS_NAME_MAX];
};

/* ERR_LIMIT for too many, or for a name that does not belong there (letters, digits, ".-_", and one "/" at most). */
MUST_CHECK struct err *sums_add(struct sums *s, const char *name);
/* Hashes the files, the manifest last, and writes SHA256SUMS. ERR_SYSTEM. */
MUST_CHECK struct err *sums_write(const char *dir, const struct sums *s);
/* Reads SHA256SUMS and compares every file that it names. ERR_NOTFOUND: not a whole backup; ERR_FORMAT: something was changed. */
MUST_CHECK struct err *sums_check(const char *dir, struct sums *ret_s);

#endif
