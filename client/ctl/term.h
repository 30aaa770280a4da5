/*
 * term.h: the terminal in front of the person: lines typed with or without echo, the screen cleared with its
 * scrollback, everything also usable without a terminal (--plain, pipes). Typed lines are kept as secrets, since a
 * PIN is one.
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
	TERM_CANCEL,  /* Ctrl-C, Ctrl-D or the end of input */
};

/* plain: never clears, never moves the cursor, no colour. Standard input and output are lent. */
struct term *term_new(bool plain);
/* Restores the terminal. */
void term_free(struct term *t);
DEFINE_AUTO(term, struct term *, term_free);

bool term_is_screen(const struct term *t);
int term_get_columns(const struct term *t);
void term_print(struct term *t, const char *text);
/* Clears screen and scrollback; nothing when plain or when output is no terminal. */
void term_clear(struct term *t);

/* Shows the prompt and starts a new line. hidden: no echo. */
void term_prompt(struct term *t, const char *prompt, bool hidden);
/* The line under way is dropped and the terminal is as it was. */
void term_unprompt(struct term *t);
/* The descriptor to poll while a prompt is open. */
int term_get_fd(const struct term *t);
/* A byte is buffered already, so that poll must not wait. */
bool term_has_input(const struct term *t);
/* Call when the descriptor is readable or term_has_input. */
enum term_event term_input(struct term *t);
/* The finished line without its newline, lent until the next prompt. */
struct bytes term_line(const struct term *t);

#endif
