/*
 * scan.h: a look over the bytes of a protobuf message before it is parsed. protobuf-c allocates for each element of a
 * repeated field and each unknown field, and merges a message field that comes again: two bytes on the wire can cost
 * a hundred in memory, and many repetitions cost quadratic time. After the scan the memory for a message is bounded
 * by limit.def.
 */
#ifndef DERIVD_PROTO_SCAN_H
#define DERIVD_PROTO_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "base/def.h"
#include "base/err.h"

/* Fields that this build does not know, in one message. They are ignored. */
#define SCAN_UNKNOWN_MAX 64
/* Messages within messages. */
#define SCAN_DEPTH_MAX 6
/* No message of ours has more fields; the unit test looks. */
#define SCAN_FIELDS_MAX 32

/*
 * ERR_PROTOCOL: malformed, a wire type that is not the field's, a single field given twice, more elements or bytes
 * than limit.def allows, a zero byte in a string, too many unknown fields, too deep.
 */
MUST_CHECK struct err *scan(const ProtobufCMessageDescriptor *type, struct bytes body);

#endif
