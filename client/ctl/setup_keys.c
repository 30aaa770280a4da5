/* setup_keys.c: keys that leave this machine: the escrow key when it is made here, and what derivd-ca init left for people. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"
#include "proto/pem.h"
#include "proto/plaincert.h"
#include "proto/sig.h"

#define KEY_FILE_MAX (64 * 1024)

/* What a setup that was killed here has left: a key that was not whole, or that nobody has used. */
static void remove_parts(const char *key_path)
{
	AUTO_MEM char *pattern = xasprintf("%s.??????", key_path);
	glob_t found = { 0 };

	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			(void)unlink(found.gl_pathv[i]);
	globfree(&found);
}

/* One that is there stays: of a setup that was killed, or an officer's who has lost only the certificate. */
static struct err *take_key(const char *path, EVP_PKEY **ret_key)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf *pem = NULL;

	remove_parts(path);
	if (access(path, F_OK) == 0) {
		TRY(io_read_file(path, KEY_FILE_MAX, &pem));
		return err_as(&ERR_CONFIG, pem_read_key(buf_bytes(pem), ret_key), "%s", path);
	}
	key = sig_new_p256();
	TRY(pem_write_key(key, &pem));
	TRY(io_write_file(path, buf_bytes(pem), 0600));
	*ret_key = take(key);
	return NULL;
}

/* The certificate last: where it is, the key is too. */
struct err *setup_make_escrow(struct setup *s)
{
	const char *dir = setup_value(s, SETUP_KEYS);
	AUTO_MEM char *key_path = xasprintf("%s/escrow.key", dir);
	AUTO_MEM char *certificate_path = xasprintf("%s/escrow.pem", dir);
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf *der = NULL;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_errno(errno, "%s", dir);
	if (access(certificate_path, F_OK) == 0)
		return NULL;
	TRY(take_key(key_path, &key));
	TRY(plaincert_make(key, key, PLAINCERT_SEALING, "derivd escrow", &der));
	AUTO(buf) struct buf *pem = pem_write_certificate(buf_bytes(der));
	return io_write_file(certificate_path, buf_bytes(pem), 0644);
}

/* --- from derivd-ca's directory --- */

bool setup_needs_putting_away(const struct setup *s)
{
	AUTO_MEM char *dir = setup_state_path(s, "ceremony");

	return s->found.ceremony || !s->found.ca || access(dir, F_OK) == 0;
}

static struct err *read_key(int dir, const char *name, struct buf **ret_content)
{
	AUTO_FD int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(buf) struct buf *content = buf_new();
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(errno, "%s", name);
	if (!S_ISREG(st.st_mode) || st.st_size > KEY_FILE_MAX)
		return err_new(&ERR_CONFIG, "%s is no key file", name);
	TRY(err_wrap(io_read_full(fd, buf_grow(content, (size_t)st.st_size), (size_t)st.st_size),
		"%s", name));
	*ret_content = take(content);
	return NULL;
}

/* What has the name already is another CA's key, and gets a number; or the same, when an earlier setup came so far. */
static struct err *keep_other(const char *path, struct bytes content)
{
	AUTO(buf) struct buf *there = NULL;
	AUTO(err) struct err *e = io_read_file(path, KEY_FILE_MAX, &there);

	if (err_is(e, &ERR_NOTFOUND) || (there && bytes_eq(buf_bytes(there), content)))
		return NULL;
	for (int i = 1;; i++) {
		AUTO_MEM char *other = xasprintf("%s.%d", path, i);
		if (access(other, F_OK) == 0)
			continue;
		return rename(path, other) == 0 ? NULL : err_errno(errno, "%s", path);
	}
}

/* It is on the disk there before it goes here. */
static struct err *put_away(const struct setup *s, int dir, const char *name)
{
	AUTO_MEM char *to = xasprintf("%s/%s", setup_value(s, SETUP_KEYS), name);
	AUTO(buf) struct buf *content = NULL;

	TRY(read_key(dir, name, &content));
	if (!content)
		return NULL;
	TRY(keep_other(to, buf_bytes(content)));
	remove_parts(to);
	TRY(io_write_file(to, buf_bytes(content), 0600));
	return unlinkat(dir, name, 0) == 0 ? NULL : err_errno(errno, "%s", name);
}

/* Where it lies is derivd-ca's, which could put another directory there: root moves what root made, and follows no link. */
struct err *setup_put_away(struct setup *s)
{
	AUTO_MEM char *path = setup_state_path(s, "ceremony");
	const char *to = setup_value(s, SETUP_KEYS);
	struct stat st;
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0 && errno == ENOENT)
		return NULL;
	if (dir < 0 || fstat(dir, &st) != 0)
		return err_errno(errno, "%s", path);
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_new(
			&ERR_CONFIG, "%s is not root's: derivd-ca init has not made it", path);
	if (mkdir(to, 0700) != 0 && errno != EEXIST)
		return err_errno(errno, "%s", to);
	TRY(put_away(s, dir, "root.key"));
	TRY(put_away(s, dir, "history.key"));
	return rmdir(path) == 0 ? NULL : err_errno(errno, "%s", path);
}
