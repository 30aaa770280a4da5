/* serve.c: six operations on one session. */
#include "pkcs11/serve.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/secret.h"
#include "base/text.h"
#include "pkcs11/facts_out.h"
#include "pkcs11/module.h"
#include "pkcs11/readers.h"
#include "pkcs11/session.h"
#include "proto/worker.h"

/* Nobody holds a card longer without a word: enrollment's own limit is fifteen minutes. */
#define SILENCE_MAX_S (20 * 60)

/* How long a change among the readers waits for us to see that the watcher has hung up. */
#define WATCH_SLICE_MS 1000

/* Of what is wrong with the module. */
#define TROUBLE_TEXT_MAX 2048

struct serve {
	const struct settings *settings;
	struct refused *refused;
	struct session *session; /* NULL: none is open */
};

static void end_session(struct serve *v)
{
	session_free(v->session);
	v->session = NULL;
	proc_deadline(0);
}

/* The kernel ends us, and pcscd then resets the card, if no further request comes. */
static void rest(const struct serve *v)
{
	proc_deadline(v->session ? SILENCE_MAX_S : 0);
}

/* Without PC/SC the module stands for a reader that always holds a card. */
static struct err *send_module(struct worker *w, const struct settings *settings)
{
	Card__ReaderList list = CARD__READER_LIST__INIT;
	Card__Reader reader = CARD__READER__INIT;
	Card__Reader *one[] = { &reader };

	reader.name = (char *)facts_out_module_name(settings);
	reader.state = CARD__READER_STATE__PRESENT;
	list.n_readers = 1;
	list.readers = one;
	return worker_reply(w, MSG_CARD_READER_LIST, &list);
}

static void fill_reader(const struct reader *from, Card__Reader *to)
{
	card__reader__init(to);
	to->name = (char *)(uintptr_t)from->name;
	to->state = from->state;
	to->moves = from->moves;
	to->atr = pb_lend(BYTES(from->atr, from->atr_len >= 2 ? from->atr_len : 0));
}

/* The first list answers the request, the others come unasked. */
static struct err *send_list(
	struct worker *w, const struct readers *readers, const struct err *trouble)
{
	Card__ReaderList list = CARD__READER_LIST__INIT;
	Card__Reader bodies[READERS_MAX];
	Card__Reader *pointers[READERS_MAX];

	for (size_t i = 0; i < readers_len(readers); i++) {
		fill_reader(readers_at(readers, i), &bodies[i]);
		pointers[i] = &bodies[i];
	}
	list.n_readers = readers_len(readers);
	list.readers = pointers;
	if (trouble)
		list.trouble = (char *)(uintptr_t)err_get_kind(trouble)->name;
	if (w->answered)
		return peer_send(w->peer, MSG_CARD_READER_LIST, 0, &list);
	return worker_reply(w, MSG_CARD_READER_LIST, &list);
}

static struct err *run_list_readers(struct worker *w, const void *request)
{
	const struct serve *v = w->state;
	AUTO(readers) struct readers *readers = readers_new();
	bool changed;

	(void)request;
	if (!v->settings->pcsc)
		return send_module(w, v->settings);
	AUTO(err) struct err *trouble = readers_wait(readers, 0, &changed);
	return send_list(w, readers, trouble);
}

/* One turn: waits for the readers, or, while there is no service, for the watcher. */
static struct err *watch_once(
	struct worker *w, struct readers *readers, bool *ret_gone, bool *inout_trouble)
{
	bool changed = false;
	AUTO(err) struct err *trouble = readers_wait(readers, WATCH_SLICE_MS, &changed);

	if (changed || (trouble && !*inout_trouble))
		TRY(send_list(w, readers, trouble));
	*inout_trouble = trouble != NULL;
	return peer_wait(w->peer, trouble ? WATCH_SLICE_MS : 0, ret_gone);
}

/* Ends with the next request, or when the other side hangs up: both make the connection readable. */
static struct err *run_watch_readers(struct worker *w, const void *request)
{
	const struct serve *v = w->state;
	AUTO(readers) struct readers *readers = readers_new();
	bool trouble = false;
	bool gone = false;

	(void)request;
	if (!v->settings->pcsc)
		return send_module(w, v->settings);
	while (!gone)
		TRY(watch_once(w, readers, &gone, &trouble));
	return NULL;
}

/* The module's stand-in for a reader is named in requests like one. */
static struct err *reader_asked_for(
	const struct settings *settings, const char *name, const char **ret_name)
{
	*ret_name = name;
	if (settings->pcsc || !*name)
		return NULL;
	*ret_name = "";
	if (strcmp(name, facts_out_module_name(settings)) == 0)
		return NULL;
	return err_new(&ERR_READER_UNKNOWN, "there is only %s", facts_out_module_name(settings));
}

static void say_open(const struct serve *v, const Card__Facts *facts)
{
	AUTO_MEM char *name = sig_card_name(facts->serial);
	const struct log_field fields[] = {
		{ "READER", facts->reader },
		{ "CARD_SERIAL_HASH", name },
		{ NULL, NULL },
	};

	log_note(NOTE_CARD_OPEN, fields, "a card of type %s is open",
		session_card(v->session)->type->name);
}

static struct err *run_open(struct worker *w, const void *body)
{
	struct serve *v = w->state;
	const Card__Open *request = body;
	const char *reader = NULL;

