/* session.c: the order of a session, for "provision" and for "issue". */
#include "client/ctl/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/options.h"

#define TIME_LIMIT_MAX_S 900
#define CANCEL_MS 2000
/* PROTOCOL.control: of the reason in SessionCancel. */
#define REASON_MAX 512

/* --- what it says --- */

void session_say(struct session *s, char *take_text)
{
	AUTO_MEM char *text = take_text;

	if (!s->ctl->json)
		term_print(s->term, text);
	wipe(text, strlen(text));
}

void session_event(struct session *s, const char *name, json_t *take_members)
{
	AUTO(json) json_t *members = take_members;
	AUTO(json) json_t *event = json_object();

	if (!s->ctl->json)
		return;
	json_object_set_new(event, "event", json_string(name));
	if (members)
		json_object_update_missing(event, members);
	json_print_at_once(event);
}

/* --- the order --- */

/* Everything up to the commit. */
static struct err *until_commit(struct session *s)
{
	session_say(s, words(WORD_READING, NULL));
	TRY(session_open_card(s));
	/* Not the card's label, in which some cards have the holder's whole number. */
	session_say(s, words(WORD_CARD_READ, "reader", s->facts->reader, NULL));
	session_event(s, "card",
		json_pack("{s:s, s:s}", "reader", s->facts->reader, "type", s->facts->card_type));
	TRY(session_check_pin_state(s));
	TRY(session_watch_card(s));
	TRY(session_open(s));
	TRY(session_consent(s));
	TRY(session_invite(s));
	TRY(session_await_device(s));
	if (s->operation == COMMON__OPERATION__ENROLL)
		TRY(session_digits(s));
	TRY(session_sign(s));
	session_unwatch_card(s);
	session_close_card(s);
	return session_submit(s);
}

/* Tells derivd why, so that it need not wait for us; our own error is what counts. */
static void cancel(struct session *s, const struct err *why)
{
	Control__SessionCancel tell = CONTROL__SESSION_CANCEL__INIT;
	AUTO_MSG Common__Done *done = NULL;
	const char *text;

	if (!s->offered || !s->control || s->committed)
		return;
	tell.request_id = s->offered->request_id;
	text = err_get_text(why);
	/* It goes into the journal, which is English. */
	tell.reason =
		(char *)(strlen(text) <= REASON_MAX && lang_is_english() ? text
									 : err_get_kind(why)->name);
	err_free(peer_call(s->control, MSG_SESSION_CANCEL, &tell, MSG_DONE, CANCEL_MS, &done));
}

/* The last screen stays until somebody has read it, then goes too. */
static void leave_screen(struct session *s)
{
	AUTO_MEM char *prompt = words(WORD_ENDING, NULL);
	struct bytes line;

	if (s->ctl->json || !term_is_screen(s->term) || !term_is_typed(s->term))
		return;
	session_lose(s);
	peer_free(take(s->stream));
	err_free(session_ask(s, s->term, prompt, false, &line));
	term_clear(s->term);
}

static struct err *whole(struct session *s)
{
	struct err *e = until_commit(s);

	/* What stood on the screen is the person's alone. */
	term_unprompt(s->term);
	term_clear(s->term);
	if (!e)
		session_say(s, words(WORD_TAKE_CARD, NULL));
	if (!e)
		e = session_follow(s);
	if (e) {
		cancel(s, e);
		if (err_is(e, &CTL_ERR_CANCELLED))
			session_say(s, words(WORD_CANCELLED, NULL));
		return e;
	}
	leave_screen(s);
	return NULL;
}

/* --- beginning and end --- */

