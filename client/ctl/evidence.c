/* evidence.c: what proves a credential: shown, taken apart into files for other programs, verified. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "evidence/bundle.h"
#include "evidence/cert.h"
#include "proto/deployment.h"
#include "proto/control.pb-c.h"

#define BUNDLE_MAX (1024 * 1024)
#define CERTIFICATES_MAX (1024 * 1024)

/* A file if there is one of that name, else derivd is asked for the credential. */
static struct err *get_bundle(struct ctl *c, const char *name, Common__Bundle **ret_bundle)
{
	Control__EvidenceGet ask = CONTROL__EVIDENCE_GET__INIT;
	AUTO_MSG Control__EvidenceReply *reply = NULL;

	if (access(name, F_OK) == 0) {
		AUTO(buf) struct buf *file = NULL;
		ProtobufCMessage *m = NULL;

		TRY(io_read_file(name, BUNDLE_MAX, &file));
		TRY(err_as(&ERR_FORMAT,
			msg_parse_type(&common__bundle__descriptor, buf_bytes(file), &m),
			"%s is no evidence file", name));
		*ret_bundle = (Common__Bundle *)(void *)m;
		return NULL;
	}
	AUTO(err) struct err *no_id = ctl_check_id(name);
	if (no_id)
		return ctl_usage("'%s' is neither a file nor the id of a credential", name);
	ask.credential = (char *)name;
	TRY(ctl_call(c, MSG_EVIDENCE_GET, &ask, MSG_EVIDENCE_REPLY, &reply));
	if (!reply->bundle)
		return err_new(&ERR_NO_SUCH, "derivd has no evidence for %s", name);
	*ret_bundle = msg_dup(&reply->bundle->base);
	return NULL;
}

/* What people may read of others is not for everybody. */
#define MODE 0600

static struct err *write_part(const char *dir, const char *name, struct bytes content)
{
	AUTO_MEM char *path = xasprintf("%s/%s", dir, name);

	return io_write_file(path, content, MODE);
}

static void bio_free(BIO *b)
{
	BIO_free(b);
}
DEFINE_AUTO(bio, BIO *, bio_free);

static struct err *add_pem(BIO *out, struct bytes der)
{
	AUTO(x509) X509 *cert = NULL;

	TRY(cert_parse(der, &cert));
	if (!PEM_write_bio_X509(out, cert))
		return sig_openssl_error(&ERR_SYSTEM, "PEM");
	return NULL;
}

static struct err *write_pem(
	const char *dir, const char *name, const ProtobufCBinaryData *ders, size_t n)
{
	AUTO(bio) BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;

	if (!out)
		return sig_openssl_error(&ERR_SYSTEM, "PEM");
	for (size_t i = 0; i < n; i++)
		TRY(add_pem(out, pb_bytes(ders[i])));
	len = BIO_get_mem_data(out, &text);
	return write_part(dir, name, BYTES(text, len));
}

static struct err *write_signed(const char *dir, const char *name, const Common__Signed *s)
{
	AUTO_MEM char *body = xasprintf("%s.bin", name);
	AUTO_MEM char *signature = xasprintf("%s.sig", name);

	if (!s)
		return NULL;
	TRY(write_part(dir, body, pb_bytes(s->body)));
	return write_part(dir, signature, pb_bytes(s->signature));
}

static struct err *write_statement(const char *dir, const Common__Statement *s)
{
	TRY(write_part(dir, "statement.bin", pb_bytes(s->statement)));
	TRY(write_part(dir, "statement.identity.sig", pb_bytes(s->identity_signature)));
	if (s->invitation_signature.len == 0)
		return NULL;
	return write_part(dir, "statement.invitation.sig", pb_bytes(s->invitation_signature));
}

/* The parts as plain files, so that openssl dgst and others can check them without us. */
static struct err *extract(const Common__Bundle *b, const char *dir)
{
	const Common__Evidence *e = b->evidence;

	if (e->n_card_certificates == 0)
		return err_new(&ERR_EVIDENCE_BAD, "the bundle has no card certificate");
	TRY(io_mkdirs(dir, 0700));
	TRY(write_part(dir, "intent.bin", pb_bytes(e->intent)));
	TRY(write_part(dir, "intent.sig", pb_bytes(e->card_signature)));
	TRY(write_statement(dir, e->statement));
	TRY(write_signed(dir, "offer", e->offer));
	TRY(write_signed(dir, "predecessor", e->predecessor));
	TRY(write_signed(dir, "receipt", b->receipt));
	TRY(write_signed(dir, "ticket", b->ticket));
	TRY(write_pem(dir, "card.pem", e->card_certificates, 1));
	TRY(write_pem(dir, "chain.pem", b->chain, b->n_chain));
	return write_pem(dir, "credential.pem", &b->certificate, 1);
}

