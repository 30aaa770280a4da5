/*
 * test_ctl_show.c: messages as JSON and as tables, both by reflection: so every message of control.proto and card.proto is made
 * up, filled to the last field, and looked at.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "client/ctl/json.h"
#include "client/ctl/table.c"
#include "proto/control.pb-c.h"
#include "proto/kind.h"
#include "proto/msg.h"

#define DEPTH_MAX 4

/* --- a message with something in every field --- */

static ProtobufCMessage *filled(const ProtobufCMessageDescriptor *type, int depth);

static void fill_value(const ProtobufCFieldDescriptor *f, void *member, int depth)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)member = xstrdup(f->name);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)member =
			(ProtobufCBinaryData){ 3, bytes_dup(BYTES("\x00\xab\xff", 3)) };
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)member = 1;
		break;
	case PROTOBUF_C_TYPE_ENUM:
		*(int *)member = ((const ProtobufCEnumDescriptor *)f->descriptor)->values[1].value;
		break;
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)member = 4294967295U;
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		*(int64_t *)member = 1795378158000;
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)member = filled(f->descriptor, depth + 1);
		break;
	default:
		fail_msg("%s has a type that no other field has", f->name);
	}
}

static void fill_field(const ProtobufCFieldDescriptor *f, uint8_t *message, int depth)
{
	bool leaf = f->type == PROTOBUF_C_TYPE_MESSAGE && depth == DEPTH_MAX;

	if (leaf)
		return;
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		fill_value(f, message + f->offset, depth);
		return;
	}
	/* One element, in memory for the largest. */
	void *list = xcalloc(1, sizeof(ProtobufCBinaryData));
	fill_value(f, list, depth);
	*(size_t *)(message + f->quantifier_offset) = 1;
	*(void **)(message + f->offset) = list;
}

static ProtobufCMessage *filled(const ProtobufCMessageDescriptor *type, int depth)
{
	ProtobufCMessage *m = xcalloc(1, type->sizeof_message);

	type->message_init(m);
	for (unsigned int i = 0; i < type->n_fields; i++)
		fill_field(&type->fields[i], (uint8_t *)m, depth);
	return m;
}

static void check_value(const ProtobufCFieldDescriptor *f, const json_t *j)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		assert_string_equal(json_string_value(j), f->name);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		assert_string_equal(json_string_value(j), "00abff");
		break;
	case PROTOBUF_C_TYPE_BOOL:
		assert_true(json_is_true(j));
		break;
	case PROTOBUF_C_TYPE_ENUM:
		assert_string_equal(json_string_value(j),
			((const ProtobufCEnumDescriptor *)f->descriptor)->values[1].name);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		assert_int_equal(json_integer_value(j), 4294967295U);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		assert_int_equal(json_integer_value(j), 1795378158000);
		break;
	default:
		assert_true(json_is_object(j));
	}
}

static void check_field(const ProtobufCFieldDescriptor *f, const json_t *object)
{
	const json_t *j = json_object_get(object, f->name);

	if (!j)
		fail_msg("%s is missing", f->name);
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		assert_int_equal(json_array_size(j), 1);
		j = json_array_get(j, 0);
	}
	check_value(f, j);
	if (f->type == PROTOBUF_C_TYPE_INT64 && text_ends(f->name, "_ms")) {
		AUTO_MEM char *name = bytes_strdup(BYTES(f->name, strlen(f->name) - 3));
		assert_string_equal(
			json_string_value(json_object_get(object, name)), "2026-11-22T20:09:18Z");
	}
}

static void every_message_becomes_an_object_with_all_its_fields(void **state)
{
	size_t n, seen = 0;
	const struct msg *table = msg_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (table[i].link != LINK_CONTROL && table[i].link != LINK_CARD)
			continue;
		ProtobufCMessage *m = filled(table[i].type, 0);
		AUTO(json) json_t *j = json_from_message(m);
		for (unsigned int f = 0; f < table[i].type->n_fields; f++)
			check_field(&table[i].type->fields[f], j);
		protobuf_c_message_free_unpacked(m, NULL);
		seen++;
	}
	assert_true(seen > 30);
}

static void empty_messages_have_no_times_and_no_submessages(void **state)
{
	Control__StatusReply m = CONTROL__STATUS_REPLY__INIT;
	AUTO(json) json_t *j = json_from_message(&m.base);

	assert_null(json_object_get(j, "audit"));
	assert_null(json_object_get(j, "started"));
	assert_int_equal(json_integer_value(json_object_get(j, "started_ms")), 0);
	assert_int_equal(json_array_size(json_object_get(j, "roles")), 0);
	assert_true(json_is_false(json_object_get(j, "ca_reachable")));
	assert_string_equal(json_string_value(json_object_get(j, "state")), "");
}

/* --- what is printed --- */

static FILE *output;
static int before;

