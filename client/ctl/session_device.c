/* session_device.c: the device's part of a session: invitation, statement, digits. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/secret.h"
#include "client/ctl/qr.h"
#include "client/ctl/session.h"

#define INVITATION_S 600
#define DIGIT_TRIES 3

static struct err *make_invitation(struct session *s)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	s->seed = secret_new(32);
	clock_random(secret_room(s->seed), 32);
	secret_set_len(s->seed, 32);
	TRY(sig_from_seed(secret_bytes(s->seed), &key));
	sig_raw_public(key, s->invitation_public);
	return NULL;
}

static char *invitation_text(const struct session *s)
{
	const struct deployment *d = s->deployment;
	struct invitation_uri u = { .host = d->host, .port = d->port, .n_pins = d->n_pins };
	char *text;

	memcpy(u.deployment, d->id, sizeof(u.deployment));
	memcpy(u.seed, secret_bytes(s->seed).data, sizeof(u.seed));
	sha256(BYTES(d->delivery_public, ED25519_PUBLIC_LEN), u.delivery_hash);
	memcpy(u.pins, d->pins, sizeof(u.pins));
	text = invitation_uri_text(&u);
	wipe(u.seed, sizeof(u.seed));
	return text;
}

static struct err *show_code(struct session *s, const char *uri)
{
	AUTO(buf) struct buf *lines = NULL;

	if (s->o.uri_fd >= 0) {
		AUTO_MEM char *line = xasprintf("%s\n", uri);
		struct err *e = io_write_full((int)s->o.uri_fd, BYTES(line, strlen(line)));

		wipe(line, strlen(line));
		TRY(err_wrap(e, "cannot write the invitation to descriptor %d", (int)s->o.uri_fd));
	}
	if (s->o.show_uri) {
		session_say(s, words(WORD_URI, "uri", uri, NULL));
		session_event(s, "invitation", json_pack("{s:s}", "uri", uri));
	}
	if (s->ctl->json || !term_is_screen(s->term)) {
		session_say(s, words(WORD_SCAN_PLAIN, "minutes", "10", NULL));
		return NULL;
	}
	TRY(qr_render(uri, term_get_columns(s->term), &lines));
	session_say(s, words(WORD_SCAN, "minutes", "10", NULL));
	term_print(s->term, buf_str(lines));
	buf_clear(lines);
	return NULL;
}

struct err *session_invite(struct session *s)
{
	Control__SessionInvite ask = CONTROL__SESSION_INVITE__INIT;
	AUTO_MSG Common__Done *done = NULL;
	AUTO_MEM char *uri = NULL;
	struct err *e;

	ask.request_id = s->offered->request_id;
	ask.lifetime_s = INVITATION_S;
	if (s->operation == COMMON__OPERATION__ISSUE) {
		TRY(session_call(s, MSG_SESSION_INVITE, &ask, MSG_DONE, &done));
		session_say(s, words(WORD_DEVICE_ASK, NULL));
		session_event(s, "device-asked", NULL);
		return NULL;
	}
	TRY(make_invitation(s));
	ask.invitation_public = pb_lend(BYTES(s->invitation_public, ED25519_PUBLIC_LEN));
	/* Committed before it is shown. */
	TRY(session_call(s, MSG_SESSION_INVITE, &ask, MSG_DONE, &done));
	uri = invitation_text(s);
	session_event(s, "invited", NULL);
	e = show_code(s, uri);
	wipe(uri, strlen(uri));
	return e;
}

/* The gateway said whose handshake it was: the statement has to name the same key. */
static struct err *check_identity(const struct session *s)
{
	uint8_t id[SHA256_LEN];

	statement_device_id(s->statement, id);
	if (!bytes_eq(pb_bytes(s->stated->identity_hash), BYTES(id, sizeof(id))))
		return err_new(&ERR_STATEMENT_BAD, "the device that connected is not the one that the statement names");
	return NULL;
}

struct err *session_await_device(struct session *s)
{
	struct peer_message m = { 0 };
	struct bytes invitation = BYTES(NULL, 0);

