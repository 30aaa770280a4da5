/* sim_kiosk.c: derivctl and the person in front of it. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

static void say(struct sim *s, size_t k, enum msg_number number, const void *body)
{
	struct sim_kiosk *t = &s->kiosk[k];
	const struct letter l = {
		.from = PARTY_KIOSK,
		.to = PARTY_CORE,
		.who = k,
		.number = t->caller,
		.message = number,
		.serial = ++t->serial,
	};

	t->waits = number;
	sim_post(s, &l, body);
}

void sim_kiosk_free(struct sim_kiosk *t)
{
	msg_free(t->offer);
	msg_free(t->statement);
	EVP_PKEY_free(t->invitation);
}

/* The code on the screen is gone; here the phones forget the seed with it. */
static void forget_code(struct sim *s, struct sim_kiosk *t)
{
	for (size_t d = 0; d < SIM_DEVICES; d++) {
		if (s->device[d].invitation != t->invitation)
			continue;
		s->device[d].invitation = NULL;
		s->device[d].has_invitation = false;
	}
	EVP_PKEY_free(take(t->invitation));
}

void sim_kiosk_end(struct sim *s, size_t k)
{
	struct sim_kiosk *t = &s->kiosk[k];

	if (!t->busy)
		return;
	session_left(s->core, t->caller);
	forget_code(s, t);
	sim_kiosk_free(t);
	unsigned int ended = t->ended + 1;
	memset(t, 0, sizeof(*t));
	t->ended = ended;
}

static void fake_der(size_t holder, ProtobufCBinaryData *ret_der)
{
	static uint8_t der[SIM_HOLDERS][40];

	memset(der[holder], (int)holder + 1, sizeof(der[holder]));
	ret_der->data = der[holder];
	ret_der->len = sizeof(der[holder]);
}

void sim_kiosk_start(struct sim *s, size_t k, size_t device, size_t holder, bool issue)
{
	struct sim_kiosk *t = &s->kiosk[k];
	Control__SessionOpen m = CONTROL__SESSION_OPEN__INIT;
	ProtobufCBinaryData der;

	t->busy = true;
	t->caller = ++s->last_connection;
	t->device = device;
	t->holder = holder;
	t->issue = issue;
	t->clumsy = sim_chance(s, 10);
	fake_der(holder, &der);
	m.operation = issue ? COMMON__OPERATION__ISSUE : COMMON__OPERATION__ENROLL;
	m.n_certificates = 1;
	m.certificates = &der;
	m.replace = true;
	if (issue)
		m.device_id = pb_lend(BYTES(s->device[device].id, SHA256_LEN));
	say(s, k, MSG_SESSION_OPEN, &m);
}

/* The connection broke: derivctl comes back with its token, or gives up. */
void sim_kiosk_lost(struct sim *s, size_t k)
{
	struct sim_kiosk *t = &s->kiosk[k];
	Control__SessionResume m = CONTROL__SESSION_RESUME__INIT;

	if (!t->busy)
		return;
	if (!t->has_token || t->evidence_done) {
		sim_kiosk_end(s, k);
		return;
	}
	t->caller = ++s->last_connection;
	m.request_id = pb_lend(BYTES(t->request, ID_LEN));
	m.token = pb_lend(BYTES(t->token, 16));
	say(s, k, MSG_SESSION_RESUME, &m);
}

/* --- the steps of a session --- */

static void invite(struct sim *s, size_t k)
{
	struct sim_kiosk *t = &s->kiosk[k];
	Control__SessionInvite m = CONTROL__SESSION_INVITE__INIT;
	uint8_t raw[ED25519_PUBLIC_LEN];

	m.request_id = pb_lend(BYTES(t->request, ID_LEN));
	if (!t->issue) {
		forget_code(s, t);
		t->invitation = sig_new_ed25519();
		sig_raw_public(t->invitation, raw);
		m.invitation_public = pb_lend(BYTES(raw, sizeof(raw)));
		m.lifetime_s = 300;
	}
	say(s, k, MSG_SESSION_INVITE, &m);
}

