/* test_number.c: numbers of persons, as cards of DoD and PIV have them, and what is none. */
#include "tests/unit/unit.h"

#include "evidence/number.h"

/* SP 800-73's example of a FASC-N: agency 0032, system 0001, credential 092446, person 1112223333, organization 1223 of
 * category 1; and the same of agency 9999. */
#define FASCN "d0439458210c2c19a0846d83685a1082108ce73984108ca3fc"
#define FASCN_PIV_I "d4e739da739ced39ce739d83685a1082108ce73984108ca3eb"

static struct facts *facts(const char *const *list)
{
	struct facts *f = facts_new();

	for (; *list; list += 2)
		assert_ok(facts_add(f, list[0], list[1]));
	return f;
}

/* NULL: none. */
static void check(
	const char *const *list, const char *edipi, const char *person, const char *last_four)
{
	AUTO(facts) struct facts *f = facts(list);
	AUTO_MEM char *a = number_edipi(f);
	AUTO_MEM char *b = number_fascn_person(f);
	AUTO_MEM char *c = number_last_four(f);

	assert_int_equal(a != NULL, edipi != NULL);
	if (edipi)
		assert_string_equal(a, edipi);
	assert_int_equal(b != NULL, person != NULL);
	if (person)
		assert_string_equal(b, person);
	assert_string_equal(c, last_four);
}

static void dod_numbers(void **state)
{
	static const char *const name[] = { "name", "LOVELACE.ADA.KING.1234567890", NULL };
	static const char *const upn[] = { "name", "Ada Lovelace", "upn", "1234567890@mil", NULL };
	static const char *const long_upn[] = { "upn", "1234567890123456@mil", NULL };
	static const char *const odd_upn[] = { "upn", "12345678901@mil", NULL };
	static const char *const no_dot[] = { "name", "ADA 1234567890", NULL };
	static const char *const too_short[] = { "name", "LOVELACE.ADA.123456789", NULL };

	check(name, "1234567890", NULL, "7890");
	check(upn, "1234567890", NULL, "7890");
	check(long_upn, "1234567890", NULL, "7890");
	check(odd_upn, NULL, NULL, "");
	check(no_dot, NULL, NULL, "");
	check(too_short, NULL, NULL, "");
}

static void the_person_of_a_fascn(void **state)
{
	static const char *const fascn[] = { "name", "Ada Lovelace", "fascn", FASCN, NULL };
	static const char *const piv_i[] = { "fascn", FASCN_PIV_I, NULL };
	static const char *const cut[] = { "fascn", "d0439458210c2c19", NULL };
	static const char *const odd_parity[] = { "fascn",
		"d1439458210c2c19a0846d83685a1082108ce73984108ca3fc", NULL };
	static const char *const no_hex[] = { "fascn", "zz", NULL };

	check(fascn, NULL, "1-1223-1112223333", "3333");
	check(piv_i, NULL, NULL, "");
	check(cut, NULL, NULL, "");
	check(odd_parity, NULL, NULL, "");
	check(no_hex, NULL, NULL, "");
}

static void what_identifies_otherwise(void **state)
{
	static const char *const serial[] = { "id-type", "serial", "id", "DE-12345678", NULL };
	static const char *const short_serial[] = { "id-type", "serial", "id", "1234567", NULL };
	static const char *const letters[] = { "id-type", "serial", "id", "12345678AB", NULL };
	static const char *const mail[] = { "id-type", "mail", "id", "ada12345@example.1234",
		NULL };
	static const char *const uuid[] = { "id-type", "uuid", "id",
		"6f1c2c0e-0000-4000-8000-000000001234", NULL };
	static const char *const nothing[] = { NULL };

	check(serial, NULL, NULL, "5678");
	check(short_serial, NULL, NULL, "");
	check(letters, NULL, NULL, "");
	check(mail, NULL, NULL, "");
	check(uuid, NULL, NULL, "");
	check(nothing, NULL, NULL, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dod_numbers),
		cmocka_unit_test(the_person_of_a_fascn),
		cmocka_unit_test(what_identifies_otherwise),
	};

	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