static void capture(void)
{
	(void)fflush(stdout);
	output = tmpfile();
	before = dup(STDOUT_FILENO);
	assert_int_equal(dup2(fileno(output), STDOUT_FILENO), STDOUT_FILENO);
}

/* The caller frees. */
static char *captured(void)
{
	char *text = xcalloc(1, 65536);

	(void)fflush(stdout);
	assert_int_equal(dup2(before, STDOUT_FILENO), STDOUT_FILENO);
	close(before);
	rewind(output);
	assert_true(fread(text, 1, 65535, output) > 0 || feof(output));
	(void)fclose(output);
	return text;
}

static void errors_are_json_too(void **state)
{
	AUTO(err) struct err *e = err_new(&ERR_PIN_LOCKED, "the \"PIN\"\n is locked \xff");

	capture();
	json_print_error(e);
	AUTO_MEM char *text = captured();
	AUTO(json) json_t *j = json_loads(text, 0, NULL);
	const json_t *inner = json_object_get(j, "error");
	assert_string_equal(json_string_value(json_object_get(inner, "kind")), "pin-locked");
	assert_string_equal(json_string_value(json_object_get(inner, "fate")), "refuse");
	assert_string_equal(json_string_value(json_object_get(inner, "text")),
		"the \"PIN\"\\x0a is locked \\xff");
	assert_non_null(strstr(json_string_value(json_object_get(inner, "remedy")), "unlocked"));
	assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
}

static void both_ways_to_print_say_the_same(void **state)
{
	AUTO(json) json_t *j = json_pack("{s:s, s:i}", "a", "\u00e4", "b", 1);

	json_start();
	capture();
	json_print(j);
	json_print_at_once(j);
	AUTO_MEM char *text = captured();
	assert_string_equal(text, "{\"a\":\"\u00e4\",\"b\":1}\n{\"a\":\"\u00e4\",\"b\":1}\n");
}

static const struct table_column columns[] = {
	{ "label", "LABEL", 8 },
	{ "items_waiting", "WAITING", 0 },
	{ "connected", "CONNECTED", 0 },
	{ "state", "STATE", 0 },
	{ NULL, NULL, 0 },
};

static void print_rows(size_t n)
{
	Control__DeviceRow rows[3] = { CONTROL__DEVICE_ROW__INIT, CONTROL__DEVICE_ROW__INIT,
		CONTROL__DEVICE_ROW__INIT };
	ProtobufCMessage *const list[] = { &rows[0].base, &rows[1].base, &rows[2].base };
	char label[] = "\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57", evil[] = "\033[2Jx", plain[] = "Ada",
	     state[] = "on";

	rows[0].label = label;
	rows[1].label = evil;
	rows[2].label = plain;
	rows[2].items_waiting = 12345678901;
	rows[2].connected = 1;
	rows[2].state = state;
	table_print(columns, list, n);
}

static void tables_have_columns(void **state)
{
	capture();
	print_rows(3);
	AUTO_MEM char *text = captured();
	/* Eight columns are four wide characters; foreign text is made safe, then cut. */
	assert_string_equal(text, "LABEL     WAITING      CONNECTED  STATE\n"
				  "\u6f22\u5b57\u6f22\u5b57  0            no         \n"
				  "\\x1b[2Jx  0            no         \n"
				  "Ada       12345678901  yes        on\n");
}

static void no_rows_no_table(void **state)
{
	capture();
	print_rows(0);
	AUTO_MEM char *text = captured();
	assert_string_equal(text, "");
}

static void fields_of_one_message(void **state)
{
	Control__CredentialRow m = CONTROL__CREDENTIAL_ROW__INIT;
	char id[] = "3f2a", cause[] = "a\nb";
	uint8_t certificate[41] = { 0 };

	m.id = id;
	m.cause = cause;
	m.not_after_ms = 1795378158000;
	m.certificate = (ProtobufCBinaryData){ sizeof(certificate), certificate };
	capture();
	table_print_fields(&m.base);
	AUTO_MEM char *text = captured();
	assert_non_null(strstr(text, "id                   3f2a\n"));
	assert_non_null(strstr(text, "not after            2026-11-22T20:09:18Z ("));
	assert_non_null(strstr(text, "cause                a\\x0ab\n"));
	assert_non_null(strstr(text, "certificate          (41 bytes)\n"));
	assert_null(strstr(text, "serial"));
	assert_null(strstr(text, "not before"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_becomes_an_object_with_all_its_fields),
		cmocka_unit_test(empty_messages_have_no_times_and_no_submessages),
		cmocka_unit_test(errors_are_json_too),
		cmocka_unit_test(both_ways_to_print_say_the_same),
		cmocka_unit_test(tables_have_columns),
		cmocka_unit_test(no_rows_no_table),
		cmocka_unit_test(fields_of_one_message),
	};

	/* Before the first value: memory that one allocator gave another may not take. */
	json_start();
	return cmocka_run_group_tests_name("ctl_show", tests, NULL, NULL);
}
