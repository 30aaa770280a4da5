/* manifest.h: what a backup says of itself, in the file "manifest" of its directory (doc/BACKUP.md). */
#ifndef DERIVD_BACKUP_MANIFEST_H
#define DERIVD_BACKUP_MANIFEST_H

#include "daemon/backup/sums.h"
#include "proto/deployment.h"

struct manifest {
	const char *what; /* "store" or "ca"; a constant */
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	int64_t taken_ms;
	/* The end of the chain that is in it: derivd's audit chain, or derivd-ca's log. */
	uint64_t rows;
	uint8_t head[SHA256_LEN];
	/* ca: the audit row of derivd that the log knows last; 0 and zeros: none. */
	uint64_t audit_rows;
	uint8_t audit_head[SHA256_LEN];
};

/* Into the directory. ERR_SYSTEM. */
MUST_CHECK struct err *manifest_write(const char *dir, const struct manifest *m);
/* ERR_CONFIG when it is none of that kind; ERR_NOTFOUND. */
MUST_CHECK struct err *manifest_read(const char *dir, const char *what, struct manifest *ret_m);
/* The deployment of deployment.conf must be the backup's. ERR_CONFIG. */
MUST_CHECK struct err *manifest_check_deployment(const struct manifest *m);

#endif
