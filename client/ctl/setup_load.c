/* setup_load.c: certificates out of files and directories. */
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_anchor_part.h"
#include "evidence/cert.h"

#define FILE_MAX (1024 * 1024)

static bool is_there(const struct anchors *a, const X509 *cert)
{
	for (size_t i = 0; i < a->n; i++)
		if (X509_cmp(a->rows[i].cert, cert) == 0)
			return true;
	return false;
}

static struct err *add(struct anchors *a, const char *file, bool is_named, X509 *take_cert)
{
	AUTO(x509) X509 *cert = take_cert;

	if (is_there(a, cert))
		return NULL;
	a->is_over = a->n == ANCHORS_MAX;
	if (a->is_over)
		return err_new(
			&SETUP_ERR_ANSWER, _("these are more than %d certificates"), ANCHORS_MAX);
	a->rows[a->n++] = (struct anchor_row){
		.cert = take(cert), .file = xstrdup(file), .is_named = is_named, .root = -1
	};
	return NULL;
}

/* As OpenSSL reads it, brought into the one form that we take. */
static struct err *add_parsed(struct anchors *a, const char *file, bool is_named, X509 *take_raw)
{
	AUTO(x509) X509 *raw = take_raw;
	AUTO(buf) struct buf *der = cert_der(raw);
	AUTO(x509) X509 *cert = NULL;

	TRY(err_as(&SETUP_ERR_ANSWER, cert_parse(buf_bytes(der), &cert), "%s", file));
	return add(a, file, is_named, take(cert));
}

static inline UNUSED void bio_free_one(BIO *b)
{
	BIO_free(b);
}
DEFINE_AUTO(bio_free_one, BIO *, bio_free_one);

static struct err *load_file(struct anchors *a, const char *file, bool is_named)
{
	AUTO(buf) struct buf *content = NULL;
	AUTO_MEM char *safe = text_safe(BYTES(file, strlen(file)));
	X509 *cert = NULL;
	size_t count = 0;

	TRY(err_as(&SETUP_ERR_ANSWER, io_read_file(file, FILE_MAX, &content), "%s", safe));
	if (buf_len(content) && *buf_data(content) == 0x30) {
		TRY(err_as(&SETUP_ERR_ANSWER, cert_parse(buf_bytes(content), &cert), "%s", safe));
		return add(a, file, is_named, cert);
	}
	AUTO(bio_free_one) BIO *bio = BIO_new_mem_buf(buf_data(content), (int)buf_len(content));
	if (!bio)
		err_abort("no memory for a file");
	ERR_clear_error();
	for (; (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)); count++)
		TRY(add_parsed(a, file, is_named, cert));
	unsigned long reason = ERR_peek_last_error();
	ERR_clear_error();
	/* Those behind it have not been read. */
	if (ERR_GET_REASON(reason) != PEM_R_NO_START_LINE)
		return err_new(
			&SETUP_ERR_ANSWER, _("%s: a certificate in it does not parse"), safe);
	return count ? NULL
		     : err_new(&SETUP_ERR_ANSWER, _("%s: there is no certificate in it"), safe);
}

/* In a directory there may be other things; but all that count are to be seen. */
static struct err *leave_out(struct anchors *a, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	if (a->is_over)
		return take(e);
	if (e && a->n_left_out < ANCHORS_MAX)
		a->left_out[a->n_left_out++] = xstrdup(err_get_text(e));
	return NULL;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static struct err *load_dir(struct anchors *a, const char *dir)
{
	struct dirent **entries = NULL;
	struct err *e = NULL;
	int n = scandir(dir, &entries, is_visible, alphasort);

	if (n < 0)
		return err_as(
			&SETUP_ERR_ANSWER, err_errno(errno, "%s", dir), _("it cannot be read"));
	for (int i = 0; i < n; i++) {
		AUTO_MEM char *file = xasprintf("%s/%s", dir, entries[i]->d_name);
		struct stat st;
		if (!e && stat(file, &st) == 0 && S_ISREG(st.st_mode))
			e = leave_out(a, load_file(a, file, false));
		free(entries[i]);
	}
	free(entries);
	return e;
}

struct err *anchors_load(struct anchors *a, const char *path)
{
	AUTO_MEM char *safe = text_safe(BYTES(path, strlen(path)));
	struct stat st;

	if (stat(path, &st) != 0)
		return err_new(&SETUP_ERR_ANSWER, "%s: %s", safe, strerror(errno));
	return S_ISDIR(st.st_mode) ? load_dir(a, path) : load_file(a, path, true);
}
