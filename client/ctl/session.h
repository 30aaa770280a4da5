/*
 * session.h: the session in front of a person (DESIGN section 4, ENROLLMENT steps 1 to 8), led by derivctl:
 *
 *   session.c         the order of it all
 *   session_open.c    the offer: who is it, what is there to get, does the person agree
 *   session_card.c    the card: open, PIN, signature, gone?
 *   session_device.c  the device: invitation, statement, digits
 *   session_end.c     evidence, and watching what comes of it
 *   session_wait.c    waiting for one thing while watching for the others
 *   session_call.c    asking derivd and derivd-card, and going on after derivd was away
 *
 * The session can end at any moment by any of four: the person, the card, derivd, a time-out; so nothing here waits but
 * through session_wait. Until the evidence is committed nothing lasts; after it nothing depends on us.
 */
#ifndef DERIVD_CTL_SESSION_H
#define DERIVD_CTL_SESSION_H

#include "client/ctl/ctl.h"
#include "client/ctl/words.h"
#include "proto/deployment.h"
#include "evidence/statement.h"
#include "proto/card.pb-c.h"
#include "proto/control.pb-c.h"

/* How long we wait without a key press for an answer of the person, and for the device; how long a session may take. */
#define SESSION_ANSWER_MS (2 * 60 * 1000)
#define SESSION_DEVICE_MS (5 * 60 * 1000)
#define SESSION_MS (15 * 60 * 1000)
#define SESSION_INVITATION_S 600
/* derivd keeps a session whose derivctl went away for so long (ENROLLMENT step 7). */
#define SESSION_RESUME_MS (30 * 1000)

struct session_options {
	const char *reader, *uri, *purposes, *label, *device;
	int64_t pin_fd, uri_fd; /* -1: none */
	int64_t wait_card_s, wait_s;
	int64_t time_limit_s; /* 0: the limits above */
	bool yes, last_try, show_uri, no_wait, replace;
};

struct session {
	struct ctl *ctl;
	struct term *term;
	struct term *pin_input; /* the terminal, or what --pin-fd names */
	struct session_options o;
	struct deployment *deployment;
	Common__Operation operation;
	int64_t ends_ms; /* boot time: the session's limit; INT64_MAX before it began */
	int signal_fd;

	struct peer *control; /* lent from ctl; NULL while derivd is away */
	struct peer *card;    /* the worker that holds the card */
	struct peer *watch;   /* a worker that tells when the card leaves */
	struct peer *stream;  /* audit rows of the request */
	bool watched;         /* watch knows our reader: */
	uint32_t moves;       /* so many cards were put in or taken out by then */
	char *reader;

	Card__Facts *facts;
	Control__SessionOffered *offered;
	struct offer *offer;
	uint8_t device[SHA256_LEN]; /* op = issue: the one that was asked for */
	struct secret *invitation;  /* what the QR code shows, until its first use */
	int64_t invitation_ends_ms;
	uint8_t invitation_public[ED25519_PUBLIC_LEN];
	Control__SessionStatement *stated;
	struct statement *statement;
	uint8_t r_k[R_LEN], r_d[R_LEN];
	Card__Signature *signature;
	bool committed;
};

/* --- session_wait.c --- */

enum came {
	CAME_NOTHING,
	CAME_ANSWER, /* message has it */
	CAME_PUSH,   /* message has it */
	CAME_BEGUN,  /* the invitation is used */
	CAME_LINE,   /* term_line of typing has it */
	CAME_SIZE,   /* the terminal's size changed */
	CAME_ROWS,   /* the stream has something, or has ended */
	CAME_LOSS,   /* the connection to derivd is lost before it answered */
	CAME_TIME,   /* the limit is over */
};

struct wait {
	/* what to wait for */
	struct peer *peer; /* control or card, with serial: its answer */
	uint32_t serial;
	enum msg_number push;   /* from derivd; 0: none */
	struct term *typing;    /* whose prompt is open, or who listens; NULL: nobody */
	bool begun, size, rows; /* are these of interest? */
	int64_t limit_ms;       /* a key press starts it again */
	int64_t cap_ms;         /* boot time: but not beyond this, nor the session's end; 0: none */
	/* what came */
	enum came came;
	struct peer_message message; /* the body is the caller's */
	/* within */
	int64_t until_ms;
	bool warned;
};

