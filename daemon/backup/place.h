/* place.h: directories of backups, and putting files back, with the rights of those whose files they are. */
#ifndef DERIVD_BACKUP_PLACE_H
#define DERIVD_BACKUP_PLACE_H

#include "base/def.h"
#include "base/err.h"

/*
 * Makes the directory (it must not be there; ERR_CONFIG) for the owner of the file or directory like, and, as root, becomes
 * that user: what services wrote is never parsed as root. ERR_SYSTEM, also when that user cannot reach the directory.
 */
MUST_CHECK struct err *place_begin(const char *dir, const char *like);
/*
 * Copies the bytes of a file, to a new file (mode 0600, synced) that belongs to the owner of like. Whatever is at to is
 * replaced. ERR_SYSTEM.
 */
MUST_CHECK struct err *place_copy(const char *from, const char *to, const char *like);
/* Renames what is there to "PATH.before-STAMP", or with a number behind it if that is taken; nothing there is fine. ERR_SYSTEM. */
MUST_CHECK struct err *place_aside(const char *path, const char *stamp);
/*
 * The same for a database that is to be replaced: not while somebody uses it. A damaged one goes aside as it is, with its
 * write-ahead log, which would damage what comes in its place. ERR_BUSY, ERR_SYSTEM.
 */
MUST_CHECK struct err *place_aside_db(const char *path, const char *stamp);
/* The time now as it stands in names, "20261122T230000Z"; the caller frees. */
char *place_stamp(void);

#endif
