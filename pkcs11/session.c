/* session.c: finding and opening the card; session_sign.c uses its key. */
#include "pkcs11/session.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "pkcs11/opensc.h"
#include "pkcs11/rv.h"
#include "pkcs11/session_impl.h"
#include "pkcs11/signing.h"
#include "proto/kind.h"

/* A card that is just leaving is noticed by pcscd within this time, in milliseconds. */
#define LEAVING_MS 500

/* How long, and how often, a card that another program holds, or that is not there, is looked for again. */
#define BUSY_MS 1500
#define BUSY_PAUSE_MS 100

struct err *session_explain(struct session *s, struct err *take_e)
{
	AUTO(err) struct err *why = NULL;

	if (!take_e || !s->hold)
		return take_e;
	if (!err_is(take_e, &ERR_CARD_FAILED) && !err_is(take_e, &ERR_CARD_REMOVED) &&
		!err_is(take_e, &ERR_MODULE) && !err_is(take_e, &ERR_CARD_UNKNOWN))
		return take_e;
	why = hold_check(s->hold, LEAVING_MS);
	if (!why)
		return take_e;
	/* The person hears what happened to the card; how the module put it is for the journal. */
	log_note(NOTE_CARD_ODD, NULL, "%s", err_get_text(take_e));
	err_free(take_e);
	return take(why);
}

/* PC/SC's view: which reader, is there a card, does it answer, is it free. */
static struct err *take_hold_once(struct session *s, const char *name)
{
	AUTO(readers) struct readers *readers = readers_new();
	const struct reader *reader = NULL;
	bool changed;

	TRY(readers_wait(readers, 0, &changed));
	TRY(readers_choose(readers, name, &reader));
	s->alone = readers_with_card(readers) == 1;
	TRY(hold_new(reader, &s->look, &s->hold));
	return opensc_prepare(s->settings, reader->name, readers);
}

/*
 * A card is often looked at by others just after it was put in, or let go of just now; and a PC/SC service that was started by
 * our question shows its readers before it has looked into them.
 */
static bool may_pass(const struct err *e)
{
	return err_is(e, &ERR_READER_IN_USE) || err_is(e, &ERR_CARD_NONE) ||
	       err_is(e, &ERR_READER_NONE) || err_is(e, &ERR_READER_UNKNOWN);
}

static struct err *take_hold(struct session *s, const char *name)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * 1000000L };
	int64_t end = clock_boot_ms() + BUSY_MS;
	struct err *e = take_hold_once(s, name);

	while (may_pass(e) && clock_boot_ms() < end) {
		err_free(e);
		nanosleep(&pause, NULL);
		e = take_hold_once(s, name);
	}
	return e;
}

static void close_token(struct session *s)
{
	if (s->logged_in)
		MODULE_CALL(s->module, C_Logout, s->token.session);
	if (s->has_token)
		MODULE_CALL(s->module, C_CloseSession, s->token.session);
	s->logged_in = false;
	s->has_token = false;
}

static struct err *open_token(struct session *s, const struct slot *slot)
{
	CK_RV rv = MODULE_CALL(s->module, C_OpenSession, slot->id, CKF_SERIAL_SESSION, NULL, NULL,
		&s->token.session);

	TRY(rv_error(rv, "C_OpenSession"));
	s->token.module = s->module;
	s->has_token = true;
	s->slot = *slot;
	struct card_source source = session_source(s);
	return card_read(&source, s->settings->types, s->settings->n_types, &s->card);
}

/* A card may have several tokens, one for each PIN: the first one with a person's certificates. */
static struct err *open_first(struct session *s, const struct slot_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct err *e = open_token(s, &list->at[i]);
		if (!e || !err_is(e, &ERR_CARD_UNKNOWN) || i + 1 == list->n)
			return e;
		err_free(e);
		close_token(s);
	}
	return err_new(&ERR_CARD_UNKNOWN, "the PKCS#11 module finds nothing that it knows");
}

static struct err *only_one(const struct slot_list *list)
{
	AUTO(buf) struct buf *labels = buf_new();

	if (list->n <= 1)
		return NULL;
	for (size_t i = 0; i < list->n; i++) {
		const CK_TOKEN_INFO *token = &list->at[i].token;
		AUTO_MEM char *label = slot_text(token->label, sizeof(token->label));
		AUTO_MEM char *serial = slot_text(token->serialNumber, sizeof(token->serialNumber));
		buf_addf(labels, "%s\"%s\" serial %s", i ? ", " : "", label, serial);
	}
	return err_new(&ERR_CARD_MANY,
		"the module has several tokens (%s): choose one with --uri or in card.conf, such "
		"as pkcs11:token=...",
		buf_str(labels));
}

