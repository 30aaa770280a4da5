/*
 * test_ctl_words.c: what derivctl says: every text is there, every {name} in it is given by each place that uses it, no text lies
 * unused, nothing foreign reaches the terminal unsafe; and what a screen says of a person.
 */
#include "tests/unit/unit.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>

#include "base/io.h"
#include "base/text.h"
#include "client/ctl/person.h"
#include "client/ctl/words.c"

static const char *const names[WORD_COUNT] = {
#define WORD(id, text) [WORD_##id] = #id,
#include "client/ctl/words.def"
#undef WORD
};

static void arguments_take_their_place(void **state)
{
	AUTO_MEM char *a = words(WORD_WHO, "last4", " (7890)", "name", "Ada Lovelace", NULL);
	AUTO_MEM char *b = words(WORD_YES, NULL);
	AUTO_MEM char *c = words(WORD_URI, "uri", "{uri}{", NULL);

	assert_non_null(strstr(a, "    Ada Lovelace (7890)\n"));
	assert_string_equal(b, "yes");
	/* What an argument says is no text of ours. */
	assert_string_equal(c, "invitation: {uri}{\n");
}

static void arguments_are_made_safe(void **state)
{
	AUTO_MEM char *a =
		words(WORD_DEVICE_HERE, "platform", "x\033[2Jy\n", "address", "\xff", NULL);

	assert_null(strchr(a, '\033'));
	assert_non_null(strstr(a, "x\\x1b[2Jy\\x0a, from \\xff\n"));
}

static void a_text_that_ends_a_line_says_so(void **state)
{
	for (size_t i = 0; i < WORD_COUNT; i++) {
		size_t len = strlen(texts[i]);
		assert_true(len > 0);
		assert_true(text_is_utf8(BYTES(texts[i], len)));
		/* Prompts end with a space or a full stop, parts of others anyhow; no text ends with a line and a space. */
		assert_false(text_ends(texts[i], "\n "));
	}
}

/* --- every use in the sources against the texts --- */

static bool has_argument(const char *call, const char *name, size_t len)
{
	AUTO_MEM char *quoted = xasprintf("\"%.*s\",", (int)len, name);

	return strstr(call, quoted) != NULL;
}

/* call: from "words(" to its NULL. */
static void check_call(const char *file, enum word w, const char *call)
{
	for (const char *p = strchr(texts[w], '{'); p; p = strchr(p + 1, '{')) {
		size_t len = strcspn(p + 1, "}");
		if (!has_argument(call, p + 1, len))
			fail_msg("%s: WORD_%s is not given {%.*s}:\n%s", file, names[w], (int)len,
				p + 1, call);
	}
}

static size_t find_word(const char *name, size_t len)
{
	size_t w = 0;

	while (w < WORD_COUNT && (strlen(names[w]) != len || memcmp(names[w], name, len) != 0))
		w++;
	return w;
}

static void check_file(const char *file, const char *text, bool *used)
{
	for (const char *p = strstr(text, "WORD_"); p; p = strstr(p + 1, "WORD_")) {
		const char *name = p + 5, *end, *call = p;
		size_t len = 0;
		while (isupper((unsigned char)name[len]) || isdigit((unsigned char)name[len]) ||
			name[len] == '_')
			len++;
		size_t w = find_word(name, len);
		if (w == WORD_COUNT)
			continue;
		used[w] = true;
		/* Chosen in one place and said in another: those texts have no arguments, or both branches the same. */
		end = strstr(p, "NULL");
		if (!end || memchr(p, ';', (size_t)(end - p)))
			continue;
		AUTO_MEM char *copy = bytes_strdup(BYTES(call, (size_t)(end - call)));
		check_call(file, (enum word)w, copy);
	}
}

static void every_use_gives_every_argument(void **state)
{
	const char *top = getenv("abs_top_srcdir");
	AUTO_MEM char *dir = xasprintf("%s/client/ctl", top ? top : ".");
	bool used[WORD_COUNT] = { false };
	DIR *d = opendir(dir);
	const struct dirent *entry;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		AUTO_MEM char *path = xasprintf("%s/%s", dir, entry->d_name);
		AUTO(buf) struct buf *text = NULL;
		if (!text_ends(entry->d_name, ".c"))
			continue;
		assert_ok(io_read_file(path, 1 << 20, &text));
		check_file(entry->d_name, buf_str(text), used);
	}
	closedir(d);
	for (size_t w = 0; w < WORD_COUNT; w++)
		if (!used[w])
			fail_msg("WORD_%s is said nowhere", names[w]);
}

/* --- who somebody is --- */

static void check_name(const char *name, const char *shown)
{
	AUTO(facts) struct facts *f = facts_new();
	AUTO_MEM char *got = NULL;

	if (name)
		assert_ok(facts_add(f, FACT_NAME, name));
	got = person_name(f);
	assert_string_equal(got, shown);
}

static void a_name_has_no_long_number(void **state)
{
	check_name("LOVELACE.ADA.KING.1234567890", "LOVELACE.ADA.KING");
	check_name("Ada Lovelace (1234567890)", "Ada Lovelace");
	check_name("1234567890", "");
	check_name("J\u00f6rg 1234567 M\u00fcller 12", "J\u00f6rg M\u00fcller 12");
	check_name("ADA LOVELACE (affiliate)", "ADA LOVELACE (affiliate)");
	check_name(NULL, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_take_their_place),
		cmocka_unit_test(arguments_are_made_safe),
		cmocka_unit_test(a_text_that_ends_a_line_says_so),
		cmocka_unit_test(every_use_gives_every_argument),
		cmocka_unit_test(a_name_has_no_long_number),
	};

	return cmocka_run_group_tests_name("ctl_words", tests, NULL, NULL);
}