struct err *cmd_evidence_show(struct ctl *c, int argc, char **argv)
{
	AUTO_MSG Common__Bundle *bundle = NULL;
	AUTO(json) json_t *j = NULL;
	const char *name, *output = NULL, *dir = NULL;
	const struct option_row rows[] = {
		{ "output", OPTION_TEXT, &output },
		{ "extract", OPTION_TEXT, &dir },
		{ NULL, OPTION_FLAG, NULL },
	};

	TRY(options_parse(argc, argv, rows, 1, 1, &name));
	TRY(get_bundle(c, name, &bundle));
	if (output) {
		AUTO(buf) struct buf *packed = msg_pack_type(&bundle->base);

		TRY(io_write_file(output, buf_bytes(packed), MODE));
	}
	if (dir)
		TRY(extract(bundle, dir));
	if (output || dir)
		return NULL;
	j = json_from_message(&bundle->base);
	if (c->json) {
		json_print(j);
	} else {
		(void)json_dumpf(j, stdout, JSON_INDENT(2));
		(void)fputc('\n', stdout);
	}
	return NULL;
}

/* All certificates of one file. */
static struct err *read_certificates(const char *path, STACK_OF(X509) *certs)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(bio) BIO *in = NULL;
	int before = sk_X509_num(certs);
	X509 *read;

	TRY(io_read_file(path, CERTIFICATES_MAX, &text));
	in = BIO_new_mem_buf(buf_data(text), (int)buf_len(text));
	while (in && (read = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		AUTO(buf) struct buf *der = cert_der(read);
		X509 *cert = NULL;
		X509_free(read);
		TRY(err_wrap(cert_parse(buf_bytes(der), &cert), "%s", path));
		if (!sk_X509_push(certs, cert))
			err_abort("no memory for certificates");
	}
	if (sk_X509_num(certs) == before)
		return sig_openssl_error(&ERR_FORMAT, "%s holds no certificate in PEM", path);
	/* The end of the file is an error in OpenSSL's queue. */
	ERR_clear_error();
	return NULL;
}

static struct err *read_files(const struct option_list *files, STACK_OF(X509) *certs)
{
	for (size_t i = 0; i < files->n; i++)
		TRY(read_certificates(files->values[i], certs));
	return NULL;
}

static void stack_free(STACK_OF(X509) *s)
{
	sk_X509_pop_free(s, X509_free);
}
DEFINE_AUTO(stack, STACK_OF(X509) *, stack_free);

static void print_report(
	const struct ctl *c, const struct bundle_report *report, const struct err *e)
{
	AUTO(json) json_t *all = json_object();
	json_t *checks = json_array();

	for (size_t i = 0; report && i < report->n; i++) {
		const struct bundle_finding *f = &report->findings[i];

		if (!c->json)
			(void)printf("good  %s%s%s\n", f->check, f->detail ? ": " : "",
				f->detail ? f->detail : "");
		json_array_append_new(checks, json_pack("{s:s, s:s}", "check", f->check, "detail",
						      f->detail ? f->detail : ""));
	}
	json_object_set_new(all, "good", json_boolean(!e));
	json_object_set_new(all, "checks", checks);
	if (c->json && !e)
		json_print(all);
	else if (!e)
		(void)printf("good  this credential traces to an intent that the card signed\n");
}

struct err *cmd_evidence_verify(struct ctl *c, int argc, char **argv)
{
	AUTO_MSG Common__Bundle *bundle = NULL;
	AUTO(deployment) struct deployment *d = NULL;
	AUTO(bundle_report) struct bundle_report *report = NULL;
	AUTO(stack) STACK_OF(X509) *anchors = sk_X509_new_null();
	AUTO(stack) STACK_OF(X509) *intermediates = sk_X509_new_null();
	AUTO_MEM char *standard = proc_config_path("deployment.conf");
	struct option_list files = { 0 }, between = { 0 };
	const char *name, *conf = standard;
	const struct option_row rows[] = {
		{ "anchor", OPTION_LIST, &files },
		{ "intermediate", OPTION_LIST, &between },
		{ "deployment", OPTION_TEXT, &conf },
		{ NULL, OPTION_FLAG, NULL },
	};
	struct err *e;

	TRY(options_parse(argc, argv, rows, 1, 1, &name));
	TRY(deployment_load(conf, &d));
	if (between.n > 0 && files.n == 0)
		return ctl_usage("--intermediate is of use with --anchor only");
	TRY(read_files(&files, anchors));
	TRY(read_files(&between, intermediates));
	TRY(get_bundle(c, name, &bundle));
	e = bundle_verify(bundle, BYTES(d->delivery_public, ED25519_PUBLIC_LEN),
		BYTES(d->receipt_public, ED25519_PUBLIC_LEN), d->kiosk,
		files.n > 0 ? anchors : NULL, intermediates, &report);
	print_report(c, report, e);
	return e;
}
