/* test_scan.c: protobuf bytes that are refused before memory is spent on them. */
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "proto/ca.pb-c.h"
#include "proto/card.pb-c.h"
#include "proto/common.pb-c.h"
#include "proto/control.pb-c.h"
#include "proto/device.pb-c.h"
#include "proto/kind.h"
#include "proto/scan.h"
#include "tests/unit/wire.h"

static void malformed_bytes(void **state)
{
	static const struct {
		const char *hex;
		const char *part;
	} cases[] = {
		{ "0a", "malformed" },                       /* no length */
		{ "0a05616263", "malformed" },               /* cut off */
		{ "80", "malformed" },                       /* a tag that does not end */
		{ "0a80", "malformed" },                     /* a length that does not end */
		{ "0affffffffffffffffffff01", "malformed" }, /* eleven bytes of length */
		{ "0affffffffffffffffff01", "longer than" }, /* 2^64 - 1 bytes */
		{ "0200", "malformed" },                     /* field 0 */
		{ "808080808010", "malformed" },             /* a tag of more than 32 bits */
		{ "0b", "wire type 3" },                     /* a group */
		{ "0c", "wire type 4" },
		{ "0e", "wire type 6" },
		{ "0f", "wire type 7" },
		{ "0801", "not the field's" }, /* a number for a text */
		{ "0d01020304", "not the field's" },
		{ "0a0178"
		  "0a0179",
			"reader: 2 of them" },
		{ "0a03780079", "zero byte" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf) struct buf *b = unhex(cases[i].hex);
		assert_err_text(
			scan(&card__open__descriptor, buf_bytes(b)), &ERR_PROTOCOL, cases[i].part);
	}
}

static void an_empty_message_is_fine(void **state)
{
	assert_ok(scan(&card__open__descriptor, BYTES(NULL, 0)));
}

static void numbers_of_all_wire_types_are_skipped(void **state)
{
	AUTO(buf)
	struct buf *b = unhex("0801" /* sequence of AuditHead */
			      "10ffffffffffffffffff01" /* hash is bytes: wrong */);

	assert_err_text(scan(&common__audit_head__descriptor, buf_bytes(b)), &ERR_PROTOCOL, "hash");
	buf_cut(b, 2);
	assert_ok(scan(&common__audit_head__descriptor, buf_bytes(b)));
}

static void unknown_fields_up_to_the_limit(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	for (size_t i = 0; i < SCAN_UNKNOWN_MAX; i++)
		put_field(b, 15, BYTES("abc", 3));
	assert_ok(scan(&card__open__descriptor, buf_bytes(b)));
	put_field(b, 14, BYTES(NULL, 0));
	assert_err_text(
		scan(&card__open__descriptor, buf_bytes(b)), &ERR_PROTOCOL, "too many unknown");
}

static void packed_and_single_elements_count_together(void **state)
{
	/* purposes of ca.Assess is field 4, at most 8 */
	AUTO(buf)
	struct buf *b = unhex("2206010203040102"
			      "2001"
			      "2002");

	assert_ok(scan(&ca__assess__descriptor, buf_bytes(b)));
	buf_add(b, "\x20\x01", 2);
	assert_err_text(scan(&ca__assess__descriptor, buf_bytes(b)), &ERR_PROTOCOL,
		"purposes: 9 of them, at most 8");
	AUTO(buf) struct buf *cut = unhex("220281");
	assert_err(scan(&ca__assess__descriptor, buf_bytes(cut)), &ERR_PROTOCOL);
	AUTO(buf) struct buf *open_end = unhex("22020181");
	assert_err_text(
		scan(&ca__assess__descriptor, buf_bytes(open_end)), &ERR_PROTOCOL, "purposes");
}

static void nested_messages_are_scanned(void **state)
{
	AUTO(buf)
	struct buf *inner = unhex("0a0161"
				  "0a0162");
	AUTO(buf) struct buf *b = buf_new();

	put_field(b, 3, buf_bytes(inner)); /* card.Sign.offer with two bodies */
	assert_err_text(scan(&card__sign__descriptor, buf_bytes(b)), &ERR_PROTOCOL,
		"card.Sign: offer: common.Signed: body: 2 of them");
}

/* A message that is merged from two is never needed, and merging many takes quadratic time. */
static void a_message_field_comes_once(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	put_field(b, 3, BYTES(NULL, 0));
	put_field(b, 3, BYTES(NULL, 0));
	assert_err_text(scan(&card__sign__descriptor, buf_bytes(b)), &ERR_PROTOCOL,
		"offer: 2 of them, at most 1");
}

/* A megabyte of empty rows would be a hundred megabytes of structs. */
static void many_small_elements_cost_nothing(void **state)
{
	AUTO(buf) struct buf *b = buf_new();
	int64_t start = clock_boot_ms();

	for (size_t i = 0; i < 500000; i++)
		put_field(b, 1, BYTES(NULL, 0));
	assert_err_text(scan(&control__rows__descriptor, buf_bytes(b)), &ERR_PROTOCOL,
		"requests: 101 of them, at most 100");
	assert_in_range(clock_boot_ms() - start, 0, 5000);
}

/* Fields nested deeper than any message of ours: only unknown ones can be, and these are not entered. */
static void unknown_depth_is_not_entered(void **state)
{
	AUTO(buf) struct buf *b = buf_new();

	for (size_t i = 0; i < 30; i++) {
		AUTO(buf) struct buf *outer = buf_new();
		put_field(outer, 15, buf_bytes(b));
		buf_clear(b);
		buf_add_bytes(b, buf_bytes(outer));
	}
	assert_ok(scan(&card__open__descriptor, buf_bytes(b)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_bytes),
		cmocka_unit_test(an_empty_message_is_fine),
		cmocka_unit_test(numbers_of_all_wire_types_are_skipped),
		cmocka_unit_test(unknown_fields_up_to_the_limit),
		cmocka_unit_test(packed_and_single_elements_count_together),
		cmocka_unit_test(nested_messages_are_scanned),
		cmocka_unit_test(a_message_field_comes_once),
		cmocka_unit_test(many_small_elements_cost_nothing),
		cmocka_unit_test(unknown_depth_is_not_entered),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
