/*
 * term.h: what the person in front of it types and sees: lines typed with or without echo, the screen cleared with its
 * scrollback, everything also usable without a terminal (--plain, pipes). Typed lines are kept as secrets, since a PIN
 * is one, and nothing that is printed stays in a buffer, since an invitation is one too.
 */
#ifndef DERIVD_CTL_TERM_H
#define DERIVD_CTL_TERM_H

#include "base/def.h"
#include "base/secret.h"

struct term;

/* No typed line is longer; more is refused with a bell. */
#define TERM_LINE_MAX 256

enum term_event {
	TERM_NOTHING, /* nothing complete yet */
	TERM_KEY,     /* a key was pressed: time-outs start again */
	TERM_LINE,    /* term_line has it */
	TERM_CANCEL,  /* Ctrl-C, Ctrl-D */
	TERM_END,     /* no more input */
};

/* in: lent; where lines are typed, a terminal or not. plain: never clears, never moves the cursor. */
struct term *term_new(int in, bool plain);
/* Restores the terminal. */
void term_free(struct term *t);
DEFINE_AUTO(term, struct term *, term_free);

/* From here on nothing that is typed shows unless it answers a prompt; also when the process dies of a fault of its own. */
void term_begin(struct term *t);

/* May the screen be cleared and drawn on? */
bool term_is_screen(const struct term *t);
/* As far as the locale says; true when it says nothing. */
bool term_locale_shows_utf8(void);
/* Does the terminal show UTF-8, as far as the locale says so? */
bool term_shows_utf8(const struct term *t);
/* Does a person type here? */
bool term_is_typed(const struct term *t);
/* Characters; 24 and 80 when it does not say. */
void term_get_size(const struct term *t, int *ret_rows, int *ret_columns);
/* To standard output at once; what cannot be written is lost (session_wait notices a reader that has gone). */
void term_print(struct term *t, const char *text);
/* The same with a prompt open: the prompt, and what was typed so far, follow again. */
void term_notice(struct term *t, const char *text);
/* Clears screen and scrollback; nothing when plain or when output is no terminal. */
void term_clear(struct term *t);

/* Shows the prompt and starts a line. hidden: no echo. At a terminal what was typed before is no answer and dropped. */
void term_prompt(struct term *t, const char *prompt, bool hidden);
/* No question, but each key is an event. */
void term_listen(struct term *t);
/* The line under way is dropped. */
void term_unprompt(struct term *t);
/* The descriptor to poll while a prompt is open. */
int term_get_fd(const struct term *t);
/* Something is buffered already, so that poll must not wait. */
bool term_has_input(const struct term *t);
/* Call when the descriptor is readable or term_has_input. */
enum term_event term_input(struct term *t);
/* The finished line without its newline, lent until the next prompt. */
struct bytes term_line(const struct term *t);

#endif
