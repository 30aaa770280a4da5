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
 * Fills ret_message (initialised by this call) from an error; the strings are lent from e and from tables,
 * so the message must be packed before e goes. An error of a kind that only base knows crosses as it is.
 */
void kind_to_wire(const struct err *e, Common__Error *ret_message);
/*
 * An error from the peer's message. A name that this build does not know becomes ERR_REMOTE with the text;
 * fate then follows the wire.
 */
MUST_CHECK struct err *kind_from_wire(const Common__Error *message);

#endif
