/* mail.c: a list of held-back messages. */
#include "daemon/core/mail.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/core/seats.h"

enum mail_kind {
	TO_CALLER,
	TO_CALLER_ERROR,
	TO_DEVICE,
	TO_DEVICE_ERROR,
	TO_CA,
	SEAT_LEFT,
	SEAT_PAST_LINE
};

struct mail {
	enum mail_kind kind;
	uint64_t whom;
	uint32_t serial;
	enum msg_number number;
	struct ask ask;
	void *body;
	struct err *error;
};

struct mailbag {
	struct mail *mail;
	size_t n, room, marked;
};

struct mailbag *mailbag_new(void)
{
	return xcalloc(1, sizeof(struct mailbag));
}

static void forget(struct mailbag *b, size_t from)
{
	while (b->n > from) {
		struct mail *m = &b->mail[--b->n];
		msg_free(m->body);
		err_free(m->error);
	}
}

void mailbag_free(struct mailbag *b)
{
	if (!b)
		return;
	forget(b, 0);
	free(b->mail);
	free(b);
}

static void post(struct core *c, const struct mail *m)
{
	struct mailbag *b = c->mail;

	if (b->n == b->room) {
		b->room = b->room ? b->room * 2 : 16;
		b->mail = xrealloc(b->mail, b->room, sizeof(*b->mail));
	}
	b->mail[b->n++] = *m;
}

void mail_caller(
	struct core *c, uint64_t caller, enum msg_number number, uint32_t serial, const void *body)
{
	if (caller)
		post(c, &(struct mail){ .kind = TO_CALLER,
				.whom = caller,
				.serial = serial,
				.number = number,
				.body = msg_dup(body) });
}

/* The error stays the caller's: the mail has its own. */
static struct err *copy(const struct err *e)
{
	return err_new(err_get_kind(e), "%s", err_get_text(e));
}

void mail_caller_error(struct core *c, uint64_t caller, uint32_t serial, const struct err *e)
{
	if (caller)
		post(c, &(struct mail){ .kind = TO_CALLER_ERROR,
				.whom = caller,
				.serial = serial,
				.error = copy(e) });
}

void mail_done(struct core *c, uint64_t caller, uint32_t serial)
{
	const Common__Done done = COMMON__DONE__INIT;

	mail_caller(c, caller, MSG_DONE, serial, &done);
}

void mail_device(struct core *c, uint64_t connection, enum msg_number number, uint32_t serial,
	const void *body)
{
	if (connection)
		post(c, &(struct mail){ .kind = TO_DEVICE,
				.whom = connection,
				.serial = serial,
				.number = number,
				.body = msg_dup(body) });
}

void mail_device_error(struct core *c, uint64_t connection, uint32_t serial, const struct err *e)
{
	if (connection)
		post(c, &(struct mail){ .kind = TO_DEVICE_ERROR,
				.whom = connection,
				.serial = serial,
				.error = copy(e) });
}

void mail_ask(struct core *c, const struct ask *ask, enum msg_number number, const void *body)
{
	post(c, &(struct mail){
			.kind = TO_CA, .number = number, .ask = *ask, .body = msg_dup(body) });
}

static void post_seat(struct core *c, enum mail_kind kind, const uint8_t request[static ID_LEN])
{
	struct mail m = { .kind = kind };

	memcpy(m.ask.id, request, ID_LEN);
	post(c, &m);
}

void mail_leave(struct core *c, const uint8_t request[static ID_LEN])
{
	post_seat(c, SEAT_LEFT, request);
}

void mail_past_line(struct core *c, const uint8_t request[static ID_LEN])
{
	post_seat(c, SEAT_PAST_LINE, request);
}

void mail_mark(struct core *c)
{
	c->mail->marked = c->mail->n;
}

/* Nobody waits for the answer to a question that was never asked. */
static void unask(struct core *c, size_t from)
{
	for (size_t i = from; i < c->mail->n; i++) {
		const struct mail *m = &c->mail->mail[i];
		struct seat *seat =
			m->kind == TO_CA && m->ask.ticket ? seats_find(c->seats, m->ask.id) : NULL;
		if (seat && seat->ticket == m->ask.ticket)
			seat->ticket = 0;
	}
}

void mail_undo(struct core *c)
{
	unask(c, c->mail->marked);
	forget(c->mail, c->mail->marked);
}

void mail_drop(struct core *c)
{
	unask(c, 0);
	forget(c->mail, 0);
}

static void hand_out(struct core *c, const struct mail *m)
{
	switch (m->kind) {
	case TO_CALLER:
		c->ports->caller(c->outside, m->whom, m->number, m->serial, m->body);
		break;
	case TO_CALLER_ERROR:
		c->ports->caller_error(c->outside, m->whom, m->serial, m->error);
		break;
	case TO_DEVICE:
		c->ports->device(c->outside, m->whom, m->number, m->serial, m->body);
		break;
	case TO_DEVICE_ERROR:
		c->ports->device_error(c->outside, m->whom, m->serial, m->error);
		break;
	case TO_CA:
		c->ports->ask(c->outside, &m->ask, m->number, m->body);
		break;
	case SEAT_LEFT:
		seats_drop(c->seats, m->ask.id);
		break;
	case SEAT_PAST_LINE:
		seats_stop_clocks(c->seats, m->ask.id);
		break;
	}
}

void mail_deliver(struct core *c)
{
	for (size_t i = 0; i < c->mail->n; i++)
		hand_out(c, &c->mail->mail[i]);
	forget(c->mail, 0);
}
