/* test_device_state.c: the state is read as it was written; anything damaged is refused. */
#include "tests/unit/unit.h"

#include "client/device/fault.h"
#include "client/device/state.h"

static void fill(uint8_t *p, size_t len, uint8_t v)
{
	memset(p, v, len);
}

static struct buf *bytes_of(const char *text)
{
	struct buf *b = buf_new();

	buf_add_str(b, text);
	return b;
}

static struct state *full_state(void)
{
	struct state *s = state_new();

	s->stage = STAGE_ENROLLED;
	s->host = xstrdup("kiosk.example.org");
	s->port = 4433;
	s->pins_epoch = 3;
	s->n_pins = 2;
	fill(s->pins[0], SHA256_LEN, 1);
	fill(s->pins[1], SHA256_LEN, 2);
	fill(s->deployment, sizeof(s->deployment), 3);
	fill(s->delivery_hash, SHA256_LEN, 4);
	fill(s->identity_key, SHA256_LEN, 5);
	fill(s->sealing_key, SHA256_LEN, 6);
	s->platform = xstrdup("linux");
	s->holder = xstrdup("Ada Example");
	s->has_holder_id = true;
	fill(s->holder_id, SHA256_LEN, 7);
	s->last_number = 12;
	s->attempt = attempt_new();
	s->attempt->operation = COMMON__OPERATION__ISSUE;
	buf_add_str(s->attempt->statement, "statement");
	s->attempt->revealed = true;
	fill(s->attempt->r_k, R_LEN, 8);
	s->attempt->n_purposes = 1;
	s->attempt->purposes[0] = COMMON__PURPOSE__SIGNING;
	for (uint8_t i = 0; i < 3; i++) {
		struct slot slot = { .purpose = COMMON__PURPOSE__SIGNING,
			.origin = COMMON__ORIGIN__DEVICE,
			.has_key = true,
			.has_certificate = i == 1,
			.since_ms = 99 };
		fill(slot.key_hash, SHA256_LEN, (uint8_t)(10 + i));
		assert_ok(state_add_slot(s, &slot));
	}
	s->n_chain = 1;
	fill(s->chain[0], SHA256_LEN, 20);
	s->n_apps = 1;
	s->apps[0].name = xstrdup("mail");
	s->apps[0].type = xstrdup("application/json");
	s->n_acks = 1;
	s->acks[0].number = 12;
	s->acks[0].acknowledgement = bytes_of("acknowledgement");
	s->acks[0].signature = bytes_of("signature");
	return s;
}

static void what_is_written_is_read(void **state)
{
	AUTO(state) struct state *s = full_state();
	AUTO(state) struct state *got = NULL;
	AUTO(buf) struct buf *b = state_encode(s);

	assert_ok(state_decode(buf_bytes(b), &got));
	AUTO(buf) struct buf *again = state_encode(got);
	assert_true(bytes_eq(buf_bytes(b), buf_bytes(again)));
	assert_string_equal(got->host, "kiosk.example.org");
	assert_int_equal(got->last_number, 12);
	assert_int_equal(got->pins_epoch, 3);
	assert_true(got->has_holder_id);
	assert_false(got->has_receipt);
	assert_true(got->attempt->revealed);
	assert_int_equal(got->n_slots, 3);
	assert_true(slot_is_whole(&got->slots[1]));
	assert_false(slot_is_whole(&got->slots[2]));
	assert_string_equal(buf_str(got->acks[0].signature), "signature");
}

static void every_truncation_and_anything_behind_is_refused(void **state)
{
	AUTO(state) struct state *s = full_state();
	AUTO(buf) struct buf *b = state_encode(s);

	for (size_t len = 0; len < buf_len(b); len++) {
		AUTO(state) struct state *got = NULL;
		assert_err(state_decode(BYTES(buf_data(b), len), &got), &ERR_HOME_DAMAGED);
	}
	buf_add_u8(b, 0);
	AUTO(state) struct state *got = NULL;
	assert_err(state_decode(buf_bytes(b), &got), &ERR_HOME_DAMAGED);
}

