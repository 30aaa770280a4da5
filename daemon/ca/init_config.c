/* init_config.c: the configuration that init leaves behind, and the first CRLs. */
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proc.h"
#include "daemon/ca/crl_publish.h"
#include "daemon/ca/init_part.h"

#define CA_CRL_MS (INT64_C(7) * 86400 * 1000)

static const char head[] =
	"# ca.conf: whom derivd-ca believes, and what it issues. See ca.conf(5); \"derivd-ca "
	"check\" reads it.\n"
	"# ${...} are facts of the holder; ${...?} may be missing.\n"
	"\n"
	"# The cards: one section for each root. Nobody can enroll before there is one.\n"
	"#anchor \"agency\" {\n"
	"#\tcertificate = \"/etc/derivd/anchors/root.pem\"\n"
	"#\tintermediates = {\"/etc/derivd/anchors/issuing.pem\"}\n"
	"#\tpolicies = {\"2.16.840.1.101.3.2.1.3.13\"}\n"
	"#\tidentify = {\"upn\", \"fascn-person\"}\n"
	"#}\n"
	"\n"
	"# What is issued. A changed profile counts for new offers only.\n";

static const char profiles[] =
	"profile \"authentication\" {\n"
	"\tpurpose = \"authentication\"\n"
	"\tkey = \"device\"\n"
	"\tkey-type = \"p256\"\n"
	"\tvalidity = \"1y\"\n"
	"\teku = {\"clientAuth\", \"smartcardLogon\"}\n"
	"\t# UID: mail servers that look at the subject alone take the log-in name from it.\n"
	"\tsubject = \"UID=${mail?}, CN=${name}, O=${organization?}, C=${country?}\"\n"
	"\tsan = {\"upn:${upn?}\", \"mail:${mail?}\", \"uri:urn:uuid:${new-uuid}\"}\n"
	"\tsid = \"optional\"\n"
	"%s}\n"
	"\n"
	"profile \"signing\" {\n"
	"\tpurpose = \"signing\"\n"
	"\tkey = \"device\"\n"
	"\tkey-type = \"p256\"\n"
	"\tvalidity = \"1y\"\n"
	"\teku = {\"emailProtection\"}\n"
	"\tsubject = \"CN=${name}, O=${organization?}, C=${country?}\"\n"
	"\tsan = {\"mail:${mail}\"}\n"
	"%s}\n"
	"\n"
	"# The type of this key decides which mail programs can read mail to it: RSA is read by "
	"all of them, EC by few.\n"
	"profile \"encryption\" {\n"
	"\tpurpose = \"encryption\"\n"
	"\tkey = \"server\"\n"
	"\tkey-type = \"p256\"\n"
	"\tvalidity = \"1y\"\n"
	"\teku = {\"emailProtection\"}\n"
	"\tsubject = \"CN=${name}, O=${organization?}, C=${country?}\"\n"
	"\tsan = {\"mail:${mail}\"}\n"
	"%s}\n";

static struct err *write_ca_conf(const struct ceremony *c, const char *path)
{
	AUTO(buf) struct buf *text = buf_new();
	const char *url = c->options->url;
	AUTO_MEM char *publication =
		url ? xasprintf("\tcrl = {\"%s/ca.crl\"}\n\tissuers = {\"%s/ca.crt\"}\n", url, url)
		    : xstrdup("\t#crl = {\"http://pki.example.org/ca.crl\"}\n\t#issuers = "
			      "{\"http://pki.example.org/ca.crt\"}\n");

	buf_add_str(text, head);
	buf_addf(text, profiles, publication, publication, publication);
	return io_write_file(path, buf_bytes(text), 0644);
}

static struct err *write_certificate(const char *name, const struct buf *der)
{
	AUTO(buf) struct buf *pem = init_pem(buf_bytes(der));
	AUTO_MEM char *path = proc_config_path(name);

	return io_write_file(path, buf_bytes(pem), 0644);
}

static struct err *write_drop_in(const struct ceremony *c)
{
	AUTO(buf) struct buf *text = buf_new();
	AUTO_MEM char *dir = proc_config_path("ca.conf.d");
	AUTO_MEM char *path = proc_config_path("ca.conf.d/00-init.conf");

	buf_add_str(text, "# Written by derivd-ca init. Copies of encryption keys are sealed to "
			  "these certificates.\nescrow = {");
	for (size_t i = 0; i < c->n_escrow; i++) {
		AUTO_MEM char *name = xasprintf("escrow-%zu.crt", i + 1);
		TRY(write_certificate(name, c->escrow[i]));
		buf_addf(text, "%s\"%s\"", i ? ", " : "", name);
	}
	TRY(write_certificate("history.crt", c->history));
	buf_add_str(text, "}\nhistory = \"history.crt\"\n");
	TRY(io_mkdirs(dir, 0755));
	return io_write_file(path, buf_bytes(text), 0644);
}

struct err *init_write_config(const struct ceremony *c, bool *ret_kept)
{
	AUTO_MEM char *dir = proc_config_path(".");
	AUTO_MEM char *path = proc_config_path("ca.conf");

	TRY(io_mkdirs(dir, 0755));
	*ret_kept = access(path, F_OK) == 0;
	if (!*ret_kept)
		TRY(write_ca_conf(c, path));
	return write_drop_in(c);
}

struct err *init_publish(struct ceremony *c, struct ledger *ledger)
{
	TRY(crl_publish_empty(
		ledger, buf_bytes(c->root), c->root_key, ROOT_CRL_MS, "public/root.crl"));
	return crl_publish_empty(ledger, buf_bytes(c->ca), c->ca_key, CA_CRL_MS, "public/ca.crl");
}
