/* session_device.c: the device's part of a session: invitation, statement, digits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/secret.h"
#include "client/ctl/qr.h"
#include "client/ctl/session.h"
#include "evidence/invitation.h"

#define DIGIT_TRIES 3
/* Lines above and below the code. */
#define CODE_LINES 4
#define OPENED_MS (60 * 1000)

/* --- the invitation --- */

static struct secret *invitation_text(const struct session *s, const struct secret *seed)
{
	const struct deployment *d = s->deployment;
	struct invitation_uri u = { .host = d->host, .port = d->port, .n_pins = d->n_pins };
	struct secret *secret = secret_new(INVITATION_URI_MAX + 1);
	char *text;

	memcpy(u.deployment, d->id, sizeof(u.deployment));
	memcpy(u.seed, secret_bytes(seed).data, sizeof(u.seed));
	sha256(BYTES(d->delivery_public, ED25519_PUBLIC_LEN), u.delivery_hash);
	memcpy(u.pins, d->pins, sizeof(u.pins));
	text = invitation_uri_text(&u);
	err_free(secret_add(secret, BYTES(text, strlen(text) + 1)));
	wipe(u.seed, sizeof(u.seed));
	wipe(text, strlen(text));
	free(text);
	return secret;
}

static struct err *make_invitation(struct session *s)
{
	AUTO(secret) struct secret *seed = secret_new(ED25519_SEED_LEN);
	AUTO(pkey) EVP_PKEY *key = NULL;

	clock_random(secret_room(seed), ED25519_SEED_LEN);
	secret_set_len(seed, ED25519_SEED_LEN);
	TRY(sig_from_seed(secret_bytes(seed), &key));
	sig_raw_public(key, s->invitation_public);
	s->invitation = invitation_text(s, seed);
	if (secret_bytes(s->invitation).len == 0)
		return err_new(&ERR_LIMIT,
			_("host and pins of deployment.conf are too long for an invitation"));
	return NULL;
}

static const char *invitation(const struct session *s)
{
	return (const char *)secret_bytes(s->invitation).data;
}

/* Whoever reads the descriptor gets the whole line and then its end. */
static struct err *write_invitation(struct session *s)
{
	AUTO_FD int fd = (int)s->o.uri_fd;
	struct bytes text = secret_bytes(s->invitation);

	TRY(err_wrap(io_write_full(fd, BYTES(text.data, text.len - 1)), "--uri-fd"));
	return err_wrap(io_write_full(fd, BYTES("\n", 1)), "--uri-fd");
}

static void draw_code(struct session *s)
{
	AUTO(buf) struct buf *lines = NULL;
	AUTO(err) struct err *small = NULL;
	AUTO_MEM char *minutes = xasprintf("%d", SESSION_INVITATION_S / 60);
	enum qr_form form = term_shows_utf8(s->term) ? QR_BLOCKS : QR_BLANKS;
	int rows, columns;

	if (s->ctl->json || !term_is_screen(s->term))
		return;
	term_get_size(s->term, &rows, &columns);
	small = qr_render(invitation(s), form, rows - CODE_LINES, columns, &lines);
	term_clear(s->term);
	if (small) {
		/* The code comes by itself once there is room. */
		session_say(s, words(form == QR_BLOCKS ? WORD_SMALL : WORD_SMALL_BLANKS, "text",
				       err_get_text(small), NULL));
		return;
	}
	session_say(s, words(WORD_SCAN, "minutes", minutes, NULL));
	term_print(s->term, buf_str(lines));
}

static struct err *show_invitation(struct session *s)
{
	AUTO_MEM char *minutes = xasprintf("%d", SESSION_INVITATION_S / 60);

	if (s->o.uri_fd >= 0)
		TRY(write_invitation(s));
	session_event(s, "invited", NULL);
	if (!term_is_screen(s->term))
		session_say(s, words(WORD_SCAN_PLAIN, "minutes", minutes, NULL));
	if (s->o.show_uri) {
		session_say(s, words(WORD_URI, "uri", invitation(s), NULL));
		session_event(s, "invitation", json_pack("{s:s}", "uri", invitation(s)));
	} else {
		draw_code(s);
	}
	return NULL;
}

