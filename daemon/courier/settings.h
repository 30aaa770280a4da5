/* settings.h: courier.conf (derivd-courier(8)): what may be fetched, and how people are told. */
#ifndef DERIVD_DAEMON_COURIER_SETTINGS_H
#define DERIVD_DAEMON_COURIER_SETTINGS_H

#include <confuse.h>

#include "base/buf.h"
#include "daemon/courier/fetch.h"

#define OPERATORS_MAX 16
#define HOOK_WORDS_MAX 16
#define PASSWORD_MAX 1024

/* Texts are the configuration's, lent; NULL: not set. */
struct smtp_rules {
	const char *url; /* smtp://host:port or smtps://host:port; NULL: no mail */
	bool tls;
	const char *ca; /* PEM file; NULL: the system's */
	const char *user;
	struct buf *password; /* of the credential smtp-password, or NULL */
	const char *from;
	size_t n_operators;
	const char *operators[OPERATORS_MAX];
};

struct hook_rules {
	const char *words[HOOK_WORDS_MAX + 1]; /* NULL-ended; without a first word there is no hook */
	uint64_t timeout_ms;
};

struct settings {
	cfg_t *cfg; /* owns the texts */
	struct fetch_rules fetch;
	struct smtp_rules smtp;
	struct hook_rules hook;
	const char *contact; /* whom a holder is to call */
};
/* What is wrong with notices must not keep derivd-ca from its CRLs, and the password is read only where it is used. */
enum settings_for { SETTINGS_FETCH, SETTINGS_NOTICES, SETTINGS_CHECK };
/* ERR_CONFIG. */
MUST_CHECK struct err *settings_load(enum settings_for what, struct settings **ret_settings);
void settings_free(struct settings *s);
DEFINE_AUTO(settings, struct settings *, settings_free);

/*
 * Is this a mail address that can stand in an SMTP command and a header as it is: one "@", a local part of RFC 5322 atoms, a
 * host name? Quoted local parts and addresses beyond ASCII are not.
 */
bool address_is_plain(const char *mail);

#endif