/* Under the sanitizers: no damage reads past anything. */
static void flipped_bits_harm_nobody(void **state)
{
	AUTO(state) struct state *s = full_state();
	AUTO(buf) struct buf *b = state_encode(s);
	AUTO_MEM uint8_t *bytes = bytes_dup(buf_bytes(b));

	for (size_t bit = 0; bit < 8 * buf_len(b); bit++) {
		AUTO(state) struct state *got = NULL;
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		err_free(state_decode(BYTES(bytes, buf_len(b)), &got));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void a_newer_format_is_named(void **state)
{
	AUTO(state) struct state *s = full_state();
	AUTO(buf) struct buf *b = state_encode(s);
	AUTO_MEM uint8_t *bytes = bytes_dup(buf_bytes(b));
	AUTO(state) struct state *got = NULL;

	bytes[4] = 3;
	assert_err_text(state_decode(BYTES(bytes, buf_len(b)), &got), &ERR_HOME_DAMAGED, "newer");
}

/* Format 1: the same without the epoch, which stood behind the pins. */
static void the_first_format_is_read(void **state)
{
	AUTO(state) struct state *s = full_state();
	AUTO(state) struct state *got = NULL;
	AUTO(buf) struct buf *b = state_encode(s);
	AUTO(buf) struct buf *old = buf_new();
	const size_t at = 5 + 5 + 4 + strlen(s->host) + 12 + 4 + 2 * (4 + SHA256_LEN);

	buf_add(old, buf_data(b), at);
	buf_add(old, buf_data(b) + at + 12, buf_len(b) - at - 12);
	AUTO_MEM uint8_t *bytes = bytes_dup(buf_bytes(old));
	bytes[4] = 1;
	assert_ok(state_decode(BYTES(bytes, buf_len(old)), &got));
	assert_int_equal(got->pins_epoch, 0);
	assert_int_equal(got->n_pins, 2);
	assert_int_equal(got->last_number, 12);
}

static void slots_are_found_and_removed_by_their_key(void **state)
{
	AUTO(state) struct state *s = full_state();
	uint8_t hash[SHA256_LEN];

	fill(hash, SHA256_LEN, 11);
	struct slot *slot = state_find_key(s, hash);
	assert_ptr_equal(slot, &s->slots[1]);
	state_remove_slot(s, slot);
	assert_null(state_find_key(s, hash));
	assert_int_equal(s->n_slots, 2);
	fill(hash, SHA256_LEN, 12);
	assert_ptr_equal(state_find_key(s, hash), &s->slots[1]);
	const struct slot more = s->slots[0];
	while (s->n_slots < STATE_SLOTS_MAX)
		assert_ok(state_add_slot(s, &more));
	assert_err(state_add_slot(s, &more), &ERR_LIMIT);
	AUTO(buf) struct buf *b = state_encode(s);
	AUTO(state) struct state *got = NULL;
	assert_ok(state_decode(buf_bytes(b), &got));
}

static void an_enrollment_is_complete_when_each_offered_purpose_is_whole(void **state)
{
	AUTO(state) struct state *s = full_state();

	assert_true(state_is_complete(s));
	s->attempt->purposes[s->attempt->n_purposes++] = COMMON__PURPOSE__ENCRYPTION;
	assert_false(state_is_complete(s));
	state_drop_attempt(s);
	assert_true(state_is_complete(s));
	s->stage = STAGE_PENDING;
	assert_false(state_is_complete(s));
}

static void purposes_have_names(void **state)
{
	Common__Purpose p;

	assert_ok(purpose_parse("signing", &p));
	assert_int_equal(p, COMMON__PURPOSE__SIGNING);
	assert_string_equal(purpose_name(p), "signing");
	assert_err(purpose_parse("none", &p), &ERR_FORMAT);
	assert_err(purpose_parse("", &p), &ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(every_truncation_and_anything_behind_is_refused),
		cmocka_unit_test(flipped_bits_harm_nobody),
		cmocka_unit_test(a_newer_format_is_named),
		cmocka_unit_test(the_first_format_is_read),
		cmocka_unit_test(slots_are_found_and_removed_by_their_key),
		cmocka_unit_test(an_enrollment_is_complete_when_each_offered_purpose_is_whole),
		cmocka_unit_test(purposes_have_names),
	};

	return cmocka_run_group_tests_name("device state", tests, NULL, NULL);
}
