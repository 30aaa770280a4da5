/* test_limit.c: limit.def and the .proto files agree: every field that needs a row has one, and fits it. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "proto/limit.h"
#include "proto/msg.h"
#include "proto/scan.h"

#define TYPES_MAX 256

static const ProtobufCMessageDescriptor *types[TYPES_MAX];
static size_t n_types;

static bool is_known(const ProtobufCMessageDescriptor *type)
{
	for (size_t i = 0; i < n_types; i++) {
		if (types[i] == type)
			return true;
	}
	return false;
}

static void collect(const ProtobufCMessageDescriptor *type, unsigned int depth)
{
	if (depth > SCAN_DEPTH_MAX)
		fail_msg("%s is deeper than SCAN_DEPTH_MAX", type->name);
	if (!is_known(type)) {
		assert_in_range(n_types, 0, TYPES_MAX - 1);
		types[n_types++] = type;
	}
	for (unsigned int i = 0; i < type->n_fields; i++) {
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			collect(type->fields[i].descriptor, depth + 1);
	}
}

static int collect_all(void **state)
{
	size_t n;
	const struct msg *table = msg_table(&n);

	for (size_t i = 0; i < n; i++)
		collect(table[i].type, 1);
	return 0;
}

static bool needs_row(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_REPEATED || f->type == PROTOBUF_C_TYPE_STRING ||
	       f->type == PROTOBUF_C_TYPE_BYTES;
}

static bool kind_fits(const ProtobufCFieldDescriptor *f, enum limit_kind kind)
{
	bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;

	if (f->type == PROTOBUF_C_TYPE_STRING)
		return kind == LIMIT_TEXT || kind == LIMIT_LINES;
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return kind == LIMIT_BYTES || kind == LIMIT_MAYBE;
	if (repeated)
		return kind == LIMIT_LIST;
	return f->type == PROTOBUF_C_TYPE_MESSAGE && kind == LIMIT_REQUIRED;
}

static void every_field_has_a_fitting_row(void **state)
{
	for (size_t t = 0; t < n_types; t++) {
		for (unsigned int i = 0; i < types[t]->n_fields; i++) {
			const ProtobufCFieldDescriptor *f = &types[t]->fields[i];
			const struct limit *l = limit_find(types[t], i);
			if (!l && needs_row(f))
				fail_msg("%s.%s has no row", types[t]->name, f->name);
			if (l && !kind_fits(f, l->kind))
				fail_msg("%s.%s: the row's kind is not the field's", types[t]->name,
					f->name);
		}
		assert_in_range(types[t]->n_fields, 0, SCAN_FIELDS_MAX);
	}
}

static void no_row_is_without_a_message_or_twice(void **state)
{
	size_t n;
	const struct limit *rows = limit_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (!is_known(rows[i].type))
			fail_msg("%s is in no message of the table", rows[i].type->name);
		assert_string_equal(rows[i].type->fields[rows[i].index].name, rows[i].field);
		if (i && rows[i].type == rows[i - 1].type && rows[i].index == rows[i - 1].index)
			fail_msg("%s.%s has two rows", rows[i].type->name, rows[i].field);
	}
}

static void rows_make_sense(void **state)
{
	size_t n;
	const struct limit *rows = limit_table(&n);

	for (size_t i = 0; i < n; i++) {
		const ProtobufCFieldDescriptor *f = &rows[i].type->fields[rows[i].index];
		if (rows[i].min > rows[i].max)
			fail_msg("%s.%s: min over max", rows[i].type->name, rows[i].field);
		if (f->label != PROTOBUF_C_LABEL_REPEATED && rows[i].max_count != 1)
			fail_msg("%s.%s is not repeated", rows[i].type->name, rows[i].field);
		if (rows[i].max_count == 0)
			fail_msg("%s.%s: none is allowed", rows[i].type->name, rows[i].field);
	}
}

/* What a field allows, its message must have room for. */
static void one_full_field_fits_its_message(void **state)
{
	size_t n_table, n_rows;
	const struct msg *table = msg_table(&n_table);
	const struct limit *rows = limit_table(&n_rows);

	for (size_t i = 0; i < n_table; i++) {
		for (size_t k = 0; k < n_rows; k++) {
			if (rows[k].type == table[i].type && rows[k].max > table[i].max)
				fail_msg("%s: %s alone may be larger than the message",
					table[i].name, rows[k].field);
		}
	}
}

static void bundle_is_reached(void **state)
{
	bool found = false;

	for (size_t i = 0; i < n_types; i++)
		found = found || strcmp(types[i]->name, "common.Bundle") == 0;
	assert_true(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_has_a_fitting_row),
		cmocka_unit_test(no_row_is_without_a_message_or_twice),
		cmocka_unit_test(rows_make_sense),
		cmocka_unit_test(one_full_field_fits_its_message),
		cmocka_unit_test(bundle_is_reached),
	};

	return cmocka_run_group_tests_name("limit", tests, collect_all, NULL);
}
