/* kind.h: the error kinds that cross sockets, and errors to and from the wire. */
#ifndef DERIVD_PROTO_KIND_H
#define DERIVD_PROTO_KIND_H

#include "base/err.h"
#include "proto/common.pb-c.h"

#define KIND(symbol, name, fate, remedy) extern const struct err_kind ERR_##symbol;
#include "proto/kind.def"
#undef KIND

/* The kind with that name, among those of kind.def and base/err.h; NULL when there is none. */
const struct err_kind *kind_find(const char *name);
/* What to do, lent; "" when the kind has no remedy of its own. */
const char *kind_remedy(const struct err_kind *kind);

/*
 * The message for an error: kind, fate, text (made safe to show and cut to 2048 bytes) and the kind's remedy;
 * it always passes the limits. The caller frees with msg_free. An error of a kind that only base knows crosses
 * as it is.
 */
Common__Error *kind_to_wire(const struct err *e);
/*
 * An error from the peer's message, its reasons behind the text. A name that this build does not know becomes
 * ERR_REMOTE, ERR_REMOTE_RETRY or ERR_REMOTE_BROKEN by the wire's fate, the name before the text.
 */
MUST_CHECK struct err *kind_from_wire(const Common__Error *message);

#endif
