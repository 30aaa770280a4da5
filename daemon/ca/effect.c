/* effect.c: the facts, and what has become of them. */
#include "daemon/ca/effect.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "evidence/cert.h"

#define LABEL "derivd configuration v1"
/* Longer ones are told by their beginning and their digest. */
#define NAME_MAX_SHOWN 96
#define VALUE_MAX_SHOWN 640
#define SHOWN_OF_LONG 64

static char *hex_digest(struct bytes b)
{
	uint8_t digest[SHA256_LEN];

	sha256(b, digest);
	return text_hex(BYTES(digest, SHA256_LEN));
}

/* Of one line, and never the same for two texts: what is long or not printable is told by its digest. */
static char *shown(const char *text, size_t max)
{
	struct bytes all = BYTES(text, strlen(text));

	if (all.len <= max && text_is_printable(all) && !strstr(text, ", SHA-256 "))
		return xstrdup(text);
	AUTO_MEM char *safe = text_safe(all);
	AUTO_MEM char *begin = text_cut(safe, SHOWN_OF_LONG);
	AUTO_MEM char *digest = hex_digest(all);
	return xasprintf("%s..., SHA-256 %s", begin, digest);
}

/* What a section is called: nothing in it can be taken for what stands around it. */
static char *quoted(const char *kind, const char *name)
{
	AUTO(buf) struct buf *out = buf_new();
	AUTO_MEM char *text = shown(name, NAME_MAX_SHOWN);

	for (const char *p = text; *p; p++)
		buf_addf(out, strchr("\"\\:", *p) ? "\\x%02x" : "%c", (unsigned char)*p);
	return xasprintf("%s \"%s\"", kind, buf_str(out));
}

static void put(struct effect_lines *l, const char *where, const char *what, const char *value)
{
	AUTO_MEM char *text = shown(value, VALUE_MAX_SHOWN);

	effect_lines_add(l, xasprintf("%s%s%s: %s", where, *where ? " " : "", what, text));
}

static void put_number(
	struct effect_lines *l, const char *where, const char *what, uint64_t n, const char *unit)
{
	effect_lines_add(
		l, xasprintf("%s%s%s: %" PRIu64 "%s", where, *where ? " " : "", what, n, unit));
}

/* In the largest unit that says it exactly. */
static void put_time(struct effect_lines *l, const char *where, const char *what, uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = { { UINT64_C(86400000), " days" }, { 3600000, " h" }, { 60000, " min" },
		{ 1000, " s" }, { 1, " ms" } };
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(units) && ms % units[i].ms != 0)
		i++;
	put_number(l, where, what, ms / units[i].ms, units[i].name);
}

static void put_hex(struct effect_lines *l, const char *what, const uint8_t *bytes, size_t len)
{
	AUTO_MEM char *hex = text_hex(BYTES(bytes, len));

	put(l, "", what, hex);
}

static void put_certificate(
	struct effect_lines *l, const char *where, const char *what, const X509 *cert)
{
	AUTO_MEM char *subject = cert_subject(cert);
	AUTO_MEM char *safe = text_safe(BYTES(subject, strlen(subject)));
	AUTO_MEM char *begin = text_cut(safe, NAME_MAX_SHOWN);
	uint8_t digest[SHA256_LEN];

	cert_hash(cert, digest);
	AUTO_MEM char *hex = text_hex(BYTES(digest, SHA256_LEN));
	effect_lines_add(
		l, xasprintf("%s%s%s: %s, SHA-256 %s", where, *where ? " " : "", what, begin, hex));
}

static void put_list(
	struct effect_lines *l, const char *where, const char *what, char *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(l, where, what, values[i]);
}

/* Where the first one counts most. */
static void put_order(struct effect_lines *l, const char *where, const char *what, size_t place,
	const char *value)
{
	AUTO_MEM char *numbered = xasprintf("%s %zu", what, place + 1);

	put(l, where, numbered, value);
}

static void put_anchor(struct effect_lines *l, const struct anchor *a, size_t place)
{
	AUTO_MEM char *where = quoted("anchor", a->name);

	put_number(l, where, "place", place + 1, "");
	put_certificate(l, where, "certificate", a->certificate);
	for (int i = 0; i < sk_X509_num(a->intermediates); i++)
		put_certificate(l, where, "intermediate", sk_X509_value(a->intermediates, i));
	put_list(l, where, "policy", a->policies.v, a->policies.n);
	put_list(l, where, "eku", a->eku.v, a->eku.n);
	put_list(l, where, "crl-file", a->crl_files.v, a->crl_files.n);
	for (size_t i = 0; i < a->n_identify; i++)
		put_order(l, where, "identify", i, identify_name(a->identify[i]));
	put(l, where, "other-certificates", a->other_certificates ? "same-subject" : "none");
}

