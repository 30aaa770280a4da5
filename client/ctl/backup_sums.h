/*
 * backup_sums.h: the file SHA256SUMS of a whole backup, for what no room looks after: the configuration. The rooms' parts have
 * their own. sha256sum(1) reads it, too.
 */
#ifndef DERIVD_CTL_BACKUP_SUMS_H
#define DERIVD_CTL_BACKUP_SUMS_H

#include "base/def.h"
#include "base/err.h"

#define BACKUP_ETC "etc.tar"

/* Into the backup's directory. ERR_SYSTEM, ERR_LIMIT. */
MUST_CHECK struct err *backup_sums_write(const char *dir);
/* *ret_known: false in a backup of a release that wrote no such file. ERR_CONFIG when the archive is another one; ERR_NOTFOUND. */
MUST_CHECK struct err *backup_sums_check(const char *dir, bool *ret_known);

#endif
