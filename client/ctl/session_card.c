/* session_card.c: the card's part of a session. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "client/ctl/session.h"
#include "evidence/cert.h"

/* Longer than derivd-card's own hard timers, which end it first. */
#define CARD_MS (120 * 1000)
#define PIN_MAX 64

static struct err *open_once(struct session *s)
{
	Card__Open ask = CARD__OPEN__INIT;
	AUTO(peer) struct peer *card = NULL;
	AUTO_MSG Card__Facts *facts = NULL;

	ask.reader = (char *)(s->reader ? s->reader : s->o.reader ? s->o.reader : "");
	ask.uri = (char *)(s->o.uri ? s->o.uri : "");
	TRY(ctl_card(&card));
	TRY(peer_call(card, MSG_CARD_OPEN, &ask, MSG_CARD_FACTS, CARD_MS, &facts));
	peer_set_phase(card, PH_OPEN);
	msg_free(s->facts);
	peer_free(s->card);
	s->facts = take(facts);
	s->card = take(card);
	return NULL;
}

/* Could a person mend it within seconds by plugging or inserting something? */
static bool worth_waiting(const struct err *e)
{
	return err_is(e, &ERR_CARD_NONE) || err_is(e, &ERR_READER_NONE) || err_is(e, &ERR_CARD_MUTE);
}

struct err *session_open_card(struct session *s)
{
	int64_t until = clock_boot_ms() + s->o.wait_card_s * 1000;
	bool asked = false;

	for (;;) {
		struct err *e = open_once(s);

		if (!e)
			break;
		if (!worth_waiting(e) || clock_boot_ms() >= until)
			return e;
		err_free(e);
		if (!asked)
			session_say(s, words(WORD_INSERT_CARD, NULL));
		asked = true;
		/* Each try costs a worker that asks PC/SC; once a second is what a person does not notice. */
		(void)poll(NULL, 0, 1000);
	}
	if (!s->reader)
		s->reader = xstrdup(s->facts->reader);
	return NULL;
}

struct err *session_watch_card(struct session *s)
{
	Card__WatchReaders ask = CARD__WATCH_READERS__INIT;

	if (s->reader[0] == '\0')
		return NULL; /* a token without a reader */
	TRY(ctl_card(&s->watch));
	return peer_send(s->watch, MSG_CARD_WATCH_READERS, 1, &ask);
}

void session_unwatch_card(struct session *s)
{
	peer_free(take(s->watch));
}

struct err *session_check_card(struct session *s)
{
	struct peer_message m = { 0 };
	bool known = false, present = false;
	struct err *e = peer_recv(s->watch, 0, &m);
	const Card__ReaderList *list = m.body;

	if (e) {
		/* The watching worker ended: without it we only notice later that the card is gone. */
		session_unwatch_card(s);
		err_free(e);
		return NULL;
	}
	if (m.msg->number != MSG_CARD_READER_LIST) {
		msg_free(m.body);
		return NULL;
	}
	for (size_t i = 0; i < list->n_readers; i++)
		if (strcmp(list->readers[i]->name, s->reader) == 0) {
			known = true;
			present = list->readers[i]->state != CARD__READER_STATE__EMPTY;
		}
	msg_free(m.body);
	s->watched = s->watched || known;
	/* A token that PC/SC never knew (a software token) cannot leave it. */
	if (present || !s->watched)
		return NULL;
	return err_new(&ERR_CARD_REMOVED, "the card left the reader %s", s->reader);
}

void session_close_card(struct session *s)
{
	Card__Close ask = CARD__CLOSE__INIT;

	if (s->card) {
		AUTO_MSG void *done = NULL;

		err_free(peer_call(s->card, MSG_CARD_CLOSE, &ask, MSG_DONE, CARD_MS, &done));
	}
	peer_free(take(s->card));
}

static char *tries_words(const struct session *s)
{
	char number[16];

	switch (s->facts->pin) {
	case CARD__PIN_STATE__PIN_FINAL:
		return words(WORD_PIN_LAST, NULL);
	case CARD__PIN_STATE__PIN_LOW:
		if (s->facts->tries_left == 0)
			return words(WORD_PIN_LOW, NULL);
		break;
	default:
		if (s->facts->tries_left == 0)
			return xstrdup("");
	}
	(void)snprintf(number, sizeof(number), "%u", s->facts->tries_left);
	return words(WORD_PIN_TRIES, "tries", number, NULL);
}

static struct err *pin_from_fd(int fd, struct secret *pin)
{
	uint8_t c;
	ssize_t n;

	for (;;) {
		n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(errno, "cannot read the PIN from descriptor %d", fd);
		if (n == 0 || c == '\n')
			break;
		TRY(err_as(&ERR_PIN_FORMAT, secret_add(pin, BYTES(&c, 1)), "the PIN is too long"));
	}
	wipe(&c, 1);
	return NULL;
}

