/* command.h: what derivd does besides serving: commands of root. */
#ifndef DERIVD_CORE_COMMAND_H
#define DERIVD_CORE_COMMAND_H

#include "base/def.h"
#include "base/err.h"

/*
 * derivd backup DIR: the store into a new directory, while derivd goes on: derivd.db, manifest, SHA256SUMS; verified.
 * ERR_CONFIG, ERR_STORE, ERR_STORE_FULL, ERR_SYSTEM.
 */
MUST_CHECK struct err *command_backup(const char *dir);
/* derivd backup --done: all parts of a backup are whole and verified, which derivd shows from now on. */
MUST_CHECK struct err *command_backup_done(void);
/*
 * derivd restore [--replace | --check] DIR: the other way, with derivd stopped; with --replace what is there is kept under
 * another name, with --check the backup is looked at and nothing is changed. ERR_BUSY while derivd runs.
 */
MUST_CHECK struct err *command_restore(int argc, char **argv);

#endif
