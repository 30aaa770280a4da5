/* test_ctl_term.c: typing at a real (pseudo) terminal: each scenario runs in a child at its own terminal, we type and look. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "base/buf.h"
#include "client/ctl/term.c"

#define WAIT_MS 10000

/* --- the child's side --- */

static int results; /* what the child has to tell goes here, a line each */

static void tell(const char *what, struct bytes line)
{
	dprintf(results, "%s:%.*s\n", what, (int)line.len, (const char *)line.data);
}

/* As session_wait does it: poll only when nothing is buffered. */
static enum term_event next_event(struct term *t)
{
	struct pollfd fd = { .fd = term_get_fd(t), .events = POLLIN };

	if (!term_has_input(t))
		(void)poll(&fd, 1, WAIT_MS);
	return term_input(t);
}

static enum term_event ask(struct term *t, const char *prompt, bool hidden)
{
	enum term_event e;

	term_prompt(t, prompt, hidden);
	do {
		e = next_event(t);
	} while (e == TERM_KEY || e == TERM_NOTHING);
	if (e == TERM_LINE)
		tell("line", term_line(t));
	else
		tell(e == TERM_CANCEL ? "cancel" : "end", BYTES("", 0));
	return e;
}

static struct term *begin(void)
{
	struct term *t = term_new(STDIN_FILENO, false);

	term_begin(t);
	return t;
}

static void ask_openly(void)
{
	AUTO(term) struct term *t = begin();

	(void)ask(t, "name: ", false);
}

static void ask_hidden(void)
{
	AUTO(term) struct term *t = begin();

	(void)ask(t, "PIN: ", true);
}

static void ask_twice(void)
{
	AUTO(term) struct term *t = begin();

	(void)ask(t, "first: ", false);
	(void)ask(t, "second: ", false);
}

/* The first prompt comes when we are told that everything was typed. */
static void ask_after_a_while(void)
{
	AUTO(term) struct term *t = begin();

	tell("ready", BYTES("", 0));
	(void)raise(SIGSTOP);
	(void)ask(t, "name: ", false);
}

static void listen_then_ask(void)
{
	AUTO(term) struct term *t = begin();

	term_listen(t);
	for (int keys = 0; keys < 3; keys++) {
		tell("ready", BYTES("", 0));
		while (next_event(t) != TERM_KEY)
			continue;
	}
	term_unprompt(t);
	(void)ask(t, "name: ", false);
}

static void notice_while_asking(void)
{
	AUTO(term) struct term *t = begin();
	enum term_event e;

	term_prompt(t, "\nname: ", false);
	while (secret_bytes(t->line).len < 2)
		(void)next_event(t);
	term_notice(t, "\n(hurry)\n");
	do {
		e = next_event(t);
	} while (e != TERM_LINE);
	tell("line", term_line(t));
}

static void fault_while_asking(void)
{
	struct term *t = begin();

	term_prompt(t, "PIN: ", true);
	abort();
}

static void clear(void)
{
	AUTO(term) struct term *t = begin();
	AUTO(term) struct term *plain = term_new(STDIN_FILENO, true);
	int rows, columns;

	term_clear(plain);
	term_print(t, "before");
	term_clear(t);
	term_get_size(t, &rows, &columns);
	dprintf(results, "size:%d %d\n", rows, columns);
	dprintf(results, "screen:%d %d\n", term_is_screen(t), term_is_screen(plain));
}

/* --- our side --- */

struct session {
	pid_t pid;
	int master, results;
	char seen[4096]; /* what came from the terminal */
	size_t n_seen;
	struct termios before;
	int status;
};

static struct session *start(void (*child)(void))
{
	struct session *s = xcalloc(1, sizeof(*s));
	struct winsize size = { .ws_row = 30, .ws_col = 70 };
	int fds[2], slave;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(openpty(&s->master, &slave, NULL, NULL, &size), 0);
	assert_int_equal(tcgetattr(slave, &s->before), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		results = fds[1];
		(void)setenv("TERM", "xterm", 1);
		if (login_tty(slave) != 0)
			_exit(99);
		child();
		_exit(0);
	}
	close(slave);
	close(fds[1]);
	s->results = fds[0];
	return s;
}

static void type(struct session *s, const char *text)
{
	assert_int_equal(write(s->master, text, strlen(text)), strlen(text));
}

/* Reads what is there; false when there is no more, ever. */
static bool look_once(struct session *s)
{
	ssize_t n = read(s->master, s->seen + s->n_seen, sizeof(s->seen) - 1 - s->n_seen);

	if (n <= 0)
		return false;
	s->n_seen += (size_t)n;
	s->seen[s->n_seen] = '\0';
	return true;
}

