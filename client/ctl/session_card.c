/* session_card.c: the card's part of a session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/ctl/session.h"

#define PIN_MAX 64
#define CLOSE_MS 10000
/* How often the readers are looked at: what a person does not notice. */
#define LOOK_MS 1000

/* --- opening --- */

static const char *reader_wanted(const struct session *s)
{
	return s->reader ? s->reader : s->o.reader ? s->o.reader : "";
}

static struct err *open_once(struct session *s)
{
	Card__Open ask = CARD__OPEN__INIT;
	struct peer_message answer;
	Card__Facts *facts = NULL;

	/* An Open that failed may be repeated on its connection; one that has had a session is of no more use. */
	if (s->card && peer_get_phase(s->card) == PH_OPEN)
		session_close_card(s);
	ask.reader = (char *)reader_wanted(s);
	ask.uri = (char *)(s->o.uri ? s->o.uri : "");
	if (!s->card)
		TRY(ctl_card(&s->card));
	TRY(session_call_card(s, MSG_CARD_OPEN, &ask, &answer));
	TRY(peer_settle(&answer, MSG_CARD_FACTS, &facts));
	peer_set_phase(s->card, PH_OPEN);
	msg_free(s->facts);
	s->facts = facts;
	return NULL;
}

/* What a person is to do about it; WORD_COUNT: nothing that takes seconds. */
static enum word wanted_by(const struct err *e)
{
	if (err_is(e, &ERR_READER_NONE))
		return WORD_PLUG_READER;
	if (err_is(e, &ERR_CARD_MUTE))
		return WORD_TURN_CARD;
	return err_is(e, &ERR_CARD_NONE) ? WORD_INSERT_CARD : WORD_COUNT;
}

/* The same out of a list of readers, which costs nothing; WORD_COUNT: an Open may succeed, or say more. */
static enum word wanted_by_list(const struct session *s, const Card__ReaderList *list)
{
	const char *name = reader_wanted(s);
	enum word want = list->n_readers > 0 ? WORD_INSERT_CARD : WORD_PLUG_READER;

	if (list->trouble[0] != '\0')
		return WORD_COUNT;
	for (size_t i = 0; i < list->n_readers; i++) {
		const Card__Reader *r = list->readers[i];

		if (*name && strcmp(r->name, name) != 0)
			continue;
		if (r->state == CARD__READER_STATE__MUTE)
			want = WORD_TURN_CARD;
		else if (r->state != CARD__READER_STATE__EMPTY)
			return WORD_COUNT;
	}
	return want;
}

/* Until something else is wanted of the person than so far, or nothing. A worker that ends meanwhile is replaced. */
static struct err *await_card(struct session *s, enum word want, int64_t until)
{
	Card__ListReaders ask = CARD__LIST_READERS__INIT;
	enum word now = want;

	while (now == want && clock_boot_ms() < until) {
		AUTO_MSG Card__ReaderList *list = NULL;
		struct peer_message answer;

		TRY(session_pause(s, LOOK_MS));
		struct err *e = session_call_card(s, MSG_CARD_LIST_READERS, &ask, &answer);
		if (err_is(e, &ERR_MODULE_HUNG)) {
			err_free(e);
			session_close_card(s);
			return NULL;
		}
		TRY(e);
		TRY(peer_settle(&answer, MSG_CARD_READER_LIST, &list));
		now = wanted_by_list(s, list);
	}
	return NULL;
}

static struct err *open_within(struct session *s, int64_t patience_ms)
{
	int64_t until = clock_boot_ms() + patience_ms;
	enum word said = WORD_COUNT;

	for (;;) {
		struct err *e = open_once(s);
		enum word want = wanted_by(e);

		if (!e)
			return NULL;
		if (want == WORD_COUNT || clock_boot_ms() >= until) {
			session_close_card(s);
			return e;
		}
		if (want != said) {
			session_say(s, words(want, NULL));
			session_event(s, "card-needed",
				json_pack("{s:s}", "kind", err_get_kind(e)->name));
		}
		said = want;
		err_free(e);
		TRY(await_card(s, want, until));
	}
}

struct err *session_open_card(struct session *s)
{
	TRY(open_within(s, s->o.wait_card_s * 1000));
	s->reader = xstrdup(s->facts->reader);
	return NULL;
}

struct err *session_check_pin_state(const struct session *s)
{
	switch (s->facts->pin) {
	case CARD__PIN_STATE__PIN_LOCKED:
		return err_new(&ERR_PIN_LOCKED, _("the PIN of this card is locked"));
	case CARD__PIN_STATE__PIN_UNSET:
		return err_new(&ERR_PIN_EXPIRED, _("the PIN of this card was never set"));
	case CARD__PIN_STATE__PIN_CHANGE:
		return err_new(&ERR_PIN_EXPIRED, _("this card asks for a new PIN"));
	case CARD__PIN_STATE__PIN_FINAL:
		if (!s->o.last_try)
			return err_new(
				&ERR_PIN_FINAL, _("one try is left for the PIN of this card"));
		return NULL;
	default:
		return NULL;
	}
}

