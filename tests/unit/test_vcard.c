/* test_vcard.c: the virtual card: selection, objects, PIN, and the directories it is made from. */
#include "tests/unit/testcard.h"

/* ---- selection and objects ---- */

#define APT "61114F0600001000010079074F05A000000308"

static void select_takes_whole_and_cut_off_aids(void **state)
{
	expect("00A4040009A0000003080000100000", APT "9000");
	expect("00A404000BA000000308000010000100", APT "9000");
	expect("00A4040005A000000308", APT "9000");
	expect("00A4040C05A000000308", "9000");
	expect("00A4040004A0000003", "6A82");
	expect("00A404000CA00000030800001000010000", "6A82");
	expect("00A4040006D27600012401", "6A82");
	expect("00A40000023F00", "6A86");
}

static void another_aid_changes_nothing(void **state)
{
	expect(VERIFY, "9000");
	expect("00A4040006D27600012401", "6A82");
	expect(STATUS, "9000");
	expect(SELECT, APT "9000");
	expect(STATUS, "9000");
}

static void objects_come_in_parts_of_le(void **state)
{
	const char *answer = say("00CB3FFF055C035FC10208");

	assert_string_equal(answer, "5382012804050607"
				    "6100");
	expect("00C0000004", "08090A0B"
			     "6100");
	answer = say("00C0000000");
	assert_int_equal(strlen(answer), 2 * (256 + 2));
	assert_string_equal(answer + 2 * 256, "6120");
	answer = say("00C0000020");
	assert_int_equal(strlen(answer), 2 * (32 + 2));
	assert_string_equal(answer + 2 * 30, "2A2B9000");
	expect("00C0000000", "6985");
}

static void an_answer_waits_for_get_response_only(void **state)
{
	assert_string_equal(say(GET_CHUID) + 2 * 256, "612C");
	expect(STATUS, "63C3");
	expect("00C0000000", "6985");
}

static void le_may_be_missing_or_extended(void **state)
{
	assert_string_equal(say("00CB3FFF055C035FC102") + 2 * 256, "612C");
	assert_string_equal(say("00CB3FFF0000055C035FC1020000") + 2 * CHUID_BYTES, "9000");
	assert_string_equal(say("00CB3FFF0000055C035FC1020101") + 2 * 257, "612B");
	expect("00CB3FFF035C017E00", "7E024F009000");
}

static void t0_cards_announce_their_answers(void **state)
{
	struct why why;

	assert_true(card_set_atr(card, "3B0476504956", &why));
	expect("00CB3FFF035C017E", "6104");
	expect("00C0000004", "7E024F009000");
	expect("00CB3FFF035C017E00", "7E024F009000");
	/* TD1 says T=0, TD2 T=1: a reader takes T=1; then an ATR of T=1 alone. */
	assert_true(card_set_atr(card, "3B80800101", &why));
	expect("00CB3FFF035C017E", "7E024F009000");
	assert_true(card_set_atr(card, "3B800181", &why));
	expect("00CB3FFF035C017E", "7E024F009000");
}

static void bad_requests_for_objects(void **state)
{
	expect("00CB3FFF055C035FC1FF00", "6A82");
	expect("00CB3F00055C035FC10200", "6A86");
	expect("00CB3FFF", "6A80");
	expect("00CB3FFF025C0000", "6A80");
	expect("00CB3FFF055D035FC10200", "6A80");
	expect("00CB3FFF055C045FC10200", "6A80");
	expect("00CB3FFF065C035FC1020000", "6A80");
	expect("00CB3FFF065C0400005FC100", "6A80");
}

static void personal_objects_want_the_pin(void **state)
{
	expect(GET_PRINTED, "6982");
	expect("00CB3FFF055C035FC10300", "6982");
	expect(VERIFY, "9000");
	expect(GET_PRINTED, "53009000");
	expect("00CB3FFF055C035FC10300", "6A82");
	card_reset(card);
	expect(GET_PRINTED, "6982");
}

