/* settings.h: card.conf (card.conf(5)). */
#ifndef DERIVD_PKCS11_SETTINGS_H
#define DERIVD_PKCS11_SETTINGS_H

#include "base/def.h"
#include "base/err.h"

/* Names in a list, and bytes of each. */
#define SETTINGS_LIST_MAX 16
#define SETTINGS_NAME_MAX 64

struct settings {
	char *module;        /* absolute path of the PKCS#11 module */
	char *arguments;     /* for the module's start; NULL: none */
	char *uri;           /* RFC 7512; NULL: any token */
	char *opensc_conf;   /* absolute path; NULL: the one that opensc.c makes */
	bool pcsc;           /* the module's slots are PC/SC readers */
	bool allow_shared;   /* a module that cannot hold the card exclusively may be used */
	unsigned int call_s; /* seconds for one call into the module */
	unsigned int pad_s;  /* the same while the person types on a PIN pad */
	size_t n_types;
	char *types[SETTINGS_LIST_MAX]; /* card types accepted, in order of preference */
	size_t n_drivers;
	char *drivers[SETTINGS_LIST_MAX]; /* OpenSC's card drivers, in order */
};

/* Reads path with its drop-ins; a missing file means the defaults. ERR_CONFIG. */
MUST_CHECK struct err *settings_load(const char *path, struct settings **ret_settings);
void settings_free(struct settings *s);
DEFINE_AUTO(settings, struct settings *, settings_free);

#endif
