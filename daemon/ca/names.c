/* names.c: RFC 4514 text with templates to DER, and the three forms of subjectAltName that profiles know. */
#include "daemon/ca/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/ca/profile.h"
#include "daemon/ca/template.h"
#include "evidence/der.h"
#include "proto/kind.h"

/* Attributes that a subject may have; max in characters, from RFC 5280 appendix A.1 (0: our own maximum). */
static const struct attribute {
	const char *name;
	const char *oid;
	uint8_t tag;
	size_t max;
} attributes[] = {
	{ "CN", "2.5.4.3", DER_UTF8, 64 },
	{ "SN", "2.5.4.4", DER_UTF8, 64 },
	{ "serialNumber", "2.5.4.5", DER_PRINTABLE, 64 },
	{ "C", "2.5.4.6", DER_PRINTABLE, 2 },
	{ "L", "2.5.4.7", DER_UTF8, 128 },
	{ "ST", "2.5.4.8", DER_UTF8, 128 },
	{ "O", "2.5.4.10", DER_UTF8, 64 },
	{ "OU", "2.5.4.11", DER_UTF8, 64 },
	{ "title", "2.5.4.12", DER_UTF8, 64 },
	{ "GN", "2.5.4.42", DER_UTF8, 64 },
	{ "dnQualifier", "2.5.4.46", DER_PRINTABLE, 64 },
	{ "UID", "0.9.2342.19200300.100.1.1", DER_UTF8, 256 },
	{ "DC", "0.9.2342.19200300.100.1.25", DER_IA5, 64 },
};

#define SUBJECT_PARTS_MAX 16

struct part {
	const struct attribute *attribute;
	char *value; /* a template */
};

struct parts {
	size_t n;
	struct part v[SUBJECT_PARTS_MAX];
};

static void parts_free(struct parts *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].value);
	free(p);
}
DEFINE_AUTO(parts, struct parts *, parts_free);

static const struct attribute *find_attribute(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
		if (bytes_eq(name, BYTES(attributes[i].name, strlen(attributes[i].name))))
			return &attributes[i];
	return NULL;
}

/* One "TYPE=value" from *text on, to the next comma that has no backslash; *text moves behind it. */
static struct err *parse_part(const char **text, struct parts *parts)
{
	AUTO(buf) struct buf *value = buf_new();
	const char *p = *text + strspn(*text, " ");
	const char *equals = strchr(p, '=');
	const struct attribute *attribute = equals ? find_attribute(BYTES(p, equals - p)) : NULL;

	if (!attribute)
		return err_new(&ERR_CONFIG,
			"subject: parts are CN=, O=, OU=, C=, DC=, UID=, ... with commas between");
	if (parts->n == SUBJECT_PARTS_MAX)
		return err_new(&ERR_CONFIG, "subject: more than %d parts", SUBJECT_PARTS_MAX);
	for (p = equals + 1; *p && *p != ','; p++) {
		if (*p == '\\' && p[1])
			p++;
		buf_add_u8(value, (uint8_t)*p);
	}
	if (!buf_len(value))
		return err_new(&ERR_CONFIG, "subject: %s has no value", attribute->name);
	parts->v[parts->n].attribute = attribute;
	parts->v[parts->n++].value = xstrdup(buf_str(value));
	*text = *p ? p + 1 : p;
	return NULL;
}

static struct err *parse_subject(const char *subject, struct parts **ret_parts)
{
	AUTO(parts) struct parts *parts = xcalloc(1, sizeof(*parts));

	while (*subject)
		TRY(parse_part(&subject, parts));
	if (!parts->n)
		return err_new(&ERR_CONFIG, "subject: empty");
	*ret_parts = take(parts);
	return NULL;
}

/* name:template of a san entry; the template is lent from entry. */
static struct err *parse_san(const char *entry, const char **ret_template)
{
	static const char *const forms[] = { "upn:", "mail:", "uri:" };

	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (text_starts(entry, forms[i]) && entry[strlen(forms[i])]) {
			*ret_template = entry + strlen(forms[i]);
			return NULL;
		}
	return err_new(&ERR_CONFIG, "san: a name is upn:TEXT, mail:TEXT or uri:TEXT");
}

struct err *names_check(const struct profile *p)
{
	AUTO(parts) struct parts *parts = NULL;
	const char *template;

	TRY(parse_subject(p->subject, &parts));
	for (size_t i = 0; i < parts->n; i++)
		TRY(err_wrap(template_check(parts->v[i].value, NULL), "subject"));
	for (size_t i = 0; i < p->san.n; i++) {
		TRY(parse_san(p->san.v[i], &template));
		TRY(err_wrap(template_check(template, NULL), "san"));
	}
	return NULL;
}

