/* test_card_chuid.c: the CHUID as modules and cards give it. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "base/text.h"
#include "pkcs11/chuid.h"

#define FASCN "3019d4e739da739ced39ce739da1685a1082108ce73984108ca3fc"
#define GUID "00112233445566778899aabbccddee01"
#define REST "350832303330313233313e00fe00"

static struct err *guid_of(const char *hex, char **ret_guid)
{
	AUTO(buf) struct buf *bytes = NULL;
	struct bytes guid = { 0 };

	assert_ok(text_unhex(hex, &bytes));
	TRY(chuid_guid(buf_bytes(bytes), &guid));
	*ret_guid = text_hex(guid);
	return NULL;
}

static void assert_guid(const char *hex, const char *expected)
{
	AUTO_MEM char *guid = NULL;

	assert_ok(guid_of(hex, &guid));
	assert_string_equal(guid, expected);
}

static void assert_bad(const char *hex)
{
	AUTO_MEM char *guid = NULL;

	assert_err(guid_of(hex, &guid), &ERR_FORMAT);
}

static void with_and_without_the_container(void **state)
{
	assert_guid("533b" FASCN "3410" GUID REST, GUID);
	assert_guid(FASCN "3410" GUID REST, GUID);
	assert_guid("53813b" FASCN "3410" GUID REST, GUID);
	assert_guid("5382003b" FASCN "3410" GUID REST, GUID);
}

static void without_a_guid(void **state)
{
	assert_guid("", "");
	assert_guid("5300", "");
	assert_guid(FASCN REST, "");
	assert_guid(FASCN "341000000000000000000000000000000000" REST, "");
}

static void malformed(void **state)
{
	assert_bad("53");
	assert_bad("533c" FASCN "3410" GUID REST);      /* longer than it is */
	assert_bad("533b" FASCN "3410" GUID REST "00"); /* something behind it */
	assert_bad(FASCN "340f00112233445566778899aabbccddee");
	assert_bad(FASCN "3410"
			 "0011");
	assert_bad("3480");
	assert_bad("3483000001ff");
	assert_bad("348200");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_and_without_the_container),
		cmocka_unit_test(without_a_guid),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests_name("card_chuid", tests, NULL, NULL);
}
