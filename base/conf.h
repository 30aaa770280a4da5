/*
 * conf.h: configuration files, in libconfuse's language, read whole or refused whole. An unknown key, a bad
 * value or a second section of the same title is an error with file and line. FILE.d/ *.conf files are read
 * after FILE in the order of their names, so that a later value wins; a section without a title goes on where
 * the earlier file left it. "${NAME}" stays as it is written: nothing comes from the environment.
 */
#ifndef DERIVD_BASE_CONF_H
#define DERIVD_BASE_CONF_H

#include <confuse.h>

#include "base/def.h"
#include "base/err.h"

/* A file larger than this is refused. */
#define CONF_FILE_MAX (256 * 1024)

/*
 * Reads path and its drop-ins into *ret_cfg, which the caller gives to conf_free. options is libconfuse's
 * table and must outlive the result. A missing file is ERR_NOTFOUND unless optional (then: the defaults).
 * ERR_CONFIG with "file:line: what".
 */
MUST_CHECK struct err *conf_load(
	const char *path, bool optional, cfg_opt_t *options, cfg_t **ret_cfg);
void conf_free(cfg_t *cfg);
DEFINE_AUTO(conf, cfg_t *, conf_free);

/* A duration key ("15min") in milliseconds; a number key within [min, max]. ERR_CONFIG names the key. */
MUST_CHECK struct err *conf_duration(cfg_t *cfg, const char *key, uint64_t *ret_ms);
MUST_CHECK struct err *conf_int(
	cfg_t *cfg, const char *key, int64_t min, int64_t max, int64_t *ret_v);

/* The len bytes that a key's text gives in hexadecimal; NULL is as bad as any other text. ERR_CONFIG. */
MUST_CHECK struct err *conf_hex(const char *key, const char *text, size_t len, uint8_t *ret_bytes);

#endif
