/* kind.c: the table of kinds, and errors on their way across a socket. */
#include "proto/kind.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "proto/msg.h"

#define KIND(symbol, name, fate, remedy) const struct err_kind ERR_##symbol = { name, FATE_##fate };
#include "proto/kind.def"
#undef KIND

/* As much of an error's text crosses; text_safe makes at most four bytes of one. */
#define KIND_TEXT_MAX 2048

/* Marks the text for translators, as KIND does. */
#define REMEDY(kind, text) { &kind, text }

static const struct {
	const struct err_kind *kind;
	const char *remedy;
} kinds[] = {
#define KIND(symbol, name, fate, remedy) { &ERR_##symbol, remedy },
#include "proto/kind.def"
#undef KIND
	REMEDY(ERR_SYSTEM, "The system refused something. The journal has the details."),
	{ &ERR_FORMAT, "" },
	{ &ERR_LIMIT, "" },
	REMEDY(ERR_CONFIG, "Mend the configuration file at the place that the text names."),
	REMEDY(ERR_GONE, "The other program ended. Look at systemctl status 'derivd*'."),
	REMEDY(ERR_TIMEOUT, "Try again; if it happens again, look at systemctl status 'derivd*'."),
	{ &ERR_NOTFOUND, "" },
};

_Static_assert((int)COMMON__FATE__RETRY == (int)FATE_RETRY &&
		       (int)COMMON__FATE__REFUSE == (int)FATE_REFUSE &&
		       (int)COMMON__FATE__BROKEN == (int)FATE_BROKEN,
	"the wire's fates are err.h's");

const struct err_kind *kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(kinds[i].kind->name, name) == 0)
			return kinds[i].kind;
	}
	return NULL;
}

const char *kind_remedy(const struct err_kind *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].kind == kind)
			return kinds[i].remedy;
	}
	return "";
}

/* protobuf-c has no const; the packer only reads. */
static char *lend(const char *s)
{
	return (char *)(uintptr_t)s;
}

Common__Error *kind_to_wire(const struct err *e)
{
	Common__Error m = COMMON__ERROR__INIT;
	const struct err_kind *kind = err_get_kind(e);
	const char *text = err_get_text(e);
	AUTO_MEM char *safe = text_safe(BYTES(text, strnlen(text, KIND_TEXT_MAX)));

	m.kind = lend(kind->name);
	m.fate = (Common__Fate)kind->fate;
	m.text = safe;
	m.remedy = lend(kind_remedy(kind));
	return msg_dup(&m.base);
}

/* For a name from another release, of which only the fate is known. */
static const struct err_kind *unknown_kind(Common__Fate fate)
{
	if (fate == COMMON__FATE__RETRY)
		return &ERR_REMOTE_RETRY;
	return fate == COMMON__FATE__BROKEN ? &ERR_REMOTE_BROKEN : &ERR_REMOTE;
}

struct err *kind_from_wire(const Common__Error *message)
{
	const struct err_kind *kind = kind_find(message->kind);
	AUTO(buf) struct buf *text = buf_new();

	if (!kind) {
		kind = unknown_kind(message->fate);
		buf_addf(text, "%s: ", message->kind);
	}
	buf_add_str(text, message->text);
	for (size_t i = 0; i < message->n_reasons; i++) {
		const Common__Reason *r = message->reasons[i];
		buf_addf(text, "%s%s: %s", i ? "; " : " (", r->subject, r->text);
	}
	if (message->n_reasons)
		buf_add_str(text, ")");
	return err_new(kind, "%s", buf_str(text));
}