/* op = issue: the offer goes to the device, which is connected. */
static struct err *ask_device(struct session *s, Control__SessionInvite *ask)
{
	AUTO_MSG Common__Done *done = NULL;

	TRY(session_call(s, MSG_SESSION_INVITE, ask, MSG_DONE, &done));
	session_say(s, words(WORD_DEVICE_ASK, NULL));
	session_event(s, "device-asked", NULL);
	return NULL;
}

struct err *session_invite(struct session *s)
{
	Control__SessionInvite ask = CONTROL__SESSION_INVITE__INIT;
	AUTO_MSG Common__Done *done = NULL;

	ask.request_id = s->offered->request_id;
	ask.lifetime_s = SESSION_INVITATION_S;
	if (s->operation == COMMON__OPERATION__ISSUE)
		return ask_device(s, &ask);
	TRY(make_invitation(s));
	ask.invitation_public = pb_lend(BYTES(s->invitation_public, ED25519_PUBLIC_LEN));
	/* Committed before it is shown. */
	TRY(session_call(s, MSG_SESSION_INVITE, &ask, MSG_DONE, &done));
	s->invitation_ends_ms = clock_boot_ms() + SESSION_INVITATION_S * 1000;
	return show_invitation(s);
}

/* --- the statement --- */

/* The code is used, or nobody may use it any more: it must not stay on the screen. */
static void withdraw_code(struct session *s)
{
	term_clear(s->term);
	secret_free(take(s->invitation));
}

/* A device has the code; a second one that scanned it would only spoil the session. */
static void hear_begin(struct session *s, struct wait *w)
{
	withdraw_code(s);
	w->begun = w->size = false;
	w->cap_ms = 0;
	session_say(s, words(WORD_SCANNED, NULL));
	session_event(s, "scanned", NULL);
}

static struct err *wait_for_device(struct session *s)
{
	struct wait w = {
		.push = MSG_SESSION_STATEMENT,
		.begun = s->invitation,
		.size = s->invitation && !s->o.show_uri,
		.limit_ms = s->o.time_limit_s ? s->o.time_limit_s * 1000 : SESSION_DEVICE_MS,
		.cap_ms = s->invitation_ends_ms,
	};

	/* A key press extends the time; what is typed means nothing here. */
	if (!s->ctl->json && term_is_typed(s->term)) {
		term_listen(s->term);
		w.typing = s->term;
	}
	for (;;) {
		TRY(session_wait(s, &w));
		if (w.came == CAME_PUSH)
			break;
		if (w.came == CAME_TIME)
			return session_too_late();
		if (w.came == CAME_BEGUN)
			hear_begin(s, &w);
		else
			draw_code(s);
	}
	s->stated = w.message.body;
	return NULL;
}

/* The gateway said whose handshake it was: the statement has to name the same key, and for op = issue that of the device asked. */
static struct err *check_identity(const struct session *s)
{
	bool enroll = s->operation == COMMON__OPERATION__ENROLL;
	uint8_t id[SHA256_LEN];

	statement_device_id(s->statement, id);
	if (!bytes_eq(pb_bytes(s->stated->identity_hash), BYTES(id, sizeof(id))))
		return err_new(&ERR_STATEMENT_BAD,
			_("the device that connected is not the one that the statement names"));
	if (!enroll && memcmp(id, s->device, sizeof(id)) != 0)
		return err_new(&ERR_STATEMENT_BAD,
			_("another device answered than the one that was asked"));
	/* A device that was enrolled long ago may know the gateway by an older name. */
	if (enroll && strcmp(s->statement->host, s->deployment->host) != 0)
		return err_new(&ERR_STATEMENT_BAD,
			_("the device connected to another host than the code names"));
	return NULL;
}

struct err *session_await_device(struct session *s)
{
	struct bytes invited = BYTES(NULL, 0);
	struct err *e;

