/* err.c: error objects; the texts of causes are joined when context is added, so one string is all
 * there is. */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

struct err {
	const struct err_kind *kind;
	char *text;
};

const struct err_kind ERR_SYSTEM = { "system", FATE_BROKEN };
const struct err_kind ERR_FORMAT = { "format", FATE_REFUSE };
const struct err_kind ERR_LIMIT = { "limit", FATE_REFUSE };
const struct err_kind ERR_CONFIG = { "config", FATE_BROKEN };
const struct err_kind ERR_GONE = { "gone", FATE_RETRY };
const struct err_kind ERR_TIMEOUT = { "timeout", FATE_RETRY };
const struct err_kind ERR_NOTFOUND = { "not-found", FATE_REFUSE };

static char *format(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *format(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		err_abort("no memory for an error text");
	return s;
}

static struct err *make(const struct err_kind *kind, char *take_text)
{
	struct err *e = xcalloc(1, sizeof(*e));

	e->kind = kind;
	e->text = take_text;
	return e;
}

/* "context: text" from both, which it frees. */
static char *join(char *take_context, char *take_text)
{
	char *s = xasprintf("%s: %s", take_context, take_text);

	free(take_context);
	free(take_text);
	return s;
}

struct err *err_new(const struct err_kind *kind, const char *fmt, ...)
{
	va_list ap;

	assert(kind);
	va_start(ap, fmt);
	char *text = format(fmt, ap);
	va_end(ap);
	return make(kind, text);
}

struct err *err_errno(int errno_value, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = format(fmt, ap);
	va_end(ap);
	text = join(text, xstrdup(strerror(errno_value)));
	return make(errno_value == ENOENT ? &ERR_NOTFOUND : &ERR_SYSTEM, text);
}

struct err *err_wrap(struct err *take_cause, const char *fmt, ...)
{
	va_list ap;

	if (!take_cause)
		return NULL;
	va_start(ap, fmt);
	char *text = format(fmt, ap);
	va_end(ap);
	take_cause->text = join(text, take_cause->text);
	return take_cause;
}

struct err *err_as(const struct err_kind *kind, struct err *take_cause, const char *fmt, ...)
{
	va_list ap;

	assert(kind);
	if (!take_cause)
		return NULL;
	va_start(ap, fmt);
	char *text = format(fmt, ap);
	va_end(ap);
	take_cause->text = join(text, take_cause->text);
	take_cause->kind = kind;
	return take_cause;
}

void err_free(struct err *e)
{
	if (!e)
		return;
	free(e->text);
	free(e);
}

bool err_is(const struct err *e, const struct err_kind *kind)
{
	return e && e->kind == kind;
}

const struct err_kind *err_get_kind(const struct err *e)
{
	return e->kind;
}

enum err_fate err_get_fate(const struct err *e)
{
	return e->kind->fate;
}

const char *err_get_text(const struct err *e)
{
	return e->text;
}

const char *err_fate_name(enum err_fate fate)
{
	static const char *const names[] = {
		[FATE_RETRY] = "retry",
		[FATE_REFUSE] = "refuse",
		[FATE_BROKEN] = "broken",
	};

	assert((size_t)fate < ARRAY_LEN(names));
	return names[fate];
}

/* No allocation here: it may be the reason for the call. */
void err_abort(const char *fmt, ...)
{
	char line[512] = "<2>";
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line + 3, sizeof(line) - 4, fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : (size_t)n;
	if (len > sizeof(line) - 5)
		len = sizeof(line) - 5;
	line[3 + len] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, len + 4);
	(void)ignored;
	abort();
}
