/*
 * term.c: see term.h. From term_begin to the end the terminal neither echoes nor collects lines: what is typed too early,
 * a PIN perhaps, is never seen. Signals from the keyboard stay on, so Ctrl-C works at any moment and not only at a prompt.
 */
#include "client/ctl/term.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"

#define INPUT_MAX 256
#define CHARACTER_MAX 4 /* bytes of one in UTF-8 */

enum {
	KEY_CTRL_C = 3,
	KEY_CTRL_D = 4,
	KEY_BACKSPACE = 8,
	KEY_CTRL_U = 21,
	KEY_ESCAPE = 27,
	KEY_DELETE = 127
};

/* Where in the bytes that a cursor key sends: ESC, then "[", parameters and a letter, or "O" and a letter. */
enum escape { ESCAPE_NONE, ESCAPE_START, ESCAPE_PARAMETERS, ESCAPE_LAST };

struct term {
	int in;
	bool plain;
	bool in_tty, out_tty, utf8;
	bool raw;
	bool open;      /* a prompt, or listening */
	bool listening; /* for keys, not for a line */
	bool hidden;    /* no echo */
	bool at_end;    /* of input */
	enum escape escape;
	struct termios saved;
	char *prompt;
	struct secret *line;
	struct secret *input; /* read ahead: a pipe may bring several lines at once */
	size_t input_pos;
};

/* Where nobody set a locale, as at a kiosk's boot, nothing is known, and a terminal of today is taken for what it is. */
bool term_locale_shows_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	locale_t own = (locale_t)0;
	bool utf8;

	for (size_t i = 0; i < ARRAY_LEN(names) && !own; i++) {
		const char *value = getenv(names[i]);
		if (value && *value)
			own = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	}
	/* One that is not installed tells nothing either. */
	if (!own)
		return true;
	utf8 = strcmp(nl_langinfo_l(CODESET, own), "UTF-8") == 0;
	freelocale(own);
	return utf8;
}

struct term *term_new(int in, bool plain)
{
	struct term *t = xcalloc(1, sizeof(*t));
	const char *kind = getenv("TERM");

	t->in = in;
	t->plain = plain || !kind || strcmp(kind, "dumb") == 0;
	t->in_tty = isatty(in) && tcgetattr(in, &t->saved) == 0;
	t->out_tty = isatty(STDOUT_FILENO);
	t->utf8 = term_locale_shows_utf8();
	t->prompt = xstrdup("");
	t->line = secret_new(TERM_LINE_MAX);
	t->input = secret_new(INPUT_MAX);
	return t;
}

/* --- the terminal's state --- */

/* For the handler of our own faults, which has nothing but these. */
static struct {
	int fd;
	struct termios saved;
} rescue;

static void on_fault(int number UNUSED)
{
	int before = errno;

	(void)tcsetattr(rescue.fd, TCSANOW, &rescue.saved);
	errno = before;
}

static void catch_faults(const struct term *t)
{
	/* SA_RESETHAND: the fault happens again, or abort() goes on, and the process dies of it as it should. */
	const struct sigaction action = { .sa_handler = on_fault, .sa_flags = (int)SA_RESETHAND };
	static const int faults[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

	rescue.fd = t->in;
	rescue.saved = t->saved;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		(void)sigaction(faults[i], &action, NULL);
}

void term_begin(struct term *t)
{
	struct termios mode = t->saved;

	if (!t->in_tty || t->raw)
		return;
	catch_faults(t);
	mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL);
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	t->raw = tcsetattr(t->in, TCSAFLUSH, &mode) == 0;
}

void term_free(struct term *t)
{
	if (!t)
		return;
	/* Flushing: what was typed to us is not for the shell. */
	if (t->raw)
		(void)tcsetattr(t->in, TCSAFLUSH, &t->saved);
	secret_free(t->line);
	secret_free(t->input);
	free(t->prompt);
	free(t);
}

bool term_is_screen(const struct term *t)
{
	return t->out_tty && !t->plain;
}

bool term_shows_utf8(const struct term *t)
{
	return t->utf8;
}

bool term_is_typed(const struct term *t)
{
	return t->in_tty;
}

