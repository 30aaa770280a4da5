/* export.c: see export.h. */
#include "client/device/export.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/secret.h"
#include "base/text.h"
#include "client/device/fault.h"
#include "evidence/cert.h"
#include "proto/kind.h"
#include "proto/pem.h"

struct credential {
	const struct slot *slot;
	char *serial;
	X509 *cert;
	struct buf *der;
};

struct export
{
	const struct home *home;
	struct state *state;
	STACK_OF(X509) *chain; /* without the root */
	struct buf *chain_pem; /* with it */
	size_t n;
	struct credential credentials[STATE_SLOTS_MAX];
};

static void export_free(struct export *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->credentials[i].serial);
		X509_free(x->credentials[i].cert);
		buf_free(x->credentials[i].der);
	}
	sk_X509_pop_free(x->chain, X509_free);
	buf_free(x->chain_pem);
	state_free(x->state);
	free(x);
}
DEFINE_AUTO(export, struct export *, export_free);

static struct err *load_cert(const struct home *h, const uint8_t hash[static SHA256_LEN],
	struct buf **ret_der, X509 **ret_cert)
{
	AUTO(buf) struct buf *der = NULL;

	TRY(home_get_object(h, hash, &der));
	TRY(err_as(&ERR_HOME_DAMAGED, cert_parse(buf_bytes(der), ret_cert), "a certificate"));
	*ret_der = take(der);
	return NULL;
}

static bool is_root(X509 *cert)
{
	return X509_self_signed(cert, 0) == 1;
}

static struct err *load_chain(struct export *x)
{
	x->chain = sk_X509_new_null();
	x->chain_pem = buf_new();
	for (size_t i = 0; i < x->state->n_chain; i++) {
		AUTO(buf) struct buf *der = NULL;
		AUTO(x509) X509 *cert = NULL;
		TRY(load_cert(x->home, x->state->chain[i], &der, &cert));
		AUTO(buf) struct buf *pem = pem_write_certificate(buf_bytes(der));
		buf_add_bytes(x->chain_pem, buf_bytes(pem));
		if (!is_root(cert) && sk_X509_push(x->chain, cert) > 0)
			cert = NULL;
	}
	return NULL;
}

static struct err *load_one(
	struct export *x, const struct slot *slot, const struct export_choice *choice)
{
	struct credential *c = &x->credentials[x->n];

	if (!slot_is_whole(slot) || (choice->purpose && slot->purpose != choice->purpose))
		return NULL;
	TRY(load_cert(x->home, slot->certificate, &c->der, &c->cert));
	c->slot = slot;
	c->serial = cert_serial(c->cert);
	x->n++;
	if (!choice->serial || text_starts(c->serial, choice->serial))
		return NULL;
	x->n--;
	free(take(c->serial));
	X509_free(take(c->cert));
	buf_free(take(c->der));
	return NULL;
}

static struct err *load(
	const struct home *h, const struct export_choice *choice, struct export **ret)
{
	AUTO(export) struct export *x = xcalloc(1, sizeof(*x));

	x->home = h;
	TRY(home_load(h, &x->state));
	if (!x->state)
		return err_new(&ERR_NOT_BEGUN, "%s: no enrollment was begun here", home_dir(h));
	TRY(load_chain(x));
	for (size_t i = 0; i < x->state->n_slots; i++)
		TRY(load_one(x, &x->state->slots[i], choice));
	if (x->n == 0)
		return err_new(&ERR_NO_SUCH, "no usable credential%s%s",
			choice->purpose ? " for " : "",
			choice->purpose ? purpose_name(choice->purpose) : "");
	*ret = take(x);
	return NULL;
}

/* --- PEM --- */

static bool is_only_one(const struct export *x, const struct credential *c)
{
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++)
		n += x->credentials[i].slot->purpose == c->slot->purpose;
	return n == 1;
}

static struct err *write_in(
	const char *dir, const char *name, const char *ending, struct bytes content)
{
	AUTO_MEM char *path = xasprintf("%s/%s%s", dir, name, ending);

	return io_write_file(path, content, 0600);
}

