/* The control socket: lines in, lines out (README.md lists the commands). */
#ifndef VCARD_CONTROL_H
#define VCARD_CONTROL_H

#include "tests/mock/vcard/hand.h"

#include <poll.h>

enum { CONTROL_POLLS = 1 + 8 };

struct control;

/* Listens at path; a socket that a dead card left there is replaced. */
MUST_CHECK bool control_new(const char *path, struct control **ret, struct why *why);
/* Closes, and removes the socket's file. */
void control_free(struct control *c);
DEFINE_AUTO(control, struct control, control_free);

/* Fills CONTROL_POLLS entries; serves them afterwards. *ret_quit is set when "quit" came. */
void control_prepare(const struct control *c, struct pollfd *ret_polls);
void control_serve(struct control *c, struct hand *h, const struct pollfd *polled, bool *ret_quit);

/* The client: sends the words as one line and prints the answer. Exit status: 0 for ok. */
int control_ask(const char *path, char **words, int n);

#endif
