/* person.c: see person.h. */
#include "client/ctl/person.h"

#include <stdlib.h>
#include <string.h>

/* From here on a number identifies somebody. */
#define NUMBER_MIN 5
#define LAST 4
/* DoD ID numbers have ten digits; in a UPN six more may follow them. */
#define EDIPI_LEN 10
#define EDIPI_UPN_LEN 16

static size_t digits_at(const char *s)
{
	return strspn(s, "0123456789");
}

static bool is_separator(char c)
{
	return c == '.' || c == ' ' || c == '-' || c == ',' || c == ':' || c == '(';
}

char *person_name(const struct facts *f)
{
	AUTO(buf) struct buf *out = buf_new();
	const char *name = facts_get(f, FACT_NAME);

	for (const char *p = name ? name : ""; *p != '\0';) {
		size_t digits = digits_at(p);

		if (digits < NUMBER_MIN) {
			buf_add(out, p, digits ? digits : 1);
			p += digits ? digits : 1;
			continue;
		}
		while (buf_len(out) > 0 && is_separator(buf_str(out)[buf_len(out) - 1]))
			buf_cut(out, buf_len(out) - 1);
		p += digits;
	}
	return bytes_strdup(buf_bytes(out));
}

/* The number at the end of a text, or NULL when that does not end in one. */
static const char *number_at_end(const char *s)
{
	size_t len = strlen(s), n = 0;

	while (n < len && s[len - n - 1] >= '0' && s[len - n - 1] <= '9')
		n++;
	return n >= NUMBER_MIN ? s + len - n : NULL;
}

static char *last_of(const char *number, size_t len)
{
	return bytes_strdup(BYTES(number + len - LAST, LAST));
}

static bool is_number(const char *id_type)
{
	return id_type && (strcmp(id_type, "edipi") == 0 || strcmp(id_type, "fascn-person") == 0 ||
				  strcmp(id_type, "serial") == 0);
}

char *person_last_four(const struct facts *f)
{
	const char *name = facts_get(f, FACT_NAME), *upn = facts_get(f, FACT_UPN), *id = facts_get(f, FACT_ID);
	const char *number = name ? number_at_end(name) : NULL;
	size_t local = upn ? digits_at(upn) : 0;

	if (number)
		return last_of(number, strlen(number));
	if ((local == EDIPI_LEN || local == EDIPI_UPN_LEN) && upn[local] == '@')
		return last_of(upn, EDIPI_LEN);
	number = id && is_number(facts_get(f, FACT_ID_TYPE)) ? number_at_end(id) : NULL;
	return number ? last_of(number, strlen(number)) : xstrdup("");
}
