/* export.h: credentials into files, for programs that use them. */
#ifndef DERIVD_AGENT_EXPORT_H
#define DERIVD_AGENT_EXPORT_H

#include "client/agent/trouble.h"

/* What is exported: only usable credentials. */
struct export_choice {
	const char *purpose; /* NULL: all */
	const char *serial;  /* hexadecimal, or a beginning of it; NULL: any */
	bool legacy;         /* a PKCS#12 for old readers */
};

/*
 * A directory PURPOSE for each credential, with key.pem, certificate.pem and chain.pem (issuer first, root last); several of one
 * purpose are PURPOSE-SERIAL. The configurations of mail apps, as they came, in the directory apps.
 */
MUST_CHECK struct trouble *export_pem(
	const struct derivd_device *d, const struct export_choice *choice, const char *dir);
/* The one credential that fits. The password is the file's first line. */
MUST_CHECK struct trouble *export_p12(const struct derivd_device *d,
	const struct export_choice *choice, const char *path, const char *password_path);

#endif
