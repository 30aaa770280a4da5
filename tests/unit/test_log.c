/* test_log.c: what arrives on standard error, and in a journal that the test plays itself. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

/* Standard error goes to a pipe between capture_start and capture_end. */
static int saved_stderr = -1, pipe_read = -1;

static void capture_start(bool debug)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	pipe_read = fds[0];
	log_init("unit", debug);
}

/* All that was written; the caller frees. */
static char *capture_end(void)
{
	AUTO(buf) struct buf *b = buf_new();
	char part[4096];
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	while ((n = read(pipe_read, part, sizeof(part))) > 0)
		buf_add(b, part, (size_t)n);
	close(pipe_read);
	return bytes_strdup(buf_bytes(b));
}

static void a_line_has_priority_text_and_fields(void **state)
{
	const struct log_field fields[] = {
		{ "REQUEST", "42" },
		{ "ABSENT", NULL },
		{ "EMPTY", "" },
		{ "REASON", "no \"card\"" },
		{ NULL, NULL },
	};

	capture_start(false);
	log_event(LOG_NOTICE, "0123456789abcdef0123456789abcdef", fields, "done %d", 5);
	AUTO_MEM char *s = capture_end();
	assert_string_equal(s, "<5>done 5 MESSAGE_ID=0123456789abcdef0123456789abcdef REQUEST=42 "
			       "EMPTY=\"\" REASON=\"no \\\"card\\\"\"\n");
}

static void foreign_text_cannot_forge_a_line(void **state)
{
	const struct log_field fields[] = { { "NAME", "x\n<0>panic" }, { NULL, NULL } };

	capture_start(false);
	log_event(LOG_INFO, NULL, fields, "hello %s", "you\n<0>panic\x1b[2J\xff");
	AUTO_MEM char *s = capture_end();
	assert_string_equal(s, "<6>hello you\\x0a<0>panic\\x1b[2J\\xff NAME=\"x\\x0a<0>panic\"\n");
}

static void debug_lines_only_when_asked_for(void **state)
{
	capture_start(false);
	log_debug("hidden");
	AUTO_MEM char *none = capture_end();
	assert_string_equal(none, "");
	capture_start(true);
	log_debug("shown %s", "now");
	AUTO_MEM char *s = capture_end();
	assert_string_equal(s, "<7>shown now\n");
}

static const struct err_kind STRANGE = { "strange", FATE_REFUSE };

static void errors_carry_id_kind_and_fate(void **state)
{
	capture_start(false);
	log_error(err_new(&ERR_TIMEOUT, "no answer"), "ask %s", "them");
	log_error(err_new(&ERR_CONFIG, "line 1"), "start");
	log_error(err_new(&STRANGE, "?"), "so");
	log_error(NULL, "nothing");
	AUTO_MEM char *s = capture_end();
	assert_string_equal(s, "<4>ask them: no answer MESSAGE_ID=44bb0cf673be4b78a3b4aa77944c93f2 "
			       "ERROR_KIND=timeout ERROR_FATE=retry\n"
			       "<3>start: line 1 MESSAGE_ID=2175cf4f88b84ca897fbee2913f2dc11 "
			       "ERROR_KIND=config ERROR_FATE=broken\n"
			       "<3>so: ? MESSAGE_ID=6df79b65e1b4408a81db74073e31e073 "
			       "ERROR_KIND=strange ERROR_FATE=refuse\n");
}

static void a_note_has_its_id_and_priority(void **state)
{
	const struct log_field fields[] = { { "READER", "r0" }, { NULL, NULL } };

	capture_start(false);
	log_note(NOTE_RELOADED, fields, "read %s", "again");
	AUTO_MEM char *s = capture_end();
	assert_string_equal(
		s, "<6>read again MESSAGE_ID=d2f81d1be6264cff978ef24e3fc84917 READER=r0\n");
}

static void errno_is_left_alone(void **state)
{
	capture_start(false);
	errno = EXDEV;
	log_info("x");
	assert_int_equal(errno, EXDEV);
	free(capture_end());
}

/* The variable is inherited by programs whose standard error is something else: the line must not be lost. */
static void an_inherited_journal_variable_is_not_believed(void **state)
{
	static const char *const streams[] = { "1:2", "", "x", "1:2:3", "99999999999999999999:1" };

	for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
		setenv("JOURNAL_STREAM", streams[i], 1);
		capture_start(false);
		log_info("still here");
		AUTO_MEM char *s = capture_end();
		assert_string_equal(s, "<6>still here\n");
	}
	unsetenv("JOURNAL_STREAM");
}

/* Where no journald listens, an entry for it is written to standard error after all. */
static void without_journald_the_entry_is_a_line(void **state)
{
	char value[64];
	struct stat st;

	if (access("/run/systemd/journal/socket", F_OK) == 0)
		unit_skip("a journald listens here");
	capture_start(false);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(value, sizeof(value), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", value, 1);
	log_init("unit", false);
	unsetenv("JOURNAL_STREAM");
	log_info("not lost");
	AUTO_MEM char *s = capture_end();
	assert_string_equal(s, "<6>not lost\n");
}

static void as_many_fields_as_promised(void **state)
{
	struct log_field fields[LOG_FIELDS_MAX + 1] = { 0 };

	for (size_t i = 0; i < LOG_FIELDS_MAX; i++)
		fields[i] = (struct log_field){ "F", "v" };
	capture_start(false);
	log_event(LOG_INFO, NULL, fields, "x");
	AUTO_MEM char *s = capture_end();
	assert_int_equal(strlen(s), strlen("<6>x\n") + LOG_FIELDS_MAX * strlen(" F=v"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_priority_text_and_fields),
		cmocka_unit_test(foreign_text_cannot_forge_a_line),
		cmocka_unit_test(debug_lines_only_when_asked_for),
		cmocka_unit_test(errors_carry_id_kind_and_fate),
		cmocka_unit_test(a_note_has_its_id_and_priority),
		cmocka_unit_test(errno_is_left_alone),
		cmocka_unit_test(an_inherited_journal_variable_is_not_believed),
		cmocka_unit_test(without_journald_the_entry_is_a_line),
		cmocka_unit_test(as_many_fields_as_promised),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
