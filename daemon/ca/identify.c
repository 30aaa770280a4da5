/* identify.c: whom a certificate identifies, by the means that the anchor's configuration lists. */
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/ca/eligible.h"
#include "proto/kind.h"

#define FASCN_BYTES 25
#define FASCN_CHARACTERS 40
/* Where the fields stand among the characters (SP 800-73-4 part 1, section 3.4.2; TIG SCEPACS section 2.2). */
#define FASCN_AGENCY 1
#define FASCN_PERSON 22 /* 10 digits; then the organization's category (1) and identifier (4) */
#define FASCN_CATEGORY 32
#define FASCN_ORGANIZATION 33
#define FASCN_END 38
#define PERSON_LEN 10

/* The 40 characters of five bits each, four of value (least significant first) and one of odd parity. */
static bool fascn_unpack(const char *hex, char ret_text[static FASCN_CHARACTERS + 1])
{
	static const char values[] =
		"0123456789*S*F*E"; /* A: no character, B: start, D: field, F: end */
	AUTO(buf) struct buf *bytes = NULL;
	struct err *e = text_unhex(hex, &bytes);

	err_free(e);
	if (!bytes || buf_len(bytes) != FASCN_BYTES)
		return false;
	for (size_t i = 0; i < FASCN_CHARACTERS; i++) {
		unsigned int value = 0, ones = 0;
		for (size_t k = 0; k < 5; k++) {
			size_t at = 5 * i + k;
			unsigned int bit = buf_data(bytes)[at / 8] >> (7 - at % 8) & 1;
			ones += bit;
			if (k < 4)
				value |= bit << k;
		}
		if (ones % 2 == 0)
			return false;
		ret_text[i] = values[value];
	}
	ret_text[FASCN_CHARACTERS] = 0;
	return true;
}

static bool are_digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

/*
 * The person in a FASC-N: organization category, organization, person. Not the association category, which changes when
 * a contractor is hired. PIV-I cards have agency code 9999 and no person.
 */
static char *fascn_person(const char *hex)
{
	char text[FASCN_CHARACTERS + 1];

	if (!fascn_unpack(hex, text) || text[0] != 'S' || text[FASCN_END] != 'E')
		return NULL;
	if (!are_digits(text + FASCN_PERSON, FASCN_END - FASCN_PERSON) ||
		strncmp(text + FASCN_AGENCY, "9999", 4) == 0 ||
		strspn(text + FASCN_PERSON, "0") >= PERSON_LEN)
		return NULL;
	return xasprintf("%c-%.4s-%.10s", text[FASCN_CATEGORY], text + FASCN_ORGANIZATION,
		text + FASCN_PERSON);
}

/* DoD: "LAST.FIRST.MIDDLE.1234567890" as common name, or 10 or 16 digits before the @ of the UPN. */
static char *edipi(const struct facts *facts)
{
	const char *name = facts_get(facts, FACT_NAME), *upn = facts_get(facts, FACT_UPN);
	const char *dot = name ? strrchr(name, '.') : NULL;
	size_t local = upn ? strcspn(upn, "@") : 0;

	if (dot && strlen(dot + 1) == PERSON_LEN && are_digits(dot + 1, PERSON_LEN))
		return xstrdup(dot + 1);
	if ((local == PERSON_LEN || local == PERSON_LEN + 6) && are_digits(upn, local))
		return bytes_strdup(BYTES(upn, PERSON_LEN));
	return NULL;
}

/* The serialNumber attribute of the subject. */
static char *subject_serial(const X509 *cert)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_serialNumber, -1);
	unsigned char *utf8 = NULL;

	if (at < 0)
		return NULL;
	int len =
		ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (len < 0)
		return NULL;
	char *text = len && !memchr(utf8, 0, (size_t)len) ? bytes_strdup(BYTES(utf8, (size_t)len))
							  : NULL;
	OPENSSL_free(utf8);
	return text;
}

static char *copy_fact(const struct facts *facts, const char *name)
{
	const char *value = facts_get(facts, name);

	return value && *value ? xstrdup(value) : NULL;
}

static char *identity(enum identify what, const X509 *cert, const struct facts *facts)
{
	const char *fascn = facts_get(facts, FACT_FASCN);

	switch (what) {
	case IDENTIFY_UPN:
		return copy_fact(facts, FACT_UPN);
	case IDENTIFY_FASCN_PERSON:
		return fascn ? fascn_person(fascn) : NULL;
	case IDENTIFY_EDIPI:
		return edipi(facts);
	case IDENTIFY_MAIL:
		return copy_fact(facts, FACT_MAIL);
	case IDENTIFY_UUID:
		return copy_fact(facts, FACT_UUID);
	case IDENTIFY_SERIAL:
		return subject_serial(cert);
	case IDENTIFY_SUBJECT:
		return copy_fact(facts, FACT_SUBJECT);
	case IDENTIFY_N:
		break;
	}
	return NULL;
}

struct err *eligible_identify(const struct anchor *anchor, const X509 *cert, struct facts *facts)
{
	AUTO_MEM char *anchor_hash = text_hex(BYTES(anchor->key_hash, SHA256_LEN));

	for (size_t i = 0; i < anchor->n_identify; i++) {
		AUTO_MEM char *id = identity(anchor->identify[i], cert, facts);
		if (!id)
			continue;
		TRY(facts_add(facts, FACT_ID_TYPE, identify_name(anchor->identify[i])));
		TRY(facts_add(facts, FACT_ID, id));
		return facts_add(facts, FACT_ANCHOR, anchor_hash);
	}
	return err_new(&ERR_CERT_NOT_ELIGIBLE,
		"nothing in it identifies the holder by the means of anchor \"%s\"", anchor->name);
}

char *eligible_last_four(const struct facts *facts)
{
	AUTO_MEM char *number = edipi(facts);
	const char *fascn = facts_get(facts, FACT_FASCN), *id = facts_get(facts, FACT_ID);
	AUTO_MEM char *person = fascn ? fascn_person(fascn) : NULL;
	const char *from = number ? number : person ? person : id ? id : "";
	size_t len = strlen(from);

	return len >= 8 && are_digits(from + len - 4, 4) ? xstrdup(from + len - 4) : xstrdup("");
}