/* The phone scans the screen. Now and then a second one does, too. */
static void scan(struct sim *s, const struct sim_kiosk *t, size_t device)
{
	struct sim_device *d = &s->device[device];

	d->invitation = t->invitation;
	d->has_invitation = true;
	buf_free(d->statement);
	d->statement = NULL;
	sim_device_lost(s, device);
	sim_device_connect(s, device);
}

static void show(struct sim *s, size_t k)
{
	const struct sim_kiosk *t = &s->kiosk[k];

	if (t->issue || !t->invitation)
		return;
	scan(s, t, t->device);
	if (sim_chance(s, 6))
		scan(s, t, clock_fake_below(SIM_DEVICES));
}

static void reveal(struct sim *s, size_t k)
{
	struct sim_kiosk *t = &s->kiosk[k];
	Control__SessionReveal m = CONTROL__SESSION_REVEAL__INIT;

	if (id_is_none(t->kiosk_random, sizeof(t->kiosk_random)))
		clock_random(t->kiosk_random, sizeof(t->kiosk_random));
	m.request_id = pb_lend(BYTES(t->request, ID_LEN));
	m.kiosk_random = pb_lend(BYTES(t->kiosk_random, 32));
	say(s, k, MSG_SESSION_REVEAL, &m);
}

static void digits(struct sim *s, size_t k)
{
	struct sim_kiosk *t = &s->kiosk[k];
	Control__SessionDigits m = CONTROL__SESSION_DIGITS__INIT;

	m.request_id = pb_lend(BYTES(t->request, ID_LEN));
	m.match = !t->clumsy && !sim_chance(s, 8);
	say(s, k, m.match ? MSG_SESSION_DIGITS : MSG_SESSION_REVEAL, &m);
	/* A miss is answered with Done, too; what to do next differs. */
	t->waits = m.match ? MSG_SESSION_DIGITS : MSG_DEVICE_PING;
	for (struct letter *l = s->letters; l; l = l->next) {
		if (l->serial == t->serial && l->from == PARTY_KIOSK && l->number == t->caller)
			l->message = MSG_SESSION_DIGITS;
	}
}

static void prepare(struct sim *s, size_t k)
{
	Control__SessionPrepare m = CONTROL__SESSION_PREPARE__INIT;

	m.request_id = pb_lend(BYTES(s->kiosk[k].request, ID_LEN));
	say(s, k, MSG_SESSION_PREPARE, &m);
}

/* The card signs; here the intent is request and nonce. */
static void hand_in(struct sim *s, size_t k)
{
	struct sim_kiosk *t = &s->kiosk[k];
	Control__SessionEvidence m = CONTROL__SESSION_EVIDENCE__INIT;
	Common__Evidence e = COMMON__EVIDENCE__INIT;
	uint8_t intent[ID_LEN + sizeof(t->nonce)], signature[64] = { 1 };
	ProtobufCBinaryData der;

	memcpy(intent, t->request, ID_LEN);
	memcpy(intent + ID_LEN, t->nonce, sizeof(t->nonce));
	fake_der(t->holder, &der);
	e.intent = pb_lend(BYTES(intent, sizeof(intent)));
	e.card_signature = pb_lend(BYTES(signature, sizeof(signature)));
	e.statement = t->statement;
	e.offer = t->offer;
	e.n_card_certificates = 1;
	e.card_certificates = &der;
	m.request_id = pb_lend(BYTES(t->request, ID_LEN));
	m.token = pb_lend(BYTES(t->token, 16));
	m.evidence = &e;
	say(s, k, MSG_SESSION_EVIDENCE, &m);
}

/* --- what comes --- */

