/* init.c: see init.h. */
#include "daemon/gateway/init.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/gateway/tls.h"
#include "proto/pem.h"
#include "proto/plaincert.h"

#define CERTIFICATE_NAME "derivd gateway"
#define KEY_FILE_MAX 16384

struct owner {
	uid_t uid;
	gid_t gid;
};

static struct err *write_owned(
	const char *path, struct bytes content, mode_t mode, const struct owner *owner)
{
	TRY(io_write_file(path, content, mode));
	if (owner && chown(path, owner->uid, owner->gid) != 0)
		return err_errno(errno, "%s: owner", path);
	return NULL;
}

/* One that is there stays: its init was interrupted, or its certificate was lost, and then phones know it. */
static struct err *take_key(const char *path, EVP_PKEY **ret_key, struct buf **ret_pem)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf *pem = NULL;

	if (access(path, F_OK) == 0) {
		TRY(io_read_file(path, KEY_FILE_MAX, &pem));
		TRY(err_as(&ERR_CONFIG, pem_read_key(buf_bytes(pem), &key), "%s", path));
	} else {
		key = sig_new_p256();
		TRY(pem_write_key(key, &pem));
	}
	*ret_key = take(key);
	*ret_pem = take(pem);
	return NULL;
}

static struct err *make_pair(
	const char *key_path, const char *certificate_path, const struct owner *owner)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf *der = NULL;
	AUTO(buf) struct buf *secret = NULL;

	TRY(take_key(key_path, &key, &secret));
	TRY(plaincert_make(key, key, PLAINCERT_TLS_SERVER, CERTIFICATE_NAME, &der));
	AUTO(buf) struct buf *pem = pem_write_certificate(buf_bytes(der));
	/* The certificate last: where it is, the key is too. */
	TRY(write_owned(key_path, buf_bytes(secret), 0600, owner));
	return write_owned(certificate_path, buf_bytes(pem), 0644, owner);
}

struct err *init_run(const char *dir, const char *name, const char *owner)
{
	AUTO_MEM char *key_path = xasprintf("%s/%s.key", dir, name);
	AUTO_MEM char *certificate_path = xasprintf("%s/%s.pem", dir, name);
	struct owner parsed;

	if (owner)
		TRY(err_wrap(proc_parse_owner(owner, &parsed.uid, &parsed.gid), "--owner"));
	bool has_key = access(key_path, F_OK) == 0;
	bool has_certificate = access(certificate_path, F_OK) == 0;
	if (has_certificate && !has_key)
		return err_new(&ERR_CONFIG,
			"%s is there without %s: put the key back, or remove it "
			"and give all devices a new pin",
			certificate_path, key_path);
	if (!has_certificate) {
		TRY(io_mkdirs(dir, 0755));
		TRY(make_pair(key_path, certificate_path, owner ? &parsed : NULL));
	}
	return init_print_pin(certificate_path);
}

struct err *init_print_pin(const char *certificate_path)
{
	uint8_t pin[SHA256_LEN];

	TRY(tls_pin(certificate_path, pin));
	AUTO_MEM char *hex = text_hex(BYTES(pin, sizeof(pin)));
	if (printf("%s\n", hex) < 0 || fflush(stdout) != 0)
		return err_errno(errno, "standard output");
	return NULL;
}