static struct err *write_credential(
	const struct export *x, const struct credential *c, const char *dir)
{
	const char *purpose = purpose_name(c->slot->purpose);
	AUTO_MEM char *place = is_only_one(x, c) ? xasprintf("%s/%s", dir, purpose)
						 : xasprintf("%s/%s-%s", dir, purpose, c->serial);
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf *key_text = NULL;
	AUTO(buf) struct buf *text = pem_write_certificate(buf_bytes(c->der));

	TRY(home_get_key(x->home, c->slot->key_hash, &key));
	TRY(pem_write_key(key, &key_text));
	TRY(io_mkdirs(place, 0700));
	TRY(write_in(place, "key", ".pem", buf_bytes(key_text)));
	TRY(write_in(place, "certificate", ".pem", buf_bytes(text)));
	return write_in(place, "chain", ".pem", buf_bytes(x->chain_pem));
}

/* The media types that mail apps use; others have no ending of their own. */
static const char *ending(const char *type)
{
	if (strcmp(type, "application/json") == 0)
		return ".json";
	if (strcmp(type, "application/xml") == 0 || strcmp(type, "text/xml") == 0)
		return ".xml";
	if (strcmp(type, "application/x-apple-aspen-config") == 0)
		return ".mobileconfig";
	return ".txt";
}

static struct err *write_apps(const struct export *x, const char *dir)
{
	AUTO_MEM char *place = xasprintf("%s/apps", dir);

	if (x->state->n_apps)
		TRY(io_mkdirs(place, 0700));
	for (size_t i = 0; i < x->state->n_apps; i++) {
		const struct kept_app *a = &x->state->apps[i];
		AUTO(buf) struct buf *text = NULL;
		TRY(home_get_object(x->home, a->text, &text));
		TRY(write_in(place, a->name, ending(a->type), buf_bytes(text)));
	}
	return NULL;
}

struct err *export_pem(const struct home *h, const struct export_choice *choice, const char *dir)
{
	AUTO(export) struct export *x = NULL;

	TRY(load(h, choice, &x));
	TRY(io_mkdirs(dir, 0700));
	for (size_t i = 0; i < x->n; i++)
		TRY(write_credential(x, &x->credentials[i], dir));
	return write_apps(x, dir);
}

/* --- PKCS#12 --- */

static struct err *read_password(const char *path, struct secret **ret_password)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(secret) struct secret *password = secret_new(EXPORT_PASSWORD_MAX + 1);
	static const uint8_t end = 0;

	TRY(io_read_file(path, EXPORT_PASSWORD_MAX + 2, &text));
	size_t len = strcspn(buf_str(text), "\r\n");
	if (len == 0 || len > EXPORT_PASSWORD_MAX || !text_is_utf8(BYTES(buf_data(text), len)))
		return err_new(&ERR_FORMAT,
			"%s: the first line must be a password of 1 to %d bytes "
			"in UTF-8",
			path, EXPORT_PASSWORD_MAX);
	TRY(secret_add(password, BYTES(buf_data(text), len)));
	TRY(secret_add(password, BYTES(&end, 1)));
	*ret_password = take(password);
	return NULL;
}

static struct err *make_p12(const struct export *x, const struct credential *c, EVP_PKEY *key,
	const struct secret *password, struct buf **ret_der)
{
	const char *text = (const char *)secret_bytes(password).data;
	AUTO_MEM char *name = xasprintf("derivd %s", purpose_name(c->slot->purpose));
	unsigned char *der = NULL;
	PKCS12 *p12 = PKCS12_create(text, name, key, c->cert, x->chain, NID_aes_256_cbc,
		NID_aes_256_cbc, EXPORT_ITERATIONS, EXPORT_ITERATIONS, 0);
	int len = p12 ? i2d_PKCS12(p12, &der) : -1;

	PKCS12_free(p12);
	if (len <= 0)
		return sig_openssl_error(&ERR_SYSTEM, "a PKCS#12");
	*ret_der = buf_new();
	buf_add(*ret_der, der, (size_t)len);
	OPENSSL_free(der);
	return NULL;
}

struct err *export_p12(const struct home *h, const struct export_choice *choice, const char *path,
	const char *password_path)
{
	AUTO(export) struct export *x = NULL;
	AUTO(secret) struct secret *password = NULL;
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf *der = NULL;

	TRY(load(h, choice, &x));
	if (x->n > 1)
		return err_new(&ERR_AMBIGUOUS,
			"%zu credentials fit, and a file holds one: choose with --purpose and "
			"--serial",
			x->n);
	TRY(read_password(password_path, &password));
	TRY(home_get_key(h, x->credentials[0].slot->key_hash, &key));
	TRY(make_p12(x, &x->credentials[0], key, password, &der));
	return io_write_file(path, buf_bytes(der), 0600);
}