/* The same card as at the start, whatever happened to it meanwhile. */
struct err *session_reopen_card(struct session *s)
{
	uint8_t hash[SHA256_LEN];

	TRY(open_within(s, SESSION_ANSWER_MS));
	for (size_t i = 0; i < s->facts->n_certificates; i++) {
		sha256(pb_bytes(s->facts->certificates[i]->der), hash);
		if (memcmp(hash, s->offer->certs[0], SHA256_LEN) == 0)
			return session_check_pin_state(s);
	}
	return err_new(&ERR_CARD_CHANGED, _("the card in the reader is not the one that was read"));
}

void session_close_card(struct session *s)
{
	Card__Close ask = CARD__CLOSE__INIT;
	AUTO_MSG void *done = NULL;

	/* The worker resets the card also when the connection just ends; asking tells when that has been done. */
	if (s->card)
		err_free(peer_call(s->card, MSG_CARD_CLOSE, &ask, MSG_DONE, CLOSE_MS, &done));
	peer_free(take(s->card));
}

/* --- watching --- */

struct err *session_watch_card(struct session *s)
{
	Card__WatchReaders ask = CARD__WATCH_READERS__INIT;
	uint32_t serial;

	if (s->reader[0] == '\0' || s->watch)
		return NULL;
	s->watched = false;
	TRY(ctl_card(&s->watch));
	return peer_ask(s->watch, MSG_CARD_WATCH_READERS, &ask, &serial);
}

void session_unwatch_card(struct session *s)
{
	peer_free(take(s->watch));
}

static const Card__Reader *find_reader(const struct session *s, const Card__ReaderList *list)
{
	for (size_t i = 0; i < list->n_readers; i++)
		if (strcmp(list->readers[i]->name, s->reader) == 0)
			return list->readers[i];
	return NULL;
}

static struct err *check_list(struct session *s, const Card__ReaderList *list)
{
	const Card__Reader *reader = find_reader(s, list);

	if (list->trouble[0] != '\0')
		return err_new(&ERR_PCSC_GONE, _("the PC/SC service has gone"));
	if (reader && !s->watched)
		s->moves = reader->moves;
	s->watched = s->watched || reader;
	/* A token that PC/SC never knew (a software token) cannot leave it. */
	if (!s->watched)
		return NULL;
	/* A card that was exchanged quickly was never seen to be away. */
	if (reader && reader->state != CARD__READER_STATE__EMPTY && reader->moves == s->moves)
		return NULL;
	return err_new(&ERR_CARD_REMOVED, _("the card left the reader %s"), s->reader);
}

struct err *session_check_card(struct session *s)
{
	struct peer_message m = { 0 };
	struct err *e = peer_recv(s->watch, 0, &m);

	if (e) {
		/* The watching worker ended: without it we only notice later that the card is gone. */
		session_unwatch_card(s);
		err_free(e);
		return NULL;
	}
	if (m.msg->number == MSG_CARD_READER_LIST)
		e = check_list(s, m.body);
	msg_free(m.body);
	return e;
}

/* --- PIN --- */

static char *tries_words(const struct session *s)
{
	char number[16];

	if (s->facts->pin == CARD__PIN_STATE__PIN_FINAL)
		return words(WORD_PIN_LAST, NULL);
	if (s->facts->tries_left > 0) {
		(void)snprintf(number, sizeof(number), "%u", s->facts->tries_left);
		return words(WORD_PIN_TRIES, "tries", number, NULL);
	}
	return s->facts->pin == CARD__PIN_STATE__PIN_LOW ? words(WORD_PIN_LOW, NULL) : xstrdup("");
}

/* derivd-card's own text is English. */
static const char *pin_trouble(const struct err *e)
{
	if (lang_is_english())
		return err_get_text(e);
	if (err_is(e, &ERR_PIN_FORMAT))
		return _("the PIN has the wrong form");
	return _("the PIN was wrong");
}

/* The PIN, from wherever it comes; an empty line stops the session. refused: why the last one was of no use, or NULL. */
static struct err *ask_pin(struct session *s, const struct err *refused, struct secret *pin)
{
	AUTO_MEM char *tries = tries_words(s);
	AUTO_MEM char *prompt = NULL;
	const char *why = refused ? pin_trouble(refused) : "";
	struct bytes line;

