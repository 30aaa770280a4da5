/* Taking command APDUs apart: see applet.h. */
#include "tests/mock/vcard/applet.h"

enum { LE_SHORT_MAX = 256, LE_EXTENDED_MAX = 65536 };

static size_t number(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* After the header: 00, two bytes of Lc or Le, data, two bytes of Le. */
static bool parse_extended(struct span rest, struct apdu *a)
{
	size_t n;

	if (rest.n < 3)
		return false;
	n = number(rest.at + 1);
	if (rest.n == 3) {
		a->has_le = true;
		a->le = n ? n : LE_EXTENDED_MAX;
		return true;
	}
	if (!n || rest.n - 3 < n)
		return false;
	a->data = (struct span){ rest.at + 3, n };
	rest = (struct span){ rest.at + 3 + n, rest.n - 3 - n };
	if (rest.n == 0)
		return true;
	if (rest.n != 2)
		return false;
	a->has_le = true;
	a->le = number(rest.at) ? number(rest.at) : LE_EXTENDED_MAX;
	return true;
}

static bool parse_short(struct span rest, struct apdu *a)
{
	size_t n = rest.at[0];

	if (rest.n == 1) {
		a->has_le = true;
		a->le = n ? n : LE_SHORT_MAX;
		return true;
	}
	if (!n || (rest.n != 1 + n && rest.n != 2 + n))
		return false;
	a->data = (struct span){ rest.at + 1, n };
	a->has_le = rest.n == 2 + n;
	if (a->has_le)
		a->le = rest.at[1 + n] ? rest.at[1 + n] : LE_SHORT_MAX;
	return true;
}

bool apdu_parse(struct span bytes, struct apdu *ret)
{
	struct span rest;

	if (bytes.n < 4)
		return false;
	*ret = (struct apdu){
		.cla = bytes.at[0], .ins = bytes.at[1], .p1 = bytes.at[2], .p2 = bytes.at[3]
	};
	rest = (struct span){ bytes.at + 4, bytes.n - 4 };
	if (!rest.n)
		return true;
	return rest.at[0] == 0 && rest.n > 2 ? parse_extended(rest, ret) : parse_short(rest, ret);
}
