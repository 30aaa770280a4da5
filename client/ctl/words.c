/* words.c: see words.h. */
#include "client/ctl/words.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "client/ctl/lang.h"

static const char *const texts[WORD_COUNT] = {
#define WORD(id, text) [WORD_##id] = text,
#include "client/ctl/words.def"
#undef WORD
};

static const char *argument(va_list given, const char *name, size_t len)
{
	va_list args;
	const char *key, *found = NULL;

	va_copy(args, given);
	while (!found && (key = va_arg(args, const char *)) != NULL) {
		const char *value = va_arg(args, const char *);

		if (strlen(key) == len && memcmp(key, name, len) == 0)
			found = value;
	}
	va_end(args);
	assert(found);
	return found;
}

char *words(enum word w, ...)
{
	AUTO(buf) struct buf *b = buf_new();
	const char *p = _(texts[w]);
	va_list args;

	va_start(args, w);
	while (*p != '\0') {
		size_t plain = strcspn(p, "{");

		buf_add(b, p, plain);
		p += plain;
		if (*p == '{') {
			size_t len = strcspn(p + 1, "}");
			const char *value = argument(args, p + 1, len);
			AUTO_MEM char *safe = text_safe(BYTES(value, strlen(value)));

			buf_add_str(b, safe);
			/* One of the values is the invitation. */
			wipe(safe, strlen(safe));
			p += len + 2;
		}
	}
	va_end(args);
	return xstrdup(buf_str(b));
}

/* The empty one stands for a catalogue's head. */
const char *words_name(const char *name)
{
	return *name ? _(name) : name;
}
