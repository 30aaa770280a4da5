/* evidence.c: what proves a credential: shown, taken apart into files for other programs, verified. */
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
#include "evidence/deployment.h"
#include "proto/control.pb-c.h"

#define BUNDLE_MAX (1024 * 1024)
#define ANCHOR_FILE_MAX (1024 * 1024)

/* A file if there is one of that name, else derivd is asked for the credential. */
static struct err *get_bundle(struct ctl *c, const char *name, Common__Bundle **ret_bundle)
{
	Control__EvidenceGet ask = CONTROL__EVIDENCE_GET__INIT;
	AUTO_MSG Control__EvidenceReply *reply = NULL;

	if (access(name, F_OK) == 0) {
		AUTO(buf) struct buf *file = NULL;
		ProtobufCMessage *m = NULL;

		TRY(io_read_file(name, BUNDLE_MAX, &file));
		TRY(err_wrap(msg_parse_type(&common__bundle__descriptor, buf_bytes(file), &m), "%s is no evidence file",
			name));
		*ret_bundle = (Common__Bundle *)(void *)m;
		return NULL;
	}
	ask.credential = (char *)name;
	TRY(ctl_call(c, MSG_EVIDENCE_GET, &ask, MSG_EVIDENCE_REPLY, &reply));
	if (!reply->bundle)
		return err_new(&ERR_NO_SUCH, "derivd has no evidence for %s", name);
	*ret_bundle = msg_dup(&reply->bundle->base);
	return NULL;
}

static struct err *write_part(const char *dir, const char *name, struct bytes content)
{
	AUTO_MEM char *path = xasprintf("%s/%s", dir, name);

	return io_write_file(path, content, 0644);
}

static struct err *write_pem(const char *dir, const char *name, struct bytes der)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO_MEM char *path = xasprintf("%s/%s", dir, name);
	FILE *f;
	int ok;

	TRY(cert_parse(der, &cert));
	f = fopen(path, "we");
	if (!f)
		return err_new(&ERR_SYSTEM, "cannot write %s", path);
	ok = PEM_write_X509(f, cert);
	if (fclose(f) != 0 || !ok)
		return err_new(&ERR_SYSTEM, "cannot write %s", path);
	return NULL;
}

/* The parts as plain files, so that openssl dgst and others can check them without us. */
static struct err *extract(const Common__Bundle *b, const char *dir)
{
	const Common__Evidence *e = b->evidence;

	if (!e || !e->statement || !b->receipt || e->n_card_certificates == 0)
		return err_new(&ERR_EVIDENCE_BAD, "the bundle is not complete");
	TRY(io_mkdirs(dir, 0755));
	TRY(write_part(dir, "intent.bin", pb_bytes(e->intent)));
	TRY(write_part(dir, "intent.sig", pb_bytes(e->card_signature)));
	TRY(write_part(dir, "statement.bin", pb_bytes(e->statement->statement)));
	TRY(write_part(dir, "statement.identity.sig", pb_bytes(e->statement->identity_signature)));
	TRY(write_part(dir, "statement.invitation.sig", pb_bytes(e->statement->invitation_signature)));
	TRY(write_part(dir, "receipt.bin", pb_bytes(b->receipt->body)));
	TRY(write_part(dir, "receipt.sig", pb_bytes(b->receipt->signature)));
	TRY(write_pem(dir, "card.pem", pb_bytes(e->card_certificates[0])));
	return write_pem(dir, "credential.pem", pb_bytes(b->certificate));
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

		TRY(io_write_file(output, buf_bytes(packed), 0644));
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

static struct err *read_anchors(const struct option_list *files, STACK_OF(X509) *anchors)
{
	for (size_t i = 0; i < files->n; i++) {
		FILE *f = fopen(files->values[i], "re");
		X509 *cert;

		if (!f)
			return err_new(&ERR_NOTFOUND, "cannot open %s", files->values[i]);
		cert = PEM_read_X509(f, NULL, NULL, NULL);
		(void)fclose(f);
		if (!cert)
			return sig_openssl_error(&ERR_FORMAT, "%s holds no certificate in PEM", files->values[i]);
		(void)sk_X509_push(anchors, cert);
	}
	return NULL;
}

static void stack_free(STACK_OF(X509) * s)
{
	sk_X509_pop_free(s, X509_free);
}
DEFINE_AUTO(stack, STACK_OF(X509) *, stack_free);

static void print_report(const struct ctl *c, const struct bundle_report *report, const struct err *e)
{
	AUTO(json) json_t *all = json_object();
	json_t *checks = json_array();

	for (size_t i = 0; report && i < report->n; i++) {
		const struct bundle_finding *f = &report->findings[i];

		if (!c->json)
			(void)printf("good  %s%s%s\n", f->check, f->detail ? ": " : "", f->detail ? f->detail : "");
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
	AUTO_MEM char *standard = proc_config_path("deployment.conf");
	struct option_list files = { 0 };
	const char *name, *conf = standard;
	const struct option_row rows[] = {
		{ "anchor", OPTION_LIST, &files },
		{ "deployment", OPTION_TEXT, &conf },
		{ NULL, OPTION_FLAG, NULL },
	};
	struct err *e;

	TRY(options_parse(argc, argv, rows, 1, 1, &name));
	TRY(deployment_load(conf, &d));
	TRY(read_anchors(&files, anchors));
	TRY(get_bundle(c, name, &bundle));
	e = bundle_verify(bundle, BYTES(d->delivery_public, ED25519_PUBLIC_LEN),
		BYTES(d->receipt_public, ED25519_PUBLIC_LEN), d->kiosk, files.n > 0 ? anchors : NULL, &report);
	print_report(c, report, e);
	return e;
}
