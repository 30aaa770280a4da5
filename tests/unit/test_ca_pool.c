/* test_ca_pool.c: keys made ahead of time: as many as are asked for, of the types that are slow, and given up when somebody asks. */
#include "tests/unit/unit.h"

#include "daemon/ca/pool.h"
#include "proto/kind.h"
#include "proto/sig.h"

/* Asked after so many looks; never when it is negative. */
struct peer_at {
	int looks, after;
};

static bool is_asked(void *userdata)
{
	struct peer_at *at = userdata;

	return at->after >= 0 && at->looks++ >= at->after;
}

static struct profile rsa = { .origin = COMMON__ORIGIN__SERVER, .key_type = "rsa2048" };
static struct profile own = { .origin = COMMON__ORIGIN__DEVICE, .key_type = "rsa3072" };
static struct profile ec = { .origin = COMMON__ORIGIN__SERVER, .key_type = "p256" };

static struct settings wanted(uint32_t key_pool)
{
	struct settings s = { .key_pool = key_pool, .n_profiles = 3 };

	s.profiles[0] = &own;
	s.profiles[1] = &ec;
	s.profiles[2] = &rsa;
	return s;
}

static unsigned int fill_all(struct pool *p, const struct settings *s)
{
	struct peer_at never = { .after = -1 };
	unsigned int n = 0;

	while (pool_fill(p, s, is_asked, &never))
		n++;
	return n;
}

static void pool_has_what_is_made_here_and_slow(void **state UNUSED)
{
	AUTO(pool) struct pool *p = pool_new();
	struct settings s = wanted(2);

	assert_int_equal(fill_all(p, &s), 2);
	assert_int_equal(fill_all(p, &s), 0);
	AUTO(pkey) EVP_PKEY *a = NULL;
	AUTO(pkey) EVP_PKEY *b = NULL;
	AUTO(pkey) EVP_PKEY *c = NULL;
	assert_ok(pool_take(p, "rsa2048", &a));
	assert_ok(pool_take(p, "rsa2048", &b));
	assert_int_equal(EVP_PKEY_get_bits(a), 2048);
	assert_int_equal(EVP_PKEY_eq(a, b), 0);
	/* It is empty now: two more fit, and a third is made when it is taken. */
	assert_ok(pool_take(p, "rsa2048", &c));
	assert_int_equal(EVP_PKEY_eq(c, a) || EVP_PKEY_eq(c, b), 0);
	assert_int_equal(fill_all(p, &s), 2);
}

static void pool_gives_up_when_asked(void **state UNUSED)
{
	AUTO(pool) struct pool *p = pool_new();
	struct settings s = wanted(1);

	for (int after = 0; after < 3; after++) {
		struct peer_at asked = { .after = after };
		assert_true(pool_fill(p, &s, is_asked, &asked));
		/* It looked no more once it knew. */
		assert_int_equal(asked.looks, after + 1);
	}
	assert_int_equal(fill_all(p, &s), 1);
}

static void pool_of_none(void **state UNUSED)
{
	AUTO(pool) struct pool *p = pool_new();
	struct settings s = wanted(0);
	AUTO(pkey) EVP_PKEY *key = NULL;

	assert_int_equal(fill_all(p, &s), 0);
	assert_ok(pool_take(p, "p384", &key));
	assert_int_equal(EVP_PKEY_get_bits(key), 384);
	EVP_PKEY *none = NULL;
	assert_err(pool_take(p, "dsa", &none), &ERR_CA_MISCONFIGURED);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool_has_what_is_made_here_and_slow),
		cmocka_unit_test(pool_gives_up_when_asked),
		cmocka_unit_test(pool_of_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
