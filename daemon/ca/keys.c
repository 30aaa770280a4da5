/* keys.c: reading and writing key files. */
#include "daemon/ca/keys.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "proto/kind.h"

#define KEY_FILE_MAX 16384
#define KEYS_MAX 8

struct keys {
	size_t n;
	struct {
		const char *name;
		EVP_PKEY *key;
	} private[KEYS_MAX];
	struct secret *serial;
};

struct keys *keys_new(void)
{
	return xcalloc(1, sizeof(struct keys));
}

void keys_free(struct keys *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++)
		EVP_PKEY_free(k->private[i].key);
	secret_free(k->serial);
	free(k);
}

static struct err *check_mode(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_new(&ERR_CA_KEY, "%s is not there", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_new(&ERR_CA_MISCONFIGURED,
			"%s can be read by others than its owner: chmod 600", path);
	return NULL;
}

static struct err *find_file(const char *name, char **ret_path)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	AUTO_MEM char *path = xasprintf("%s/%s", credentials ? credentials : "", name);

	if (credentials && access(path, F_OK) == 0) {
		*ret_path = take(path);
		return NULL;
	}
	AUTO_MEM char *file = xasprintf("keys/%s", name);
	AUTO_MEM char *own = proc_state_path("ca", file);
	TRY(check_mode(own));
	*ret_path = take(own);
	return NULL;
}

/* The file's content; the buffer wipes itself. */
static struct err *read_key(const char *name, char **ret_path, struct buf **ret_content)
{
	AUTO_MEM char *path = NULL;

	TRY(find_file(name, &path));
	TRY(err_as(&ERR_CA_MISCONFIGURED, io_read_file(path, KEY_FILE_MAX, ret_content), "key"));
	*ret_path = take(path);
	return NULL;
}

static struct err *load_private(const char *name, EVP_PKEY **ret_key)
{
	AUTO(buf) struct buf *content = NULL;
	AUTO_MEM char *path = NULL;
	char no_password[] = "";

	TRY(read_key(name, &path, &content));
	BIO *bio = BIO_new_mem_buf(buf_data(content), (int)buf_len(content));
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password);
	BIO_free(bio);
	if (!key)
		return sig_openssl_error(&ERR_CA_MISCONFIGURED, "%s: no private key in PEM", path);
	*ret_key = key;
	return NULL;
}

struct err *keys_private(struct keys *k, const char *name, EVP_PKEY **ret_key)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->private[i].name, name) == 0) {
			*ret_key = k->private[i].key;
			return NULL;
		}
	if (k->n == KEYS_MAX)
		err_abort("more than %d keys", KEYS_MAX);
	TRY(load_private(name, &k->private[k->n].key));
	k->private[k->n].name = name;
	*ret_key = k->private[k->n++].key;
	return NULL;
}

static struct err *load_serial(struct keys *k)
{
	AUTO(buf) struct buf *content = NULL;
	AUTO_MEM char *path = NULL;

	TRY(read_key(KEY_SERIAL, &path, &content));
	if (buf_len(content) != MAC_KEY_LEN)
		return err_new(&ERR_CA_MISCONFIGURED, "%s: %zu bytes in place of %d", path,
			buf_len(content), MAC_KEY_LEN);
	k->serial = secret_dup(buf_bytes(content));
	return NULL;
}

struct err *keys_serial_mac(struct keys *k, const char *label, const struct bytes *parts,
	size_t n_parts, uint8_t ret_mac[static SHA256_LEN])
{
	if (!k->serial)
		TRY(load_serial(k));
	keys_mac(secret_bytes(k->serial), label, parts, n_parts, ret_mac);
	return NULL;
}

/* HMAC with SHA-256, found once, without a key. */
static EVP_MAC_CTX *new_hmac(void)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
					      OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end() };
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac);
	if (!ctx || EVP_MAC_CTX_set_params(ctx, params) != 1)
		err_abort("OpenSSL has no HMAC with SHA-256");
	return ctx;
}

void keys_mac(struct bytes key, const char *label, const struct bytes *parts, size_t n_parts,
	uint8_t ret_mac[static SHA256_LEN])
{
	static EVP_MAC_CTX *keyless;
	size_t len = 0;

	if (!keyless)
		keyless = new_hmac();
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(keyless);
	bool ok = ctx && EVP_MAC_init(ctx, key.data, key.len, NULL) == 1 &&
		  EVP_MAC_update(ctx, (const uint8_t *)label, strlen(label) + 1) == 1;
	for (size_t i = 0; ok && i < n_parts; i++)
		ok = EVP_MAC_update(ctx, parts[i].data, parts[i].len) == 1;
	ok = ok && EVP_MAC_final(ctx, ret_mac, &len, SHA256_LEN) == 1 && len == SHA256_LEN;
	EVP_MAC_CTX_free(ctx);
	if (!ok)
		err_abort("HMAC does not work");
}

struct err *keys_write_private(const char *dir, const char *name, EVP_PKEY *key)
{
	AUTO_MEM char *path = xasprintf("%s/%s", dir, name);
	BIO *bio = BIO_new(BIO_s_secmem());
	char *data = NULL;

	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(bio);
		return sig_openssl_error(&ERR_SYSTEM, "%s", path);
	}
	long len = BIO_get_mem_data(bio, &data);
	struct err *e = io_write_file(path, BYTES(data, (size_t)len), 0600);
	wipe(data, (size_t)len);
	BIO_free(bio);
	return e;
}

struct err *keys_write_mac(const char *dir, const char *name)
{
	AUTO_MEM char *path = xasprintf("%s/%s", dir, name);
	AUTO(secret) struct secret *key = secret_new(MAC_KEY_LEN);

	clock_random(secret_room(key), MAC_KEY_LEN);
	secret_set_len(key, MAC_KEY_LEN);
	return io_write_file(path, secret_bytes(key), 0600);
}
