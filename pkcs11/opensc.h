/* opensc.h: the configuration under which OpenSC runs in this process. */
#ifndef DERIVD_PKCS11_OPENSC_H
#define DERIVD_PKCS11_OPENSC_H

#include "base/def.h"
#include "base/err.h"
#include "pkcs11/readers.h"
#include "pkcs11/settings.h"

struct buf;

/*
 * The text of the private opensc.conf: exclusive connection, reset at the end, no PIN and no file is cached, one
 * reader only. reader: the name of the one that is used; the others of readers are ignored by OpenSC.
 */
struct buf *opensc_conf(
	const struct settings *s, const char *reader, const struct readers *readers);

/*
 * Puts that text (or opensc-conf of card.conf) where OpenSC looks for it, and takes away the variables that would
 * change it or make it write APDUs, PINs among them, to standard error. Call it before the module is loaded. Other
 * modules do not mind. ERR_SYSTEM.
 */
MUST_CHECK struct err *opensc_prepare(
	const struct settings *s, const char *reader, const struct readers *readers);

#endif
