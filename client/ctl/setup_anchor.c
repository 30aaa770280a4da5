/* setup_anchor.c: see setup_anchor.h. */
#include "client/ctl/setup_anchor.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/setup_anchor_part.h"
#include "client/ctl/setup.h"
#include "evidence/cert.h"
#include "evidence/path.h"
#include "proto/pem.h"

#define NAME_LEN_MAX 40
#define MIN_BITS 112 /* of security: what derivd-ca accepts */

void anchors_free(struct anchors *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++) {
		X509_free(a->rows[i].cert);
		free(a->rows[i].file);
		free(a->rows[i].why);
		free(a->rows[i].name);
	}
	for (size_t i = 0; i < a->n_left_out; i++)
		free(a->left_out[i]);
	free(a);
}

/* --- which are good --- */

static char *judge(const X509 *cert, int64_t now_ms)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	AUTO_MEM char *end = text_time(cert_not_after_ms(cert));
	AUTO_MEM char *begin = text_time(cert_not_before_ms(cert));

	/* It fills in what it finds on the way, hence not const. */
	if (X509_check_ca((X509 *)(uintptr_t)cert) != 1 ||
		!cert_has_key_usage(cert, KU_KEY_CERT_SIGN, true))
		return xstrdup(
			_("is no CA's certificate, but that of a card, a person or a server"));
	if (cert_not_after_ms(cert) <= now_ms)
		return xasprintf(_("has ended, on %.10s"), end);
	if (cert_not_before_ms(cert) > now_ms)
		return xasprintf(_("begins on %.10s only: is the clock right?"), begin);
	if (!key || EVP_PKEY_get_security_bits(key) < MIN_BITS)
		return xstrdup(_("has a key that is too weak to count"));
	return NULL;
}

/* The root of a certificate: below which it stands, so far as the others are known. */
static bool is_below(const struct anchor_row *issuer, const struct anchor_row *row)
{
	return issuer->root >= 0 && !issuer->why &&
	       X509_check_issued(issuer->cert, row->cert) == X509_V_OK &&
	       X509_verify(row->cert, X509_get0_pubkey(issuer->cert)) == 1;
}

static bool find_root(struct anchors *a, struct anchor_row *row)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!is_below(&a->rows[i], row))
			continue;
		row->root = a->rows[i].root;
		return true;
	}
	return false;
}

/* Roots first, then what is directly below them, and so on. */
static void sort_below_roots(struct anchors *a)
{
	bool more = true;

	for (size_t i = 0; i < a->n; i++) {
		struct anchor_row *row = &a->rows[i];
		row->is_root = !row->why && X509_self_signed(row->cert, 1) == 1;
		row->root = row->is_root ? (int)i : -1;
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < a->n; i++)
			if (!a->rows[i].why && a->rows[i].root < 0)
				more = find_root(a, &a->rows[i]) || more;
	}
	for (size_t i = 0; i < a->n; i++) {
		struct anchor_row *row = &a->rows[i];
		if (row->why || row->root >= 0)
			continue;
		AUTO_MEM char *issuer = cert_issuer(row->cert);
		row->why = xasprintf(
			_("its issuer \"%s\" is not among them: give that certificate too"),
			issuer);
	}
}

static bool has_name(const struct anchors *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->rows[i].name && strcmp(a->rows[i].name, name) == 0)
			return true;
	return false;
}

/* "Example Root CA 2" is example-root-ca-2: for the section's title, which stays, and for files. */
static char *make_name(const struct anchors *a, const X509 *cert)
{
	char text[NAME_LEN_MAX + 1] = "", name[NAME_LEN_MAX + 1] = "";
	size_t len = 0;

	(void)X509_NAME_get_text_by_NID(
		X509_get_subject_name(cert), NID_commonName, text, sizeof(text));
	for (const char *p = text; *p; p++) {
		if (isascii(*p) && isalnum((unsigned char)*p))
			name[len++] = (char)tolower((unsigned char)*p);
		else if (len && name[len - 1] != '-')
			name[len++] = '-';
	}
	while (len && name[len - 1] == '-')
		name[--len] = 0;
	if (!len)
		(void)snprintf(name, sizeof(name), "anchor");
	char *found = xstrdup(name);
	for (int i = 2; has_name(a, found); i++) {
		free(found);
		found = xasprintf("%s-%d", name, i);
	}
	return found;
}

static struct err *refuse(const struct anchor_row *row)
{
	AUTO_MEM char *subject = cert_subject(row->cert);
	AUTO_MEM char *file = text_safe(BYTES(row->file, strlen(row->file)));

	return err_new(&SETUP_ERR_ANSWER, "%s: \"%s\" %s", file, subject, row->why);
}

static size_t count_below(const struct anchors *a, size_t root)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += a->rows[i].root == (int)root && i != root;
	return n;
}

/* What derivd-ca would refuse when all is made is refused now. */
static struct err *check_counts(const struct anchors *a)
{
	if (anchors_count(a) > PATH_ANCHORS_MAX)
		return err_new(&SETUP_ERR_ANSWER,
			_("these are %zu roots, of which %d can be taken: give those of the cards "
			  "only"),
			anchors_count(a), PATH_ANCHORS_MAX);
	for (size_t r = 0; r < a->n; r++) {
		AUTO_MEM char *subject = cert_subject(a->rows[r].cert);
		if (a->rows[r].is_root && count_below(a, r) > PATH_BELOW_MAX)
			return err_new(&SETUP_ERR_ANSWER,
				_("below \"%s\" there are %zu certificates, of which %d can be "
				  "taken: give those of the cards only"),
				subject, count_below(a, r), PATH_BELOW_MAX);
	}
	return NULL;
}

