/* table.h: messages as tables and as lists of fields, for people. */
#ifndef DERIVD_CTL_TABLE_H
#define DERIVD_CTL_TABLE_H

#include <protobuf-c/protobuf-c.h>

#include "base/def.h"

struct table_column {
	const char *field; /* of the .proto file; NULL ends the list */
	const char *title;
	size_t max; /* columns shown; 0: all */
};

/* One line a message under a line of titles; nothing at all for no messages. Foreign text is made safe. */
void table_print(const struct table_column *columns, ProtobufCMessage *const *rows, size_t n_rows);
/* "field: value" lines of one message, nested lists left out, empty fields too. */
void table_print_fields(const ProtobufCMessage *m);

#endif