static void unknown_commands_and_classes(void **state)
{
	expect("00CADF3000", "6D00");
	expect("0084000008", "6D00");
	expect("80CB3FFF055C035FC10200", "6E00");
	expect("0CCB3FFF055C035FC10200", "6882");
	expect("01CB3FFF055C035FC10200", "6881");
	expect("10CB3FFF055C035FC10200", "6884");
	expect("00DB3FFF055C035FC10200", "6982");
	expect("0047009A05AC03800107", "6982");
}

static void what_is_no_apdu_is_refused(void **state)
{
	static const char *const broken[] = { "", "00", "00A404", "00200080083132",
		"002000800831323334353637384040", "00CB3FFF0000", "00CB3FFF0000055C03",
		"00CB3FFF0000005C", "00CB3FFF0000015C00" };

	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		expect(broken[i], "6700");
}

/* ---- PIN ---- */

static void the_pin_counts_down_and_locks(void **state)
{
	expect(STATUS, "63C3");
	expect(WRONG, "63C2");
	expect(WRONG, "63C1");
	expect(STATUS, "63C1");
	card_reset(card);
	expect(WRONG, "63C0");
	expect(VERIFY, "6983");
	expect(STATUS, "6983");
	assert_int_equal(card_tries(card), 0);
	assert_int_equal(card_verifies(card), 4);
}

static void the_right_pin_restores_the_tries(void **state)
{
	expect(WRONG, "63C2");
	expect(VERIFY, "9000");
	expect(STATUS, "9000");
	assert_int_equal(card_tries(card), 3);
	expect(WRONG, "63C2");
	expect(STATUS, "63C2");
}

static void badly_formed_pins_cost_nothing(void **state)
{
	expect("00200080083132333435FFFFFF", "6A80");
	expect("0020008008313233343536FF37", "6A80");
	expect("002000800831323334353641FF", "6A80");
	expect("0020008006313233343536", "6A80");
	expect("0020000008313233343536FFFF", "6A88");
	expect("0020008108313233343536FFFF", "6A88");
	expect("0020018008313233343536FFFF", "6A86");
	assert_int_equal(card_tries(card), 3);
}

static void verification_can_be_taken_back(void **state)
{
	expect(VERIFY, "9000");
	expect("0020FF8008313233343536FFFF", "6A80");
	expect("0020FF80", "9000");
	expect(STATUS, "63C3");
	expect(VERIFY, "9000");
	card_reset(card);
	expect(STATUS, "63C3");
}

static void the_pin_can_be_changed(void **state)
{
	expect("0024008010393939393939FFFF363534333231FFFF", "63C2");
	expect("0024008010313233343536FFFF3635343332FFFFFF", "6A80");
	expect("002400800F313233343536FFFF363534333231FF", "6A80");
	assert_int_equal(card_tries(card), 2);
	expect("0024008010313233343536FFFF363534333231FFFF", "9000");
	expect(STATUS, "9000");
	card_reset(card);
	expect(VERIFY, "63C2");
	expect("0020008008363534333231FFFF", "9000");
}

static void a_wrong_pin_in_change_ends_the_session(void **state)
{
	expect(VERIFY, "9000");
	expect("0024008010393939393939FFFF363534333231FFFF", "63C2");
	expect(STATUS, "63C2");
}

static void the_puk_unlocks(void **state)
{
	card_set_tries(card, 0);
	expect("0024008010313233343536FFFF363534333231FFFF", "6983");
	expect("002C008010393939393939393936353433"
	       "3231FFFF",
		"63C2");
	expect("002C0080103132333435363738363534333231FFFF", "9000");
	expect(STATUS, "63C3");
	expect("0020008008363534333231FFFF", "9000");
	expect("00240081103132333435363738"
	       "3837363534333231",
		"9000");
	expect("002C0080103132333435363738313233343536FFFF", "63C2");
	expect("002C0080103132333435363738313233343536FFFF", "63C1");
	expect("002C0080103132333435363738313233343536FFFF", "63C0");
	expect("002C0080103837363534333231313233343536FFFF", "6983");
}

