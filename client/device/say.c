/* say.c: see say.h. Each line is flushed: somebody waits for it, a person or a program. */
#include "client/device/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "client/device/fault.h"

struct say {
	bool json;
};

struct say *say_new(bool json)
{
	struct say *s = xcalloc(1, sizeof(*s));

	s->json = json;
	return s;
}

void say_free(struct say *s)
{
	free(s);
}

bool say_is_json(const struct say *s)
{
	return s->json;
}

static void print_value(json_t *take_value, size_t flags)
{
	AUTO_MEM char *text = json_dumps(take_value, flags);

	if (!text)
		err_abort("no memory for a line of JSON");
	puts(text);
	fflush(stdout);
	json_decref(take_value);
}

void say(struct say *s, const char *event, json_t *take_fields, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		err_abort("no memory for a text");
	if (s->json) {
		json_t *line = json_pack("{s:s, s:s}", "event", event, "text", text);
		if (take_fields)
			json_object_update(line, take_fields);
		print_value(line, JSON_COMPACT);
	} else {
		puts(text);
		fflush(stdout);
	}
	json_decref(take_fields);
	free(text);
}

void say_error(struct say *s, const char *event, const struct err *e)
{
	const struct err_kind *kind = err_get_kind(e);
	const char *remedy = fault_remedy(kind);
	const char *text = err_get_text(e);
	AUTO_MEM char *shown = text_safe(BYTES(text, strlen(text)));

	if (s->json) {
		say(s, event,
			json_pack("{s:s, s:s, s:s}", "kind", kind->name, "fate",
				err_fate_name(kind->fate), "remedy", remedy),
			"%s", shown);
		return;
	}
	fprintf(stderr, "derivd-device: %s\n", shown);
	if (*remedy)
		fprintf(stderr, "  %s\n", remedy);
}

void say_json(json_t *take_value)
{
	print_value(take_value, JSON_INDENT(2));
}
