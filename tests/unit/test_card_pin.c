/* test_card_pin.c: what a token says of its PIN, and which PINs are sent. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "pkcs11/pin.h"
#include "proto/kind.h"

#define USUAL (CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED)

static CK_TOKEN_INFO token(CK_FLAGS flags)
{
	return (CK_TOKEN_INFO){ .flags = flags, .ulMinPinLen = 4, .ulMaxPinLen = 8 };
}

static struct pin from_flags(CK_FLAGS flags)
{
	CK_TOKEN_INFO info = token(flags);

	return pin_from(&info, NULL);
}

static struct pin from_count(CK_FLAGS flags, unsigned int tries)
{
	const struct hold_look look = { .piv = true, .knows_tries = true, .tries_left = tries };
	CK_TOKEN_INFO info = token(flags);

	return pin_from(&info, &look);
}

static void states_from_flags(void **state)
{
	static const struct {
		CK_FLAGS flags;
		Card__PinState state;
	} table[] = {
		{ USUAL, CARD__PIN_STATE__PIN_OK },
		{ USUAL | CKF_USER_PIN_COUNT_LOW, CARD__PIN_STATE__PIN_LOW },
		{ USUAL | CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
			CARD__PIN_STATE__PIN_FINAL },
		{ USUAL | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED,
			CARD__PIN_STATE__PIN_LOCKED },
		{ CKF_LOGIN_REQUIRED, CARD__PIN_STATE__PIN_UNSET },
		{ CKF_USER_PIN_INITIALIZED, CARD__PIN_STATE__PIN_NONE },
		{ 0, CARD__PIN_STATE__PIN_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(from_flags(table[i].flags).state, table[i].state);
	assert_true(from_flags(USUAL | CKF_PROTECTED_AUTHENTICATION_PATH).pad);
	assert_int_equal(
		from_flags(USUAL | CKF_USER_PIN_TO_BE_CHANGED).state, CARD__PIN_STATE__PIN_CHANGE);
}

static void the_worse_opinion_counts(void **state)
{
	assert_int_equal(from_count(USUAL, 3).state, CARD__PIN_STATE__PIN_OK);
	assert_int_equal(from_count(USUAL, 3).tries_left, 3);
	assert_int_equal(from_count(USUAL, 1).state, CARD__PIN_STATE__PIN_FINAL);
	assert_int_equal(from_count(USUAL, 0).state, CARD__PIN_STATE__PIN_LOCKED);
	assert_int_equal(from_count(USUAL | CKF_USER_PIN_FINAL_TRY, 3).tries_left, 1);
	assert_int_equal(from_count(USUAL | CKF_USER_PIN_LOCKED, 3).tries_left, 0);
	assert_int_equal(from_count(0, 0).state, CARD__PIN_STATE__PIN_NONE);
	assert_false(from_flags(USUAL).knows_tries);
	assert_true(from_flags(USUAL | CKF_USER_PIN_FINAL_TRY).knows_tries);
}

static void a_refusal_costs_one_try(void **state)
{
	CK_TOKEN_INFO info = token(USUAL);
	struct pin p = from_count(USUAL, 3);

	p = pin_after_refusal(&p, &info, 0);
	assert_int_equal(p.tries_left, 3);
	p = pin_after_refusal(&p, &info, 1);
	assert_int_equal(p.tries_left, 2);
	p = pin_after_refusal(&p, &info, 1);
	assert_int_equal(p.state, CARD__PIN_STATE__PIN_FINAL);
	p = pin_after_refusal(&p, &info, 1);
	assert_int_equal(p.state, CARD__PIN_STATE__PIN_LOCKED);
	p = from_flags(USUAL);
	p = pin_after_refusal(&p, &info, 1);
	assert_int_equal(p.state, CARD__PIN_STATE__PIN_OK);
	assert_false(p.knows_tries);
}

static void lengths_that_are_none(void **state)
{
	CK_TOKEN_INFO info = { .flags = USUAL, .ulMinPinLen = 0, .ulMaxPinLen = (CK_ULONG)-1 };
	struct pin p = pin_from(&info, NULL);

	assert_int_equal(p.min, 1);
	assert_int_equal(p.max, PIN_LEN_MAX);
}

static struct err *check(const struct pin *p, const char *pin, bool insist)
{
	AUTO(refused) struct refused *none = refused_new();

	return pin_check(p, none, BYTES(pin, strlen(pin)), insist);
}

static void what_may_be_sent(void **state)
{
	struct pin ok = from_flags(USUAL);
	struct pin final = from_flags(USUAL | CKF_USER_PIN_FINAL_TRY);
	struct pin locked = from_flags(USUAL | CKF_USER_PIN_LOCKED);
	struct pin unset = from_flags(CKF_LOGIN_REQUIRED);
	struct pin none = from_flags(0);
	struct pin change = from_flags(USUAL | CKF_USER_PIN_TO_BE_CHANGED);
	struct pin pad = from_flags(USUAL | CKF_PROTECTED_AUTHENTICATION_PATH);

	assert_ok(check(&ok, "1234", false));
	assert_ok(check(&ok, "12345678", false));
	assert_err(check(&ok, "123", false), &ERR_PIN_FORMAT);
	assert_err(check(&ok, "123456789", false), &ERR_PIN_FORMAT);
	assert_err(check(&ok, "", false), &ERR_PIN_FORMAT);
	assert_err(check(&ok, "1234\t", false), &ERR_PIN_FORMAT);
	assert_err(check(&ok, "1234\x7f", false), &ERR_PIN_FORMAT);
	assert_err(check(&final, "1234", false), &ERR_PIN_FINAL);
	assert_ok(check(&final, "1234", true));
	assert_err(check(&final, "1", true), &ERR_PIN_FORMAT);
	assert_err(check(&locked, "1234", true), &ERR_PIN_LOCKED);
	assert_err(check(&unset, "1234", true), &ERR_PIN_EXPIRED);
	assert_err(check(&change, "1234", true), &ERR_PIN_EXPIRED);
	assert_ok(check(&none, "", false));
	assert_err(check(&none, "1234", false), &ERR_PIN_FORMAT);
	assert_ok(check(&pad, "", false));
	assert_err(check(&pad, "1234", false), &ERR_PIN_FORMAT);
}

static void a_refused_one_is_never_sent_again(void **state)
{
	AUTO(refused) struct refused *r = refused_new();
	struct pin ok = from_flags(USUAL);
	struct pin final = from_flags(USUAL | CKF_USER_PIN_FINAL_TRY);

	refused_add(r, BYTES("1111", 4));
	refused_add(r, BYTES("22222", 5));
	assert_err(pin_check(&ok, r, BYTES("1111", 4), false), &ERR_PIN_WRONG);
	assert_err(pin_check(&final, r, BYTES("22222", 5), true), &ERR_PIN_WRONG);
	assert_ok(pin_check(&ok, r, BYTES("11111", 5), false));
	assert_ok(pin_check(&ok, r, BYTES("2222", 4), false));
	for (int i = 0; i < 40; i++) {
		AUTO_MEM char *pin = xasprintf("90%02d", i);
		refused_add(r, BYTES(pin, 4));
		assert_err(pin_check(&ok, r, BYTES(pin, 4), false), &ERR_PIN_WRONG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_from_flags),
		cmocka_unit_test(the_worse_opinion_counts),
		cmocka_unit_test(a_refusal_costs_one_try),
		cmocka_unit_test(lengths_that_are_none),
		cmocka_unit_test(what_may_be_sent),
		cmocka_unit_test(a_refused_one_is_never_sent_again),
	};

	return cmocka_run_group_tests_name("card_pin", tests, NULL, NULL);
}
