/*
 * install.h: a store where mail programs look for keys: an NSS database (Thunderbird, Evolution) or a token behind a PKCS#11
 * module. NSS speaks with both.
 */
#ifndef DERIVD_INSTALL_INSTALL_H
#define DERIVD_INSTALL_INSTALL_H

#include <stddef.h>

#include "client/agent/trouble.h"

/* SHA-256 */
#define INSTALL_HASH_LEN 32

struct install_target {
	const char *nss;    /* directory of an NSS database; NULL: */
	const char *module; /* the PKCS#11 module's file, */
	const char *token;  /* and its token's label */
	const char *
		password_file; /* its first line is the database's password or the token's PIN; NULL: there is none */
};

/* One at a time in a process, since NSS is. */
struct install;

/*
 * Opens the target, logged in. Kinds: "system" (what NSS says), "no-such-thing" (no database there, no such token),
 * "password" (it is wrong, or one is needed).
 */
MUST_CHECK struct trouble *install_open(
	const struct install_target *target, struct install **ret_install);
void install_free(struct install *i);
DEFINE_AUTO(install, struct install *, install_free);

/* Texts are PEM; what is there already stays as it is. */
MUST_CHECK struct trouble *install_credential(
	struct install *i, const char *key_pem, const char *certificate_pem, const char *name);
/* CA certificates. In an NSS database those that are self-signed are trusted for mail from then on. */
MUST_CHECK struct trouble *install_chain(struct install *i, const char *chain_pem);
/* The certificate with its key, when they are there. */
MUST_CHECK struct trouble *install_remove(
	struct install *i, const unsigned char hash[static INSTALL_HASH_LEN], int *ret_removed);

#endif