static void look_for(struct session *s, const char *text)
{
	struct pollfd fd = { .fd = s->master, .events = POLLIN };

	while (!strstr(s->seen, text)) {
		if (poll(&fd, 1, WAIT_MS) <= 0 || !look_once(s))
			fail_msg("\"%s\" does not come, but \"%s\"", text, s->seen);
	}
}

/* One result line of the child. */
static void expect(struct session *s, const char *line)
{
	struct pollfd fd = { .fd = s->results, .events = POLLIN };
	char got[1024];
	size_t n = 0;

	do {
		assert_true(n < sizeof(got) - 1);
		assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
		assert_int_equal(read(s->results, got + n, 1), 1);
	} while (got[n++] != '\n');
	got[n - 1] = '\0';
	assert_string_equal(got, line);
}

/* The child ends, and the terminal is as it was. */
static void end(struct session *take_s)
{
	struct termios after;

	assert_int_equal(waitpid(take_s->pid, &take_s->status, 0), take_s->pid);
	/* Linux tells the terminal's modes at this end too. */
	assert_int_equal(tcgetattr(take_s->master, &after), 0);
	assert_int_equal(after.c_lflag, take_s->before.c_lflag);
	assert_memory_equal(after.c_cc, take_s->before.c_cc, sizeof(after.c_cc));
	close(take_s->master);
	close(take_s->results);
	free(take_s);
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
		n++;
	return n;
}

static void what_is_typed_shows(void **state)
{
	struct session *s = start(ask_openly);

	look_for(s, "name: ");
	type(s, "Ada");
	look_for(s, "name: Ada");
	type(s, "\n");
	expect(s, "line:Ada");
	end(s);
}

static void a_hidden_line_does_not(void **state)
{
	struct session *s = start(ask_hidden);

	look_for(s, "PIN: ");
	type(s, "123456\n");
	expect(s, "line:123456");
	look_for(s, "\n");
	assert_null(strchr(s->seen, '1'));
	assert_null(strchr(s->seen, '*'));
	end(s);
}

static void backspace_takes_whole_characters(void **state)
{
	struct session *s = start(ask_openly);

	look_for(s, "name: ");
	type(s, "a\u00f6\u6f22");
	look_for(s, "a\u00f6\u6f22");
	type(s, "\177\177b\n");
	expect(s, "line:ab");
	look_for(s, "b\r\n");
	/* Two columns of the wide one and one of the other. */
	assert_int_equal(count(s->seen, "\b \b"), 3);
	end(s);
}

static void ctrl_u_takes_all(void **state)
{
	struct session *s = start(ask_openly);

	look_for(s, "name: ");
	type(s, "wrong\025right\n");
	expect(s, "line:right");
	end(s);
}

static void only_the_first_of_several_lines_answers(void **state)
{
	struct session *s = start(ask_twice);

	look_for(s, "first: ");
	type(s, "one\ntwo\nthree\n");
	expect(s, "line:one");
	look_for(s, "second: ");
	type(s, "four\n");
	expect(s, "line:four");
	assert_null(strstr(s->seen, "two"));
	end(s);
}

static void what_was_typed_before_is_no_answer_and_never_shows(void **state)
{
	struct session *s = start(ask_after_a_while);
	int status;

	expect(s, "ready:");
	assert_int_equal(waitpid(s->pid, &status, WUNTRACED), s->pid);
	assert_true(WIFSTOPPED(status));
	type(s, "654321\n");
	assert_int_equal(kill(s->pid, SIGCONT), 0);
	look_for(s, "name: ");
	type(s, "Ada\n");
	expect(s, "line:Ada");
	assert_null(strstr(s->seen, "654321"));
	end(s);
}

static void too_much_is_refused_with_a_bell(void **state)
{
	struct session *s = start(ask_openly);
	char line[TERM_LINE_MAX + 1] = { 0 }, expected[TERM_LINE_MAX + 8];

	look_for(s, "name: ");
	memset(line, 'x', TERM_LINE_MAX);
	type(s, line);
	type(s, "yy\n");
	(void)snprintf(expected, sizeof(expected), "line:%s", line);
	expect(s, expected);
	look_for(s, "\a\a\r\n");
	end(s);
}

static void ctrl_d_ends_only_an_empty_line(void **state)
{
	struct session *s = start(ask_twice);

	look_for(s, "first: ");
	type(s, "a\004b\n");
	expect(s, "line:ab");
	look_for(s, "second: ");
	type(s, "\004");
	expect(s, "cancel:");
	end(s);
}

static void cursor_keys_mean_nothing(void **state)
{
	struct session *s = start(ask_openly);

	look_for(s, "name: ");
	type(s, "\033[A\033[1;5Cx\033OP\033[3~\033by\n");
	expect(s, "line:xy");
	end(s);
}

