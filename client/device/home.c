/* home.c: see home.h. */
#include "client/device/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "client/device/fault.h"
#include "evidence/key.h"
#include "proto/kind.h"
#include "proto/pem.h"

#define KEY_FILE_MAX 16384
#define OBJECT_MAX (128 * 1024)
#define HEX_LEN (2 * SHA256_LEN)

struct home {
	char *dir;
	int lock;
};

static struct err *check_owner(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) != 0)
		return err_errno(errno, "%s", dir);
	if (!S_ISDIR(st.st_mode))
		return err_new(&ERR_HOME, "%s is not a directory", dir);
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return err_new(&ERR_HOME,
			"%s must belong to you, and nobody else may read it (chmod 700)", dir);
	return NULL;
}

static struct err *take_lock(struct home *h)
{
	AUTO_MEM char *path = xasprintf("%s/lock", h->dir);

	h->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (h->lock < 0)
		return err_errno(errno, "%s", path);
	if (flock(h->lock, LOCK_EX | LOCK_NB) == 0)
		return NULL;
	if (errno == EWOULDBLOCK)
		return err_new(&ERR_BUSY, "another program works on %s", h->dir);
	return err_errno(errno, "%s", path);
}

static struct err *make_dirs(const struct home *h)
{
	static const char *const parts[] = { "", "/keys", "/objects" };
	struct stat st;

	if (stat(h->dir, &st) == 0)
		TRY(check_owner(h->dir));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		AUTO_MEM char *path = xasprintf("%s%s", h->dir, parts[i]);
		TRY(io_mkdirs(path, 0700));
	}
	return NULL;
}

struct err *home_open(const char *dir, bool lock, struct home **ret_home)
{
	AUTO(home) struct home *h = xcalloc(1, sizeof(*h));

	h->dir = xstrdup(dir);
	h->lock = -1;
	if (lock)
		TRY(make_dirs(h));
	TRY(check_owner(dir));
	if (lock)
		TRY(take_lock(h));
	*ret_home = take(h);
	return NULL;
}

void home_free(struct home *h)
{
	if (!h)
		return;
	fd_cleanup(&h->lock);
	free(h->dir);
	free(h);
}

const char *home_dir(const struct home *h)
{
	return h->dir;
}

struct err *home_load(const struct home *h, struct state **ret_state)
{
	AUTO_MEM char *path = xasprintf("%s/state", h->dir);
	AUTO(buf) struct buf *b = NULL;
	struct err *e = io_read_file(path, STATE_FILE_MAX, &b);

	*ret_state = NULL;
	if (err_is(e, &ERR_NOTFOUND)) {
		err_free(e);
		return NULL;
	}
	TRY(e);
	return err_wrap(state_decode(buf_bytes(b), ret_state), "%s", path);
}

struct err *home_save(const struct home *h, const struct state *s)
{
	AUTO_MEM char *path = xasprintf("%s/state", h->dir);
	AUTO(buf) struct buf *b = state_encode(s);

	return io_write_file(path, buf_bytes(b), 0600);
}

static char *path_of(
	const struct home *h, const char *folder, const uint8_t hash[static SHA256_LEN])
{
	AUTO_MEM char *hex = text_hex(BYTES(hash, SHA256_LEN));

	return xasprintf("%s/%s/%s", h->dir, folder, hex);
}

struct err *home_put_key(const struct home *h, EVP_PKEY *key, uint8_t ret_hash[static SHA256_LEN])
{
	uint8_t hash[SHA256_LEN];
	AUTO(buf) struct buf *pem = NULL;

	key_hash(key, hash);
	AUTO_MEM char *path = path_of(h, "keys", hash);
	TRY(pem_write_key(key, &pem));
	TRY(io_write_file(path, buf_bytes(pem), 0600));
	memcpy(ret_hash, hash, SHA256_LEN);
	return NULL;
}

