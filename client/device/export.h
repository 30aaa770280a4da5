/*
 * export.h: credentials out of the state directory, for programs that use them: PEM files, or PKCS#12 (RFC 7292) with
 * AES-256 (PBES2), one credential a file, since readers take the wrong one out of several.
 */
#ifndef DERIVD_DEVICE_EXPORT_H
#define DERIVD_DEVICE_EXPORT_H

#include "client/device/home.h"

/* PBKDF2 and MAC iterations of a PKCS#12. */
#define EXPORT_ITERATIONS 100000
/* Bytes of a password. */
#define EXPORT_PASSWORD_MAX 256

/* What is exported: only usable credentials. */
struct export_choice {
	Common__Purpose purpose; /* 0: all */
	const char *serial;      /* hexadecimal, or a beginning of it; NULL: any */
};

/*
 * A directory PURPOSE for each credential, with key.pem, certificate.pem and chain.pem (issuer first, root last); several of one
 * purpose are PURPOSE-SERIAL. The configurations of mail apps, as they came, in the directory apps.
 */
MUST_CHECK struct err *export_pem(
	const struct home *h, const struct export_choice *choice, const char *dir);
/* The one credential that fits; ERR_NO_SUCH, ERR_AMBIGUOUS. The password is the file's first line. */
MUST_CHECK struct err *export_p12(const struct home *h, const struct export_choice *choice,
	const char *path, const char *password_path);

#endif
