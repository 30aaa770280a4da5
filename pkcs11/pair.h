/* pair.h: which key object belongs to a certificate. */
#ifndef DERIVD_PKCS11_PAIR_H
#define DERIVD_PKCS11_PAIR_H

#include <openssl/evp.h>

#include "pkcs11/object.h"

/*
 * The key object of a class (CKO_PRIVATE_KEY or CKO_PUBLIC_KEY) for a certificate's public key: the one that shows that
 * public key; else, for a private key, the one with the id of the public key object that shows it; else one that shows
 * nothing but the type: with the certificate's id, or the only one. *ret_found is false when there is none; when it is
 * true, only a signature proves it. ERR_CARD_*, ERR_MODULE.
 */
MUST_CHECK struct err *pair_find(const struct token *t, CK_OBJECT_CLASS class, EVP_PKEY *key,
	struct bytes id, CK_OBJECT_HANDLE *ret_object, bool *ret_found);

#endif