	TRY(reader_asked_for(v->settings, request->reader, &reader));
	TRY(session_open(v->settings, v->refused, reader, request->uri, &v->session));
	AUTO(facts_out) struct facts_out *facts = facts_out_new(v->session, v->settings);
	say_open(v, facts_out_message(facts));
	peer_set_phase(w->peer, PH_OPEN);
	struct err *e = worker_reply(w, MSG_CARD_FACTS, facts_out_message(facts));
	rest(v);
	return e;
}

/* Takes the PIN out of the request, which is lent to us as constant but is nobody else's. */
static struct secret *take_pin(const Card__Sign *request)
{
	struct secret *pin = secret_new(PIN_LEN_MAX);
	struct err *e = secret_add(pin, pb_bytes(request->pin));

	if (request->pin.len)
		wipe(request->pin.data, request->pin.len);
	if (e)
		err_abort("a PIN longer than the wire takes");
	return pin;
}

/* The tries that are left go along as a number, for whoever shows texts of its own. */
static struct err *reply_error(struct worker *w, const struct pin *pin, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;
	Common__Reason reason = COMMON__REASON__INIT;
	Common__Reason *reasons[] = { &reason };
	AUTO_MEM char *tries = xasprintf("%u", pin->tries_left);
	Common__Error *message = kind_to_wire(e);
	Common__Error with_tries = *message;

	reason.kind = message->kind;
	reason.subject = (char *)(uintptr_t) "tries left";
	reason.text = tries;
	with_tries.n_reasons = pin->knows_tries ? 1 : 0;
	with_tries.reasons = reasons;
	const struct log_field fields[] = { { "ERROR_KIND", err_get_kind(e)->name }, { NULL, NULL } };
	log_note(NOTE_SIGN_REFUSED, fields, "CARD_SIGN refused: %s", err_get_text(e));
	struct err *sent = worker_reply(w, MSG_ERROR, &with_tries);
	msg_free(message);
	return sent;
}

static bool is_pin_error(const struct err *e)
{
	return err_is(e, &ERR_PIN_WRONG) || err_is(e, &ERR_PIN_FINAL) || err_is(e, &ERR_PIN_LOCKED);
}

static struct err *sign(struct serve *v, const Card__Sign *request, struct secret *pin,
	struct order **ret_order, struct buf **ret_signature)
{
	AUTO(deployment) struct deployment *deployment = NULL;
	AUTO_MEM char *path = proc_config_path("deployment.conf");

	TRY(err_as(&ERR_CONFIG, deployment_load(path, &deployment), "this kiosk is not set up"));
	TRY(order_check(request, deployment, session_card(v->session), clock_real_ms(), ret_order));
	return session_sign(v->session, *ret_order, pin, request->insist, ret_signature);
}

static struct err *run_sign(struct worker *w, const void *body)
{
	struct serve *v = w->state;
	const Card__Sign *request = body;
	AUTO(secret) struct secret *pin = take_pin(request);
	AUTO(order) struct order *order = NULL;
	AUTO(buf) struct buf *signature = NULL;
	Card__Signature reply = CARD__SIGNATURE__INIT;

	if (!v->session)
		return err_new(&ERR_SESSION_OVER,
			"the card was reset after the last signature or failure");
	struct err *e = sign(v, request, pin, &order, &signature);
	const struct pin known = *session_pin(v->session);
	/* The card is reset before anybody hears of the signature. */
	if (session_is_spent(v->session))
		end_session(v);
	rest(v);
	if (is_pin_error(e))
		return reply_error(w, &known, e);
	if (e)
		return e;
	log_note(NOTE_CARD_SIGNED, NULL, "the card signed an intent and was reset");
	reply.intent = pb_lend(buf_bytes(order->intent));
	reply.signature = pb_lend(buf_bytes(signature));
	return worker_reply(w, MSG_CARD_SIGNATURE, &reply);
}

/* A module is foreign code: the process ends with this connection, whatever it left behind. */
static struct err *run_check(struct worker *w, const void *request)
{
	const struct serve *v = w->state;
	AUTO(module) struct module *module = NULL;
	Card__Checked m = CARD__CHECKED__INIT;
	AUTO(err) struct err *e = module_open(v->settings->module, v->settings->arguments,
		v->settings->call_s, &module);
	AUTO_MEM char *text = e ? text_safe(BYTES(err_get_text(e), strlen(err_get_text(e)))) : NULL;
	AUTO_MEM char *cut = text_cut(text, TROUBLE_TEXT_MAX);

	(void)request;
	m.module = v->settings->module;
	if (e)
		m.trouble = (char *)(uintptr_t)err_get_kind(e)->name;
	m.text = cut;
	return worker_reply(w, MSG_CARD_CHECKED, &m);
}

static struct err *run_close(struct worker *w, const void *request)
{
	(void)request;
	end_session(w->state);
	return worker_done(w);
}

struct err *serve_connection(int take_fd, const struct settings *settings)
{
	static const struct worker_op ops[] = {
		{ MSG_CARD_LIST_READERS, run_list_readers },
		{ MSG_CARD_WATCH_READERS, run_watch_readers },
		{ MSG_CARD_OPEN, run_open },
		{ MSG_CARD_SIGN, run_sign },
		{ MSG_CARD_CHECK, run_check },
		{ MSG_CARD_CLOSE, run_close },
		{ 0 },
	};
	AUTO(refused) struct refused *refused = refused_new();
	struct serve v = { .settings = settings, .refused = refused };
	struct err *e = worker_run(take_fd, LINK_CARD, "derivd-card", ops, 0, &v);

	end_session(&v);
	return e;
}
