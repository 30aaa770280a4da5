/* person.c: see person.h. */
#include "client/ctl/person.h"

#include <stdlib.h>
#include <string.h>

/* From here on a number identifies somebody. */
#define NUMBER_MIN 5

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
		p += *p == ')';
	}
	return bytes_strdup(buf_bytes(out));
}