/* The PIN, from wherever it comes; an empty line stops the session. refused: the last PIN was wrong. */
static struct err *ask_pin(struct session *s, const struct err *refused, struct secret *pin)
{
	AUTO_MEM char *tries = tries_words(s);
	AUTO_MEM char *prompt = NULL;
	struct bytes line;

	if (s->facts->pin == CARD__PIN_STATE__PIN_NONE)
		return NULL;
	if (s->facts->pin_pad) {
		session_say(s, words(WORD_PIN_PAD, NULL));
		return NULL;
	}
	if (s->o.pin_fd >= 0)
		return pin_from_fd((int)s->o.pin_fd, pin);
	if (refused)
		prompt = words(WORD_PIN_AGAIN, "text", err_get_text(refused), "remedy",
			kind_remedy(err_get_kind(refused)), "tries", tries, NULL);
	else
		prompt = words(WORD_PIN_ASK, "tries", tries, NULL);
	session_event(s, "pin-needed", json_pack("{s:i}", "tries_left", (int)s->facts->tries_left));
	TRY(session_ask(s, prompt, true, &line));
	if (line.len == 0)
		return err_new(&CTL_ERR_CANCELLED, "no PIN was typed");
	return err_as(&ERR_PIN_FORMAT, secret_add(pin, line), "the PIN is too long");
}

/* The card's PIN state as Open found it: refuse before anybody types. */
static struct err *check_pin_state(const struct session *s)
{
	if (s->facts->pin == CARD__PIN_STATE__PIN_LOCKED)
		return err_new(&ERR_PIN_LOCKED, "the PIN of this card is locked");
	if (s->facts->pin == CARD__PIN_STATE__PIN_FINAL && !s->o.last_try)
		return err_new(&ERR_PIN_FINAL, "one try is left for the PIN of this card");
	return NULL;
}

static struct err *sign_once(struct session *s, const struct secret *pin)
{
	Control__SessionPrepare prepare = CONTROL__SESSION_PREPARE__INIT;
	Card__Sign sign = CARD__SIGN__INIT;
	Card__Consent consent = CARD__CONSENT__INIT;
	Card__Consent *consents[] = { &consent };
	AUTO_MSG Control__SessionNonce *nonce = NULL;
	struct err *e;

	prepare.request_id = s->offered->request_id;
	TRY(session_call(s, MSG_SESSION_PREPARE, &prepare, MSG_SESSION_NONCE, &nonce));
	consent.kind = (char *)"issue";
	sign.pin = pb_lend(secret_bytes(pin));
	sign.insist = s->o.last_try;
	sign.offer = s->offered->offer;
	sign.statement = s->stated->statement;
	sign.nonce = nonce->nonce;
	sign.n_consents = 1;
	sign.consents = consents;
	if (s->operation == COMMON__OPERATION__ENROLL) {
		sign.invitation_public = pb_lend(BYTES(s->invitation_public, ED25519_PUBLIC_LEN));
		sign.device_random = pb_lend(BYTES(s->r_d, R_LEN));
	} else {
		sign.predecessor = s->offered->predecessor;
	}
	session_say(s, words(WORD_SIGNING, NULL));
	session_event(s, "signing", NULL);
	e = peer_call(s->card, MSG_CARD_SIGN, &sign, MSG_CARD_SIGNATURE, CARD_MS, &s->signature);
	if (e && err_is(e, &ERR_GONE))
		return err_as(&ERR_MODULE_HUNG, e, "the program that talks to the card ended");
	return e;
}

/* After a wrong PIN the card was reset: it has to be the same card that we go on with. */
static struct err *reopen(struct session *s)
{
	uint8_t hash[SHA256_LEN];

	peer_free(take(s->card));
	TRY(session_open_card(s));
	for (size_t i = 0; i < s->facts->n_certificates; i++) {
		sha256(pb_bytes(s->facts->certificates[i]->der), hash);
		if (memcmp(hash, s->offer->certs[0], SHA256_LEN) == 0)
			return check_pin_state(s);
	}
	return err_new(&ERR_CARD_CHANGED, "the card in the reader is not the one that was read");
}

struct err *session_sign(struct session *s)
{
	AUTO(err) struct err *refused = NULL;

	TRY(check_pin_state(s));
	for (;;) {
		AUTO(secret) struct secret *pin = secret_new(PIN_MAX);
		struct err *e;

		TRY(ask_pin(s, refused, pin));
		e = sign_once(s, pin);
		term_unprompt(s->term);
		if (!e)
			return NULL;
		session_event(s, "sign-refused", json_pack("{s:s}", "kind", err_get_kind(e)->name));
		if (!err_is(e, &ERR_PIN_WRONG) || s->o.pin_fd >= 0 || s->facts->pin_pad || s->ctl->json)
			return e;
		err_free(refused);
		refused = e;
		TRY(reopen(s));
	}
}
