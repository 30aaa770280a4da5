/*
 * credential.h: secrets that systemd hands to a service (LoadCredential=NAME:FILE in its unit), read by the name or path in a
 * configuration file. The files themselves can be root's alone: systemd reads them, at the start of the service only.
 */
#ifndef DERIVD_BASE_CREDENTIAL_H
#define DERIVD_BASE_CREDENTIAL_H

#include "base/buf.h"
#include "base/def.h"
#include "base/err.h"

/*
 * name: an absolute path stays what it is; another name is the credential's, or, for a program that was given no credentials, a file
 * beside its configuration. The caller frees.
 */
char *credential_path(const char *name);
/* Was it handed over by systemd, so that reading it again gives what it was at the start? */
bool credential_is_handed_over(const char *path);
/*
 * Reads it, at most max bytes. One without a character but line ends stands for a file that was not there when the service started
 * (SetCredential=NAME:\n in the unit). ERR_CONFIG, which says what is missing and where it belongs.
 */
MUST_CHECK struct err *credential_read(const char *path, size_t max, struct buf **ret_content);

#endif
