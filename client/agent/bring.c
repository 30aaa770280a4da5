/* bring.c: see bring.h. */
#include "client/agent/bring.h"

#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/secret.h"
#include "base/text.h"

/* More than any invitation or pin set has. */
#define TEXT_MAX 16384

static struct trouble *read_stdin(struct buf **ret_text)
{
	AUTO(buf) struct buf *text = buf_new();
	size_t n = fread(buf_grow(text, TEXT_MAX), 1, TEXT_MAX - 1, stdin);

	if (ferror(stdin))
		return trouble_new(DERIVD_DEVICE_KIND_SYSTEM, "standard input cannot be read");
	buf_cut(text, n);
	*ret_text = take(text);
	return NULL;
}

struct trouble *bring_uri(char *argument, struct buf **ret_uri)
{
	AUTO(buf) struct buf *uri = NULL;

	uri = buf_new();
	if (strcmp(argument, "-") == 0) {
		char *line = (char *)buf_grow(uri, TEXT_MAX);
		bool came = fgets(line, TEXT_MAX, stdin) != NULL;
		buf_cut(uri, came ? strcspn(line, "\r\n") : 0);
	} else {
		buf_add_str(uri, argument);
		wipe(argument, strlen(argument));
	}
	*ret_uri = take(uri);
	return NULL;
}

struct trouble *bring_pins(const char *source, struct buf **ret_text)
{
	if (strcmp(source, "-") == 0)
		return read_stdin(ret_text);
	if (!text_starts(source, "derivd-pins:")) {
		struct trouble *t = trouble_err(io_read_file(source, TEXT_MAX, ret_text));
		if (t)
			t->kind = DERIVD_DEVICE_KIND_PIN_SET;
		return t;
	}
	*ret_text = buf_new();
	buf_add_str(*ret_text, source);
	return NULL;
}

struct trouble *bring_password(const char *path, size_t max, struct buf **ret_password)
{
	AUTO(buf) struct buf *text = NULL;

	PASS(trouble_err(io_read_file(path, max, &text)));
	buf_cut(text, strcspn(buf_str(text), "\r\n"));
	*ret_password = take(text);
	return NULL;
}
