/* session.c: the order of a session, for "provision" and for "issue". */
#include "client/ctl/session.h"

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

#define PURPOSES_MAX 4

void session_say(struct session *s, char *take_text)
{
	AUTO_MEM char *text = take_text;

	if (!s->ctl->json)
		term_print(s->term, text);
}

void session_event(struct session *s, const char *name, json_t *take_members)
{
	AUTO(json) json_t *members = take_members;
	AUTO(json) json_t *event = json_object();

	if (!s->ctl->json)
		return;
	json_object_set_new(event, "event", json_string(name));
	if (members)
		json_object_update(event, members);
	json_print(event);
}

static const char *use_of(Common__Purpose p)
{
	/* The words are constants here, so that words() may lend them. */
	static char *uses[4];
	size_t i = p >= 1 && p <= 4 ? (size_t)p - 1 : 0;
	static const enum word word[] = { WORD_USE_AUTH, WORD_USE_SIGN, WORD_USE_ENC, WORD_USE_DEC };

	if (!uses[i])
		uses[i] = words(word[i], NULL);
	return uses[i];
}

static struct err *parse_purposes(const char *list, Common__Purpose *ret_purposes, size_t *ret_n)
{
	size_t n = 0;

	while (list && *list != '\0') {
		size_t len = strcspn(list, ",");

		if (n == PURPOSES_MAX)
			return ctl_usage("--purposes names more than there are");
		TRY(ctl_purpose_parse(list, len, &ret_purposes[n++]));
		list += len + (list[len] == ',');
	}
	*ret_n = n;
	return NULL;
}

/* derivd-ca's word, not derivd's: the offer has to be signed by the delivery key of deployment.conf. */
static struct err *check_offer(struct session *s)
{
	struct bytes delivery = BYTES(s->deployment->delivery_public, ED25519_PUBLIC_LEN);
	uint8_t hash[SHA256_LEN];
	bool ours = false;

	TRY(err_wrap(offer_open(s->offered->offer, delivery, &s->offer), "the offer"));
	if (!bytes_eq(pb_bytes(s->offered->request_id), BYTES(s->offer->request_id, REQUEST_ID_LEN)) ||
		s->offer->operation != s->operation ||
		memcmp(s->offer->deployment, s->deployment->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_SIGNATURE_BAD, "the offer is for another request or another deployment");
	if (s->offer->expires_ms <= clock_real_ms())
		return err_new(&ERR_SESSION_OVER, "the offer has expired");
	for (size_t i = 0; i < s->facts->n_certificates && !ours; i++) {
		sha256(pb_bytes(s->facts->certificates[i]->der), hash);
		ours = memcmp(hash, s->offer->certs[0], SHA256_LEN) == 0;
	}
	if (!ours)
		return err_new(&ERR_SIGNATURE_BAD, "the offer is for another card");
	return NULL;
}

static struct err *unhex_device(const char *text, struct buf **ret_id)
{
	TRY(err_as(&CTL_ERR_USAGE, text_unhex(text, ret_id), "--device"));
	if (buf_len(*ret_id) == SHA256_LEN)
		return NULL;
	return ctl_usage("--device wants the whole id of 64 digits, as derivctl device show --json gives it");
}

/* A prefix, as the lists show it, becomes the whole id. */
static struct err *find_device(struct session *s, struct buf **ret_id)
{
	Control__List ask = CONTROL__LIST__INIT;
	AUTO_MSG Control__Rows *rows = NULL;

	ask.what = CONTROL__WHAT__DEVICES;
	ask.id = (char *)s->o.device;
	ask.most = 1;
	TRY(ctl_call(s->ctl, MSG_LIST, &ask, MSG_ROWS, &rows));
	if (rows->n_devices != 1)
		return err_new(&ERR_DEVICE_UNKNOWN, "there is no device %s", s->o.device);
	return unhex_device(rows->devices[0]->id, ret_id);
}

static struct err *open_session(struct session *s)
{
	Control__SessionOpen ask = CONTROL__SESSION_OPEN__INIT;
	Common__Purpose purposes[PURPOSES_MAX];
	ProtobufCBinaryData certs[64];
	AUTO(buf) struct buf *device = NULL;

	TRY(parse_purposes(s->o.purposes, purposes, &ask.n_purposes));
	ask.operation = s->operation;
	for (size_t i = 0; i < s->facts->n_certificates && i < ARRAY_LEN(certs); i++)
		certs[ask.n_certificates++] = s->facts->certificates[i]->der;
	ask.certificates = certs;
	ask.purposes = purposes;
	ask.serial = s->facts->serial;
	ask.reader = s->facts->reader;
	ask.label = (char *)(s->o.label ? s->o.label : "");
	ask.replace = s->o.replace;
	if (s->operation == COMMON__OPERATION__ISSUE) {
		TRY(find_device(s, &device));
		ask.device_id = pb_lend(buf_bytes(device));
	}
	TRY(ctl_control(s->ctl, &s->control));
	TRY(peer_call(s->control, MSG_SESSION_OPEN, &ask, MSG_SESSION_OFFERED, CTL_ANSWER_MS, &s->offered));
	peer_set_phase(s->control, PH_OPEN);
	return check_offer(s);
}

static struct err *ask_consent(struct session *s)
{
	AUTO_MEM char *last4 = s->offered->last_four[0] != '\0' ?
		words(WORD_LAST4, "digits", s->offered->last_four, NULL) : xstrdup("");
	AUTO_MEM char *prompt = words(WORD_CONSENT_ASK, NULL);
	struct bytes line;

