/* setup_check.c: what an answer must be. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "base/url.h"
#include "client/ctl/setup.h"
#include "evidence/cert.h"
#include "evidence/receipt.h"
#include "evidence/seal.h"

#define ORGANIZATION_MAX 64 /* of derivd-ca */
#define FILE_MAX (64 * 1024)
#define MAIL_MAX 254 /* RFC 5321 section 4.5.3.1 */

const struct err_kind SETUP_ERR_ANSWER = { "answer", FATE_REFUSE };
const struct err_kind SETUP_ERR_DOUBT = { "doubt", FATE_REFUSE };

static bool is_one_line(const char *text)
{
	return text_is_printable(BYTES(text, strlen(text)));
}

static void replace(char **value, char *take_new)
{
	free(*value);
	*value = take_new;
}

struct err *check_organization(struct setup *s UNUSED, struct setup_answer *a)
{
	/* "${" would be a fact of a holder. */
	if (a->n != 1 || strlen(a->values[0]) > ORGANIZATION_MAX || !is_one_line(a->values[0]) ||
		strstr(a->values[0], "${"))
		return err_new(&SETUP_ERR_ANSWER, _("a name of 1 to %d bytes is needed"),
			ORGANIZATION_MAX);
	return NULL;
}

struct err *check_port(struct setup *s UNUSED, struct setup_answer *a)
{
	uint64_t port = 0;

	if (a->n == 1)
		err_free(text_parse_u64(a->values[0], 65535, &port));
	if (!port)
		return err_new(&SETUP_ERR_ANSWER, _("one number from 1 to 65535 is needed"));
	if (setup_is_port_taken(a->values[0]))
		return err_new(&SETUP_ERR_DOUBT,
			_("something on this machine listens at port %s already"), a->values[0]);
	return NULL;
}

/* Numbers with dots, not names, in the one form that certificates give. */
static bool is_oid(const char *text)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(text, 1);
	char back[256] = "";

	if (oid)
		(void)OBJ_obj2txt(back, sizeof(back), oid, 1);
	ASN1_OBJECT_free(oid);
	ERR_clear_error();
	return oid && strcmp(back, text) == 0;
}

struct err *check_policies(struct setup *s UNUSED, struct setup_answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!is_oid(a->values[i]))
			return err_new(&SETUP_ERR_ANSWER,
				_("\"%s\" is no object identifier; one looks like "
				  "2.16.840.1.101.3.2.1.3.13"),
				a->values[i]);
	return NULL;
}

static bool is_any(const char *value, const char *const words[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(value, words[i]) == 0 || strcasecmp(value, _(words[i])) == 0)
			return true;
	return false;
}

struct err *check_others(struct setup *s UNUSED, struct setup_answer *a)
{
	static const char *const yes[] = { N_("yes"), "y", "same-subject" };
	static const char *const no[] = { N_("no"), "n" };

	if (a->n == 0)
		return NULL;
	if (a->n == 1 && is_any(a->values[0], yes, ARRAY_LEN(yes))) {
		replace(&a->values[0], xstrdup("same-subject"));
		return NULL;
	}
	if (a->n == 1 && is_any(a->values[0], no, ARRAY_LEN(no))) {
		setup_answer_clear(a);
		a->given = true;
		return NULL;
	}
	return err_new(&SETUP_ERR_ANSWER, _("yes or no?"));
}

struct err *check_url(struct setup *s UNUSED, struct setup_answer *a)
{
	AUTO(url) struct url *url = NULL;

	if (a->n == 0)
		return NULL;
	if (a->n > 1)
		return err_new(&SETUP_ERR_ANSWER, _("one address is enough"));
	TRY(err_as(&SETUP_ERR_ANSWER, url_parse(a->values[0], &url), "%s", a->values[0]));
	/* Who checks a certificate would need the CRL to check the server that has the CRL. */
	if (!text_starts(url->text, "http://") || strpbrk(url->text, "\"\\$?"))
		return err_new(&SETUP_ERR_ANSWER, _("it must be a plain address that begins with "
						    "http://, where CRLs are read from"));
	size_t len = strlen(url->text);
	while (len && url->text[len - 1] == '/')
		url->text[--len] = 0;
	replace(&a->values[0], xstrdup(url->text));
	return NULL;
}

