/*
 * nonce.c: nonces and their keys. nonce.keys in the state directory holds two records of time (8 bytes) and key (32), the
 * newer first; several processes share it under the lock of nonce.lock.
 */
#include "daemon/ca/nonce.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "daemon/ca/keys.h"
#include "proto/kind.h"

#define ROTATE_MS (INT64_C(24) * 3600 * 1000)
#define RANDOM_LEN 16
#define N_KEYS 2

struct nonce_key {
	int64_t made_ms; /* 0: there is none */
	uint8_t key[MAC_KEY_LEN];
};

struct nonce_keys {
	struct nonce_key v[N_KEYS]; /* the newer first */
};

static struct err *lock(int *ret_fd)
{
	AUTO_MEM char *path = proc_state_path("ca", "nonce.lock");
	AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		return err_as(&ERR_CA_MISCONFIGURED, err_errno(errno, "%s", path), "nonce keys");
	*ret_fd = fd_take(&fd);
	return NULL;
}

static struct err *decode(struct bytes content, struct nonce_keys *keys)
{
	struct cursor c = { content };

	for (size_t i = 0; i < N_KEYS; i++) {
		uint64_t made;
		struct bytes key;
		TRY(cursor_u64(&c, &made));
		TRY(cursor_bytes(&c, MAC_KEY_LEN, &key));
		keys->v[i].made_ms = (int64_t)made;
		memcpy(keys->v[i].key, key.data, MAC_KEY_LEN);
	}
	return cursor_end(&c);
}

static struct err *read_keys(const char *path, struct nonce_keys *keys)
{
	AUTO(buf) struct buf *content = NULL;
	struct err *e = io_read_file(path, 1024, &content);

	if (e && err_is(e, &ERR_NOTFOUND)) {
		err_free(e);
		return NULL;
	}
	if (!e)
		e = decode(buf_bytes(content), keys);
	return err_as(&ERR_CA_MISCONFIGURED, e, "nonce keys: %s", path);
}

/* A key from the future is as good as none: the clock was wrong when it was made. */
static struct err *rotate(const char *path, int64_t now_ms, struct nonce_keys *keys)
{
	AUTO(buf) struct buf *content = buf_new();

	if (keys->v[0].made_ms && keys->v[0].made_ms <= now_ms &&
		now_ms - keys->v[0].made_ms < ROTATE_MS)
		return NULL;
	keys->v[1] = keys->v[0];
	keys->v[0].made_ms = now_ms;
	clock_random(keys->v[0].key, MAC_KEY_LEN);
	for (size_t i = 0; i < N_KEYS; i++) {
		buf_add_u64(content, (uint64_t)keys->v[i].made_ms);
		buf_add(content, keys->v[i].key, MAC_KEY_LEN);
	}
	return err_as(
		&ERR_CA_MISCONFIGURED, io_write_file(path, buf_bytes(content), 0600), "nonce keys");
}

static struct err *load(int64_t now_ms, struct nonce_keys *keys)
{
	AUTO_MEM char *path = proc_state_path("ca", "nonce.keys");
	AUTO_FD int fd = -1;

	TRY(lock(&fd));
	TRY(read_keys(path, keys));
	return rotate(path, now_ms, keys);
}

static void compute(const struct nonce_key *key, const struct nonce_use *use,
	const uint8_t *time_and_random, uint8_t ret_mac[static SHA256_LEN])
{
	const struct bytes parts[] = { BYTES(time_and_random, 8 + RANDOM_LEN),
		BYTES(use->request_id, REQUEST_ID_LEN), BYTES(use->card_hash, SHA256_LEN),
		BYTES(use->statement_hash, SHA256_LEN) };

	keys_mac(BYTES(key->key, MAC_KEY_LEN), SIG_NONCE, parts, ARRAY_LEN(parts), ret_mac);
}

struct err *nonce_make(
	const struct nonce_use *use, int64_t now_ms, uint8_t ret_nonce[static NONCE_LEN])
{
	struct nonce_keys keys = { 0 };
	struct err *e = load(now_ms, &keys);

	if (!e) {
		for (int i = 0; i < 8; i++)
			ret_nonce[i] = (uint8_t)((uint64_t)now_ms >> (8 * (7 - i)));
		clock_random(ret_nonce + 8, RANDOM_LEN);
		compute(&keys.v[0], use, ret_nonce, ret_nonce + 8 + RANDOM_LEN);
	}
	wipe(&keys, sizeof(keys));
	return e;
}

static bool is_ours(const struct nonce_keys *keys, const struct nonce_use *use, struct bytes nonce)
{
	struct bytes mac = BYTES(nonce.data + 8 + RANDOM_LEN, SHA256_LEN);
	uint8_t expected[SHA256_LEN];
	bool found = false;

	for (size_t i = 0; i < N_KEYS; i++) {
		compute(&keys->v[i], use, nonce.data, expected);
		found |=
			keys->v[i].made_ms != 0 && bytes_eq_const(BYTES(expected, SHA256_LEN), mac);
	}
	return found;
}

struct err *nonce_check(struct bytes nonce, const struct nonce_use *use, int64_t now_ms,
	uint64_t lifetime_ms, int64_t *ret_time_ms)
{
	struct nonce_keys keys = { 0 };
	struct cursor c = { nonce };
	uint64_t made;

	if (nonce.len != NONCE_LEN)
		return err_new(&ERR_EVIDENCE_BAD, "the nonce has %zu bytes in place of %d",
			nonce.len, NONCE_LEN);
	TRY(cursor_u64(&c, &made));
	struct err *e = load(now_ms, &keys);
	bool ours = !e && is_ours(&keys, use, nonce);
	wipe(&keys, sizeof(keys));
	if (e)
		return e;
	if (!ours)
		return err_new(&ERR_EVIDENCE_BAD,
			"the nonce was not given for this request, card and statement");
	if ((int64_t)made > now_ms || now_ms - (int64_t)made > (int64_t)lifetime_ms)
		return err_new(&ERR_NONCE_EXPIRED, "the nonce was given %lld s ago",
			(long long)((now_ms - (int64_t)made) / 1000));
	*ret_time_ms = (int64_t)made;
	return NULL;
}
