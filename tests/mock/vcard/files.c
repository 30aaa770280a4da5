/* Reading keys and certificates for the card: see store.h. */
#include "tests/mock/vcard/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

enum { FILE_MAX = 1 << 20, PATH_ROOM = 4096, PASSWORD_MAX = 256 };

DEFINE_AUTO(bio, BIO, BIO_free_all);
DEFINE_AUTO(x509, X509, X509_free);
DEFINE_AUTO(p12, PKCS12, PKCS12_free);

static void close_file(FILE *f)
{
	if (f)
		fclose(f);
}
DEFINE_AUTO(file, FILE, close_file);

bool files_read(const char *path, struct blob *out, struct why *why)
{
	AUTO(file) FILE *f = fopen(path, "re");
	uint8_t part[4096];
	size_t n;

	if (!f)
		return why_set(why, "%s: %s", path, strerror(errno));
	while ((n = fread(part, 1, sizeof part, f)) > 0) {
		blob_add(out, part, n);
		if (out->n > FILE_MAX)
			return why_set(why, "%s: more than %d bytes", path, FILE_MAX);
	}
	if (ferror(f))
		return why_set(why, "%s: cannot be read", path);
	return true;
}

static const char *openssl_says(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = ERR_reason_error_string(code);

	ERR_clear_error();
	return text ? text : "not understood";
}

bool files_key(const char *path, EVP_PKEY **ret, struct why *why)
{
	AUTO(blob) struct blob raw = { 0 };
	AUTO(bio) BIO *in = NULL;
	const unsigned char *at;
	EVP_PKEY *key;

	if (!files_read(path, &raw, why))
		return false;
	in = BIO_new_mem_buf(raw.at, (int)raw.n);
	at = raw.at;
	/* An empty password, so that an encrypted file fails instead of asking at the terminal. */
	key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)(uintptr_t) "") : NULL;
	if (!key && raw.n)
		key = d2i_AutoPrivateKey(NULL, &at, (long)raw.n);
	if (!key)
		return why_set(why,
			"%s: not an unencrypted private key, PEM or DER (%s); one with a password "
			"goes into a .p12",
			path, openssl_says());
	*ret = key;
	return true;
}

static void add_der(X509 *cert, struct blob *out)
{
	int n = i2d_X509(cert, NULL);
	unsigned char *at;

	if (n <= 0)
		abort();
	at = must_alloc((size_t)n);
	at -= i2d_X509(cert, &at);
	blob_add(out, at, (size_t)n);
	free(at);
}

/* Of a file with a whole chain in it, the holder's: the first one that is no CA's. */
static X509 *pick_cert(BIO *in)
{
	X509 *first = NULL;
	X509 *next;

	while ((next = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		bool ca = X509_check_ca(next) != 0;
		if (first && ca) {
			X509_free(next);
			continue;
		}
		X509_free(first);
		first = next;
		if (!ca)
			break;
	}
	return first;
}

bool files_cert(const char *path, struct blob *ret_der, bool *ret_has_key, struct why *why)
{
	static const char key_line[] = " KEY-----";
	AUTO(blob) struct blob raw = { 0 };
	AUTO(bio) BIO *in = NULL;
	AUTO(x509) X509 *cert = NULL;

	if (!files_read(path, &raw, why))
		return false;
	*ret_has_key = false;
	if (raw.n && raw.at[0] == 0x30) {
		blob_add(ret_der, raw.at, raw.n);
		return true;
	}
	in = BIO_new_mem_buf(raw.at, (int)raw.n);
	cert = in ? pick_cert(in) : NULL;
	if (!cert)
		return why_set(
			why, "%s: neither a PEM nor a DER certificate (%s)", path, openssl_says());
	ERR_clear_error();
	*ret_has_key = memmem(raw.at, raw.n, key_line, strlen(key_line)) != NULL;
	add_der(cert, ret_der);
	return true;
}

/* The first line of a file; empty if there is no such file. */
static void read_line(const char *path, char line[PASSWORD_MAX])
{
	AUTO(bio) BIO *in = BIO_new_file(path, "r");

	if (!in || BIO_gets(in, line, PASSWORD_MAX) <= 0)
		line[0] = 0;
	line[strcspn(line, "\r\n")] = 0;
	ERR_clear_error();
}

/* Most PKCS#12 files that people have are encrypted with RC2-40. */
static void with_old_ciphers(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	/* Where there is no such provider, the file says "unsupported". */
	if (!OSSL_PROVIDER_load(NULL, "legacy") || !OSSL_PROVIDER_load(NULL, "default"))
		ERR_clear_error();
}

bool files_p12(const char *path, EVP_PKEY **ret_key, struct blob *ret_der, struct why *why)
{
	AUTO(blob) struct blob raw = { 0 };
	AUTO(p12) PKCS12 *p12 = NULL;
	AUTO(x509) X509 *cert = NULL;
	char password[PASSWORD_MAX], password_path[PATH_ROOM];
	const unsigned char *at;
	EVP_PKEY *key = NULL;

	if (!files_read(path, &raw, why))
		return false;
	with_old_ciphers();
	at = raw.at;
	p12 = d2i_PKCS12(NULL, &at, (long)raw.n);
	if (!p12)
		return why_set(why, "%s: not a PKCS#12 file", path);
	if ((size_t)snprintf(password_path, sizeof password_path, "%s.pass", path) >=
		sizeof password_path)
		return why_set(why, "%s: the path is too long", path);
	read_line(password_path, password);
	if (PKCS12_parse(p12, password, &key, &cert, NULL) != 1 || !key) {
		EVP_PKEY_free(key);
		return why_set(why, "%s: no key, or a wrong password in %s.pass (%s)", path, path,
			openssl_says());
	}
	*ret_key = key;
	if (cert)
		add_der(cert, ret_der);
	return true;
}
