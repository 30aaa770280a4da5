/*
 * session.h: the session in front of a person (DESIGN section 4, ENROLLMENT steps 1 to 8), led by derivctl:
 *
 *   session_card.c    the card: open, who is it, sign, gone?
 *   session_device.c  the device: invitation, statement, digits
 *   session_end.c     evidence, and watching what comes of it
 *   session_wait.c    waiting for one thing while watching for the others
 *   session.c         the order of all that
 *
 * The session can end at any moment by any of four: the person, the card, derivd, a time-out. Until the evidence is
 * committed nothing lasts; after it nothing depends on us.
 */
#ifndef DERIVD_CTL_SESSION_H
#define DERIVD_CTL_SESSION_H

#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "client/ctl/words.h"
#include "evidence/deployment.h"
#include "evidence/statement.h"
#include "proto/card.pb-c.h"
#include "proto/control.pb-c.h"

/* How long each wait may last without a key press, and the whole session. */
#define WAIT_ANSWER_MS (2 * 60 * 1000)
#define WAIT_DEVICE_MS (10 * 60 * 1000)
#define SESSION_MS (15 * 60 * 1000)
/* derivd keeps a session whose derivctl went away for so long (ENROLLMENT step 7). */
#define RESUME_MS (30 * 1000)

struct session_options {
	const char *reader, *uri, *purposes, *label, *device;
	int64_t pin_fd, uri_fd; /* -1: none */
	int64_t wait_card_s, wait_s;
	bool yes, last_try, show_uri, no_wait, replace;
};

struct session {
	struct ctl *ctl;
	struct term *term;
	struct session_options o;
	struct deployment *deployment;
	Common__Operation operation;
	int64_t ends_ms; /* boot time: the session's limit */
	int signal_fd;

	struct peer *control;
	struct peer *card;  /* the worker that holds the card */
	struct peer *watch; /* a worker that tells when the card leaves */
	bool watched;       /* it knows our reader */
	char *reader;

	Card__Facts *facts;
	Control__SessionOffered *offered;
	struct offer *offer;
	struct secret *seed;
	uint8_t invitation_public[ED25519_PUBLIC_LEN];
	Control__SessionStatement *stated;
	struct statement *statement;
	uint8_t r_k[R_LEN], r_d[R_LEN];
	Card__Signature *signature;
	bool committed;
};

/* session_wait.c */
enum session_wants { WANT_MESSAGE = 1, WANT_LINE = 2 };
/*
 * Waits for a message of the given number from derivd, or for a typed line. *ret_message is filled for a message;
 * ret_line says that it was a line. A key press extends limit_ms up to the session's end. Ends with an error when the card
 * leaves (if it is watched), the session is ended by derivd, the person stops (CTL_ERR_CANCELLED) or time is over
 * (ERR_TIMED_OUT).
 */
MUST_CHECK struct err *session_wait(struct session *s, unsigned int wants, enum msg_number number, int64_t limit_ms,
	struct peer_message *ret_message, bool *ret_line);
/* Asks and waits for a line, lent from the terminal. */
MUST_CHECK struct err *session_ask(struct session *s, const char *prompt, bool hidden, struct bytes *ret_line);
/* A request to derivd within the session; when derivd restarts meanwhile the session is resumed and it is sent again. */
MUST_CHECK struct err *session_call(struct session *s, enum msg_number number, const void *body,
	enum msg_number expected, void *ret_body);
MUST_CHECK struct err *session_resume(struct session *s);

/* session_card.c */
MUST_CHECK struct err *session_open_card(struct session *s);
/* Watches the reader until session_unwatch. */
MUST_CHECK struct err *session_watch_card(struct session *s);
void session_unwatch_card(struct session *s);
MUST_CHECK struct err *session_check_card(struct session *s);
/* PIN, nonce and signature; asks again after a wrong PIN where a person can answer. */
MUST_CHECK struct err *session_sign(struct session *s);
/* Lets the card go; errors do not matter any more. */
void session_close_card(struct session *s);

/* session_device.c */
MUST_CHECK struct err *session_invite(struct session *s);
MUST_CHECK struct err *session_await_device(struct session *s);
MUST_CHECK struct err *session_digits(struct session *s);

/* session_end.c */
MUST_CHECK struct err *session_submit(struct session *s);
MUST_CHECK struct err *session_follow(struct session *s);

/* Says a text to the person (not with --json); takes the text. */
void session_say(struct session *s, char *take_text);
/* One line {"event": name, ...members} with --json; takes the members, which may be NULL. */
void session_event(struct session *s, const char *name, json_t *take_members);

#endif
