/* pool.c: see pool.h. */
#include "daemon/ca/pool.h"

#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/kind.h"
#include "proto/sig.h"

/* What profile_key_types has (profile.h); those with bits are RSA, and slow to make. */
static const struct {
	const char *type;
	const char *curve;
	int bits;
} types[] = {
	{ "p256", "P-256", 0 },
	{ "p384", "P-384", 0 },
	{ "rsa2048", NULL, 2048 },
	{ "rsa3072", NULL, 3072 },
};
#define TYPES ARRAY_LEN(types)

struct pool {
	size_t n[TYPES];
	EVP_PKEY *keys[TYPES][POOL_MAX];
};

struct pool *pool_new(void)
{
	return xcalloc(1, sizeof(struct pool));
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	for (size_t t = 0; t < TYPES; t++)
		while (p->n[t])
			EVP_PKEY_free(p->keys[t][--p->n[t]]);
	free(p);
}

static bool find(const char *key_type, size_t *ret_type)
{
	for (size_t t = 0; t < TYPES; t++) {
		if (strcmp(types[t].type, key_type) == 0) {
			*ret_type = t;
			return true;
		}
	}
	return false;
}

struct err *pool_take(struct pool *p, const char *key_type, EVP_PKEY **ret_key)
{
	size_t t;

	if (!find(key_type, &t))
		return err_new(&ERR_CA_MISCONFIGURED, "key type \"%s\"", key_type);
	if (p->n[t])
		*ret_key = p->keys[t][--p->n[t]];
	else
		*ret_key = types[t].curve ? EVP_EC_gen(types[t].curve)
					  : EVP_RSA_gen((unsigned int)types[t].bits);
	return *ret_key ? NULL
			: sig_openssl_error(&ERR_SYSTEM, "making a key of type %s", key_type);
}

/* --- making them --- */

struct asked {
	bool (*is_asked)(void *userdata);
	void *userdata;
	bool yes;
};

/* libcrypto calls it between two candidates for a prime; 0 ends the search. */
static int on_candidate(EVP_PKEY_CTX *context)
{
	struct asked *a = EVP_PKEY_CTX_get_app_data(context);

	a->yes = a->yes || a->is_asked(a->userdata);
	return !a->yes;
}

static inline void context_free(EVP_PKEY_CTX *c)
{
	EVP_PKEY_CTX_free(c);
}
DEFINE_AUTO(context, EVP_PKEY_CTX *, context_free);

/* NULL: given up, or impossible. */
static EVP_PKEY *make(int bits, struct asked *a)
{
	AUTO(context) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;

	a->yes = a->is_asked(a->userdata);
	if (a->yes)
		return NULL;
	if (!context || EVP_PKEY_keygen_init(context) <= 0 ||
		EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) <= 0)
		return NULL;
	EVP_PKEY_CTX_set_app_data(context, a);
	EVP_PKEY_CTX_set_cb(context, on_candidate);
	return EVP_PKEY_generate(context, &key) > 0 ? key : NULL;
}

static bool is_wanted(const struct settings *settings, size_t t)
{
	for (size_t i = 0; types[t].bits && i < settings->n_profiles; i++) {
		const struct profile *p = settings->profiles[i];
		if (p->origin == COMMON__ORIGIN__SERVER && strcmp(p->key_type, types[t].type) == 0)
			return true;
	}
	return false;
}

bool pool_fill(struct pool *p, const struct settings *settings, bool (*is_asked)(void *userdata),
	void *userdata)
{
	struct asked a = { is_asked, userdata, false };

	for (size_t t = 0; t < TYPES; t++) {
		if (p->n[t] >= settings->key_pool || !is_wanted(settings, t))
			continue;
		EVP_PKEY *key = make(types[t].bits, &a);
		if (key)
			p->keys[t][p->n[t]++] = key;
		else if (!a.yes)
			log_error(sig_openssl_error(&ERR_SYSTEM, "a key of type %s", types[t].type),
				"making keys ahead of time");
		/* Given up: the next time. Impossible: when a key is needed, who needs it hears why. */
		return key || a.yes;
	}
	return false;
}