static void keys_are_heard_without_a_question(void **state)
{
	struct session *s = start(listen_then_ask);

	expect(s, "ready:");
	type(s, "z");
	expect(s, "ready:");
	type(s, "\n");
	expect(s, "ready:");
	type(s, "z");
	look_for(s, "name: ");
	type(s, "Ada\n");
	expect(s, "line:Ada");
	assert_null(strchr(s->seen, 'z'));
	end(s);
}

static void a_notice_repeats_prompt_and_line(void **state)
{
	struct session *s = start(notice_while_asking);

	look_for(s, "name: ");
	type(s, "Ad");
	look_for(s, "(hurry)\r\nname: Ad");
	type(s, "a\n");
	expect(s, "line:Ada");
	end(s);
}

static void a_fault_leaves_the_terminal_as_it_was(void **state)
{
	struct session *s = start(fault_while_asking);
	struct termios after;

	assert_int_equal(waitpid(s->pid, &s->status, 0), s->pid);
	assert_true(WIFSIGNALED(s->status));
	assert_int_equal(WTERMSIG(s->status), SIGABRT);
	assert_int_equal(tcgetattr(s->master, &after), 0);
	assert_int_equal(after.c_lflag, s->before.c_lflag);
	close(s->master);
	close(s->results);
	free(s);
}

static void the_screen_is_cleared_with_its_scrollback(void **state)
{
	struct session *s = start(clear);

	expect(s, "size:30 70");
	expect(s, "screen:1 0");
	look_for(s, "before\033[H\033[2J\033[3J");
	assert_int_equal(count(s->seen, "\033[2J"), 1);
	end(s);
}

/* --- without a terminal --- */

static struct term *piped(const char *text)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	return term_new(fds[0], true);
}

static void expect_piped(struct term *t, enum term_event event, const char *line)
{
	enum term_event e;

	term_prompt(t, "", true);
	do {
		e = next_event(t);
	} while (e == TERM_NOTHING);
	assert_int_equal(e, event);
	if (event == TERM_LINE) {
		assert_int_equal(term_line(t).len, strlen(line));
		assert_memory_equal(term_line(t).data, line, strlen(line));
	}
}

static void a_pipe_brings_lines_at_once(void **state)
{
	AUTO(term) struct term *t = piped("one\r\n\ntwo\nlast");

	expect_piped(t, TERM_LINE, "one");
	expect_piped(t, TERM_LINE, "");
	expect_piped(t, TERM_LINE, "two");
	expect_piped(t, TERM_LINE, "last");
	expect_piped(t, TERM_END, NULL);
	expect_piped(t, TERM_END, NULL);
	close(term_get_fd(t));
}

static void an_empty_pipe_is_no_line(void **state)
{
	AUTO(term) struct term *t = piped("");

	assert_false(term_is_typed(t));
	expect_piped(t, TERM_END, NULL);
	close(term_get_fd(t));
}

static void nothing_typed_stays_in_memory(void **state)
{
	AUTO(term) struct term *t = piped("123456\n");
	uint8_t zeros[INPUT_MAX] = { 0 };

	expect_piped(t, TERM_LINE, "123456");
	assert_memory_equal(secret_room(t->input), zeros, INPUT_MAX);
	term_unprompt(t);
	assert_memory_equal(secret_room(t->line), zeros, TERM_LINE_MAX);
	close(term_get_fd(t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_typed_shows),
		cmocka_unit_test(a_hidden_line_does_not),
		cmocka_unit_test(backspace_takes_whole_characters),
		cmocka_unit_test(ctrl_u_takes_all),
		cmocka_unit_test(only_the_first_of_several_lines_answers),
		cmocka_unit_test(what_was_typed_before_is_no_answer_and_never_shows),
		cmocka_unit_test(too_much_is_refused_with_a_bell),
		cmocka_unit_test(ctrl_d_ends_only_an_empty_line),
		cmocka_unit_test(cursor_keys_mean_nothing),
		cmocka_unit_test(keys_are_heard_without_a_question),
		cmocka_unit_test(a_notice_repeats_prompt_and_line),
		cmocka_unit_test(a_fault_leaves_the_terminal_as_it_was),
		cmocka_unit_test(the_screen_is_cleared_with_its_scrollback),
		cmocka_unit_test(a_pipe_brings_lines_at_once),
		cmocka_unit_test(an_empty_pipe_is_no_line),
		cmocka_unit_test(nothing_typed_stays_in_memory),
	};

	return cmocka_run_group_tests_name("ctl_term", tests, NULL, NULL);
}
