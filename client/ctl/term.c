/* term.c: see term.h. */
#include "client/ctl/term.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"

#define INPUT_MAX 256

enum { KEY_CTRL_C = 3, KEY_CTRL_D = 4, KEY_BACKSPACE = 8, KEY_CTRL_U = 21, KEY_ESCAPE = 27, KEY_DELETE = 127 };

struct term {
	bool plain;
	bool in_tty, out_tty;
	bool raw;
	bool hidden;
	bool escape; /* inside an escape sequence of a cursor key */
	bool at_end; /* of input */
	struct termios saved;
	struct secret *line;
	struct secret *input; /* read ahead: a pipe may bring several lines at once */
	size_t input_pos;
};

struct term *term_new(bool plain)
{
	struct term *t = xcalloc(1, sizeof(*t));

	t->plain = plain;
	t->in_tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &t->saved) == 0;
	t->out_tty = isatty(STDOUT_FILENO);
	t->line = secret_new(TERM_LINE_MAX);
	t->input = secret_new(INPUT_MAX);
	return t;
}

static void cook(struct term *t)
{
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
	t->raw = false;
}

void term_free(struct term *t)
{
	if (!t)
		return;
	cook(t);
	secret_free(t->line);
	secret_free(t->input);
	free(t);
}

bool term_is_screen(const struct term *t)
{
	return t->out_tty && !t->plain;
}

int term_get_columns(const struct term *t)
{
	struct winsize w;

	if (!t->out_tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col == 0)
		return 80;
	return w.ws_col;
}

void term_print(struct term *t UNUSED, const char *text)
{
	(void)fputs(text, stdout);
	(void)fflush(stdout);
}

void term_clear(struct term *t)
{
	if (term_is_screen(t))
		term_print(t, "\033[H\033[2J\033[3J");
}

void term_prompt(struct term *t, const char *prompt, bool hidden)
{
	struct termios mode = t->saved;

	secret_clear(t->line);
	t->hidden = hidden;
	t->escape = false;
	term_print(t, prompt);
	if (!t->in_tty || t->raw)
		return;
	mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	/* What was typed before the question was asked is no answer to it. */
	t->raw = tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode) == 0;
}

void term_unprompt(struct term *t)
{
	secret_clear(t->line);
	cook(t);
}

int term_get_fd(const struct term *t UNUSED)
{
	return STDIN_FILENO;
}

bool term_has_input(const struct term *t)
{
	return t->at_end || t->input_pos < secret_bytes(t->input).len;
}

static void echo(struct term *t, const char *text)
{
	if (t->raw && !t->hidden)
		term_print(t, text);
}

static void erase(struct term *t)
{
	struct bytes line = secret_bytes(t->line);
	size_t len = line.len;

	if (len == 0)
		return;
	/* A character of several bytes goes whole. */
	while (len > 1 && (line.data[len - 1] & 0xc0) == 0x80)
		len--;
	secret_room(t->line)[len - 1] = 0;
	secret_set_len(t->line, len - 1);
	echo(t, "\b \b");
}

static void append(struct term *t, uint8_t c)
{
	char text[2] = { (char)c, '\0' };
	AUTO(err) struct err *full = secret_add(t->line, BYTES(&c, 1));

	if (full)
		term_print(t, "\a");
	else
		echo(t, text);
}

static enum term_event finish(struct term *t)
{
	if (t->raw)
		term_print(t, "\n");
	cook(t);
	return TERM_LINE;
}

static enum term_event key(struct term *t, uint8_t c)
{
	if (c == '\n' || c == '\r')
		return finish(t);
	if (!t->raw) {
		append(t, c);
		return TERM_NOTHING;
	}
	if (t->escape) {
		/* ESC [ parameters letter: the letter ends it. */
		t->escape = !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '~');
		return TERM_KEY;
	}
	switch (c) {
	case KEY_CTRL_C:
		return TERM_CANCEL;
	case KEY_CTRL_D:
		return secret_bytes(t->line).len == 0 ? TERM_CANCEL : TERM_KEY;
	case KEY_ESCAPE:
		t->escape = true;
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
		if (c >= ' ')
			append(t, c);
	}
	return TERM_KEY;
}

static bool fill(struct term *t)
{
	ssize_t n;

	secret_clear(t->input);
	t->input_pos = 0;
	do {
		n = read(STDIN_FILENO, secret_room(t->input), secret_capacity(t->input));
	} while (n < 0 && errno == EINTR);
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

	if (!t->at_end && t->input_pos == secret_bytes(t->input).len && !fill(t) &&
		secret_bytes(t->line).len > 0)
		return finish(t);
	if (t->input_pos == secret_bytes(t->input).len)
		return t->at_end ? TERM_CANCEL : TERM_NOTHING;
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
