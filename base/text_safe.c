/* text_safe.c: text of others: is it UTF-8, may it be shown, and how to show it when it may not. */
#include "base/text.h"

#include <string.h>

#include <locale.h>
#include <wchar.h>

#include "base/buf.h"

/* The length that the first byte announces, and the smallest code point that needs that length. */
static size_t announced(uint8_t first, uint32_t *ret_bits, uint32_t *ret_min)
{
	static const struct {
		uint8_t mask, value, bits;
		uint32_t min;
	} forms[] = {
		{ 0x80, 0x00, 0x7f, 0 },
		{ 0xe0, 0xc0, 0x1f, 0x80 },
		{ 0xf0, 0xe0, 0x0f, 0x800 },
		{ 0xf8, 0xf0, 0x07, 0x10000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if ((first & forms[i].mask) != forms[i].value)
			continue;
		*ret_bits = first & forms[i].bits;
		*ret_min = forms[i].min;
		return i + 1;
	}
	return 0;
}

/* The code point at the start of b, and its length in bytes; 0 when there is no valid one. RFC
 * 3629. */
static size_t decode(struct bytes b, uint32_t *ret_point)
{
	uint32_t point, min;
	size_t len = announced(b.data[0], &point, &min);

	if (len == 0 || len > b.len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((b.data[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (b.data[i] & 0x3f);
	}
	if (point < min || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return len;
}

static bool is_shown(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} refused[] = {
		{ 0x00, 0x1f }, { 0x7f, 0x9f }, { 0x061c, 0x061c }, /* Arabic letter mark */
		{ 0x200e, 0x200f },   /* left-to-right and right-to-left marks */
		{ 0x2028, 0x2029 },   /* line and paragraph separators */
		{ 0x202a, 0x202e },   /* bidirectional embeddings and overrides */
		{ 0x2066, 0x2069 },   /* bidirectional isolates */
		{ 0xfeff, 0xfeff },   /* byte order mark */
		{ 0xe0000, 0xe007f }, /* tags: invisible text */
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		if (point >= refused[i].first && point <= refused[i].last)
			return false;
	}
	return true;
}

bool text_is_utf8(struct bytes b)
{
	for (size_t i = 0; i < b.len;) {
		uint32_t point;
		size_t len = decode(BYTES(b.data + i, b.len - i), &point);
		if (len == 0 || point == 0)
			return false;
		i += len;
	}
	return true;
}

bool text_is_printable(struct bytes b)
{
	for (size_t i = 0; i < b.len;) {
		uint32_t point;
		/* Most are, and need no more than a look. */
		if (b.data[i] >= 0x20 && b.data[i] < 0x7f) {
			i++;
			continue;
		}
		size_t len = decode(BYTES(b.data + i, b.len - i), &point);
		if (len == 0 || !is_shown(point))
			return false;
		i += len;
	}
	return true;
}

char *text_cut(const char *s, size_t max)
{
	size_t len = s ? strnlen(s, max + 1) : 0;

	/* The byte behind the cut must not go on with a character that began before it. */
	if (len > max)
		for (len = max; len > 0 && ((uint8_t)s[len] & 0xc0) == 0x80;)
			len--;
	return bytes_strdup(BYTES(s, len));
}

char *text_safe(struct bytes b)
{
	AUTO(buf) struct buf *out = buf_new();

	for (size_t i = 0; i < b.len;) {
		uint32_t point;
		size_t len = decode(BYTES(b.data + i, b.len - i), &point);
		bool shown = len > 0 && is_shown(point);
		size_t n = len ? len : 1;
		for (size_t k = 0; k < n && !shown; k++)
			buf_addf(out, "\\x%02x", b.data[i + k]);
		if (shown)
			buf_add(out, b.data + i, n);
		i += n;
	}
	return bytes_strdup(buf_bytes(out));
}

static size_t width_of(uint32_t point)
{
	int columns = wcwidth((wchar_t)point);

	return columns < 0 ? 1 : (size_t)columns;
}

size_t text_columns(struct bytes b)
{
	/* Widths belong to a locale, and those of Unicode to any that has its characters. */
	locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	locale_t before = unicode ? uselocale(unicode) : NULL;
	size_t columns = 0;

	for (size_t i = 0; i < b.len;) {
		uint32_t point;
		size_t len = decode(BYTES(b.data + i, b.len - i), &point);
		columns += len && unicode ? width_of(point) : 1;
		i += len ? len : 1;
	}
	if (unicode) {
		uselocale(before);
		freelocale(unicode);
	}
	return columns;
}