/* The other program came between our first look and the module. */
static struct err *why_nothing(struct session *s, const struct slot_list *list)
{
	bool exclusive = false;

	if (s->hold)
		TRY(hold_is_exclusive(s->hold, &exclusive));
	if (exclusive)
		return err_new(&ERR_READER_IN_USE, "another program holds the card in %s",
			hold_reader(s->hold));
	if (s->uri)
		return err_new(
			&ERR_CARD_UNKNOWN, "the PKCS#11 module finds no token that the URI means");
	if (list->blank)
		return err_new(&ERR_CARD_UNKNOWN, "the token was never initialised");
	if (!s->hold)
		return err_new(&ERR_CARD_UNKNOWN,
			"the PKCS#11 module shows no token; is the service that it needs running?");
	return err_new(&ERR_CARD_UNKNOWN, "the PKCS#11 module finds no card that it knows");
}

static struct err *find_token(struct session *s)
{
	struct slot_list list;

	TRY(slot_find(s->module, s->hold ? hold_reader(s->hold) : NULL, s->alone, s->uri, &list));
	if (list.n == 0)
		return why_nothing(s, &list);
	if (!s->hold)
		TRY(only_one(&list));
	return open_first(s, &list);
}

struct err *session_check_exclusive(struct session *s)
{
	bool exclusive = false;

	if (!s->hold || s->settings->allow_shared)
		return NULL;
	TRY(hold_is_exclusive(s->hold, &exclusive));
	if (exclusive)
		return NULL;
	return err_new(&ERR_MODULE,
		"the PKCS#11 module does not hold the card exclusively, so another program could "
		"use "
		"it while the PIN is verified (allow-shared in card.conf accepts that)");
}

static bool is_of_use(struct session *s, const struct card_cert *cert)
{
	AUTO(x509) X509 *x = NULL;
	enum card_algorithm algorithm;
	AUTO(err) struct err *e = cert_parse(buf_bytes(cert->der), &x);

	if (e || !X509_get0_pubkey(x))
		return true; /* derivd-ca says what is wrong with it */
	e = intent_algorithm(X509_get0_pubkey(x), &algorithm);
	if (!e)
		e = signing_check(s->module, s->slot.id, algorithm);
	if (e)
		log_note(NOTE_CARD_ODD, NULL, "certificate \"%s\": %s", cert->label,
			err_get_text(e));
	return !e;
}

/* A key that cannot make the signatures that are needed is as good as none. */
static void check_keys(struct session *s)
{
	for (size_t i = 0; i < s->card->n_certs; i++)
		if (s->card->certs[i].has_key)
			s->card->certs[i].has_key = is_of_use(s, &s->card->certs[i]);
}

static struct err *open_module(struct session *s)
{
	TRY(module_open(
		s->settings->module, s->settings->arguments, s->settings->call_s, &s->module));
	TRY(find_token(s));
	check_keys(s);
	TRY(session_check_exclusive(s));
	s->pin = pin_from(&s->slot.token, s->card->type == &card_piv ? &s->look : NULL);
	return NULL;
}

struct err *session_open(const struct settings *settings, struct refused *refused,
	const char *reader, const char *uri, struct session **ret_session)
{
	AUTO(session) struct session *s = xcalloc(1, sizeof(*s));

	s->settings = settings;
	s->refused = refused;
	if (!*uri && settings->uri)
		uri = settings->uri;
	if (*uri)
		TRY(uri_parse(uri, &s->uri));
	if (settings->pcsc)
		TRY(take_hold(s, reader));
	TRY(session_explain(s, open_module(s)));
	*ret_session = take(s);
	return NULL;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	bool used = s->module != NULL;
	if (used)
		close_token(s);
	module_close(s->module);
	if (used && s->hold) {
		AUTO(err) struct err *e = hold_reset(s->hold);
		if (e)
			log_error(take(e), "after the session");
	}
	card_free(s->card);
	hold_free(s->hold);
	uri_free(s->uri);
	free(s);
}

struct card_source session_source(const struct session *s)
{
	return (struct card_source){ &s->token, &s->slot.token, &s->look, s->uri };
}

const char *session_reader(const struct session *s)
{
	return s->hold ? hold_reader(s->hold) : "";
}

const CK_TOKEN_INFO *session_token_info(const struct session *s)
{
	return &s->slot.token;
}

const struct card *session_card(const struct session *s)
{
	return s->card;
}

const struct pin *session_pin(const struct session *s)
{
	return &s->pin;
}

bool session_is_spent(const struct session *s)
{
	return s->spent;
}