/* ---- directories ---- */

static void assert_refused(const char *part)
{
	struct store *s = NULL;
	struct why why = { "" };

	assert_false(store_load(testcard_dir, &s, &why));
	assert_null(s);
	if (!strstr(why.text, part))
		fail_msg("\"%s\" does not say \"%s\"", why.text, part);
}

static void settings_are_read(void **state)
{
	struct card *c;

	testcard_write_text("card.conf",
		"# a comment\n\npin 87654321\npuk 11112222\npin-tries 5\npuk-tries 1\n");
	testcard_write_text("atr", "3B 04 76 50 49 56\n");
	c = testcard_load();
	assert_int_equal(c->pin.limit, 5);
	assert_memory_equal(c->pin.value, "87654321", 8);
	assert_int_equal(c->puk.limit, 1);
	assert_int_equal(card_atr(c).n, 6);
	card_free(c);
}

static void not_the_default_application(void **state)
{
	struct card *old = card;

	testcard_write_text("card.conf", "default-app no\n");
	card = testcard_load();
	expect(GET_CHUID, "6D00");
	expect(VERIFY, "6D00");
	expect(SELECT, APT "9000");
	expect(VERIFY, "9000");
	card_reset(card);
	expect(VERIFY, "6D00");
	card_free(card);
	card = old;
}

static void bad_directories_are_explained(void **state)
{
	struct store *s = NULL;
	struct why why = { "" };

	assert_false(store_load("/nonexistent/card", &s, &why));
	assert_non_null(strstr(why.text, "/nonexistent/card: No such file"));
	testcard_write_text("card.conf", "pin 123456\nPUK 1\n");
	assert_refused("card.conf line 2: unknown key \"PUK\"");
	testcard_write_text("card.conf", "pin-tries 16\n");
	assert_refused("line 1: \"16\" is not a number from 1 to 15");
	testcard_write_text("card.conf", "pin\n");
	assert_refused("line 1: \"\" is not 1 to 8 characters");
	testcard_remove("card.conf");
	testcard_write_text("atr", "3X\n");
	assert_refused("not 2 to 33 bytes in hex");
	testcard_remove("atr");
	testcard_write_text("9a.pem", "no certificate");
	assert_refused("9a.pem: neither a PEM nor a DER certificate");
	testcard_remove("9a.pem");
	testcard_write_text("9a.p12", "no file");
	assert_refused("9a.p12: not a PKCS#12 file");
	testcard_remove("9a.p12");
	testcard_write_text("9e.key", "no key");
	assert_refused("9e.key: not an unencrypted private key");
	testcard_write_key("9e.key", testcard_ec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		card_test(select_takes_whole_and_cut_off_aids),
		card_test(another_aid_changes_nothing),
		card_test(objects_come_in_parts_of_le),
		card_test(an_answer_waits_for_get_response_only),
		card_test(le_may_be_missing_or_extended),
		card_test(t0_cards_announce_their_answers),
		card_test(bad_requests_for_objects),
		card_test(personal_objects_want_the_pin),
		card_test(unknown_commands_and_classes),
		card_test(what_is_no_apdu_is_refused),
		card_test(the_pin_counts_down_and_locks),
		card_test(the_right_pin_restores_the_tries),
		card_test(badly_formed_pins_cost_nothing),
		card_test(verification_can_be_taken_back),
		card_test(the_pin_can_be_changed),
		card_test(a_wrong_pin_in_change_ends_the_session),
		card_test(the_puk_unlocks),
		card_test(settings_are_read),
		card_test(not_the_default_application),
		card_test(bad_directories_are_explained),
	};

	return cmocka_run_group_tests_name(
		"vcard", tests, testcard_make_directory, testcard_remove_directory);
}
