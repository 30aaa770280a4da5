/*
 * pool.h: key pairs made ahead of time. An RSA key takes a third of a second or several to find, and a phone waits for it; so a process
 * of derivd-ca that has nothing to do makes some, and gives up at once when it is asked something. They are nobody's until one
 * is taken, live in this process alone, and go with it.
 */
#ifndef DERIVD_DAEMON_CA_POOL_H
#define DERIVD_DAEMON_CA_POOL_H

#include <openssl/evp.h>

#include "base/def.h"
#include "base/err.h"
#include "daemon/ca/settings.h"

/* Of one type, in one process. */
#define POOL_MAX 16

struct pool;

struct pool *pool_new(void);
void pool_free(struct pool *p);
DEFINE_AUTO(pool, struct pool *, pool_free);

/* A new key of a profile's type, from the pool, or made now; the caller frees. ERR_CA_MISCONFIGURED, ERR_SYSTEM. */
MUST_CHECK struct err *pool_take(struct pool *p, const char *key_type, EVP_PKEY **ret_key);
/*
 * Makes one key that the profiles may need, or gives up as soon as is_asked says so. False: there are enough (as many as
 * settings ask for, of each type that is slow to make and made here).
 */
MUST_CHECK bool pool_fill(struct pool *p, const struct settings *settings,
	bool (*is_asked)(void *userdata), void *userdata);

#endif