static void put_usage(struct effect_lines *l, const char *where, uint8_t usage)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = { { USAGE_DIGITAL_SIGNATURE, "digitalSignature" },
		{ USAGE_NON_REPUDIATION, "nonRepudiation" },
		{ USAGE_KEY_ENCIPHERMENT, "keyEncipherment" },
		{ USAGE_KEY_AGREEMENT, "keyAgreement" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (usage & names[i].bit)
			put(l, where, "key-usage", names[i].name);
}

static void put_profile(struct effect_lines *l, const struct profile *p)
{
	static const char *const sids[] = {
		[SID_NEVER] = "never", [SID_OPTIONAL] = "optional", [SID_REQUIRED] = "required"
	};
	AUTO_MEM char *where = quoted("profile", p->name);

	put(l, where, "purpose", profile_purpose_name(p->purpose));
	put(l, where, "key", p->origin == COMMON__ORIGIN__SERVER ? "server" : "device");
	put(l, where, "key-type", p->key_type);
	put_time(l, where, "validity", p->validity_ms);
	put_usage(l, where, p->key_usage);
	put(l, where, "subject", p->subject);
	put(l, where, "sid", sids[p->sid]);
	put_list(l, where, "eku", p->eku.v, p->eku.n);
	put_list(l, where, "policy", p->policies.v, p->policies.n);
	for (size_t i = 0; i < p->san.n; i++)
		put_order(l, where, "san", i, p->san.v[i]);
	put_list(l, where, "crl", p->crl.v, p->crl.n);
	put_list(l, where, "issuers", p->issuers.v, p->issuers.n);
	put_list(l, where, "ocsp", p->ocsp.v, p->ocsp.n);
}

static void put_app(struct effect_lines *l, const struct app *a)
{
	static const char *const escapes[] = {
		[ESCAPE_NONE] = "none", [ESCAPE_XML] = "xml", [ESCAPE_JSON] = "json"
	};
	AUTO_MEM char *where = quoted("app", a->name);
	AUTO_MEM char *digest = hex_digest(BYTES(a->text, strlen(a->text)));
	AUTO_MEM char *text = xasprintf("SHA-256 %s", digest);

	put(l, where, "type", a->type);
	put(l, where, "escape", escapes[a->escape]);
	put(l, where, "text", text);
}

static void put_settings(struct effect_lines *l, const struct settings *s)
{
	put_number(l, "", "approval officers", s->officers, "");
	put(l, "", "approval group", s->officer_group);
	put_time(l, "", "nonce-lifetime", s->nonce_lifetime_ms);
	put_time(l, "", "offer-lifetime", s->offer_lifetime_ms);
	put_time(l, "", "crl-validity", s->crl_validity_ms);
	put_time(l, "", "crl-every", s->crl_every_ms);
	put_time(l, "", "crl-refresh", s->crl_refresh_ms);
	put_list(l, "", "fetch-allow", s->fetch_allow.v, s->fetch_allow.n);
	put(l, "", "backend", s->backend);
	for (size_t i = 0; i < s->n_escrow; i++)
		put_certificate(l, "", "escrow certificate", s->escrow[i]);
	if (s->history)
		put_certificate(l, "", "history certificate", s->history);
	for (size_t i = 0; i < s->n_anchors; i++)
		put_anchor(l, s->anchors[i], i);
	for (size_t i = 0; i < s->n_profiles; i++)
		put_profile(l, s->profiles[i]);
	for (size_t i = 0; i < s->n_apps; i++)
		put_app(l, s->apps[i]);
}

static void put_deployment(struct effect_lines *l, const struct deployment *d)
{
	AUTO_MEM char *import =
		d->import_certificate
			? hex_digest(BYTES(d->import_certificate, strlen(d->import_certificate)))
			: xstrdup("none");

	put_hex(l, "deployment", d->id, DEPLOYMENT_ID_LEN);
	put_hex(l, "kiosk", d->kiosk, KIOSK_ID_LEN);
	put_hex(l, "delivery key", d->delivery_public, ED25519_PUBLIC_LEN);
	put_hex(l, "receipt key", d->receipt_public, ED25519_PUBLIC_LEN);
	put(l, "", "gateway host", d->host);
	put_number(l, "", "gateway port", d->port, "");
	put_number(l, "", "gateway pins change", d->pins_epoch, "");
	for (size_t i = 0; i < d->n_pins; i++)
		put_hex(l, "gateway pin", d->pins[i], SHA256_LEN);
	put(l, "", "import certificate", import);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct effect_lines *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), compare);
}

struct buf *effect_text(
	const struct settings *s, const struct deployment *d, const struct issuer *issuer)
{
	struct effect_lines l = { 0, NULL };
	struct buf *text = buf_new();

	put_settings(&l, s);
	put_deployment(&l, d);
	put_certificate(&l, "", "issuing certificate", issuer->cert);
	sort(&l);
	for (size_t i = 0; i < l.n; i++)
		buf_addf(text, "%s\n", l.v[i]);
	effect_lines_clear(&l);
	return text;
}

void effect_digest(struct bytes text, uint8_t ret_digest[static SHA256_LEN])
{
	sha256_labelled(LABEL, &text, 1, ret_digest);
}