	if (refused && s->facts->pin_pad)
		session_say(s, words(WORD_PIN_PAD_AGAIN, "text", why, "tries", tries, NULL));
	else if (s->facts->pin_pad)
		session_say(s, words(WORD_PIN_PAD, "tries", tries, NULL));
	session_event(s, "pin-needed",
		json_pack("{s:i, s:b}", "tries_left", (int)s->facts->tries_left, "pad",
			(int)s->facts->pin_pad));
	if (s->facts->pin_pad)
		return NULL;
	if (refused)
		prompt = words(WORD_PIN_AGAIN, "text", why, "tries", tries, NULL);
	else
		prompt = words(WORD_PIN_ASK, "tries", tries, NULL);
	TRY(session_ask(s, s->pin_input, s->o.pin_fd < 0 ? prompt : "", true, &line));
	if (line.len == 0)
		return err_new(&CTL_ERR_CANCELLED, _("no PIN was typed"));
	return err_as(&ERR_PIN_FORMAT, secret_add(pin, line), _("the PIN is too long"));
}

/* --- signing --- */

/* What derivd-card says of the tries that are left goes into the facts, for the next prompt. */
static void note_tries(struct session *s, const Common__Error *e)
{
	uint64_t tries = 0;

	s->facts->pin = CARD__PIN_STATE__PIN_LOW;
	s->facts->tries_left = 0;
	for (size_t i = 0; i < e->n_reasons; i++) {
		AUTO(err) struct err *no = NULL;

		if (strcmp(e->reasons[i]->subject, "tries left") != 0)
			continue;
		no = text_parse_u64(e->reasons[i]->text, UINT32_MAX, &tries);
		if (!no)
			s->facts->tries_left = (uint32_t)tries;
	}
	if (tries == 1)
		s->facts->pin = CARD__PIN_STATE__PIN_FINAL;
}

static struct err *settle_signature(struct session *s, struct peer_message *take_answer)
{
	const Common__Error *e = take_answer->body;
	const struct err_kind *kind =
		take_answer->msg->number == MSG_ERROR ? kind_find(e->kind) : NULL;
	struct err *refused;

	if (kind != &ERR_PIN_WRONG && kind != &ERR_PIN_LOCKED)
		return peer_settle(take_answer, MSG_CARD_SIGNATURE, &s->signature);
	note_tries(s, e);
	refused = err_new(kind, "%s", e->text);
	msg_free(take(take_answer->body));
	return refused;
}

static struct err *sign_once(struct session *s, const struct secret *pin)
{
	Control__SessionPrepare prepare = CONTROL__SESSION_PREPARE__INIT;
	Card__Sign sign = CARD__SIGN__INIT;
	Card__Consent consent = CARD__CONSENT__INIT;
	Card__Consent *consents[] = { &consent };
	AUTO_MSG Control__SessionNonce *nonce = NULL;
	struct peer_message answer;

	prepare.request_id = s->offered->request_id;
	TRY(session_call_patiently(s, MSG_SESSION_PREPARE, &prepare, MSG_SESSION_NONCE, &nonce));
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
	TRY(session_call_card(s, MSG_CARD_SIGN, &sign, &answer));
	return settle_signature(s, &answer);
}

/* Can the person do better at once? Without the session having ended, and not with a PIN that stands fixed. */
static bool worth_asking_again(const struct session *s, const struct err *e)
{
	if (s->o.pin_fd >= 0)
		return false;
	return err_is(e, &ERR_PIN_WRONG) || err_is(e, &ERR_PIN_FORMAT) ||
	       err_is(e, &ERR_MODULE_HUNG);
}

static struct err *try_to_sign(struct session *s, const struct err *refused)
{
	AUTO(secret) struct secret *pin = secret_new(PIN_MAX);

	if (s->facts->pin != CARD__PIN_STATE__PIN_NONE)
		TRY(ask_pin(s, refused, pin));
	term_unprompt(s->pin_input);
	return sign_once(s, pin);
}

/* Nobody is asked again, so this is where it is said how many tries are left. */
static struct err *with_tries(const struct session *s, struct err *take_e)
{
	AUTO_MEM char *tries = tries_words(s);
	AUTO(err) struct err *e = NULL;

	if (!err_is(take_e, &ERR_PIN_WRONG))
		return take_e;
	e = take_e;
	return err_new(&ERR_PIN_WRONG, "%s%s", err_get_text(e), tries);
}

struct err *session_sign(struct session *s)
{
	AUTO(err) struct err *refused = NULL;

	TRY(session_check_pin_state(s));
	for (;;) {
		struct err *e = try_to_sign(s, refused);

		term_unprompt(s->pin_input);
		if (!e)
			return NULL;
		session_event(s, "sign-refused",
			json_pack("{s:s, s:i}", "kind", err_get_kind(e)->name, "tries_left",
				(int)s->facts->tries_left));
		if (!worth_asking_again(s, e))
			return with_tries(s, e);
		err_free(refused);
		refused = e;
		/* After a wrong PIN the worker still holds the card, and remembers that PIN so as never to send it again. */
		if (err_is(e, &ERR_MODULE_HUNG))
			TRY(session_reopen_card(s));
		else
			TRY(err_wrap(session_check_pin_state(s), "%s", err_get_text(e)));
	}
}