/* Signals become an orderly end, so that the screen is cleared and the terminal is as before. */
static struct err *catch_signals(struct session *s)
{
	static const int numbers[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		(void)sigaddset(&set, numbers[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return err_errno(errno, "signalfd");
	return NULL;
}

static void session_end(struct session *s)
{
	session_unwatch_card(s);
	session_close_card(s);
	peer_free(s->stream);
	if (s->pin_input != s->term)
		term_free(s->pin_input);
	term_free(s->term);
	secret_free(s->invitation);
	msg_free(s->signature);
	msg_free(s->stated);
	statement_free(s->statement);
	offer_free(s->offer);
	msg_free(s->offered);
	msg_free(s->facts);
	deployment_free(s->deployment);
	free(s->reader);
	fd_cleanup(&s->signal_fd);
}

static struct err *check_fd(const char *name, int64_t fd)
{
	if (fd >= 0 && (fd <= STDERR_FILENO || fcntl((int)fd, F_GETFD) < 0))
		return ctl_usage(_("--%s wants the number of an open descriptor above 2"), name);
	/* At a terminal we ask without an echo; this would have one. */
	if (fd >= 0 && isatty((int)fd))
		return ctl_usage(_("--%s is for pipes and files, not for a terminal"), name);
	return NULL;
}

static struct err *check_options(const struct session *s)
{
	const struct session_options *o = &s->o;
	bool draws = term_is_screen(s->term) && !s->ctl->json;

	TRY(check_fd("pin-fd", o->pin_fd));
	TRY(check_fd("uri-fd", o->uri_fd));
	TRY(ctl_check_text("--reader", o->reader, CTL_READER_MAX));
	TRY(ctl_check_text("--uri", o->uri, CTL_URI_MAX));
	TRY(ctl_check_text("--label", o->label, 64));
	TRY(session_check_purposes(o->purposes));
	if (o->time_limit_s > TIME_LIMIT_MAX_S)
		return ctl_usage(_("--time-limit is at most %d seconds: no session lasts longer"),
			TIME_LIMIT_MAX_S);
	if (s->operation == COMMON__OPERATION__ENROLL && !draws && !o->show_uri && o->uri_fd < 0)
		return ctl_usage(_("no QR code can be drawn here: give --show-uri or --uri-fd"));
	return NULL;
}

static struct err *begin(struct session *s)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");

	TRY(check_options(s));
	TRY(deployment_load(path, &s->deployment));
	if (s->o.pin_fd >= 0)
		s->pin_input = term_new((int)s->o.pin_fd, true);
	TRY(catch_signals(s));
	term_begin(s->term);
	return NULL;
}

static struct err *run(struct ctl *c, Common__Operation operation, const struct session_options *o)
{
	struct session s = {
		.ctl = c, .o = *o, .operation = operation, .signal_fd = -1, .ends_ms = INT64_MAX
	};
	struct err *e;

	s.term = s.pin_input = term_new(STDIN_FILENO, c->plain);
	e = begin(&s);
	if (!e)
		e = whole(&s);
	session_end(&s);
	return e;
}

/* --- the commands --- */

#define COMMON_OPTIONS(o)                                                                          \
	{ "reader", OPTION_TEXT, &(o).reader }, { "uri", OPTION_TEXT, &(o).uri },                  \
		{ "purposes", OPTION_TEXT, &(o).purposes },                                        \
		{ "wait-card", OPTION_NUMBER, &(o).wait_card_s },                                  \
		{ "yes", OPTION_FLAG, &(o).yes }, { "pin-fd", OPTION_NUMBER, &(o).pin_fd },        \
		{ "last-try", OPTION_FLAG, &(o).last_try },                                        \
		{ "no-wait", OPTION_FLAG, &(o).no_wait }, { "wait", OPTION_NUMBER, &(o).wait_s },  \
		{ "time-limit", OPTION_NUMBER, &(o).time_limit_s },                                \
	{                                                                                          \
		NULL, OPTION_FLAG, NULL                                                            \
	}

struct err *cmd_provision(struct ctl *c, int argc, char **argv)
{
	struct session_options o = { .pin_fd = -1, .uri_fd = -1, .wait_s = 60 };
	const struct option_row rows[] = {
		{ "label", OPTION_TEXT, &o.label },
		{ "show-uri", OPTION_FLAG, &o.show_uri },
		{ "uri-fd", OPTION_NUMBER, &o.uri_fd },
		COMMON_OPTIONS(o),
	};

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	return run(c, COMMON__OPERATION__ENROLL, &o);
}

struct err *cmd_issue(struct ctl *c, int argc, char **argv)
{
	struct session_options o = { .pin_fd = -1, .uri_fd = -1, .wait_s = 60 };
	const struct option_row rows[] = {
		{ "device", OPTION_TEXT, &o.device },
		{ "replace", OPTION_FLAG, &o.replace },
		COMMON_OPTIONS(o),
	};

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	if (!o.device)
		return ctl_usage(_("issue needs --device; derivctl device list shows them"));
	TRY(ctl_check_id(o.device));
	return run(c, COMMON__OPERATION__ISSUE, &o);
}