/*
 * Waits until one of these came; a loss is returned only when the answer that is awaited is derivd's, otherwise the session is
 * resumed. Ends with an error when the card leaves (if it is watched), the session is ended by derivd or cannot be resumed, the
 * person stops it (CTL_ERR_CANCELLED), or whoever reads our output is gone (CTL_ERR_CANCELLED).
 */
MUST_CHECK struct err *session_wait(struct session *s, struct wait *w);
/* Only time, and what ends the session. */
MUST_CHECK struct err *session_pause(struct session *s, int64_t ms);
/* Asks and waits for a line, lent from the terminal. ERR_TIMED_OUT. */
MUST_CHECK struct err *session_ask(struct session *s, struct term *where, const char *prompt,
	bool hidden, struct bytes *ret_line);
struct err *session_too_late(void);

/* --- session_call.c --- */

/*
 * A request to derivd within the session. When derivd goes away meanwhile the session is resumed, and the request is sent again
 * unless it was done already: then, and only for requests that are answered with Done, *ret_body stays as it is.
 */
MUST_CHECK struct err *session_call(struct session *s, enum msg_number number, const void *body,
	enum msg_number expected, void *ret_body);
/* The same; when derivd-ca is busy or out of reach, as after a restart, that has some time to pass. */
MUST_CHECK struct err *session_call_patiently(struct session *s, enum msg_number number,
	const void *body, enum msg_number expected, void *ret_body);
/* ERR_SESSION_OVER when it has ended; or why derivd cannot be reached any more. */
MUST_CHECK struct err *session_resume(struct session *s, Control__SessionResumed **ret_resumed);
/* Asks derivd over a new connection, for a person who stops the session: was the evidence committed? */
MUST_CHECK struct err *session_is_kept(struct session *s, bool *ret_kept);
/* The connection to derivd is of no more use. */
void session_lose(struct session *s);
/* ERR_MODULE_HUNG in place of the error that came when the card's worker ended. */
MUST_CHECK struct err *session_card_ended(struct err *take_e);
/* A request to the card's worker and its answer, an Error too. ERR_MODULE_HUNG when it ended instead. */
MUST_CHECK struct err *session_call_card(struct session *s, enum msg_number number,
	const void *body, struct peer_message *ret_answer);

/* --- session_open.c --- */

/* CTL_ERR_USAGE: what was given for --purposes is no list of them. */
MUST_CHECK struct err *session_check_purposes(const char *text);
/* The card is shown to derivd; the offer is checked. */
MUST_CHECK struct err *session_open(struct session *s);
/* Who and what, to the person; consent. */
MUST_CHECK struct err *session_consent(struct session *s);

/* --- session_card.c --- */

MUST_CHECK struct err *session_open_card(struct session *s);
/* Is it of use at all? Refused before a person does anything. */
MUST_CHECK struct err *session_check_pin_state(const struct session *s);
/* Watches the reader until session_unwatch. */
MUST_CHECK struct err *session_watch_card(struct session *s);
void session_unwatch_card(struct session *s);
/* What the watching worker says. ERR_CARD_REMOVED, ERR_PCSC_GONE. */
MUST_CHECK struct err *session_check_card(struct session *s);
/* PIN, nonce and signature; asks again after a wrong PIN where somebody can answer. */
MUST_CHECK struct err *session_sign(struct session *s);
/* The card again, for a second signature. */
MUST_CHECK struct err *session_reopen_card(struct session *s);
/* Lets the card go; errors do not matter any more. */
void session_close_card(struct session *s);

/* --- session_device.c --- */

MUST_CHECK struct err *session_invite(struct session *s);
MUST_CHECK struct err *session_await_device(struct session *s);
MUST_CHECK struct err *session_digits(struct session *s);

/* --- session_end.c --- */

MUST_CHECK struct err *session_submit(struct session *s);
/* CTL_ERR_PENDING when the rest goes on without us. */
MUST_CHECK struct err *session_follow(struct session *s);

/* --- session.c --- */

/* Says a text to the person (not with --json); takes and wipes the text. */
void session_say(struct session *s, char *take_text);
/* One line {"event": name, ...members} with --json; takes the members, which may be NULL. */
void session_event(struct session *s, const char *name, json_t *take_members);

#endif