	if (s->operation == COMMON__OPERATION__ENROLL)
		invitation = BYTES(s->invitation_public, ED25519_PUBLIC_LEN);
	/* A key press must be able to extend the wait and Ctrl-C to end it; a typed line means nothing here. */
	do {
		bool line = false;

		if (s->ctl->json || !term_is_screen(s->term)) {
			TRY(session_wait(s, WANT_MESSAGE, MSG_SESSION_STATEMENT, WAIT_DEVICE_MS, &m, NULL));
			break;
		}
		term_prompt(s->term, "", true);
		TRY(session_wait(s, WANT_MESSAGE | WANT_LINE, MSG_SESSION_STATEMENT, WAIT_DEVICE_MS, &m, &line));
	} while (!m.body);
	term_unprompt(s->term);
	/* The code is used: it must not stay on the screen. */
	term_clear(s->term);
	secret_free(take(s->seed));
	s->stated = m.body;
	TRY(statement_check(s->stated->statement, s->offer, pb_bytes(s->offered->offer->body), invitation,
		&s->statement));
	TRY(check_identity(s));
	session_say(s, words(WORD_DEVICE_HERE, "platform", s->statement->platform, "address", s->stated->address,
			       NULL));
	session_event(s, "device", json_pack("{s:s, s:s}", "platform", s->statement->platform, "address",
					   s->stated->address));
	return NULL;
}

static struct err *reveal(struct session *s)
{
	Control__SessionReveal ask = CONTROL__SESSION_REVEAL__INIT;
	AUTO_MSG Common__Done *done = NULL;
	AUTO_MSG Control__SessionOpened *opened = NULL;
	struct peer_message m = { 0 };
	uint8_t hash[SHA256_LEN];

	clock_random(s->r_k, sizeof(s->r_k));
	ask.request_id = s->offered->request_id;
	ask.kiosk_random = pb_lend(BYTES(s->r_k, sizeof(s->r_k)));
	TRY(session_call(s, MSG_SESSION_REVEAL, &ask, MSG_DONE, &done));
	TRY(session_wait(s, WANT_MESSAGE, MSG_SESSION_OPENED, WAIT_ANSWER_MS, &m, NULL));
	opened = m.body;
	if (opened->device_random.len != R_LEN)
		return err_new(&ERR_STATEMENT_BAD, "the device's random value has the wrong length");
	memcpy(s->r_d, opened->device_random.data, R_LEN);
	sha256(BYTES(s->r_d, R_LEN), hash);
	if (memcmp(hash, s->statement->commitment, SHA256_LEN) != 0)
		return err_new(&ERR_STATEMENT_BAD, "the device opened another value than it had committed itself to");
	return NULL;
}

/* "12 34 56", "123456", with any spaces. */
static bool digits_match(struct bytes line, uint32_t number)
{
	char wanted[9], typed[7];
	size_t n = 0, want = 0;

	digits_text(number, wanted);
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] == ' ' || line.data[i] == '-')
			continue;
		if (n == 6)
			return false;
		typed[n++] = (char)line.data[i];
	}
	if (n != 6)
		return false;
	for (size_t i = 0; wanted[i] != '\0'; i++)
		if (wanted[i] != ' ' && typed[want++] != wanted[i])
			return false;
	return true;
}

struct err *session_digits(struct session *s)
{
	Control__SessionDigits tell = CONTROL__SESSION_DIGITS__INIT;
	uint32_t number;

	TRY(reveal(s));
	number = digits_number(s->statement->hash, s->r_d, s->r_k);
	tell.request_id = s->offered->request_id;
	for (int left = DIGIT_TRIES - 1;; left--) {
		AUTO_MSG Common__Done *done = NULL;
		AUTO_MEM char *prompt = words(WORD_DIGITS_ASK, NULL);
		char tries[8];
		struct bytes line;

		session_event(s, "digits-needed", NULL);
		TRY(session_ask(s, prompt, false, &line));
		tell.match = digits_match(line, number);
		term_unprompt(s->term);
		/* derivd counts the misses too and ends the session at the third. */
		TRY(session_call(s, MSG_SESSION_DIGITS, &tell, MSG_DONE, &done));
		if (tell.match)
			break;
		if (left == 0)
			return err_new(&ERR_DIGITS_WRONG, "the digits were wrong three times");
		(void)snprintf(tries, sizeof(tries), "%d", left);
		session_say(s, words(WORD_DIGITS_WRONG, "left", tries, NULL));
		session_event(s, "digits-wrong", json_pack("{s:i}", "left", left));
	}
	session_say(s, words(WORD_DIGITS_RIGHT, NULL));
	session_event(s, "digits-right", NULL);
	return NULL;
}
