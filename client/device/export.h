/*
 * export.h: credentials out of the state directory, for programs that use them: PEM, or PKCS#12 (RFC 7292) with AES-256 (PBES2) or, for
 * old readers, Triple-DES, one credential at a time, since readers take the wrong one out of several.
 */
#ifndef DERIVD_DEVICE_EXPORT_H
#define DERIVD_DEVICE_EXPORT_H

#include "client/device/home.h"

/* PBKDF2 and MAC iterations of a PKCS#12. */
#define EXPORT_ITERATIONS 100000
/* Bytes of a password. */
#define EXPORT_PASSWORD_MAX 256

/* The slot of that key, which has key and certificate. id: hexadecimal. ERR_NO_SUCH. */
MUST_CHECK struct err *export_find(struct state *s, const char *id, const struct slot **ret_slot);
/* PKCS#8, not encrypted. */
MUST_CHECK struct err *export_key(
	const struct home *h, const struct slot *slot, struct buf **ret_pem);
MUST_CHECK struct err *export_certificate(
	const struct home *h, const struct slot *slot, struct buf **ret_pem);
/* The CA certificates: issuer first, root last. */
MUST_CHECK struct err *export_chain(
	const struct home *h, const struct state *s, struct buf **ret_pem);
/* Without the root. legacy: Triple-DES and SHA-1 (RFC 7292 appendix C). password: UTF-8, 1 to EXPORT_PASSWORD_MAX bytes; ERR_FORMAT. */
MUST_CHECK struct err *export_p12(const struct home *h, const struct state *s,
	const struct slot *slot, bool legacy, const char *password, struct buf **ret_der);

#endif
