/* vectors.c: PROTOCOL.intent's tables as data, and records to and from JSON by them. */
#include "tests/unit/unit.h"

#include "tests/unit/vectors.h"

#include "base/text.h"

static const struct vector_field request[] = {
	{ "purpose", VECTOR_NUMBER, NULL },
	{ "PKCS#10", VECTOR_HEX, NULL },
	{ "attestation", VECTOR_HEX, NULL },
	{ 0 },
};

const struct vector_field vector_statement[] = {
	{ "version", VECTOR_NUMBER, NULL },
	{ "host", VECTOR_TEXT, NULL },
	{ "deployment", VECTOR_HEX, NULL },
	{ "invitation key", VECTOR_HEX, NULL },
	{ "offer digest", VECTOR_HEX, NULL },
	{ "identity key", VECTOR_HEX, NULL },
	{ "sealing", VECTOR_HEX, NULL },
	{ "platform", VECTOR_TEXT, NULL },
	{ "requests", VECTOR_RECORDS, request },
	{ "commitment", VECTOR_HEX, NULL },
	{ 0 },
};

static const struct vector_field offered[] = {
	{ "purpose", VECTOR_NUMBER, NULL },
	{ "origin", VECTOR_NUMBER, NULL },
	{ "key type", VECTOR_TEXT, NULL },
	{ "profile", VECTOR_HEX, NULL },
	{ "challenge", VECTOR_HEX, NULL },
	{ 0 },
};

const struct vector_field vector_offer[] = {
	{ "operation", VECTOR_NUMBER, NULL },
	{ "deployment", VECTOR_HEX, NULL },
	{ "request id", VECTOR_HEX, NULL },
	{ "issuer", VECTOR_HEX, NULL },
	{ "predecessor", VECTOR_HEX, NULL },
	{ "created", VECTOR_NUMBER, NULL },
	{ "expires", VECTOR_NUMBER, NULL },
	{ "certificates", VECTOR_HASHES, NULL },
	{ "purposes", VECTOR_RECORDS, offered },
	{ "facts", VECTOR_TEXTS, NULL },
	{ 0 },
};

static const struct vector_field purpose[] = {
	{ "purpose", VECTOR_NUMBER, NULL },
	{ "profile", VECTOR_HEX, NULL },
	{ "origin", VECTOR_NUMBER, NULL },
	{ "key", VECTOR_HEX, NULL },
	{ 0 },
};

static const struct vector_field consent[] = {
	{ "kind", VECTOR_TEXT, NULL },
	{ "until", VECTOR_NUMBER, NULL },
	{ 0 },
};

const struct vector_field vector_intent[] = {
	{ "operation", VECTOR_NUMBER, NULL },
	{ "deployment", VECTOR_HEX, NULL },
	{ "issuer", VECTOR_HEX, NULL },
	{ "request id", VECTOR_HEX, NULL },
	{ "nonce", VECTOR_HEX, NULL },
	{ "certificates", VECTOR_HASHES, NULL },
	{ "algorithm", VECTOR_NUMBER, NULL },
	{ "statement", VECTOR_HEX, NULL },
	{ "invitation key", VECTOR_HEX, NULL },
	{ "purposes", VECTOR_RECORDS, purpose },
	{ "facts", VECTOR_HEX, NULL },
	{ "consents", VECTOR_RECORDS, consent },
	{ "predecessor", VECTOR_HEX, NULL },
	{ "kiosk", VECTOR_HEX, NULL },
	{ 0 },
};

const struct vector_field vector_receipt[] = {
	{ "intent", VECTOR_HEX, NULL },
	{ "evidence", VECTOR_HEX, NULL },
	{ "operation", VECTOR_NUMBER, NULL },
	{ "deployment", VECTOR_HEX, NULL },
	{ "request id", VECTOR_HEX, NULL },
	{ "issuer", VECTOR_HEX, NULL },
	{ "holder id", VECTOR_HEX, NULL },
	{ "facts", VECTOR_TEXTS, NULL },
	{ "identity key", VECTOR_HEX, NULL },
	{ "sealing", VECTOR_HEX, NULL },
	{ "purposes", VECTOR_RECORDS, purpose },
	{ "time", VECTOR_NUMBER, NULL },
	{ "nonce time", VECTOR_NUMBER, NULL },
	{ "certificates", VECTOR_HASHES, NULL },
	{ "proofs", VECTOR_HASHES, NULL },
	{ "consents", VECTOR_RECORDS, consent },
	{ "predecessor", VECTOR_HEX, NULL },
	{ 0 },
};

const struct vector_field vector_ticket[] = {
	{ "intent", VECTOR_HEX, NULL },
	{ "purpose", VECTOR_NUMBER, NULL },
	{ "key", VECTOR_HEX, NULL },
	{ "device copy", VECTOR_HEX, NULL },
	{ "history copy", VECTOR_HEX, NULL },
	{ "escrow copies", VECTOR_HASHES, NULL },
	{ "time", VECTOR_NUMBER, NULL },
	{ 0 },
};

