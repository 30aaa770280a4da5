/*
 * plaincert.h: certificates that are nothing but the envelope of a key, as TLS and CMS demand one: the gateway's and
 * a device's for TLS, and the one of a device's sealing key. Nobody believes their names and dates.
 */
#ifndef DERIVD_PROTO_PLAINCERT_H
#define DERIVD_PROTO_PLAINCERT_H

#include <openssl/evp.h>

#include "base/def.h"
#include "base/err.h"

struct buf;

enum plaincert_use {
	PLAINCERT_TLS_SERVER,
	PLAINCERT_TLS_CLIENT,
	PLAINCERT_SEALING, /* ECDH; recipients are named by its subject key id */
};

/*
 * An X.509 certificate in DER over key, signed with SHA-256 by signer, which is key itself or another private key.
 * name becomes the common name of subject and issuer. Valid from a day ago until 9999 (RFC 5280 section 4.1.2.5).
 * ERR_SYSTEM with OpenSSL's reason.
 */
MUST_CHECK struct err *plaincert_make(EVP_PKEY *key, EVP_PKEY *signer, enum plaincert_use use,
	const char *name, struct buf **ret_der);

#endif