void term_get_size(const struct term *t, int *ret_rows, int *ret_columns)
{
	struct winsize w = { 0 };

	if (!t->out_tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		w.ws_row = w.ws_col = 0;
	*ret_rows = w.ws_row ? w.ws_row : 24;
	*ret_columns = w.ws_col ? w.ws_col : 80;
}

/* --- printing --- */

void term_print(struct term *t UNUSED, const char *text)
{
	/* Tables and the like go through stdio; here its buffer would keep what was shown. */
	(void)fflush(stdout);
	err_free(io_write_full(STDOUT_FILENO, BYTES(text, strlen(text))));
}

void term_clear(struct term *t)
{
	if (term_is_screen(t))
		term_print(t, "\033[H\033[2J\033[3J");
}

static bool is_echoing(const struct term *t)
{
	return t->raw && t->open && !t->hidden;
}

void term_notice(struct term *t, const char *text)
{
	term_print(t, text);
	if (!t->open)
		return;
	term_print(t, t->prompt[0] == '\n' ? t->prompt + 1 : t->prompt);
	if (is_echoing(t)) {
		struct bytes line = term_line(t);
		err_free(io_write_full(STDOUT_FILENO, line));
	}
}

/* --- prompts --- */

static void open_prompt(struct term *t, const char *prompt, bool hidden)
{
	secret_clear(t->line);
	free(t->prompt);
	t->prompt = xstrdup(prompt);
	t->open = true;
	t->listening = false;
	t->hidden = hidden;
	t->escape = ESCAPE_NONE;
	if (!t->in_tty)
		return;
	/* What was typed before the question was asked is no answer to it. */
	(void)tcflush(t->in, TCIFLUSH);
	secret_clear(t->input);
	t->input_pos = 0;
}

void term_prompt(struct term *t, const char *prompt, bool hidden)
{
	open_prompt(t, prompt, hidden);
	term_print(t, prompt);
}

void term_listen(struct term *t)
{
	open_prompt(t, "", true);
	t->listening = true;
}

void term_unprompt(struct term *t)
{
	if (t->open && !t->listening && t->raw)
		term_print(t, "\n");
	t->open = false;
	secret_clear(t->line);
}

int term_get_fd(const struct term *t)
{
	return t->in;
}

bool term_has_input(const struct term *t)
{
	return t->at_end || t->input_pos < secret_bytes(t->input).len;
}

/* --- editing a line --- */

/* The last character of the line, whole and fit to be shown; else no bytes. */
static struct bytes last_character(const struct term *t)
{
	struct bytes line = secret_bytes(t->line), last = BYTES(NULL, 0);
	size_t n = 1;

	if (line.len == 0)
		return last;
	while (n < line.len && n < CHARACTER_MAX && (line.data[line.len - n] & 0xc0) == 0x80)
		n++;
	last = BYTES(line.data + line.len - n, n);
	return text_is_printable(last) ? last : BYTES(NULL, 0);
}

static void erase(struct term *t)
{
	struct bytes last = last_character(t);
	size_t len = secret_bytes(t->line).len, n = last.len ? last.len : 1;

	if (len == 0)
		return;
	for (size_t i = text_columns(last); i > 0 && is_echoing(t); i--)
		term_print(t, "\b \b");
	wipe(secret_room(t->line) + len - n, n);
	secret_set_len(t->line, len - n);
}

static void append(struct term *t, uint8_t c)
{
	AUTO(err) struct err *full = secret_add(t->line, BYTES(&c, 1));

	if (full && t->raw)
		term_print(t, "\a");
	/* A character shows once all its bytes are here. */
	if (!full && is_echoing(t))
		err_free(io_write_full(STDOUT_FILENO, last_character(t)));
}

static enum term_event finish(struct term *t)
{
	if (t->listening)
		return TERM_KEY;
	if (t->raw)
		term_print(t, "\n");
	t->open = false;
	return TERM_LINE;
}

static enum escape after_escape(enum escape now, uint8_t c)
{
	if (now == ESCAPE_START)
		return c == '[' ? ESCAPE_PARAMETERS : c == 'O' ? ESCAPE_LAST : ESCAPE_NONE;
	return now == ESCAPE_PARAMETERS && (c < 0x40 || c > 0x7e) ? ESCAPE_PARAMETERS : ESCAPE_NONE;
}

static enum term_event edit(struct term *t, uint8_t c)
{
	switch (c) {
	case KEY_CTRL_C:
		return TERM_CANCEL;
	case KEY_CTRL_D:
		return secret_bytes(t->line).len == 0 ? TERM_CANCEL : TERM_KEY;
	case KEY_ESCAPE:
		t->escape = ESCAPE_START;
		break;
	case KEY_BACKSPACE:
	case KEY_DELETE:
		erase(t);
		break;
	case KEY_CTRL_U:
		while (secret_bytes(t->line).len > 0)
			erase(t);
		break;
	default:
		if (c >= ' ' && !t->listening)
			append(t, c);
	}
	return TERM_KEY;
}

static enum term_event key(struct term *t, uint8_t c)
{
	if (c == '\n' || (c == '\r' && t->raw))
		return finish(t);
	if (!t->raw) {
		if (c != '\r')
			append(t, c);
		return TERM_NOTHING;
	}
	if (t->escape != ESCAPE_NONE) {
		t->escape = after_escape(t->escape, c);
		return TERM_KEY;
	}
	return edit(t, c);
}

/* --- input --- */

static bool fill(struct term *t)
{
	ssize_t n;

	secret_clear(t->input);
	t->input_pos = 0;
	do {
		n = read(t->in, secret_room(t->input), secret_capacity(t->input));
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0) {
		t->at_end = true;
		return false;
	}
	secret_set_len(t->input, (size_t)n);
	return true;
}

enum term_event term_input(struct term *t)
{
	enum term_event event = TERM_NOTHING;

	/* A last line needs no newline. */
	if (!term_has_input(t) && !fill(t) && secret_bytes(t->line).len > 0)
		return finish(t);
	if (t->at_end && t->input_pos == secret_bytes(t->input).len)
		return TERM_END;
	while (t->input_pos < secret_bytes(t->input).len) {
		uint8_t *c = secret_room(t->input) + t->input_pos++;
		enum term_event e = key(t, *c);

		*c = 0;
		if (e == TERM_LINE || e == TERM_CANCEL)
			return e;
		if (e == TERM_KEY)
			event = e;
	}
	return event;
}

struct bytes term_line(const struct term *t)
{
	return secret_bytes(t->line);
}