struct err *check_people(struct setup *s, struct setup_answer *a)
{
	if (a->n && s->ctl->tree)
		return err_new(&SETUP_ERR_ANSWER,
			_("groups are this system's: there are none in a tree (-C)"));
	for (size_t i = 0; i < a->n; i++) {
		const struct passwd *p = is_one_line(a->values[i]) ? getpwnam(a->values[i]) : NULL;

		if (!p)
			return err_new(&SETUP_ERR_ANSWER,
				_("this system knows no user \"%s\": adduser makes one"),
				is_one_line(a->values[i]) ? a->values[i] : "?");
		if (p->pw_uid == 0)
			return err_new(&SETUP_ERR_ANSWER,
				_("\"%s\" may do everything already: name a person"), a->values[i]);
	}
	return NULL;
}

/* Roughly: derivd-courier reads its file itself, and says what else is wrong. */
static bool is_mail(const char *text)
{
	const char *at = strchr(text, '@');

	return at && at != text && at[1] && !strchr(at + 1, '@') && strlen(text) <= MAIL_MAX &&
	       !strpbrk(text, " \t\"\\<>,;:()[]$") && is_one_line(text) && *text != '-';
}

struct err *check_mail(struct setup *s UNUSED, struct setup_answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!is_mail(a->values[i]))
			return err_new(&SETUP_ERR_ANSWER,
				_("that is no mail address; one looks like kiosk@example.org"));
	return NULL;
}

/* --- files --- */

struct err *check_anchors(struct setup *s, struct setup_answer *a)
{
	struct anchors *found = NULL;

	if (a->n == 0)
		return err_new(&SETUP_ERR_ANSWER,
			_("a file or a directory is needed: without it no card is believed"));
	TRY(anchors_read(a->values, a->n, clock_real_ms(), &found));
	anchors_free(s->anchors);
	s->anchors = found;
	if (!s->ctl->json)
		anchors_show(found);
	return NULL;
}

static struct err *read_certificate(const char *path, X509 **ret_cert)
{
	AUTO(buf) struct buf *content = NULL;

	TRY(err_as(&SETUP_ERR_ANSWER, io_read_file(path, FILE_MAX, &content), "%s", path));
	if (strstr(buf_str(content), "PRIVATE KEY"))
		return err_new(&SETUP_ERR_ANSWER,
			_("%s: a private key is in it. Only the certificate may come here: the key "
			  "opens everybody's mail, and stays with the officer"),
			path);
	if (buf_len(content) && *buf_data(content) == 0x30)
		return err_as(
			&SETUP_ERR_ANSWER, cert_parse(buf_bytes(content), ret_cert), "%s", path);
	BIO *bio = BIO_new_mem_buf(buf_data(content), (int)buf_len(content));
	*ret_cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return *ret_cert ? NULL
			 : err_new(&SETUP_ERR_ANSWER, _("%s: there is no certificate in it"), path);
}

static struct err *check_officer(const struct setup *s, const char *path)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO_MEM char *safe = text_safe(BYTES(path, strlen(path)));

	TRY(read_certificate(path, &cert));
	AUTO_MEM char *subject = cert_subject(cert);
	AUTO_MEM char *end = text_time(cert_not_after_ms(cert));
	if (cert_not_after_ms(cert) <= clock_real_ms())
		return err_new(
			&SETUP_ERR_ANSWER, _("%s: \"%s\" has ended, on %.10s"), safe, subject, end);
	TRY(err_as(&SETUP_ERR_ANSWER, seal_recipient(cert),
		_("%s: keys cannot be sealed to \"%s\""), safe, subject));
	if (!s->ctl->json)
		(void)printf(_("  %s, until %.10s\n"), subject, end);
	return NULL;
}

struct err *check_escrow(struct setup *s, struct setup_answer *a)
{
	if (a->n == 0)
		return err_new(&SETUP_ERR_ANSWER, _("a certificate is needed, or \"new\": without "
						    "a copy for escrow, mail is lost "
						    "with the phone"));
	if (a->n > ESCROW_MAX)
		return err_new(&SETUP_ERR_ANSWER, _("these are more than %d"), ESCROW_MAX);
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->values[i], SETUP_NEW) == 0 && a->n > 1)
			return err_new(&SETUP_ERR_ANSWER, _("either \"new\" or files"));
		if (strcmp(a->values[i], SETUP_NEW) != 0)
			TRY(check_officer(s, a->values[i]));
	}
	return NULL;
}