struct err *home_get_key(
	const struct home *h, const uint8_t hash[static SHA256_LEN], EVP_PKEY **ret_key)
{
	AUTO_MEM char *path = path_of(h, "keys", hash);
	AUTO(buf) struct buf *pem = NULL;
	AUTO(pkey) EVP_PKEY *key = NULL;
	uint8_t found[SHA256_LEN];

	TRY(err_as(&ERR_HOME_DAMAGED, io_read_file(path, KEY_FILE_MAX, &pem), "a key"));
	TRY(err_as(&ERR_HOME_DAMAGED, pem_read_key(buf_bytes(pem), &key), "%s", path));
	key_hash(key, found);
	if (memcmp(found, hash, SHA256_LEN) != 0)
		return err_new(&ERR_HOME_DAMAGED, "%s: another key than its name says", path);
	*ret_key = take(key);
	return NULL;
}

struct err *home_put_object(
	const struct home *h, struct bytes object, uint8_t ret_hash[static SHA256_LEN])
{
	uint8_t hash[SHA256_LEN];

	sha256(object, hash);
	AUTO_MEM char *path = path_of(h, "objects", hash);
	TRY(io_write_file(path, object, 0600));
	memcpy(ret_hash, hash, SHA256_LEN);
	return NULL;
}

struct err *home_get_object(
	const struct home *h, const uint8_t hash[static SHA256_LEN], struct buf **ret_object)
{
	AUTO_MEM char *path = path_of(h, "objects", hash);
	AUTO(buf) struct buf *object = NULL;
	uint8_t found[SHA256_LEN];

	TRY(err_as(&ERR_HOME_DAMAGED, io_read_file(path, OBJECT_MAX, &object), "an object"));
	sha256(buf_bytes(object), found);
	if (memcmp(found, hash, SHA256_LEN) != 0)
		return err_new(&ERR_HOME_DAMAGED, "%s: other bytes than its name says", path);
	*ret_object = take(object);
	return NULL;
}

/* --- sweeping --- */

static bool among(
	const uint8_t (*hashes)[SHA256_LEN], size_t n, const uint8_t hash[static SHA256_LEN])
{
	for (size_t i = 0; i < n; i++) {
		if (memcmp(hashes[i], hash, SHA256_LEN) == 0)
			return true;
	}
	return false;
}

static bool names_key(const struct state *s, const uint8_t hash[static SHA256_LEN])
{
	for (size_t i = 0; i < s->n_slots; i++) {
		if (s->slots[i].has_key && among(&s->slots[i].key_hash, 1, hash))
			return true;
	}
	return among(&s->identity_key, 1, hash) || among(&s->sealing_key, 1, hash);
}

static bool names_object(const struct state *s, const uint8_t hash[static SHA256_LEN])
{
	for (size_t i = 0; i < s->n_slots; i++) {
		if (s->slots[i].has_certificate && among(&s->slots[i].certificate, 1, hash))
			return true;
	}
	for (size_t i = 0; i < s->n_apps; i++) {
		if (among(&s->apps[i].text, 1, hash))
			return true;
	}
	return among(s->chain, s->n_chain, hash) || among(&s->identity_certificate, 1, hash) ||
	       among(&s->sealing_certificate, 1, hash);
}

/* A file that is named by a hash, perhaps with what io_write_file put behind it when it was interrupted. */
static bool is_wanted(const struct state *s, const char *name,
	bool (*names)(const struct state *, const uint8_t *))
{
	AUTO(buf) struct buf *hash = NULL;
	struct err *e = text_unhex(name, &hash);

	if (!e && buf_len(hash) == SHA256_LEN)
		return names(s, buf_data(hash));
	err_free(e);
	return strlen(name) < HEX_LEN && !text_starts(name, "state.");
}

/* What an interrupted home_save left. */
static bool names_state(UNUSED const struct state *s, UNUSED const uint8_t *hash)
{
	return true;
}

static struct err *sweep_folder(const struct home *h, const char *folder, const struct state *s,
	bool (*names)(const struct state *, const uint8_t *))
{
	AUTO_MEM char *path = xasprintf("%s/%s", h->dir, folder);
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return err_errno(errno, "%s", path);
	while ((entry = readdir(dir))) {
		if (!is_wanted(s, entry->d_name, names))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	return NULL;
}

struct err *home_sweep(const struct home *h, const struct state *s)
{
	TRY(sweep_folder(h, "", s, names_state));
	TRY(sweep_folder(h, "keys", s, names_key));
	return sweep_folder(h, "objects", s, names_object);
}