struct err *anchors_read(
	char *const paths[], size_t n, int64_t now_ms, struct anchors **ret_anchors)
{
	AUTO(anchors) struct anchors *a = xcalloc(1, sizeof(*a));
	size_t n_roots = 0;

	for (size_t i = 0; i < n; i++)
		TRY(anchors_load(a, paths[i]));
	for (size_t i = 0; i < a->n; i++)
		a->rows[i].why = judge(a->rows[i].cert, now_ms);
	sort_below_roots(a);
	for (size_t i = 0; i < a->n; i++) {
		if (a->rows[i].why && a->rows[i].is_named)
			return refuse(&a->rows[i]);
		if (!a->rows[i].is_root)
			continue;
		a->rows[i].name = make_name(a, a->rows[i].cert);
		n_roots++;
	}
	if (!n_roots && a->n)
		return refuse(&a->rows[0]);
	if (!n_roots)
		return err_new(&SETUP_ERR_ANSWER, _("there is no certificate in it"));
	TRY(check_counts(a));
	*ret_anchors = take(a);
	return NULL;
}

size_t anchors_count(const struct anchors *a)
{
	size_t count = 0;

	for (size_t i = 0; i < a->n; i++)
		count += a->rows[i].is_root;
	return count;
}

/* --- what is shown --- */

static void show_row(const struct anchor_row *row, const char *indent)
{
	AUTO_MEM char *subject = cert_subject(row->cert);
	AUTO_MEM char *end = text_time(cert_not_after_ms(row->cert));

	(void)printf(_("  %s%s, until %.10s\n"), indent, subject, end);
}

void anchors_show(const struct anchors *a)
{
	for (size_t r = 0; r < a->n; r++) {
		size_t below = 0;

		if (!a->rows[r].is_root)
			continue;
		show_row(&a->rows[r], "");
		for (size_t i = 0; i < a->n; i++) {
			if (a->rows[i].root != (int)r || i == r)
				continue;
			show_row(&a->rows[i], "  ");
			below++;
		}
		if (!below)
			(void)printf(_("    nothing below it: cards count that it issued itself, "
				       "and no others\n"));
	}
	for (size_t i = 0; i < a->n; i++) {
		if (!a->rows[i].why)
			continue;
		AUTO(err) struct err *e = refuse(&a->rows[i]);
		(void)printf(_("  left out: %s\n"), err_get_text(e));
	}
	for (size_t i = 0; i < a->n_left_out; i++)
		(void)printf(_("  left out: %s\n"), a->left_out[i]);
}

/* --- what is written --- */

static struct buf *below(const struct anchors *a, int root)
{
	struct buf *pem = buf_new();

	for (size_t i = 0; i < a->n; i++) {
		if (a->rows[i].root != root || (int)i == root)
			continue;
		AUTO(buf) struct buf *der = cert_der(a->rows[i].cert);
		AUTO(buf) struct buf *one = pem_write_certificate(buf_bytes(der));
		buf_add_bytes(pem, buf_bytes(one));
	}
	return pem;
}

static void add_section(struct buf *text, const struct anchors *a, int root)
{
	const char *name = a->rows[root].name;
	AUTO(buf) struct buf *pem = below(a, root);

	buf_addf(text, "anchor \"%s\" {\n\tcertificate = \"anchors/%s.pem\"\n", name, name);
	if (buf_len(pem))
		buf_addf(text, "\tintermediates = {\"anchors/%s-below.pem\"}\n", name);
}

struct buf *anchors_section(
	const struct anchors *a, char *const policies[], size_t n_policies, bool same_subject)
{
	struct buf *text = buf_new();

	buf_add_str(
		text, "# Written by derivctl setup: whose cards are believed, see ca.conf(5).\n");
	for (size_t r = 0; r < a->n; r++) {
		if (!a->rows[r].is_root)
			continue;
		add_section(text, a, (int)r);
		for (size_t i = 0; i < n_policies; i++)
			buf_addf(text, "%s\"%s\"%s", i ? ", " : "\tpolicies = {", policies[i],
				i + 1 == n_policies ? "}\n" : "");
		if (same_subject)
			buf_add_str(text, "\tother-certificates = \"same-subject\"\n");
		buf_add_str(text, "}\n");
	}
	return text;
}

static struct err *write_one(const char *name, const char *suffix, const struct buf *pem)
{
	AUTO_MEM char *file = xasprintf("anchors/%s%s.pem", name, suffix);
	AUTO_MEM char *path = proc_config_path(file);

	return io_write_file(path, buf_bytes(pem), 0644);
}

struct err *anchors_write(const struct anchors *a)
{
	AUTO_MEM char *dir = proc_config_path("anchors");

	TRY(io_mkdirs(dir, 0755));
	for (size_t r = 0; r < a->n; r++) {
		if (!a->rows[r].is_root)
			continue;
		AUTO(buf) struct buf *der = cert_der(a->rows[r].cert);
		AUTO(buf) struct buf *pem = pem_write_certificate(buf_bytes(der));
		AUTO(buf) struct buf *rest = below(a, (int)r);
		TRY(write_one(a->rows[r].name, "", pem));
		if (buf_len(rest))
			TRY(write_one(a->rows[r].name, "-below", rest));
	}
	return NULL;
}
