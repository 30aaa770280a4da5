/* talk_enroll.c: offers, statements, digits: ENROLLMENT steps 4 and 5, and op = issue. */
#include <string.h>

#include "client/device/fault.h"
#include "client/device/offer_answer.h"
#include "client/device/talk_part.h"

struct err *talk_begin(struct talk *t)
{
	const struct attempt *a = t->state->attempt;
	Device__Begin m = DEVICE__BEGIN__INIT;

	if (!a)
		return err_new(&ERR_HOME_DAMAGED, "an enrollment without an invitation");
	m.invitation_public = pb_lend(BYTES(a->invitation_public, ED25519_PUBLIC_LEN));
	m.signature = pb_lend(buf_bytes(a->begin));
	return talk_send(t, MSG_DEVICE_BEGIN, &m.base);
}

struct err *talk_state_again(struct talk *t)
{
	Common__Statement inner;
	Device__Statement m;

	offer_fill_statement(t->state->attempt, t->spki, &m, &inner);
	TRY(talk_send(t, MSG_DEVICE_STATEMENT, &m.base));
	t->statement_serial = t->serial;
	return NULL;
}

struct err *talk_enrolled(struct talk *t)
{
	if (!talk_is_pending(t))
		return NULL;
	t->state->stage = STAGE_ENROLLED;
	TRY(home_save(t->home, t->state));
	tell(&t->options->listener, (struct derivd_device_event){ .type = DERIVD_DEVICE_ENROLLED },
		"This device is enrolled. The credentials follow.");
	return NULL;
}

/* What the person is to know of an offer; buffer and array are the caller's. */
static struct derivd_device_event show_offer(
	const struct offer *o, struct buf *list, const char *names[static OFFER_PURPOSES_MAX + 1])
{
	const char *holder = facts_get(o->facts, FACT_NAME);

	for (size_t i = 0; i < o->n_purposes; i++) {
		names[i] = purpose_name(o->purposes[i].purpose);
		buf_addf(list, "%s%s", i ? ", " : "", names[i]);
	}
	names[o->n_purposes] = NULL;
	return (struct derivd_device_event){
		.type = DERIVD_DEVICE_OFFER,
		.holder = holder ? holder : "",
		.purposes = names,
	};
}

static void say_offer(struct talk *t, const struct offer *o)
{
	const char *names[OFFER_PURPOSES_MAX + 1];
	AUTO(buf) struct buf *list = buf_new();
	struct derivd_device_event event = show_offer(o, list, names);

	tell(&t->options->listener, event, "Offered to %s: %s.",
		*event.holder ? event.holder : "(no name)", buf_str(list));
}

static bool is_wanted(void *arg, const struct offer *o)
{
	const struct talk *t = arg;
	const char *names[OFFER_PURPOSES_MAX + 1];
	AUTO(buf) struct buf *list = buf_new();
	struct derivd_device_event event = show_offer(o, list, names);

	return tell_asks(&t->options->listener, event,
		"Offered to %s: %s. Is that you, and do you want it?",
		*event.holder ? event.holder : "(no name)", buf_str(list));
}

struct err *talk_decline(struct talk *t, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	if (talk_is_pending(t) || err_get_fate(e) == FATE_BROKEN)
		return take(e);
	tell_error(&t->options->listener, DERIVD_DEVICE_OFFER_DECLINED, e);
	state_free(take(t->state));
	TRY(home_load(t->home, &t->state));
	return t->state ? NULL : err_new(&ERR_HOME_DAMAGED, "the state is gone");
}

struct err *talk_on_offer(struct talk *t, const struct wire_message *in)
{
	AUTO(offer) struct offer *o = NULL;

	if (!talk_is_pending(t) && !t->options->allow_issue)
		return talk_decline(
			t, err_new(&ERR_DECLINED, "more credentials were offered, and this "
						  "device takes none now"));
	struct err *e = offer_answer(t->home, t->state, t->identity,
		(const Device__Offer *)(const void *)in->body,
		(struct offer_question){ is_wanted, t }, &o);
	if (e)
		return talk_decline(t, e);
	say_offer(t, o);
	return talk_state_again(t);
}

