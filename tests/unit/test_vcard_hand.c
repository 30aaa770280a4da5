/* test_vcard_hand.c: the hand that holds the virtual card: its words, and what happens at which APDU. */
#include "tests/unit/testcard.h"

#include <limits.h>

#include "tests/mock/vcard/hand.h"

static struct hand *hand;

/* ---- helpers ---- */

static int new_hand(void **state)
{
	struct why why = { "" };

	if (!hand_new(testcard_dir, NULL, false, &hand, &why))
		fail_msg("%s", why.text);
	card = hand_card(hand);
	return 0;
}

static int end_hand(void **state)
{
	hand_free(hand);
	hand = NULL;
	card = NULL;
	return 0;
}

#define hand_test(name) cmocka_unit_test_setup_teardown(name, new_hand, end_hand)

static const char *tell(const char *words)
{
	static char answer_text[1024];
	AUTO(blob) struct blob answer = { 0 };
	char line[512];
	bool quit = false;

	snprintf(line, sizeof line, "%s", words);
	hand_command(hand, line, &answer, &quit);
	assert_int_equal(quit, strcmp(words, "quit") == 0);
	assert_true(answer.n < sizeof answer_text);
	memcpy(answer_text, answer.at, answer.n);
	answer_text[answer.n] = 0;
	return answer_text;
}

#define expect_told(words, answer) assert_string_equal(tell(words), answer)

/* The answer in hex, or "pulled". */
static const char *apdu(const char *hex)
{
	AUTO(blob) struct blob answer = { 0 };
	uint8_t bytes[256];
	int64_t due;
	size_t n;

	assert_true(hex_read(hex, bytes, sizeof bytes, &n));
	if (hand_apdu(hand, (struct span){ bytes, n }, &answer, &due) == HAND_PULLED)
		return "pulled";
	return to_hex(blob_span(&answer));
}

#define expect_apdu(hex, answer) assert_string_equal(apdu(hex), answer)

/* ---- tests ---- */

static void pulling_and_putting_in(void **state)
{
	expect_apdu(VERIFY, "9000");
	expect_told("pull", "ok");
	assert_false(hand_in(hand));
	assert_int_equal(hand_pulls(hand), 1);
	expect_told("pull", "error the card is not in the reader");
	expect_told("insert", "ok");
	expect_told("insert", "error the card is in the reader");
	assert_true(hand_in(hand));
	expect_apdu(STATUS, "63C3");
}

static void the_nth_apdu_fails(void **state)
{
	expect_told("fail 2", "ok");
	expect_told("failat 20 2 6581", "ok");
	expect_apdu(STATUS, "63C3");
	expect_apdu(SELECT, "6F00");
	expect_apdu(VERIFY, "6581");
	expect_apdu(STATUS, "63C3");
	expect_told("verifies", "ok 0");
}

static void pulled_before_and_after_it_is_done(void **state)
{
	expect_told("pullat 20 2", "ok");
	expect_apdu(STATUS, "63C3");
	expect_apdu(SELECT, "61114F0600001000010079074F05A0000003089000");
	expect_apdu(WRONG, "pulled");
	assert_false(hand_in(hand));
	expect_told("tries", "ok 3");
	expect_told("insert", "ok");
	expect_told("pullat 20 done", "ok");
	expect_apdu(WRONG, "pulled");
	expect_told("tries", "ok 2");
	expect_told("insert", "ok");
	expect_told("dropat 1", "ok");
	expect_apdu(STATUS, "pulled");
}

static void two_things_at_one_apdu_come_one_after_the_other(void **state)
{
	expect_told("fail 1 6A81", "ok");
	expect_told("fail 1 6A84", "ok");
	expect_apdu(STATUS, "6A81");
	expect_apdu(STATUS, "6A84");
	expect_apdu(STATUS, "63C3");
	expect_told("fail 1", "ok");
	expect_told("clear", "ok");
	expect_apdu(STATUS, "63C3");
}

static void another_card_and_back_again(void **state)
{
	char other[] = "/tmp/test-vcard-other-XXXXXX", path[64], line[128];
	FILE *f;

	assert_non_null(mkdtemp(other));
	snprintf(path, sizeof path, "%s/5FC102", other);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("other", f);
	fclose(f);

	expect_apdu(WRONG, "63C2");
	snprintf(line, sizeof line, "swapat CB 1 %s", other);
	expect_told(line, "ok");
	expect_apdu(GET_CHUID, "pulled");
	assert_true(hand_in(hand));
	assert_int_equal(hand_pulls(hand), 1);
	expect_apdu(GET_CHUID, "6F746865729000");
	expect_apdu(STATUS, "63C3");
	snprintf(line, sizeof line, "card %s", testcard_dir);
	expect_told(line, "ok");
	assert_int_equal(hand_pulls(hand), 2);
	expect_apdu(STATUS, "63C2");

	unlink(path);
	snprintf(line, sizeof line, "card %s", other);
	assert_non_null(strstr(tell(line), "neither a container"));
	expect_apdu(STATUS, "63C2");
	rmdir(other);
}

static void every_one_is_refused_until_clear(void **state)
{
	expect_told("refuse 20 6581", "ok");
	expect_apdu(STATUS, "6581");
	expect_apdu(GET_PRINTED, "6982");
	expect_apdu(VERIFY, "6581");
	expect_told("clear", "ok");
	expect_apdu(VERIFY, "9000");
}