static size_t characters(const char *utf8)
{
	size_t n = 0;

	for (; *utf8; utf8++)
		n += ((uint8_t)*utf8 & 0xc0) != 0x80;
	return n;
}

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((uint8_t)*s >= 0x7f || *s < ' ')
			return false;
	return true;
}

static bool is_printable_string(const char *s)
{
	return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 "
			   "'()+,-./:=?")] == 0;
}

static struct err *check_value(const struct attribute *a, const char *value)
{
	if (!*value)
		return err_new(&ERR_POLICY, "subject: the value for %s is empty", a->name);
	if (characters(value) > a->max)
		return err_new(&ERR_POLICY,
			"subject: the value for %s is longer than %zu characters", a->name, a->max);
	if ((a->tag == DER_PRINTABLE && !is_printable_string(value)) ||
		(a->tag == DER_IA5 && !is_ascii(value)))
		return err_new(&ERR_POLICY,
			"subject: the value for %s has characters that it cannot have", a->name);
	return NULL;
}

static struct err *put_part(const struct part *part, const struct facts *facts, struct buf *out)
{
	AUTO_MEM char *value = NULL;
	AUTO(buf) struct buf *oid = NULL;

	TRY(err_wrap(template_fill(part->value, facts, NULL, NULL, &value), "subject"));
	if (!value)
		return NULL;
	TRY(check_value(part->attribute, value));
	TRY(der_oid(part->attribute->oid, &oid));
	size_t set = der_begin(out, DER_SET);
	size_t pair = der_begin(out, DER_SEQUENCE);
	buf_add_bytes(out, buf_bytes(oid));
	der_put_str(out, part->attribute->tag, value);
	der_end(out, pair);
	der_end(out, set);
	return NULL;
}

static struct err *put_subject(const char *subject, const struct facts *facts, struct buf *out)
{
	AUTO(parts) struct parts *parts = NULL;
	AUTO(buf) struct buf *name = buf_new();

	TRY(parse_subject(subject, &parts));
	for (size_t i = parts->n; i > 0; i--) /* X.501 has the least specific part first */
		TRY(put_part(&parts->v[i - 1], facts, name));
	if (!buf_len(name))
		return err_new(&ERR_POLICY, "the subject would be empty");
	der_put(out, DER_SEQUENCE, buf_bytes(name));
	return NULL;
}

struct err *names_subject(const struct profile *p, const struct facts *facts, struct buf *out)
{
	return put_subject(p->subject, facts, out);
}

struct err *names_fixed(const char *subject, struct buf *out)
{
	AUTO(facts) struct facts *none = facts_new();

	return put_subject(subject, none, out);
}

/* otherName: Microsoft's user principal name. */
static struct err *put_upn(const char *value, struct buf *out)
{
	AUTO(buf) struct buf *oid = NULL;

	TRY(der_oid("1.3.6.1.4.1.311.20.2.3", &oid));
	size_t other = der_begin(out, DER_CONTEXT_CONSTRUCTED(0));
	buf_add_bytes(out, buf_bytes(oid));
	size_t explicit = der_begin(out, DER_CONTEXT_CONSTRUCTED(0));
	der_put_str(out, DER_UTF8, value);
	der_end(out, explicit);
	der_end(out, other);
	return NULL;
}

static struct err *put_general_name(const char *entry, const char *value, struct buf *out)
{
	if (*entry == 'u' && entry[1] == 'p')
		return put_upn(value, out);
	if (!is_ascii(value))
		return err_new(
			&ERR_POLICY, "%s is not ASCII, which this kind of name needs", value);
	if (*entry == 'm' && (!strchr(value, '@') || strchr(value, ' ')))
		return err_new(&ERR_POLICY, "%s is no mail address", value);
	der_put_str(out, *entry == 'm' ? DER_CONTEXT(1) : DER_CONTEXT(6), value);
	return NULL;
}

struct err *names_san(
	const struct profile *p, const struct facts *facts, const char *uuid, struct buf *out)
{
	const struct template_value more[] = { { TEMPLATE_NEW_UUID, uuid }, { NULL, NULL } };
	AUTO(buf) struct buf *names = buf_new();

	for (size_t i = 0; i < p->san.n; i++) {
		AUTO_MEM char *value = NULL;
		const char *template;
		TRY(parse_san(p->san.v[i], &template));
		TRY(err_wrap(template_fill(template, facts, more, NULL, &value), "san"));
		if (value)
			TRY(put_general_name(p->san.v[i], value, names));
	}
	if (buf_len(names))
		der_put(out, DER_SEQUENCE, buf_bytes(names));
	return NULL;
}
