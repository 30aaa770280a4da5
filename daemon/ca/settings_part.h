/* settings_part.h: what the files that read ca.conf share; nobody else includes it. */
#ifndef DERIVD_DAEMON_CA_SETTINGS_PART_H
#define DERIVD_DAEMON_CA_SETTINGS_PART_H

#include "base/conf.h"
#include "daemon/ca/settings.h"

MUST_CHECK struct err *texts_add(struct texts *t, const char *text);
void texts_clear(struct texts *t);
/* All values of a list key, as they are. */
MUST_CHECK struct err *texts_read(cfg_t *section, const char *key, struct texts *t);
/* path, or when it is relative, beside the directory dir; the caller frees. */
char *settings_path(const char *dir, const char *path);
/* The one certificate (PEM or DER) of a file; path as for settings_path. */
MUST_CHECK struct err *settings_certificate(const char *dir, const char *path, X509 **ret_cert);
/* Reads a text value that must be one of names (NULL-ended); *ret_index says which. */
MUST_CHECK struct err *settings_choice(
	cfg_t *section, const char *key, const char *const *names, size_t *ret_index);

/* libconfuse's tables of the sections, and what becomes of one section. */
cfg_opt_t *anchor_options(void);
cfg_opt_t *profile_options(void);
MUST_CHECK struct err *anchor_read(cfg_t *section, const char *dir, struct anchor **ret_anchor);
void anchor_free(struct anchor *a);
DEFINE_AUTO(anchor, struct anchor *, anchor_free);
MUST_CHECK struct err *profile_read(cfg_t *section, struct profile **ret_profile);

#endif
