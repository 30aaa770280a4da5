/* make.h: keys that the device makes, and what it says of them. */
#ifndef DERIVD_DEVICE_MAKE_H
#define DERIVD_DEVICE_MAKE_H

#include "client/device/home.h"

/* A key pair: "p256", "p384", "rsa2048", "rsa3072" or "rsa4096". ERR_OFFER for another type. */
MUST_CHECK struct err *make_key(const char *type, EVP_PKEY **ret_key);
/* A PKCS#10 in DER: empty subject, no attributes, signed by the key itself. ERR_SYSTEM. */
MUST_CHECK struct err *make_request(EVP_PKEY *key, struct buf **ret_der);
/* Identity and sealing key with their certificates, stored, their hashes in the state. */
MUST_CHECK struct err *make_identity(const struct home *h, struct state *s);

#endif
