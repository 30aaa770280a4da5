/*
 * cert_facts.c: who the holder is, as a card certificate says it. Everything goes through facts_add, which refuses
 * what cannot be shown.
 */
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "evidence/cert.h"
#include "proto/kind.h"

#define OID_UPN "1.3.6.1.4.1.311.20.2.3"
#define OID_FASCN "2.16.840.1.101.3.6.6"
#define OID_SID_EXTENSION "1.3.6.1.4.1.311.25.2"
#define OID_SID "1.3.6.1.4.1.311.25.2.1"
#define URN_UUID "urn:uuid:"
#define FASCN_LEN 25
#define UUID_LEN 36
#define EDIPI_LEN 10

static void names_free(GENERAL_NAMES *names)
{
	GENERAL_NAMES_free(names);
}
DEFINE_AUTO(names, GENERAL_NAMES *, names_free);

/* Sets a fact unless it is there already: the first one counts, an empty one does not. */
static struct err *add_first(struct facts *f, const char *name, struct bytes value)
{
	if (value.len == 0 || facts_get(f, name))
		return NULL;
	AUTO_MEM char *text = bytes_strdup(value);
	if (strlen(text) != value.len)
		return err_new(&ERR_CERT_BAD, "certificate: a zero byte in the %s", name);
	return err_as(&ERR_CERT_BAD, facts_add(f, name, text), "certificate");
}

static struct bytes string_bytes(const ASN1_STRING *s)
{
	return BYTES(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static bool is_oid(const ASN1_OBJECT *object, const char *oid)
{
	char text[128];
	int len = OBJ_obj2txt(text, sizeof(text), object, 1);

	return len > 0 && (size_t)len < sizeof(text) && strcmp(text, oid) == 0;
}

static struct err *add_fascn(struct facts *f, struct bytes value)
{
	if (value.len != FASCN_LEN)
		return err_new(&ERR_CERT_BAD, "certificate: a FASC-N of %zu bytes, not %d",
			value.len, FASCN_LEN);
	AUTO_MEM char *hex = text_hex(value);
	return add_first(f, FACT_FASCN, BYTES(hex, strlen(hex)));
}

/* RFC 4122 section 3; written in lower case so that it can be compared. */
static struct err *add_uuid(struct facts *f, struct bytes uri)
{
	size_t prefix = strlen(URN_UUID);

	if (uri.len < prefix || strncasecmp((const char *)uri.data, URN_UUID, prefix) != 0)
		return NULL;
	AUTO_MEM char *text = bytes_strdup(BYTES(uri.data + prefix, uri.len - prefix));
	bool good = uri.len - prefix == UUID_LEN;
	for (size_t i = 0; good && i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		good = dash ? text[i] == '-' : isxdigit((unsigned char)text[i]) != 0;
		text[i] = (char)tolower((unsigned char)text[i]);
	}
	if (!good)
		return err_new(&ERR_CERT_BAD, "certificate: a malformed urn:uuid");
	return add_first(f, FACT_UUID, BYTES(text, UUID_LEN));
}

static struct err *add_other_name(struct facts *f, const OTHERNAME *other)
{
	const ASN1_TYPE *value = other->value;

	if (is_oid(other->type_id, OID_UPN)) {
		if (value->type != V_ASN1_UTF8STRING)
			return err_new(&ERR_CERT_BAD, "certificate: a UPN that is no UTF8String");
		return add_first(f, FACT_UPN, string_bytes(value->value.utf8string));
	}
	if (is_oid(other->type_id, OID_FASCN)) {
		if (value->type != V_ASN1_OCTET_STRING)
			return err_new(
				&ERR_CERT_BAD, "certificate: a FASC-N that is no OCTET STRING");
		return add_fascn(f, string_bytes(value->value.octet_string));
	}
	return NULL;
}

static struct err *add_alternative_names(struct facts *f, const X509 *cert)
{
	int state = 0;
	AUTO(names)
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &state, NULL);

	if (!names && state != -1)
		return sig_openssl_error(&ERR_CERT_BAD,
			"certificate: subjectAltName does not parse, or is there twice");
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_EMAIL)
			TRY(add_first(f, FACT_MAIL, string_bytes(name->d.rfc822Name)));
		else if (name->type == GEN_URI)
			TRY(add_uuid(f, string_bytes(name->d.uniformResourceIdentifier)));
		else if (name->type == GEN_OTHERNAME)
			TRY(add_other_name(f, name->d.otherName));
	}
	return NULL;
}