const struct vector_field vector_item[] = {
	{ "deployment", VECTOR_HEX, NULL },
	{ "device", VECTOR_HEX, NULL },
	{ "item id", VECTOR_HEX, NULL },
	{ "number", VECTOR_NUMBER, NULL },
	{ "kind", VECTOR_NUMBER, NULL },
	{ "purpose", VECTOR_NUMBER, NULL },
	{ "digest", VECTOR_HEX, NULL },
	{ "length", VECTOR_NUMBER, NULL },
	{ "time", VECTOR_NUMBER, NULL },
	{ 0 },
};

const struct vector_field vector_acknowledgement[] = {
	{ "device", VECTOR_HEX, NULL },
	{ "item id", VECTOR_HEX, NULL },
	{ "number", VECTOR_NUMBER, NULL },
	{ "item", VECTOR_HEX, NULL },
	{ "status", VECTOR_NUMBER, NULL },
	{ "detail", VECTOR_TEXT, NULL },
	{ 0 },
};

const struct vector_field vector_sealed[] = {
	{ "label", VECTOR_TEXT, NULL },
	{ "deployment", VECTOR_HEX, NULL },
	{ "intent", VECTOR_HEX, NULL },
	{ "purpose", VECTOR_NUMBER, NULL },
	{ "key hash", VECTOR_HEX, NULL },
	{ "key", VECTOR_HEX, NULL },
	{ 0 },
};

json_t *vector_hex(struct bytes b)
{
	AUTO_MEM char *hex = text_hex(b);

	return json_string(hex);
}

struct buf *vector_get(const json_t *object, const char *name)
{
	const char *hex = json_string_value(json_object_get(object, name));
	struct buf *b = NULL;

	if (!hex)
		fail_msg("no member \"%s\"", name);
	assert_ok(text_unhex(hex, &b));
	return b;
}

static struct bytes next(struct cursor *c)
{
	struct bytes value = { 0 };
	uint32_t len = 0;

	assert_ok(cursor_u32(c, &len));
	assert_ok(cursor_bytes(c, len, &value));
	return value;
}

static json_t *number(struct bytes value)
{
	json_int_t n = 0;

	assert_true(value.len == 1 || value.len == 8);
	for (size_t i = 0; i < value.len; i++)
		n = n << 8 | value.data[i];
	return json_pack("{s:I,s:i}", "number", n, "size", (int)value.len);
}

static json_t *elements(const struct vector_field *field, struct bytes value)
{
	json_t *list = json_array();
	struct cursor c = { value };

	while (c.rest.len) {
		struct bytes b = next(&c);
		json_t *one = field->form == VECTOR_HASHES
				      ? json_pack("{s:o}", "hex", vector_hex(b))
			      : field->form == VECTOR_TEXTS
				      ? json_pack("{s:s%}", "text", (const char *)b.data, b.len)
				      : json_pack("{s:o}", "list", vector_fields(field->inner, b));
		assert_non_null(one);
		json_array_append_new(list, one);
	}
	return json_pack("{s:o}", "list", list);
}

static json_t *field_json(const struct vector_field *field, struct bytes value)
{
	switch (field->form) {
	case VECTOR_HEX:
		return json_pack("{s:o}", "hex", vector_hex(value));
	case VECTOR_TEXT:
		return json_pack(
			"{s:s%}", "text", value.len ? (const char *)value.data : "", value.len);
	case VECTOR_NUMBER:
		return number(value);
	default:
		return elements(field, value);
	}
}

json_t *vector_fields(const struct vector_field *table, struct bytes record)
{
	json_t *fields = json_array();
	struct cursor c = { record };

	for (; table->name; table++) {
		json_t *named = json_pack("{s:s}", "name", table->name);
		json_t *value = field_json(table, next(&c));
		assert_non_null(value);
		json_object_update_new(named, value);
		json_array_append_new(fields, named);
	}
	assert_ok(cursor_end(&c));
	return fields;
}

static void put(struct buf *out, struct bytes value)
{
	buf_add_u32(out, (uint32_t)value.len);
	buf_add_bytes(out, value);
}

static void put_number(struct buf *out, json_int_t n, json_int_t size)
{
	buf_add_u32(out, (uint32_t)size);
	for (json_int_t i = size - 1; i >= 0; i--)
		buf_add_u8(out, (uint8_t)(n >> (8 * i)));
}

void vector_record(const json_t *fields, struct buf *out)
{
	size_t i;
	json_t *field;

	json_array_foreach((json_t *)(uintptr_t)fields, i, field)
	{
		const char *text = json_string_value(json_object_get(field, "text"));
		const json_t *list = json_object_get(field, "list");
		const json_t *n = json_object_get(field, "number");
		AUTO(buf) struct buf *value = NULL;
		if (n) {
			put_number(out, json_integer_value(n),
				json_integer_value(json_object_get(field, "size")));
			continue;
		}
		value = text || list ? buf_new() : vector_get(field, "hex");
		if (text)
			buf_add_str(value, text);
		if (list)
			vector_record(list, value);
		put(out, buf_bytes(value));
	}
}
