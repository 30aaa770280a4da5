/* trouble.c: see trouble.h. */
#include "client/agent/trouble.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

static struct trouble *make(
	const char *kind, enum err_fate fate, const char *text, const char *remedy)
{
	struct trouble *t = xcalloc(1, sizeof(*t));

	t->kind = kind;
	t->fate = err_fate_name(fate);
	t->text = text_safe(BYTES(text, strlen(text)));
	t->remedy = remedy;
	return t;
}

struct trouble *trouble_new(const char *kind, const char *fmt, ...)
{
	char *made = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&made, fmt, ap);
	va_end(ap);
	if (n < 0)
		err_abort("no memory for a text");
	AUTO_MEM char *text = made;
	return make(kind, FATE_REFUSE, text, "");
}

struct trouble *trouble_err(struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	return e ? make(err_get_kind(e)->name, err_get_fate(e), err_get_text(e), "") : NULL;
}

/* What the library says in general, and what it means for who uses this program. */
static const char *remedy(const struct derivd_device_error *error)
{
	static const struct {
		const char *kind, *remedy;
	} remedies[] = {
		{ DERIVD_DEVICE_KIND_GATEWAY_KEY,
			"Something else than the kiosk answered. Do not go on in this network. If "
			"this device was away for long, the kiosk's key may have changed: ask the "
			"operator for a pin set, and give it to derivd-device repin." },
		{ DERIVD_DEVICE_KIND_STATE,
			"Use another state directory (--state), or remove this one." },
		{ DERIVD_DEVICE_KIND_NOT_ENROLLED,
			"Begin with derivd-device enroll and the text of the kiosk's QR code, or "
			"name the state directory with --state." },
		{ DERIVD_DEVICE_KIND_STATE_DAMAGED,
			"Try again. If it stays so, keep the directory for its old keys, and "
			"enroll with another one (--state)." },
	};
	const char *kind = derivd_device_error_kind(error);

	for (size_t i = 0; i < ARRAY_LEN(remedies); i++) {
		if (strcmp(remedies[i].kind, kind) == 0)
			return remedies[i].remedy;
	}
	return derivd_device_error_remedy(error);
}

struct trouble *trouble_show(const struct derivd_device_error *error)
{
	return make(derivd_device_error_kind(error), (enum err_fate)derivd_device_error_fate(error),
		derivd_device_error_text(error), remedy(error));
}

struct trouble *trouble_device(struct derivd_device_error *take_error)
{
	if (!take_error)
		return NULL;
	struct trouble *t = trouble_show(take_error);
	derivd_device_error_free(take_error);
	return t;
}

void trouble_free(struct trouble *t)
{
	if (!t)
		return;
	free(t->text);
	free(t);
}

bool trouble_is(const struct trouble *t, const char *kind)
{
	return t && strcmp(t->kind, kind) == 0;
}
