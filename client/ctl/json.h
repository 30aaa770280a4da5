/* json.h: --json. Every message of ours becomes an object by reflection, so the names are those of the .proto files. */
#ifndef DERIVD_CTL_JSON_H
#define DERIVD_CTL_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "base/def.h"
#include "base/err.h"

static inline UNUSED void json_free(json_t *j)
{
	json_decref(j);
}
DEFINE_AUTO(json, json_t *, json_free);

/* bytes as lower-case hexadecimal, enums by name, empty submessages left out, names that end in _ms also as text
 * (name without _ms, RFC 3339). The caller owns the result. */
json_t *json_from_message(const ProtobufCMessage *m);
/* Once, before anything else: what JSON values leave behind in memory is overwritten, for one of them is an invitation. */
void json_start(void);
/* One line on standard output. */
void json_print(const json_t *j);
/* The same past the buffer of standard output, which keeps what it had. */
void json_print_at_once(const json_t *j);
/* {"error": {kind, fate, text, remedy}} on one line. */
void json_print_error(const struct err *e);

#endif
