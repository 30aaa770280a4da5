/* number.c: see number.h. */
#include "evidence/number.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define FASCN_BYTES 25
#define FASCN_CHARACTERS 40
/* Where the fields stand among the characters (SP 800-73-4 part 1, section 3.4.2; TIG SCEPACS section 2.2). */
#define FASCN_AGENCY 1
#define FASCN_PERSON 22 /* 10 digits; then the organization's category (1) and identifier (4) */
#define FASCN_CATEGORY 32
#define FASCN_ORGANIZATION 33
#define FASCN_END 38
#define PERSON_LEN 10
#define LAST_LEN 4
#define SERIAL_MIN 8

/* The 40 characters of five bits each, four of value (least significant first) and one of odd parity. */
static bool unpack(const char *hex, char ret_text[static FASCN_CHARACTERS + 1])
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

char *number_fascn_person(const struct facts *f)
{
	const char *hex = facts_get(f, FACT_FASCN);
	char text[FASCN_CHARACTERS + 1];

	if (!hex || !unpack(hex, text) || text[0] != 'S' || text[FASCN_END] != 'E')
		return NULL;
	if (!are_digits(text + FASCN_PERSON, FASCN_END - FASCN_PERSON) ||
		strncmp(text + FASCN_AGENCY, "9999", 4) == 0 ||
		strspn(text + FASCN_PERSON, "0") >= PERSON_LEN)
		return NULL;
	return xasprintf("%c-%.4s-%.10s", text[FASCN_CATEGORY], text + FASCN_ORGANIZATION,
		text + FASCN_PERSON);
}

char *number_edipi(const struct facts *f)
{
	const char *name = facts_get(f, FACT_NAME), *upn = facts_get(f, FACT_UPN);
	const char *dot = name ? strrchr(name, '.') : NULL;
	size_t local = upn ? strcspn(upn, "@") : 0;

	if (dot && strlen(dot + 1) == PERSON_LEN && are_digits(dot + 1, PERSON_LEN))
		return xstrdup(dot + 1);
	/* In a UPN six more digits may follow. */
	if ((local == PERSON_LEN || local == PERSON_LEN + 6) && are_digits(upn, local))
		return bytes_strdup(BYTES(upn, PERSON_LEN));
	return NULL;
}

static const char *serial_of(const struct facts *f)
{
	const char *type = facts_get(f, FACT_ID_TYPE), *id = facts_get(f, FACT_ID);

	return type && id && strcmp(type, "serial") == 0 && strlen(id) >= SERIAL_MIN ? id : "";
}

char *number_last_four(const struct facts *f)
{
	AUTO_MEM char *edipi = number_edipi(f);
	AUTO_MEM char *person = number_fascn_person(f);
	const char *number = edipi ? edipi : person ? person : serial_of(f);
	size_t len = strlen(number);

	if (len < LAST_LEN || !are_digits(number + len - LAST_LEN, LAST_LEN))
		return xstrdup("");
	return xstrdup(number + len - LAST_LEN);
}