	session_say(s, words(WORD_WHO, "name", s->offered->name, "last4", last4, NULL));
	session_say(s, words(WORD_WHAT, NULL));
	for (size_t i = 0; i < s->offer->n_purposes; i++)
		session_say(s, words(WORD_WHAT_LINE, "purpose", ctl_purpose_name(s->offer->purposes[i].purpose), "use",
				       use_of(s->offer->purposes[i].purpose), NULL));
	session_event(s, "offer", json_pack("{s:s, s:s}", "name", s->offered->name, "last_four",
					  s->offered->last_four));
	if (s->o.yes)
		return NULL;
	TRY(session_ask(s, prompt, false, &line));
	if (line.len == 3 && memcmp(line.data, "yes", 3) == 0)
		return NULL;
	return err_new(&CTL_ERR_CANCELLED, "there was no consent");
}

/* Everything up to the commit. */
static struct err *until_commit(struct session *s)
{
	session_say(s, words(WORD_READING, NULL));
	TRY(session_open_card(s));
	session_say(s, words(WORD_CARD_READ, "reader", s->facts->reader, "label", s->facts->label, NULL));
	session_event(s, "card", json_pack("{s:s, s:s}", "reader", s->facts->reader, "label", s->facts->label));
	TRY(open_session(s));
	TRY(session_watch_card(s));
	TRY(ask_consent(s));
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

	if (!s->offered || !s->control || s->committed)
		return;
	tell.request_id = s->offered->request_id;
	tell.reason = (char *)err_get_kind(why)->name;
	err_free(peer_call(s->control, MSG_SESSION_CANCEL, &tell, MSG_DONE, CTL_ANSWER_MS, &done));
}

static void session_end(struct session *s)
{
	session_unwatch_card(s);
	session_close_card(s);
	term_free(s->term);
	secret_free(s->seed);
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

/* Signals become an orderly end, so that the screen is cleared and the terminal is as before. */
static struct err *catch_signals(struct session *s)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return err_new(&ERR_SYSTEM, "no signalfd");
	return NULL;
}

static struct err *whole(struct session *s)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");
	struct err *e;

	TRY(catch_signals(s));
	TRY(deployment_load(path, &s->deployment));
	e = until_commit(s);
	/* What stood on the screen is the person's alone. */
	term_clear(s->term);
	if (e) {
		cancel(s, e);
		return e;
	}
	session_say(s, words(WORD_TAKE_CARD, NULL));
	return session_follow(s);
}

/* The last screen stays until somebody has read it, then goes too. */
static void leave_screen(struct session *s)
{
	AUTO_MEM char *prompt = words(WORD_ENDING, NULL);
	struct bytes line;

	if (s->ctl->json || !term_is_screen(s->term) || !isatty(STDIN_FILENO) || !s->control)
		return;
	err_free(session_ask(s, prompt, false, &line));
	term_unprompt(s->term);
	term_clear(s->term);
}

static struct err *run(struct ctl *c, Common__Operation operation, const struct session_options *o)
{
	struct session s = { .ctl = c, .o = *o, .operation = operation, .signal_fd = -1 };
	struct err *e;

	s.term = term_new(c->plain);
	s.ends_ms = clock_boot_ms() + SESSION_MS;
	e = whole(&s);
	if (!e)
		leave_screen(&s);
	session_end(&s);
	return e;
}

struct err *cmd_provision(struct ctl *c, int argc, char **argv)
{
	struct session_options o = { .pin_fd = -1, .uri_fd = -1, .wait_s = 60 };
	const struct option_row rows[] = {
		{ "reader", OPTION_TEXT, &o.reader },
		{ "uri", OPTION_TEXT, &o.uri },
		{ "purposes", OPTION_TEXT, &o.purposes },
		{ "label", OPTION_TEXT, &o.label },
		{ "wait-card", OPTION_NUMBER, &o.wait_card_s },
		{ "yes", OPTION_FLAG, &o.yes },
		{ "pin-fd", OPTION_NUMBER, &o.pin_fd },
		{ "last-try", OPTION_FLAG, &o.last_try },
		{ "show-uri", OPTION_FLAG, &o.show_uri },
		{ "uri-fd", OPTION_NUMBER, &o.uri_fd },
		{ "no-wait", OPTION_FLAG, &o.no_wait },
		{ "wait", OPTION_NUMBER, &o.wait_s },
		{ NULL, OPTION_FLAG, NULL },
	};

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	return run(c, COMMON__OPERATION__ENROLL, &o);
}

struct err *cmd_issue(struct ctl *c, int argc, char **argv)
{
	struct session_options o = { .pin_fd = -1, .uri_fd = -1, .wait_s = 60 };
	const struct option_row rows[] = {
		{ "device", OPTION_TEXT, &o.device },
		{ "reader", OPTION_TEXT, &o.reader },
		{ "uri", OPTION_TEXT, &o.uri },
		{ "purposes", OPTION_TEXT, &o.purposes },
		{ "replace", OPTION_FLAG, &o.replace },
		{ "wait-card", OPTION_NUMBER, &o.wait_card_s },
		{ "yes", OPTION_FLAG, &o.yes },
		{ "pin-fd", OPTION_NUMBER, &o.pin_fd },
		{ "last-try", OPTION_FLAG, &o.last_try },
		{ "no-wait", OPTION_FLAG, &o.no_wait },
		{ "wait", OPTION_NUMBER, &o.wait_s },
		{ NULL, OPTION_FLAG, NULL },
	};

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	if (!o.device)
		return ctl_usage("issue needs --device; derivctl device list shows them");
	return run(c, COMMON__OPERATION__ISSUE, &o);
}
