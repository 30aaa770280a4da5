/*
 * dbcopy.h: an SQLite database copied while others write it, and looked at as a whole. The copy is of one moment: a read
 * transaction is held from the first page to the last, which in WAL mode stops nobody.
 */
#ifndef DERIVD_BACKUP_DBCOPY_H
#define DERIVD_BACKUP_DBCOPY_H

#include "base/def.h"
#include "base/err.h"

/*
 * The database from as the new file to (mode 0600), complete and on the disk, or not there at all; a file of that name is
 * replaced. ERR_NOTFOUND (no such database), ERR_STORE_FULL, ERR_STORE.
 */
MUST_CHECK struct err *dbcopy_file(const char *from, const char *to);
/* Does SQLite find every page and index in order? ERR_STORE names the first thing that is not. */
MUST_CHECK struct err *dbcopy_check(const char *path);
/*
 * Folds the write-ahead log into a database that nobody uses, so that the file alone is all of it. ERR_BUSY when a process has it
 * open; ERR_STORE when it is damaged.
 */
MUST_CHECK struct err *dbcopy_fold(const char *path);
/*
 * Before the schema of the database is changed: a copy that was checked, beside it as "PATH.schema-N". One of an upgrade
 * that did not get to its end is made again. Errors of both.
 */
MUST_CHECK struct err *dbcopy_before_upgrade(const char *path, unsigned int schema);

#endif