static void on_done(struct sim *s, size_t k)
{
	switch (s->kiosk[k].waits) {
	case MSG_SESSION_INVITE:
		show(s, k);
		break;
	case MSG_SESSION_DIGITS:
		prepare(s, k);
		break;
	case MSG_DEVICE_PING:
		digits(s, k);
		break;
	case MSG_SESSION_EVIDENCE:
		s->kiosk[k].evidence_done = true;
		s->enrolled++;
		break;
	default:
		break;
	}
}

static void on_offered(struct sim *s, size_t k, const Control__SessionOffered *m)
{
	struct sim_kiosk *t = &s->kiosk[k];

	memcpy(t->request, m->request_id.data, ID_LEN);
	memcpy(t->token, m->token.data, 16);
	t->has_token = true;
	t->offer = msg_dup(&m->offer->base);
	invite(s, k);
}

static void on_statement(struct sim *s, size_t k, const Control__SessionStatement *m)
{
	struct sim_kiosk *t = &s->kiosk[k];

	msg_free(t->statement);
	t->statement = msg_dup(&m->statement->base);
	if (t->issue)
		prepare(s, k);
	else if (!t->has_opened)
		reveal(s, k);
}

static void on_resumed(struct sim *s, size_t k, const Control__SessionResumed *m)
{
	struct sim_kiosk *t = &s->kiosk[k];

	if (strcmp(m->state, "offered") == 0)
		invite(s, k);
	else if (strcmp(m->state, "invited") == 0)
		show(s, k);
	else if (strcmp(m->state, "confirmed") == 0)
		prepare(s, k);
	else if (strcmp(m->state, "prepared") == 0 && t->has_nonce)
		hand_in(s, k);
	else if (strcmp(m->state, "prepared") == 0)
		prepare(s, k);
	else if (strcmp(m->state, "committed") == 0 || strcmp(m->state, "verified") == 0)
		t->evidence_done = true;
	else if (strcmp(m->state, "cancelled") == 0 || strcmp(m->state, "rejected") == 0)
		sim_kiosk_end(s, k);
}

static void on_ended(struct sim *s, size_t k, const Control__SessionEnded *m)
{
	struct sim_kiosk *t = &s->kiosk[k];

	if (strcmp(m->why->kind, ERR_NONCE_EXPIRED.name) != 0) {
		sim_kiosk_end(s, k);
		return;
	}
	/* The same statement, a new signature. */
	t->evidence_done = false;
	t->has_nonce = false;
	prepare(s, k);
}

void sim_kiosk_receive(struct sim *s, const struct letter *l)
{
	size_t k = l->who;
	struct sim_kiosk *t = &s->kiosk[k];

	if (!t->busy || t->caller != l->number)
		return;
	switch (l->message) {
	case MSG_SESSION_OFFERED:
		on_offered(s, k, l->body);
		break;
	case MSG_SESSION_STATEMENT:
		on_statement(s, k, l->body);
		break;
	case MSG_SESSION_OPENED:
		t->has_opened = true;
		if (!t->has_nonce && t->waits != MSG_SESSION_PREPARE)
			digits(s, k);
		break;
	case MSG_SESSION_NONCE:
		memcpy(t->nonce, ((const Control__SessionNonce *)l->body)->nonce.data,
			sizeof(t->nonce));
		t->has_nonce = true;
		/* Sometimes the person thinks for long. */
		if (sim_chance(s, 6))
			clock_fake_advance(6 * 60 * 1000);
		hand_in(s, k);
		break;
	case MSG_SESSION_RESUMED:
		on_resumed(s, k, l->body);
		break;
	case MSG_SESSION_ENDED:
		on_ended(s, k, l->body);
		break;
	case MSG_DONE:
		if (l->serial == t->serial)
			on_done(s, k);
		break;
	default:
		/* An error: the person starts again some other time. */
		if (l->serial == t->serial)
			sim_kiosk_end(s, k);
		break;
	}
}