static void say_digits(struct talk *t)
{
	const struct attempt *a = t->state->attempt;
	uint8_t hash[SHA256_LEN];
	char digits[9];

	sha256(buf_bytes(a->statement), hash);
	digits_text(digits_number(hash, a->r_d, a->r_k), digits);
	tell(&t->options->listener,
		(struct derivd_device_event){ .type = DERIVD_DEVICE_DIGITS, .digits = digits },
		"Type these digits at the kiosk: %s", digits);
}

/* r_k counts once: a second one, chosen after ours was opened, could make any digits appear. */
struct err *talk_on_reveal(struct talk *t, const struct wire_message *in)
{
	const Device__Reveal *m = (const void *)in->body;
	struct attempt *a = t->state->attempt;
	Device__Opened opened = DEVICE__OPENED__INIT;

	if (!talk_is_pending(t) || !a || buf_len(a->statement) == 0)
		return err_new(&ERR_PROTOCOL, "a number for the digits, but nothing was stated");
	if (a->revealed && memcmp(a->r_k, m->kiosk_random.data, R_LEN) != 0)
		return err_new(&ERR_TAMPERED, "a second number for the digits came");
	if (!a->revealed) {
		memcpy(a->r_k, m->kiosk_random.data, R_LEN);
		a->revealed = true;
		TRY(home_save(t->home, t->state));
	}
	opened.device_random = pb_lend(BYTES(a->r_d, R_LEN));
	TRY(talk_send(t, MSG_DEVICE_OPENED, &opened.base));
	say_digits(t);
	return NULL;
}

static struct err *on_accepted(struct talk *t)
{
	if (t->state->attempt && !t->state->attempt->accepted) {
		t->state->attempt->accepted = true;
		TRY(home_save(t->home, t->state));
	}
	TRY(talk_enrolled(t));
	t->done = t->options->goal == GOAL_ACCEPTED;
	return talk_pull(t);
}

static struct err *on_complete(struct talk *t)
{
	TRY(on_accepted(t));
	state_drop_attempt(t->state);
	TRY(home_save(t->home, t->state));
	t->done = t->options->goal != GOAL_STAY;
	return NULL;
}

/* Keys that were made stay: only a statement that nobody can have signed for would make them useless. */
static struct err *on_cancelled(struct talk *t, const char *text)
{
	if (talk_is_pending(t) || t->options->goal != GOAL_STAY)
		return err_new(
			&ERR_CANCELLED, "the enrollment has ended: %s", *text ? text : "cancelled");
	state_drop_attempt(t->state);
	return home_save(t->home, t->state);
}

struct err *talk_on_progress(struct talk *t, const struct wire_message *in)
{
	static const struct {
		const char *name, *text;
	} stages[] = {
		[DEVICE__STAGE__STAGE_UNSET] = { "unknown", "Something has happened." },
		[DEVICE__STAGE__WAITING] = { "waiting", "The kiosk has the statement." },
		[DEVICE__STAGE__DIGITS] = { "digits", "The kiosk waits for the digits." },
		[DEVICE__STAGE__SIGNED] = { "signed", "The card has signed." },
		[DEVICE__STAGE__ACCEPTED] = { "accepted", "The signature is verified." },
		[DEVICE__STAGE__COMPLETE] = { "complete", "Everything is there." },
		[DEVICE__STAGE__CANCELLED] = { "cancelled", "The request was cancelled." },
	};
	const Device__Progress *m = (const void *)in->body;

	tell(&t->options->listener,
		(struct derivd_device_event){ .type = DERIVD_DEVICE_PROGRESS,
			.stage = stages[m->stage].name,
			.detail = m->text },
		"%s%s%s", stages[m->stage].text, *m->text ? " " : "", m->text);
	switch (m->stage) {
	case DEVICE__STAGE__ACCEPTED:
		return on_accepted(t);
	case DEVICE__STAGE__COMPLETE:
		return on_complete(t);
	case DEVICE__STAGE__CANCELLED:
		return on_cancelled(t, m->text);
	default:
		return NULL;
	}
}
