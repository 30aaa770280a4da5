/* test_payload.c: pins and app configurations in items: what is written is read, anything else is refused. */
#include "tests/unit/unit.h"

#include "base/io.h"
#include "base/text.h"
#include "evidence/payload.h"

static void pins_are_read_as_they_were_written(void **state)
{
	uint8_t pins[PINS_MAX][SHA256_LEN], got[PINS_MAX][SHA256_LEN];

	memset(pins, 0x5a, sizeof(pins));
	for (size_t n = 1; n <= PINS_MAX; n++) {
		AUTO(buf) struct buf *b = payload_pins_encode(pins, n);
		size_t got_n = 0;
		assert_ok(payload_pins_decode(buf_bytes(b), got, &got_n));
		assert_int_equal(got_n, n);
		assert_memory_equal(got, pins, n * SHA256_LEN);
	}
}

static void pins_must_be_one_to_four_whole_hashes(void **state)
{
	uint8_t pins[PINS_MAX][SHA256_LEN] = { 0 }, got[PINS_MAX][SHA256_LEN];
	AUTO(buf) struct buf *b = payload_pins_encode(pins, PINS_MAX);
	size_t n;

	assert_err(payload_pins_decode(BYTES(NULL, 0), got, &n), &ERR_FORMAT);
	assert_err(payload_pins_decode(BYTES(buf_data(b), buf_len(b) - 1), got, &n), &ERR_FORMAT);
	record_put(b, BYTES(pins[0], SHA256_LEN));
	assert_err(payload_pins_decode(buf_bytes(b), got, &n), &ERR_FORMAT);
}

static char mail[] = "mail", work[] = "work-2", json[] = "application/json";

static void apps_are_read_as_they_were_written(void **state)
{
	const struct payload_app apps[] = {
		{ .name = mail, .type = json, .text = BYTES("{}", 2) },
		{ .name = work, .type = json, .text = BYTES(NULL, 0) },
	};
	AUTO(buf) struct buf *b = payload_apps_encode(apps, 2);
	AUTO(payload_apps) struct payload_apps *got = NULL;

	assert_ok(payload_apps_decode(buf_bytes(b), &got));
	assert_int_equal(got->n, 2);
	assert_string_equal(got->apps[0].name, "mail");
	assert_true(bytes_eq(got->apps[0].text, apps[0].text));
	assert_string_equal(got->apps[1].type, "application/json");
	for (size_t len = 1; len < buf_len(b); len++) {
		AUTO(payload_apps) struct payload_apps *cut = NULL;
		struct err *e = payload_apps_decode(BYTES(buf_data(b), len), &cut);
		/* A cut between two apps leaves a whole list. */
		assert_true(e || cut->n == 1);
		err_free(e);
	}
}

static void apps_with_bad_names_or_out_of_order_are_refused(void **state)
{
	static char bad[][8] = { "", "../x", "Mail", "1st", "a/b", "a.b" };
	AUTO(payload_apps) struct payload_apps *got = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct payload_app app = { .name = bad[i], .type = json };
		AUTO(buf) struct buf *b = payload_apps_encode(&app, 1);
		assert_err(payload_apps_decode(buf_bytes(b), &got), &ERR_FORMAT);
	}
	const struct payload_app twice[] = { { .name = mail, .type = json },
		{ .name = mail, .type = json } };
	AUTO(buf) struct buf *b = payload_apps_encode(twice, 2);
	assert_err(payload_apps_decode(buf_bytes(b), &got), &ERR_FORMAT);
	const struct payload_app binary = { .name = mail, .type = json, .text = BYTES("\xff", 1) };
	AUTO(buf) struct buf *c = payload_apps_encode(&binary, 1);
	assert_err_text(payload_apps_decode(buf_bytes(c), &got), &ERR_FORMAT, "UTF-8");
}

/* The hexadecimal lines behind "    payload NAME" in PROTOCOL.device. */
static struct buf *example(const char *name)
{
	AUTO_MEM char *path = xasprintf("%s/proto/PROTOCOL.device", getenv("abs_top_srcdir"));
	AUTO_MEM char *head = xasprintf("    payload %s\n", name);
	AUTO(buf) struct buf *file = NULL;
	AUTO(buf) struct buf *digits = buf_new();
	struct buf *bytes = NULL;

	assert_ok(io_read_file(path, 1024 * 1024, &file));
	const char *at = strstr(buf_str(file), head);
	assert_non_null(at);
	at += strlen(head);
	for (; text_starts(at, "        "); at += strcspn(at, "\n") + 1) {
		for (size_t i = 0; i < strcspn(at, "\n"); i++) {
			if (at[i] != ' ')
				buf_add_u8(digits, (uint8_t)at[i]);
		}
	}
	assert_ok(text_unhex(buf_str(digits), &bytes));
	return bytes;
}

static void the_documents_examples_are_ours(void **state)
{
	const struct payload_app app = { .name = mail, .type = json, .text = BYTES("{}", 2) };
	uint8_t pin[1][SHA256_LEN];

	memset(pin, 7, sizeof(pin));
	AUTO(buf) struct buf *pins = payload_pins_encode(pin, 1);
	AUTO(buf) struct buf *apps = payload_apps_encode(&app, 1);
	AUTO(buf) struct buf *said_pins = example("pins");
	AUTO(buf) struct buf *said_apps = example("apps");
	assert_true(bytes_eq(buf_bytes(pins), buf_bytes(said_pins)));
	assert_true(bytes_eq(buf_bytes(apps), buf_bytes(said_apps)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pins_are_read_as_they_were_written),
		cmocka_unit_test(pins_must_be_one_to_four_whole_hashes),
		cmocka_unit_test(apps_are_read_as_they_were_written),
		cmocka_unit_test(the_documents_examples_are_ours),
		cmocka_unit_test(apps_with_bad_names_or_out_of_order_are_refused),
	};

	return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
