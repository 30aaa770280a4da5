/*
 * limit.h: the rows of limit.def, by message type. The check itself is msg_check (check.c); scan.c uses the same
 * rows before anything is allocated.
 */
#ifndef DERIVD_PROTO_LIMIT_H
#define DERIVD_PROTO_LIMIT_H

#include <protobuf-c/protobuf-c.h>

#include "base/def.h"

enum limit_kind {
	LIMIT_TEXT,     /* a string: printable UTF-8, min to max bytes */
	LIMIT_LINES,    /* the same with line feeds and tabs */
	LIMIT_BYTES,    /* bytes: min to max of them */
	LIMIT_MAYBE,    /* bytes: none, or min to max of them */
	LIMIT_LIST,     /* a repeated message, enum or number: only counted */
	LIMIT_REQUIRED, /* a message that must be there */
};

struct limit {
	const ProtobufCMessageDescriptor *type;
	const char *field;
	enum limit_kind kind;
	uint32_t min, max;
	uint32_t max_count; /* elements of a repeated field; 1 for others */
	unsigned int index; /* of the field in the type; filled when the table is first used */
};

/* All rows, ordered by type and field. Aborts on a row that names no field: the unit test has seen them all. */
const struct limit *limit_table(size_t *ret_n);
/* The row of the type's index-th field, or NULL. */
const struct limit *limit_find(const ProtobufCMessageDescriptor *type, unsigned int index);

#endif
