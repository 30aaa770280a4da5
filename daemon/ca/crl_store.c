/* crl_store.c: reading CRLs once, and again when their file changes. */
#include "daemon/ca/crl_store.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"

#define CRLS_MAX 256

struct held {
	char *path;
	struct timespec changed;
	off_t size;
	ino_t inode;
	uint8_t digest[SHA256_LEN];
	X509_CRL *crl; /* NULL until it is needed, or when it is no CRL */
};

struct crl_store {
	size_t n;
	struct held v[CRLS_MAX];
};

struct crl_store *crl_store_new(void)
{
	return xcalloc(1, sizeof(struct crl_store));
}

static void drop(struct held *h)
{
	free(h->path);
	X509_CRL_free(h->crl);
	memset(h, 0, sizeof(*h));
}

void crl_store_free(struct crl_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		drop(&s->v[i]);
	free(s);
}

static struct err *parse_pem(struct bytes data, X509_CRL **ret_crl)
{
	BIO *bio = BIO_new_mem_buf(data.data, (int)data.len);
	X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);

	BIO_free(bio);
	ERR_clear_error();
	if (!crl)
		return err_new(&ERR_FORMAT, "neither a CRL in DER nor in PEM");
	*ret_crl = crl;
	return NULL;
}

struct err *crl_parse(struct bytes data, X509_CRL **ret_crl)
{
	const unsigned char *p = data.data;

	if (data.len > CRL_MAX)
		return err_new(&ERR_FORMAT, "a CRL of more than %d bytes", CRL_MAX);
	if (!data.len || *p != 0x30)
		return parse_pem(data, ret_crl);
	AUTO(crl) X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)data.len);
	ERR_clear_error();
	if (!crl || p != data.data + data.len)
		return err_new(&ERR_FORMAT, "not one CRL");
	*ret_crl = take(crl);
	return NULL;
}

static bool is_same(const struct held *h, const struct stat *st)
{
	return h->size == st->st_size && h->inode == st->st_ino &&
	       h->changed.tv_sec == st->st_mtim.tv_sec && h->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* The place of a path: its own, a free one, or the first when all are taken. */
static struct held *find(struct crl_store *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].path && strcmp(s->v[i].path, path) == 0)
			return &s->v[i];
	if (s->n < CRLS_MAX)
		return &s->v[s->n++];
	drop(&s->v[0]);
	return &s->v[0];
}

static struct err *read_file(
	struct held *h, const char *path, const struct stat *st, struct buf **ret_data)
{
	drop(h);
	TRY(io_read_file(path, CRL_MAX, ret_data));
	h->path = xstrdup(path);
	h->changed = st->st_mtim;
	h->size = st->st_size;
	h->inode = st->st_ino;
	sha256(buf_bytes(*ret_data), h->digest);
	return NULL;
}

static int64_t age_ms(const struct stat *st, int64_t now_ms)
{
	return now_ms - ((int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000);
}

struct err *crl_store_file(struct crl_store *s, const char *path, int64_t now_ms,
	X509_CRL **ret_crl, int64_t *ret_age_ms)
{
	AUTO(buf) struct buf *data = NULL;
	struct stat st;

	if (stat(path, &st) != 0)
		return err_new(&ERR_NOTFOUND, "%s is not there", path);
	struct held *h = find(s, path);
	if (!h->crl || !is_same(h, &st)) {
		TRY(read_file(h, path, &st, &data));
		TRY(err_wrap(crl_parse(buf_bytes(data), &h->crl), "%s", path));
	}
	*ret_crl = h->crl;
	*ret_age_ms = age_ms(&st, now_ms);
	return NULL;
}

struct err *crl_store_digest(struct crl_store *s, const char *path, int64_t now_ms,
	uint8_t ret_digest[static SHA256_LEN], int64_t *ret_age_ms)
{
	AUTO(buf) struct buf *data = NULL;
	struct stat st;

	memset(ret_digest, 0, SHA256_LEN);
	*ret_age_ms = 0;
	if (stat(path, &st) != 0)
		return NULL;
	struct held *h = find(s, path);
	if (!h->path || !is_same(h, &st))
		TRY(read_file(h, path, &st, &data));
	memcpy(ret_digest, h->digest, SHA256_LEN);
	*ret_age_ms = age_ms(&st, now_ms);
	return NULL;
}

void crl_store_digest_of(
	const struct crl_store *s, const X509_CRL *crl, uint8_t ret_digest[static SHA256_LEN])
{
	memset(ret_digest, 0, SHA256_LEN);
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].crl == crl)
			memcpy(ret_digest, s->v[i].digest, SHA256_LEN);
}

static char *path_of(const char *url, const char *ending)
{
	uint8_t hash[SHA256_LEN];

	sha256(BYTES(url, strlen(url)), hash);
	AUTO_MEM char *hex = text_hex(BYTES(hash, sizeof(hash)));
	AUTO_MEM char *file = xasprintf("cache/%s.%s", hex, ending);
	return proc_state_path("ca", file);
}

char *crl_store_path(const char *url)
{
	return path_of(url, "crl");
}

char *crl_store_url_path(const char *url)
{
	return path_of(url, "url");
}

bool crl_is_current(const X509_CRL *crl, int64_t now_ms)
{
	time_t now = (time_t)(now_ms / 1000);
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	return next && X509_cmp_time(next, &now) > 0 &&
	       X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &now) <= 0;
}
