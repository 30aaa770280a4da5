/*
 * home.h: the state directory: "state", and "keys" and "objects" with files named by SHA-256. Everything belongs to one user,
 * nobody else may read it; what is written is on the disk when the function returns.
 */
#ifndef DERIVD_DEVICE_HOME_H
#define DERIVD_DEVICE_HOME_H

#include "client/device/state.h"

struct home;

/*
 * Opens the directory. lock: makes it if need be, and keeps others out that would change it.
 * ERR_BUSY when another has it; ERR_HOME when others than the owner may read it; ERR_NOTFOUND, ERR_SYSTEM.
 */
MUST_CHECK struct err *home_open(const char *dir, bool lock, struct home **ret_home);
void home_free(struct home *h);
DEFINE_AUTO(home, struct home *, home_free);
const char *home_dir(const struct home *h);

/* *ret_state is NULL when there is none. ERR_HOME_DAMAGED. */
MUST_CHECK struct err *home_load(const struct home *h, struct state **ret_state);
/* The moment at which a step has happened. */
MUST_CHECK struct err *home_save(const struct home *h, const struct state *s);

/* A private key, found again by the hash of its public half. */
MUST_CHECK struct err *home_put_key(
	const struct home *h, EVP_PKEY *key, uint8_t ret_hash[static SHA256_LEN]);
MUST_CHECK struct err *home_get_key(
	const struct home *h, const uint8_t hash[static SHA256_LEN], EVP_PKEY **ret_key);
/* Bytes that are no secret, found again by their hash, which is compared. */
MUST_CHECK struct err *home_put_object(
	const struct home *h, struct bytes object, uint8_t ret_hash[static SHA256_LEN]);
MUST_CHECK struct err *home_get_object(
	const struct home *h, const uint8_t hash[static SHA256_LEN], struct buf **ret_object);

/* Removes the keys and objects that the state does not name any more. */
MUST_CHECK struct err *home_sweep(const struct home *h, const struct state *s);

#endif
