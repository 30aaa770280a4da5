/*
 * vectors.h: test vectors as JSON (PROTOCOL.intent section 15): records taken apart by a table of their fields, which is written
 * from the document and knows nothing of the code in evidence/, and put together again from the JSON alone.
 */
#ifndef DERIVD_TESTS_UNIT_VECTORS_H
#define DERIVD_TESTS_UNIT_VECTORS_H

#include <jansson.h>

#include "base/buf.h"

enum vector_form {
	VECTOR_HEX,
	VECTOR_TEXT,
	VECTOR_NUMBER,  /* one or eight bytes */
	VECTOR_HASHES,  /* a list of values */
	VECTOR_TEXTS,   /* a record of texts without names of their own: facts */
	VECTOR_RECORDS, /* a list of records */
};

struct vector_field {
	const char *name; /* NULL ends a table */
	enum vector_form form;
	const struct vector_field *inner;
};

extern const struct vector_field vector_offer[], vector_statement[], vector_intent[],
	vector_receipt[], vector_ticket[], vector_item[], vector_acknowledgement[], vector_sealed[];

/* The fields of a record as a JSON array; a new reference. Fails the test when the bytes do not fit the table. */
json_t *vector_fields(const struct vector_field *table, struct bytes record);
/* The record that an array of fields describes, appended to out. */
void vector_record(const json_t *fields, struct buf *out);

json_t *vector_hex(struct bytes b);
/* The bytes of a member in hexadecimal; the caller frees. */
struct buf *vector_get(const json_t *object, const char *name);

#endif
