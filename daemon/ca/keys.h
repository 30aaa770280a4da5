/*
 * keys.h: derivd-ca's own keys, each a file that is read when it is first needed: "ca.key", "delivery.key", "receipt.key"
 * (PEM, PKCS#8), "serial.key" (32 raw bytes). First in $CREDENTIALS_DIRECTORY (LoadCredential=), else in keys/ of the
 * state directory, where nobody but the owner may read them.
 */
#ifndef DERIVD_DAEMON_CA_KEYS_H
#define DERIVD_DAEMON_CA_KEYS_H

#include "base/secret.h"
#include "proto/sig.h"

#define KEY_CA "ca.key"
#define KEY_DELIVERY "delivery.key"
#define KEY_RECEIPT "receipt.key"
#define KEY_IMPORT "import.key"
#define KEY_SERIAL "serial.key"
#define MAC_KEY_LEN 32

struct keys;

struct keys *keys_new(void);
/* Wipes what was read. */
void keys_free(struct keys *k);
DEFINE_AUTO(keys, struct keys *, keys_free);

/* The private key of that name, lent. ERR_CA_MISCONFIGURED names the file and what is wrong with it. */
MUST_CHECK struct err *keys_private(struct keys *k, const char *name, EVP_PKEY **ret_key);
/* HMAC-SHA-256 under the serial key over label, a zero byte and the parts. ERR_CA_MISCONFIGURED. */
MUST_CHECK struct err *keys_serial_mac(struct keys *k, const char *label, const struct bytes *parts,
	size_t n_parts, uint8_t ret_mac[static SHA256_LEN]);

/* Writing, for init: dir/name, mode 0600. ERR_SYSTEM. */
MUST_CHECK struct err *keys_write_private(const char *dir, const char *name, EVP_PKEY *key);
MUST_CHECK struct err *keys_write_mac(const char *dir, const char *name);

/* HMAC-SHA-256 over label, a zero byte and the parts. */
void keys_mac(struct bytes key, const char *label, const struct bytes *parts, size_t n_parts,
	uint8_t ret_mac[static SHA256_LEN]);

#endif
