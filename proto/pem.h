/* pem.h: keys and certificates as PEM text (RFC 7468), as files hold them. */
#ifndef DERIVD_PROTO_PEM_H
#define DERIVD_PROTO_PEM_H

#include <openssl/evp.h>

#include "base/def.h"
#include "base/err.h"

struct buf;

/* A private key as PKCS#8 without a passphrase; the text wipes itself with its buffer. ERR_SYSTEM. */
MUST_CHECK struct err *pem_write_key(EVP_PKEY *key, struct buf **ret_pem);
/* A private key in any PEM form; one with a passphrase is refused, nobody is asked for it. ERR_FORMAT. */
MUST_CHECK struct err *pem_read_key(struct bytes pem, EVP_PKEY **ret_key);
/* A certificate that is DER already. */
struct buf *pem_write_certificate(struct bytes der);

#endif