static bool is_sid(const char *text)
{
	return text_starts(text, "S-1-") && strspn(text, "S-0123456789") == strlen(text) &&
	       strrchr(text, 'S') == text;
}

/* MS-WCCE section 2.2.2.7.7.4: GeneralNames with one otherName, whose value is the SID's text. */
static struct err *add_sid(struct facts *f, const X509 *cert)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(OID_SID_EXTENSION, 1);
	int at = X509_get_ext_by_OBJ(cert, oid, -1);
	bool twice = at >= 0 && X509_get_ext_by_OBJ(cert, oid, at) >= 0;

	ASN1_OBJECT_free(oid);
	if (at < 0)
		return NULL;
	const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(X509_get_ext(cert, at));
	const uint8_t *p = ASN1_STRING_get0_data(data);
	const uint8_t *end = p + ASN1_STRING_length(data);
	AUTO(names) GENERAL_NAMES *names = d2i_GENERAL_NAMES(NULL, &p, ASN1_STRING_length(data));
	const GENERAL_NAME *name = names && p == end && sk_GENERAL_NAME_num(names) == 1
					   ? sk_GENERAL_NAME_value(names, 0)
					   : NULL;
	if (twice || !name || name->type != GEN_OTHERNAME ||
		!is_oid(name->d.otherName->type_id, OID_SID) ||
		name->d.otherName->value->type != V_ASN1_OCTET_STRING)
		return sig_openssl_error(&ERR_CERT_BAD, "certificate: the SID does not parse");
	struct bytes value = string_bytes(name->d.otherName->value->value.octet_string);
	AUTO_MEM char *text = bytes_strdup(value);
	if (!is_sid(text))
		return err_new(&ERR_CERT_BAD, "certificate: the SID is malformed");
	return add_first(f, FACT_SID, value);
}

/* The last value of an attribute, as UTF-8; NULL when there is none. */
static struct err *last_of(const X509 *cert, int nid, char **ret_text)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = -1;

	*ret_text = NULL;
	for (int next = -1; (next = X509_NAME_get_index_by_NID(subject, nid, next)) >= 0;)
		at = next;
	if (at < 0)
		return NULL;
	uint8_t *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(
		&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len < 0)
		return sig_openssl_error(
			&ERR_CERT_BAD, "certificate: a part of the subject does not parse");
	*ret_text = bytes_strdup(BYTES(utf8, (size_t)len));
	bool zero = strlen(*ret_text) != (size_t)len;
	OPENSSL_free(utf8);
	return zero ? err_new(&ERR_CERT_BAD, "certificate: a zero byte in the subject") : NULL;
}

/*
 * The person's name without what the Common Policy (section 3.1.1.1) and the DoD put behind it: "(affiliate)", " -ENC",
 * and the ten digits of "LAST.FIRST.MIDDLE.1234567890".
 */
static void strip_qualifiers(char *name)
{
	char *cut = strrchr(name, '(');

	if (cut && cut != name && text_ends(name, ")"))
		*cut = '\0';
	cut = strstr(name, " -");
	if (cut && cut != name && cut[2] &&
		strspn(cut + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(cut + 2))
		*cut = '\0';
	cut = strrchr(name, '.');
	if (cut && cut != name && strlen(cut + 1) == EDIPI_LEN &&
		strspn(cut + 1, "0123456789") == EDIPI_LEN)
		*cut = '\0';
	for (size_t len = strlen(name); len && name[len - 1] == ' '; len--)
		name[len - 1] = '\0';
}

static struct err *add_subject(struct facts *f, const X509 *cert)
{
	static const struct {
		int nid;
		const char *fact;
	} table[] = {
		{ NID_commonName, FACT_NAME },
		{ NID_organizationName, FACT_ORGANIZATION },
		{ NID_countryName, FACT_COUNTRY },
	};
	AUTO_MEM char *subject = cert_subject(cert);

	if (*subject)
		TRY(add_first(f, FACT_SUBJECT, BYTES(subject, strlen(subject))));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_MEM char *value = NULL;
		TRY(last_of(cert, table[i].nid, &value));
		if (value && table[i].nid == NID_commonName)
			strip_qualifiers(value);
		if (value && *value)
			TRY(add_first(f, table[i].fact, BYTES(value, strlen(value))));
	}
	return NULL;
}

struct err *cert_facts(const X509 *cert, struct facts *facts)
{
	TRY(add_subject(facts, cert));
	TRY(add_alternative_names(facts, cert));
	TRY(add_sid(facts, cert));
	ERR_clear_error();
	return NULL;
}
