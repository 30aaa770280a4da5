/* init_keys.c: the keys of a deployment and the CA's own certificates. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/ca/build.h"
#include "daemon/ca/init_part.h"
#include "evidence/record.h"

#define DAY_MS (INT64_C(86400) * 1000)
#define YEAR_MS (365 * DAY_MS)
#define ROOT_YEARS 20
#define CA_YEARS 10
/* keyUsage, first octet of the BIT STRING in the high byte */
#define USAGE_CA 0x0600 /* keyCertSign, cRLSign */
#define USAGE_AGREEMENT 0x0800
#define ORGANIZATION_MAX 64

/* The organization as a value of RFC 4514 text. */
static void escape(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == ',' || *value == '\\')
			buf_add_u8(out, '\\');
		buf_add_u8(out, (uint8_t)*value);
	}
}

static char *subject(const struct ceremony *c, const char *name)
{
	AUTO(buf) struct buf *out = buf_new();

	buf_addf(out, "CN=%s, O=", name);
	escape(out, c->options->organization);
	return xstrdup(buf_str(out));
}

static struct err *make_root(struct ceremony *c)
{
	AUTO_MEM char *name = subject(c, "derivd Root CA");
	const struct build_own root = {
		.subject = name,
		.subject_key = c->root_key,
		.signing_key = c->root_key,
		.is_ca = true,
		.path_len = -1,
		.key_usage = USAGE_CA,
		.not_before_ms = c->now_ms,
		.not_after_ms = c->now_ms + ROOT_YEARS * YEAR_MS,
	};

	return build_own(&root, &c->root);
}

static struct err *make_ca(struct ceremony *c)
{
	AUTO_MEM char *name = subject(c, "derivd Issuing CA 1");
	const char *url = c->options->url ? c->options->url : "";
	AUTO_MEM char *crl = xasprintf("%s/root.crl", url);
	AUTO_MEM char *issuers = xasprintf("%s/root.crt", url);
	const struct bytes chain = buf_bytes(c->root);
	AUTO(issuer) struct issuer *root = NULL;

	TRY(issuer_new(&chain, 1, &root));
	const struct build_own ca = {
		.subject = name,
		.subject_key = c->ca_key,
		.issuer = root,
		.signing_key = c->root_key,
		.is_ca = true,
		.path_len = 0,
		.key_usage = USAGE_CA,
		.not_before_ms = c->now_ms,
		.not_after_ms = c->ca_ends_ms,
		.crl = c->options->url ? crl : NULL,
		.issuers = c->options->url ? issuers : NULL,
	};
	return build_own(&ca, &c->ca);
}

/* A self-signed certificate that only carries a key for others to seal to. */
static struct err *make_recipient(
	struct ceremony *c, const char *name, EVP_PKEY *key, struct buf **ret_der)
{
	AUTO_MEM char *text = subject(c, name);
	const struct build_own own = {
		.subject = text,
		.subject_key = key,
		.signing_key = key,
		.path_len = -1,
		.key_usage = USAGE_AGREEMENT,
		.not_before_ms = c->now_ms,
		.not_after_ms = c->now_ms + ROOT_YEARS * YEAR_MS,
	};

	return build_own(&own, ret_der);
}

static struct err *new_ca_key(const char *algorithm, EVP_PKEY **ret_key)
{
	const char *curve = strcmp(algorithm, "p256") == 0   ? "P-256"
			    : strcmp(algorithm, "p384") == 0 ? "P-384"
							     : NULL;

	if (!curve)
		return err_new(&ERR_CONFIG, "--algorithm is p256 or p384");
	*ret_key = EVP_EC_gen(curve);
	return *ret_key ? NULL : sig_openssl_error(&ERR_SYSTEM, "making a key");
}

/* At most as long as the root. */
static struct err *read_days(struct ceremony *c)
{
	uint64_t days = CA_YEARS * 365;

	if (c->options->days)
		TRY(err_as(&ERR_CONFIG,
			text_parse_u64(c->options->days, ROOT_YEARS * UINT64_C(365), &days),
			"--days"));
	if (!days)
		return err_new(&ERR_CONFIG, "--days: a CA that ends at once is of no use");
	c->ca_ends_ms = c->now_ms + (int64_t)days * DAY_MS;
	return NULL;
}

struct err *init_make_keys(struct ceremony *c)
{
	if (!c->options->organization || !*c->options->organization ||
		strlen(c->options->organization) > ORGANIZATION_MAX)
		return err_new(&ERR_CONFIG, "--organization NAME is needed, of at most %d bytes",
			ORGANIZATION_MAX);
	TRY(read_days(c));
	TRY(new_ca_key(c->options->algorithm, &c->root_key));
	TRY(new_ca_key(c->options->algorithm, &c->ca_key));
	c->delivery_key = sig_new_ed25519();
	c->receipt_key = sig_new_ed25519();
	c->import_key = sig_new_p256();
	TRY(make_root(c));
	TRY(make_ca(c));
	TRY(make_recipient(c, "derivd import", c->import_key, &c->import));
	if (c->options->history)
		return NULL;
	c->history_key = sig_new_p256();
	return make_recipient(c, "derivd key history", c->history_key, &c->history);
}
