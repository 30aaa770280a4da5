/* test_kind.c: errors cross a socket without losing kind, fate and text, and without breaking the limits. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "proto/kind.h"
#include "proto/msg.h"

static const struct {
	const struct err_kind *kind;
	const char *name;
} rows[] = {
#define KIND(symbol, name, fate, remedy) { &ERR_##symbol, name },
#include "proto/kind.def"
#undef KIND
};

static void every_kind_is_found_by_its_name_and_has_a_remedy(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(rows[i].kind->name, rows[i].name);
		assert_ptr_equal(kind_find(rows[i].name), rows[i].kind);
		assert_true(strlen(kind_remedy(rows[i].kind)) > 0);
	}
	assert_null(kind_find("no-such-kind"));
	assert_null(kind_find(""));
	assert_ptr_equal(kind_find("not-found"), &ERR_NOTFOUND);
}

static void remedy_of_a_foreign_kind_is_empty(void **state)
{
	static const struct err_kind mine = { "mine", FATE_RETRY };

	assert_string_equal(kind_remedy(&mine), "");
}

static void errors_come_back_as_they_were(void **state)
{
	static const struct err_kind *const kinds[] = { &ERR_PIN_WRONG, &ERR_BUSY, &ERR_STORE,
		&ERR_TIMEOUT, &ERR_SYSTEM };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		AUTO(err) struct err *e = err_new(kinds[i], "text %zu: \xc3\xa9", i);
		AUTO_MSG Common__Error *m = kind_to_wire(e);
		AUTO(err) struct err *back = kind_from_wire(m);
		assert_true(err_is(back, kinds[i]));
		assert_string_equal(err_get_text(back), err_get_text(e));
		assert_string_equal(m->remedy, kind_remedy(kinds[i]));
	}
}

static void hostile_and_long_texts_still_pass_the_limits(void **state)
{
	AUTO(buf) struct buf *text = buf_new();

	memset(buf_grow(text, 100000), '\x1b', 100000);
	AUTO(err) struct err *e = err_new(&ERR_COURIER, "%s", buf_str(text));
	AUTO_MSG Common__Error *m = kind_to_wire(e);
	assert_ok(msg_check(&m->base));
	assert_int_equal(strlen(m->text), 4 * 2048);
	assert_memory_equal(m->text, "\\x1b\\x1b", 8);
}

static void a_cut_inside_a_character_is_no_harm(void **state)
{
	AUTO(buf) struct buf *text = buf_new();

	buf_add_str(text, "x");
	for (size_t i = 0; i < 2000; i++)
		buf_add_str(text, "\xc3\xa9");
	AUTO(err) struct err *e = err_new(&ERR_COURIER, "%s", buf_str(text));
	AUTO_MSG Common__Error *m = kind_to_wire(e);
	assert_ok(msg_check(&m->base));
}

static void unknown_kinds_keep_their_fate(void **state)
{
	static const struct {
		Common__Fate fate;
		const struct err_kind *kind;
	} cases[] = {
		{ COMMON__FATE__RETRY, &ERR_REMOTE_RETRY },
		{ COMMON__FATE__REFUSE, &ERR_REMOTE },
		{ COMMON__FATE__BROKEN, &ERR_REMOTE_BROKEN },
	};
	char kind[] = "of-next-year", text[] = "what happened";

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Common__Error m = COMMON__ERROR__INIT;
		m.kind = kind;
		m.text = text;
		m.fate = cases[i].fate;
		AUTO(err) struct err *e = kind_from_wire(&m);
		assert_true(err_is(e, cases[i].kind));
		assert_int_equal((int)err_get_fate(e), (int)cases[i].fate);
		assert_string_equal(err_get_text(e), "of-next-year: what happened");
	}
}

static void the_kind_says_the_fate_and_not_the_wire(void **state)
{
	Common__Error m = COMMON__ERROR__INIT;
	char kind[] = "pin-wrong";

	m.kind = kind;
	m.fate = COMMON__FATE__BROKEN;
	AUTO(err) struct err *e = kind_from_wire(&m);
	assert_int_equal(err_get_fate(e), FATE_REFUSE);
}

static void reasons_follow_the_text(void **state)
{
	Common__Error m = COMMON__ERROR__INIT;
	Common__Reason a = COMMON__REASON__INIT, b = COMMON__REASON__INIT, *list[] = { &a, &b };
	char kind[] = "not-eligible", text[] = "no certificate counts";
	char sa[] = "9A", sb[] = "9E", ta[] = "expired", tb[] = "card authentication";

	m.kind = kind;
	m.text = text;
	a.subject = sa;
	a.text = ta;
	b.subject = sb;
	b.text = tb;
	m.reasons = list;
	m.n_reasons = 2;
	AUTO(err) struct err *e = kind_from_wire(&m);
	assert_string_equal(
		err_get_text(e), "no certificate counts (9A: expired; 9E: card authentication)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_found_by_its_name_and_has_a_remedy),
		cmocka_unit_test(remedy_of_a_foreign_kind_is_empty),
		cmocka_unit_test(errors_come_back_as_they_were),
		cmocka_unit_test(hostile_and_long_texts_still_pass_the_limits),
		cmocka_unit_test(a_cut_inside_a_character_is_no_harm),
		cmocka_unit_test(unknown_kinds_keep_their_fate),
		cmocka_unit_test(the_kind_says_the_fate_and_not_the_wire),
		cmocka_unit_test(reasons_follow_the_text),
	};

	return cmocka_run_group_tests_name("kind", tests, NULL, NULL);
}