/* A stick with FAT gives all its files the mode that its mount says. Where files may be made without a name, modes are kept. */
static bool is_open_to_others(const char *dir, const struct stat *st)
{
	AUTO_FD int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 && errno == EOPNOTSUPP && (st->st_mode & (S_IRWXG | S_IRWXO));
}

static bool is_others(const struct stat *st)
{
	return st->st_uid != 0 || (st->st_mode & (S_IWGRP | S_IWOTH));
}

static struct err *refuse_place(const char *dir)
{
	return err_new(&SETUP_ERR_ANSWER,
		_("%s: others than root may write there, or where it would be made"), dir);
}

/* Who may change a directory above it can put another one in its place later. In one like /tmp what is root's stays. */
static struct err *check_above(const char *dir)
{
	AUTO_MEM char *path = xstrdup(dir);
	struct stat st;

	while (path[1]) {
		char *slash = strrchr(path, '/');
		slash[slash == path ? 1 : 0] = 0;
		if (stat(path, &st) != 0)
			return err_new(&SETUP_ERR_ANSWER, "%s: %s", path, strerror(errno));
		if (st.st_uid != 0 || (is_others(&st) && !(st.st_mode & S_ISVTX)))
			return refuse_place(path);
	}
	return NULL;
}

/* Without links, which others might change, and without a slash at the end. The last part need not be there. */
static struct err *resolve(char **dir)
{
	AUTO_MEM char *parent = xstrdup(*dir);
	size_t len = strlen(parent);

	while (len > 1 && parent[len - 1] == '/')
		parent[--len] = 0;
	AUTO_MEM char *whole = realpath(parent, NULL);
	if (whole) {
		replace(dir, take(whole));
		return NULL;
	}
	char *slash = strrchr(parent, '/');
	*slash = 0;
	AUTO_MEM char *above = realpath(*parent ? parent : "/", NULL);
	if (!above)
		return err_new(&SETUP_ERR_ANSWER, "%s: %s", parent, strerror(errno));
	replace(dir, xasprintf("%s/%s", above[1] ? above : "", slash + 1));
	return NULL;
}

/* Where sticks are mounted, and none is: the keys would stay on the disk of the kiosk, below the stick. */
static bool is_without_stick(const char *path, const struct stat *st)
{
	static const char *const places[] = { "/media/", "/mnt/", "/run/media/" };
	struct stat top;

	if (stat("/", &top) != 0 || st->st_dev != top.st_dev)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (text_starts(path, places[i]))
			return true;
	return false;
}

/* For the keys that leave: where others cannot look or put something else. */
struct err *check_keys(struct setup *s, struct setup_answer *a)
{
	struct stat st;

	if (a->n != 1 || a->values[0][0] != '/')
		return err_new(
			&SETUP_ERR_ANSWER, _("one directory is needed, with its whole path"));
	TRY(resolve(&a->values[0]));
	AUTO_MEM char *copy = xstrdup(a->values[0]);
	const char *dir = access(copy, F_OK) == 0 ? copy : dirname(copy);
	if (stat(dir, &st) != 0)
		return err_new(&SETUP_ERR_ANSWER, "%s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_new(&SETUP_ERR_ANSWER, _("%s is no directory"), a->values[0]);
	if (is_others(&st))
		return refuse_place(a->values[0]);
	/* A developer's tree is below the developer's directory. */
	if (!s->ctl->tree)
		TRY(check_above(a->values[0]));
	if (is_open_to_others(dir, &st))
		return err_new(&SETUP_ERR_DOUBT,
			_("%s: everybody on this machine may read what is put there; a stick is "
			  "mounted with -o umask=077"),
			a->values[0]);
	if (is_without_stick(a->values[0], &st))
		return err_new(&SETUP_ERR_DOUBT,
			_("%s is on the disk of this machine: nothing is mounted there"),
			a->values[0]);
	return NULL;
}
