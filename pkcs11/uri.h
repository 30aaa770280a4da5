/* uri.h: which token, and perhaps which certificate on it, as a PKCS#11 URI (RFC 7512). */
#ifndef DERIVD_PKCS11_URI_H
#define DERIVD_PKCS11_URI_H

#include <p11-kit/pkcs11.h>

#include "base/def.h"
#include "base/err.h"

#define URI_MAX 1024

struct uri;

/*
 * A URI that names a token, a slot, or certificates by id or label. A PIN, a path to one, a module, a type of object
 * other than certificates, and attributes that are not of RFC 7512 are refused. ERR_FORMAT.
 */
MUST_CHECK struct err *uri_parse(const char *text, struct uri **ret_uri);
void uri_free(struct uri *u);
DEFINE_AUTO(uri, struct uri *, uri_free);
/* A NULL uri matches everything. */
bool uri_matches(const struct uri *u, CK_SLOT_ID id, CK_SLOT_INFO *slot, CK_TOKEN_INFO *token);
/* Is a certificate with this CKA_ID and label meant? */
bool uri_matches_cert(const struct uri *u, struct bytes id, struct bytes label);
/* Are certificates chosen by it? */
bool uri_chooses_certs(const struct uri *u);

#endif