static void mute_is_not_deaf(void **state)
{
	expect_told("muteat 20 1", "ok");
	assert_false(hand_mute(hand));
	expect_apdu(STATUS, "63C3");
	assert_true(hand_mute(hand));
	expect_told("unmute", "ok");
	assert_false(hand_mute(hand));
	expect_told("mute", "ok");
	assert_true(hand_mute(hand));
}

static void counters(void **state)
{
	expect_told("count", "ok 0");
	expect_apdu(STATUS, "63C3");
	expect_apdu(VERIFY, "9000");
	expect_apdu(WRONG, "63C2");
	expect_told("count reset", "ok 3");
	expect_told("count", "ok 0");
	expect_told("verifies", "ok 2");
	hand_reset(hand);
	expect_told("resets", "ok 1");
	expect_told("lock", "ok");
	expect_apdu(VERIFY, "6983");
	expect_told("tries 99", "error tries: \"99\" is not a number up to 15");
	expect_told("tries 9", "ok 3");
}

static void the_log_has_no_pin(void **state)
{
	char path[64], line[96], text[512] = "";
	FILE *f;

	snprintf(path, sizeof path, "%s/log", testcard_dir);
	snprintf(line, sizeof line, "log on %s", path);
	expect_told(line, "ok");
	expect_apdu(VERIFY, "9000");
	expect_apdu("0024008010313233343536FFFF313233343536FFFF", "9000");
	expect_apdu("002C0080103132333435363738313233343536FFFF", "9000");
	expect_apdu("00A4040005A000000309", "6A82");
	hand_reset(hand);
	expect_told("log off", "ok");
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof text - 1, f) > 0);
	fclose(f);
	testcard_remove("log");
	assert_non_null(strstr(text, "> 0020008008****************\n< 9000\n"));
	assert_non_null(strstr(text, "> 00A4040005A000000309\n< 6A82\n-- reset\n"));
	assert_null(strstr(text, "3132"));
}

static void words_that_are_wrong(void **state)
{
	char line[512];

	expect_told("", "error no command");
	expect_told("eject", "error unknown command \"eject\"");
	expect_told("pull now", "error pull: 1 arguments, wanted 0 to 0");
	expect_told("fail", "error fail: 0 arguments, wanted 1 to 2");
	expect_told("fail 0", "error fail: counting starts at 1");
	expect_told("fail -1", "error fail: \"-1\" is not a number up to 1000000");
	expect_told("fail 1 6F0Z", "error fail: \"6F0Z\" is not a number up to 65535 in hex");
	expect_told("pullat 1FF", "error pullat: \"1FF\" is not a number up to 255 in hex");
	expect_told("log", "error log: 0 arguments, wanted 1 to 2");
	expect_told("log on", "error log on FILE, or log off");
	assert_non_null(strstr(tell("log on /nonexistent/log"), "No such file"));
	assert_non_null(strstr(tell("card /nonexistent/card"), "No such file"));
	assert_non_null(strstr(tell("swapat 20 1 /nonexistent/card"), "No such file"));
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = 0;
	assert_int_equal(strncmp(tell(line), "error", 5), 0);
	for (int i = 0; i < 16; i++)
		expect_told("fail 1000000", "ok");
	expect_told("fail 1000000", "error more than 16 things to wait for");
	expect_told("quit", "ok");
}

static void digits_are_typed_when_asked_for(void **state)
{
	AUTO(blob) struct blob digits = { 0 };

	expect_told("type 12ab", "error type: not at most 16 digits");
	expect_told("type 12345678901234567", "error type: not at most 16 digits");
	assert_false(hand_pad_take(hand, &digits));
	hand_pad_ask(hand);
	assert_non_null(strstr(tell("status"), "ok in asks tries"));
	assert_false(hand_pad_take(hand, &digits));
	expect_told("type 123456", "ok");
	assert_true(hand_pad_take(hand, &digits));
	assert_string_equal(to_hex(blob_span(&digits)), "313233343536");
	assert_false(hand_pad_take(hand, &digits));
	expect_told("type", "ok");
	hand_pad_ask(hand);
	blob_clear(&digits);
	assert_true(hand_pad_take(hand, &digits));
	assert_int_equal(digits.n, 0);
}

static void the_status_line(void **state)
{
	char wanted[PATH_MAX + 64];

	snprintf(wanted, sizeof wanted, "ok in tries=3 pin=unverified card=%s", testcard_dir);
	expect_told("status", wanted);
	expect_apdu(VERIFY, "9000");
	assert_non_null(strstr(tell("status"), "pin=verified"));
	expect_told("pull", "ok");
	expect_told("mute", "ok");
	assert_non_null(strstr(tell("status"), "ok out mute tries=3 pin=unverified"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hand_test(pulling_and_putting_in),
		hand_test(the_nth_apdu_fails),
		hand_test(pulled_before_and_after_it_is_done),
		hand_test(two_things_at_one_apdu_come_one_after_the_other),
		hand_test(another_card_and_back_again),
		hand_test(every_one_is_refused_until_clear),
		hand_test(mute_is_not_deaf),
		hand_test(counters),
		hand_test(the_log_has_no_pin),
		hand_test(words_that_are_wrong),
		hand_test(digits_are_typed_when_asked_for),
		hand_test(the_status_line),
	};

	return cmocka_run_group_tests_name(
		"vcard_hand", tests, testcard_make_directory, testcard_remove_directory);
}
