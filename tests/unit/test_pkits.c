/*
 * test_pkits.c: our paths against NIST's suite: one test for each case. The data comes with Debian's package
 * python3-cryptography-vectors; the table of cases is tests/fixtures/pkits-cases.tsv.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "evidence/cert.h"
#include "evidence/path.h"
#include "proto/kind.h"

#define DATA "/usr/lib/python3/dist-packages/cryptography_vectors/x509/PKITS_data"
#define CASES_MAX 300
#define POLICIES_MAX 8
/* 2020-06-01: PKITS is valid from 2010 to 2030. */
#define TIME_MS INT64_C(1590969600000)

struct pkits_case {
	char *number;
	char *title;
	char *file;
	char *arguments;
	int expected; /* 0: to be accepted; else OpenSSL's number of the error */
};

static struct pkits_case cases[CASES_MAX];
static size_t n_cases;
static STACK_OF(X509) *anchors, *untrusted;
static STACK_OF(X509_CRL) *crls;

/* Cases that OpenSSL's judgement gets wrong, always towards refusing. */
static const struct {
	const char *number;
	const char *reason;
} exceptions[] = {
	{ "4.1.5", "DSA parameters inherited from the issuer: OpenSSL 3 has no such keys" },
	{ "4.14.30", "the CRL issuer's certificate is judged by the CRL that it has itself signed; "
		     "OpenSSL does not follow that circle" },
};

static const char *exception(const char *number)
{
	for (size_t i = 0; i < ARRAY_LEN(exceptions); i++)
		if (strcmp(exceptions[i].number, number) == 0)
			return exceptions[i].reason;
	return NULL;
}

static struct buf *read_file(const char *dir, const char *name)
{
	AUTO_MEM char *path = xasprintf(DATA "/%s/%s", dir, name);
	struct buf *b = NULL;

	assert_ok(io_read_file(path, 65536, &b));
	return b;
}

static X509 *read_cert(const char *name)
{
	AUTO(buf) struct buf *der = read_file("certs", name);
	X509 *cert = NULL;

	assert_ok(cert_parse(buf_bytes(der), &cert));
	return cert;
}

static void read_certs(void)
{
	DIR *dir = opendir(DATA "/certs");
	struct dirent *entry;

	anchors = sk_X509_new_null();
	untrusted = sk_X509_new_null();
	while ((entry = readdir(dir))) {
		if (!text_ends(entry->d_name, ".crt") || text_ends(entry->d_name, "EE.crt"))
			continue;
		bool is_anchor = strcmp(entry->d_name, "TrustAnchorRootCertificate.crt") == 0;
		sk_X509_push(is_anchor ? anchors : untrusted, read_cert(entry->d_name));
	}
	closedir(dir);
}

static void read_crls(void)
{
	DIR *dir = opendir(DATA "/crls");
	struct dirent *entry;

	crls = sk_X509_CRL_new_null();
	while ((entry = readdir(dir))) {
		if (!text_ends(entry->d_name, ".crl"))
			continue;
		AUTO(buf) struct buf *der = read_file("crls", entry->d_name);
		const uint8_t *p = buf_data(der);
		X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)buf_len(der));
		assert_non_null(crl);
		sk_X509_CRL_push(crls, crl);
	}
	closedir(dir);
}

static void read_cases(void)
{
	AUTO_MEM char *path =
		xasprintf("%s/tests/fixtures/pkits-cases.tsv", getenv("abs_top_srcdir"));
	AUTO(buf) struct buf *text = NULL;

	assert_ok(io_read_file(path, 65536, &text));
	AUTO_MEM char *lines = bytes_strdup(buf_bytes(text));
	char *rest = lines;
	char *line;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line || *line == '#')
			continue;
		assert_in_range(n_cases, 0, CASES_MAX - 1);
		struct pkits_case *c = &cases[n_cases++];
		c->number = xstrdup(strsep(&line, "\t"));
		c->title = xasprintf("%s %s", c->number, strsep(&line, "\t"));
		c->file = xstrdup(strsep(&line, "\t"));
		c->arguments = xstrdup(strsep(&line, "\t"));
		c->expected = atoi(line);
	}
}

