/* settings_anchor.c: the sections "anchor" of ca.conf: default deny is in the defaults here. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "daemon/ca/settings_part.h"
#include "evidence/cert.h"
#include "evidence/record.h"

#define CERT_FILE_MAX (256 * 1024)

static const char *const identify_names[] = { "upn", "fascn-person", "edipi", "mail", "uuid",
	"serial", "subject", NULL };

const char *identify_name(enum identify what)
{
	return identify_names[what];
}

/* libconfuse wants defaults that are not constant. */
static char no_values[] = "{}";
static char default_eku[] = "{clientAuth, smartcardLogon}";
static char default_identify[] = "{upn, fascn-person, uuid}";

cfg_opt_t *anchor_options(void)
{
	static cfg_opt_t options[] = {
		CFG_STR("certificate", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("intermediates", no_values, CFGF_NONE),
		CFG_STR_LIST("policies", no_values, CFGF_NONE),
		CFG_STR_LIST("eku", default_eku, CFGF_NONE),
		CFG_STR_LIST("identify", default_identify, CFGF_NONE),
		CFG_STR("revocation", "crl", CFGF_NONE),
		CFG_STR_LIST("crl-files", no_values, CFGF_NONE),
		CFG_STR("other-certificates", "none", CFGF_NONE),
		CFG_END(),
	};

	return options;
}

void anchor_free(struct anchor *a)
{
	if (!a)
		return;
	free(a->name);
	X509_free(a->certificate);
	sk_X509_free(a->stack);
	x509_stack_free(a->intermediates);
	texts_clear(&a->policies);
	texts_clear(&a->eku);
	texts_clear(&a->crl_files);
	free(a);
}

static struct err *add_certificate(const char *path, struct bytes der, STACK_OF(X509) *stack)
{
	X509 *cert = NULL;

	TRY(err_as(&ERR_CONFIG, cert_parse(der, &cert), "%s", path));
	if (!sk_X509_push(stack, cert))
		err_abort("no memory for certificates");
	return NULL;
}

/* All that follows one another in PEM; each has to be as good as one in DER. */
static struct err *add_all(const char *path, BIO *pem, STACK_OF(X509) *stack)
{
	struct err *e = NULL;
	X509 *cert;

	while (!e && sk_X509_num(stack) <= PATH_BELOW_MAX &&
		(cert = PEM_read_bio_X509(pem, NULL, NULL, NULL))) {
		AUTO(buf) struct buf *der = cert_der(cert);
		X509_free(cert);
		e = add_certificate(path, buf_bytes(der), stack);
	}
	return e;
}

/* Appends all PEM certificates of the file, or the one in DER. */
static struct err *read_certificates(const char *path, STACK_OF(X509) *stack)
{
	AUTO(buf) struct buf *content = NULL;
	int before = sk_X509_num(stack);

	TRY(err_as(&ERR_CONFIG, io_read_file(path, CERT_FILE_MAX, &content), "certificate"));
	if (buf_len(content) && *buf_data(content) == 0x30)
		return add_certificate(path, buf_bytes(content), stack);
	BIO *bio = BIO_new_mem_buf(buf_data(content), (int)buf_len(content));
	struct err *e = add_all(path, bio, stack);
	BIO_free(bio);
	TRY(e);
	unsigned long reason = ERR_peek_last_error();
	ERR_clear_error();
	if (reason && ERR_GET_REASON(reason) != PEM_R_NO_START_LINE)
		return err_new(&ERR_CONFIG, "%s: a certificate in it does not parse", path);
	if (sk_X509_num(stack) == before)
		return err_new(&ERR_CONFIG, "%s: no certificate in it", path);
	return NULL;
}

struct err *settings_certificate(const char *dir, const char *file, X509 **ret_cert)
{
	AUTO(x509_stack) STACK_OF(X509) *found = sk_X509_new_null();
	AUTO_MEM char *path = settings_path(dir, file);

	if (!found)
		err_abort("no memory for certificates");
	TRY(read_certificates(path, found));
	if (sk_X509_num(found) != 1)
		return err_new(&ERR_CONFIG, "%s: exactly one certificate is needed", path);
	*ret_cert = sk_X509_pop(found);
	return NULL;
}

static struct err *read_anchor_certificate(cfg_t *section, const char *dir, struct anchor *a)
{
	const char *file = cfg_getstr(section, "certificate");

	if (!file)
		return err_new(&ERR_CONFIG,
			"certificate is needed: the file with the anchor's certificate");
	TRY(settings_certificate(dir, file, &a->certificate));
	sk_X509_push(a->stack, a->certificate);
	cert_key_hash(a->certificate, a->key_hash);
	return NULL;
}

static struct err *read_intermediates(cfg_t *section, const char *dir, struct anchor *a)
{
	for (unsigned int i = 0; i < cfg_size(section, "intermediates"); i++) {
		AUTO_MEM char *path = settings_path(dir, cfg_getnstr(section, "intermediates", i));
		TRY(read_certificates(path, a->intermediates));
	}
	if (sk_X509_num(a->intermediates) > PATH_BELOW_MAX)
		return err_new(&ERR_CONFIG, "intermediates: more than %d", PATH_BELOW_MAX);
	return NULL;
}

static struct err *read_oids(cfg_t *section, const char *key, struct texts *t)
{
	for (unsigned int i = 0; i < cfg_size(section, key); i++) {
		AUTO_MEM char *dotted = NULL;
		TRY(err_wrap(settings_oid(cfg_getnstr(section, key, i), &dotted), "%s", key));
		TRY(err_wrap(texts_add(t, dotted), "%s", key));
	}
	return NULL;
}

static struct err *find_identify(const char *name, enum identify *ret_what)
{
	for (size_t i = 0; identify_names[i]; i++)
		if (strcmp(identify_names[i], name) == 0) {
			*ret_what = (enum identify)i;
			return NULL;
		}
	return err_new(&ERR_CONFIG,
		"identify: use upn, fascn-person, edipi, mail, uuid, serial or subject");
}

static struct err *read_identify(cfg_t *section, struct anchor *a)
{
	for (unsigned int i = 0; i < cfg_size(section, "identify"); i++) {
		if (a->n_identify == IDENTIFY_N)
			return err_new(&ERR_CONFIG, "identify: the same more than once");
		TRY(find_identify(
			cfg_getnstr(section, "identify", i), &a->identify[a->n_identify]));
		a->n_identify++;
	}
	if (!a->n_identify)
		return err_new(&ERR_CONFIG, "identify: at least one is needed");
	return NULL;
}

static struct err *read_crl_files(cfg_t *section, const char *dir, struct anchor *a)
{
	for (unsigned int i = 0; i < cfg_size(section, "crl-files"); i++) {
		AUTO_MEM char *path = settings_path(dir, cfg_getnstr(section, "crl-files", i));
		TRY(err_wrap(texts_add(&a->crl_files, path), "crl-files"));
	}
	return NULL;
}

static void put_certificate(struct buf *out, const X509 *cert)
{
	AUTO(buf) struct buf *der = cert_der(cert);

	record_put_nested(out, der);
}

static void set_digest(struct anchor *a)
{
	AUTO(buf) struct buf *all = buf_new();
	AUTO(buf) struct buf *policies = buf_new();

	for (size_t i = 0; i < a->policies.n; i++)
		record_put_str(policies, a->policies.v[i]);
	record_put_nested(all, policies);
	put_certificate(all, a->certificate);
	for (int i = 0; i < sk_X509_num(a->intermediates); i++)
		put_certificate(all, sk_X509_value(a->intermediates, i));
	sha256(buf_bytes(all), a->digest);
}

struct err *anchor_read(cfg_t *section, const char *dir, struct anchor **ret_anchor)
{
	static const char *const revocations[] = { "crl", NULL };
	static const char *const others[] = { "none", "same-subject", NULL };
	AUTO(anchor) struct anchor *a = xcalloc(1, sizeof(*a));
	size_t revocation, other;

	a->name = xstrdup(cfg_title(section));
	a->stack = sk_X509_new_null();
	a->intermediates = sk_X509_new_null();
	if (!a->stack || !a->intermediates)
		err_abort("no memory for certificates");
	TRY(read_anchor_certificate(section, dir, a));
	TRY(read_intermediates(section, dir, a));
	TRY(read_oids(section, "policies", &a->policies));
	TRY(read_oids(section, "eku", &a->eku));
	TRY(read_identify(section, a));
	TRY(read_crl_files(section, dir, a));
	TRY(settings_choice(section, "revocation", revocations, &revocation));
	TRY(settings_choice(section, "other-certificates", others, &other));
	a->other_certificates = other == 1;
	set_digest(a);
	*ret_anchor = take(a);
	return NULL;
}