	if (s->operation == COMMON__OPERATION__ENROLL)
		invited = BYTES(s->invitation_public, ED25519_PUBLIC_LEN);
	e = wait_for_device(s);
	term_unprompt(s->term);
	withdraw_code(s);
	TRY(e);
	TRY(statement_check(s->stated->statement, s->offer, pb_bytes(s->offered->offer->body),
		invited, &s->statement));
	TRY(statement_check_host(s->statement, s->deployment->host));
	TRY(check_identity(s));
	session_say(s, words(WORD_DEVICE_HERE, "platform", s->statement->platform, "address",
			       s->stated->address, NULL));
	session_event(s, "device",
		json_pack("{s:s, s:s}", "platform", s->statement->platform, "address",
			s->stated->address));
	return NULL;
}

/* --- the digits --- */

static struct err *reveal(struct session *s)
{
	Control__SessionReveal ask = CONTROL__SESSION_REVEAL__INIT;
	struct wait w = { .push = MSG_SESSION_OPENED, .limit_ms = OPENED_MS };
	AUTO_MSG Common__Done *done = NULL;
	AUTO_MSG Control__SessionOpened *opened = NULL;
	uint8_t hash[SHA256_LEN];

	clock_random(s->r_k, sizeof(s->r_k));
	ask.request_id = s->offered->request_id;
	ask.kiosk_random = pb_lend(BYTES(s->r_k, sizeof(s->r_k)));
	TRY(session_call(s, MSG_SESSION_REVEAL, &ask, MSG_DONE, &done));
	TRY(session_wait(s, &w));
	if (w.came == CAME_TIME)
		return err_new(&ERR_TIMED_OUT, _("the device stopped answering"));
	opened = w.message.body;
	if (opened->device_random.len != R_LEN)
		return err_new(
			&ERR_STATEMENT_BAD, _("the device's random value has the wrong length"));
	memcpy(s->r_d, opened->device_random.data, R_LEN);
	sha256(BYTES(s->r_d, R_LEN), hash);
	if (memcmp(hash, s->statement->commitment, SHA256_LEN) != 0)
		return err_new(&ERR_STATEMENT_BAD,
			_("the device opened another value than it had committed itself to"));
	return NULL;
}

/* "12 34 56", "123456", "12-34-56": six digits with any spaces and dashes. */
static bool digits_match(struct bytes line, uint32_t number)
{
	uint32_t typed = 0;
	size_t n = 0;

	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.data[i];

		if (c == ' ' || c == '-')
			continue;
		if (n == 6 || c < '0' || c > '9')
			return false;
		typed = typed * 10 + (uint32_t)(c - '0');
		n++;
	}
	return n == 6 && typed == number;
}

/* One answer of the person, told to derivd, which counts the misses too and ends the session at the third. */
static struct err *ask_digits(struct session *s, uint32_t number, bool *ret_match)
{
	Control__SessionDigits tell = CONTROL__SESSION_DIGITS__INIT;
	AUTO_MSG Common__Done *done = NULL;
	AUTO_MEM char *prompt = words(WORD_DIGITS_ASK, NULL);
	struct bytes line;

	session_event(s, "digits-needed", NULL);
	TRY(session_ask(s, s->term, prompt, false, &line));
	tell.request_id = s->offered->request_id;
	tell.match = digits_match(line, number);
	term_unprompt(s->term);
	TRY(session_call(s, MSG_SESSION_DIGITS, &tell, MSG_DONE, &done));
	*ret_match = tell.match;
	return NULL;
}

struct err *session_digits(struct session *s)
{
	uint32_t number;
	bool match = false;

	TRY(reveal(s));
	number = digits_number(s->statement->hash, s->r_d, s->r_k);
	for (int left = DIGIT_TRIES - 1; !match; left--) {
		AUTO_MEM char *tries = xasprintf("%d", left);

		TRY(ask_digits(s, number, &match));
		if (match)
			break;
		if (left == 0)
			return err_new(&ERR_DIGITS_WRONG, _("the digits were wrong three times"));
		session_say(s, words(left == 1 ? WORD_DIGITS_LAST : WORD_DIGITS_WRONG, "left",
				       tries, NULL));
		session_event(s, "digits-wrong", json_pack("{s:i}", "left", left));
	}
	session_say(s, words(WORD_DIGITS_RIGHT, NULL));
	session_event(s, "digits-right", NULL);
	return NULL;
}