/* openssl verify's arguments: "-policy OID" any number of times, -explicit_policy, -inhibit_map, -inhibit_any */
static void set_arguments(char *arguments, struct path_params *params, const char **policies)
{
	char *rest = arguments;
	char *word;
	size_t n = 0;

	params->policy_optional = true;
	params->policies = policies;
	while ((word = strsep(&rest, " "))) {
		if (strcmp(word, "-explicit_policy") == 0)
			params->policy_optional = false;
		else if (strcmp(word, "-inhibit_map") == 0)
			params->inhibit_mapping = true;
		else if (strcmp(word, "-inhibit_any") == 0)
			params->inhibit_any_policy = true;
		else if (strcmp(word, "-policy") == 0 && n < POLICIES_MAX)
			policies[n++] = strsep(&rest, " ");
		else
			fail_msg("unknown argument %s", word);
	}
	policies[n] = NULL;
}

/* The person hears the right reason, too. */
static const struct err_kind *kind_of(int expected)
{
	switch (expected) {
	case X509_V_ERR_CERT_REVOKED:
		return &ERR_CERT_REVOKED;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return &ERR_CERT_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return &ERR_CERT_NOT_YET;
	case X509_V_ERR_NO_EXPLICIT_POLICY:
		return &ERR_POLICY;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return &ERR_REVOCATION_UNKNOWN;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_INVALID_CA:
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
		return &ERR_CERT_PATH;
	default:
		return NULL;
	}
}

static void run_case(void **state)
{
	const struct pkits_case *c = *state;
	const char *policies[POLICIES_MAX + 1];
	struct path_params params = {
		.time_ms = TIME_MS,
		.anchors = anchors,
		.untrusted = untrusted,
		.crls = crls,
		.check_revocation = true,
		.allow_weak = true, /* 4.1.4: DSA with 1024 bits */
	};
	AUTO_MEM char *arguments = xstrdup(c->arguments);
	AUTO(x509) X509 *leaf = read_cert(c->file);
	AUTO(path) struct path *path = NULL;

	set_arguments(arguments, &params, policies);
	AUTO(err) struct err *e = path_build(leaf, &params, &path);
	if (exception(c->number)) {
		/* Should it pass one day, the exception has to go. */
		assert_non_null(e);
		print_message("# refused, known: %s (%s)\n", exception(c->number), err_get_text(e));
		return;
	}
	if (c->expected == 0 && e)
		fail_msg("refused: %s: %s", err_get_kind(e)->name, err_get_text(e));
	if (c->expected != 0 && !e)
		fail_msg("accepted, but error %d was expected", c->expected);
	if (c->expected == 0 || !kind_of(c->expected))
		return;
	if (err_get_kind(e) != kind_of(c->expected))
		fail_msg("refused as %s (%s), not as %s", err_get_kind(e)->name, err_get_text(e),
			kind_of(c->expected)->name);
}

int main(void)
{
	static struct CMUnitTest tests[CASES_MAX];

	if (access(DATA, R_OK) != 0) {
		puts("1..0 # SKIP no PKITS data: apt-get install python3-cryptography-vectors");
		return 0;
	}
	read_certs();
	read_crls();
	read_cases();
	for (size_t i = 0; i < n_cases; i++)
		tests[i] = (struct CMUnitTest){
			.name = cases[i].title, .test_func = run_case, .initial_state = &cases[i]
		};
	int failed = _cmocka_run_group_tests("pkits", tests, n_cases, NULL, NULL);
	for (size_t i = 0; i < n_cases; i++) {
		free(cases[i].number);
		free(cases[i].title);
		free(cases[i].file);
		free(cases[i].arguments);
	}
	sk_X509_pop_free(anchors, X509_free);
	sk_X509_pop_free(untrusted, X509_free);
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return failed;
}
