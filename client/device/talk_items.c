/* talk_items.c: delivery: the server hints, the device pulls, applies, acknowledges. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/device/apply.h"
#include "client/device/fault.h"
#include "client/device/talk_part.h"

#define PULL_MOST 4

struct err *talk_pull(struct talk *t)
{
	Device__Pull m = DEVICE__PULL__INIT;

	if (t->pulling)
		return NULL;
	m.most = PULL_MOST;
	TRY(talk_send(t, MSG_DEVICE_PULL, &m.base));
	t->pulling = true;
	t->pulled_ms = clock_boot_ms();
	return NULL;
}

static void say_item(struct talk *t, const struct applied *r)
{
	const char *kind = item_kind_name(r->item->kind);
	const char *purpose = purpose_name(r->item->purpose);
	AUTO_MEM char *detail = text_safe(BYTES(r->detail, r->detail ? strlen(r->detail) : 0));

	tell(&t->options->listener,
		(struct derivd_device_event){ .type = DERIVD_DEVICE_ITEM,
			.number = r->item->number,
			.kind = kind,
			.purpose = purpose,
			.status = (int)r->status,
			.detail = detail,
			.again = r->again },
		"Item %llu: %s%s%s%s%s%s", (unsigned long long)r->item->number, kind,
		r->item->purpose ? " for " : "", r->item->purpose ? purpose : "",
		r->again ? ", acknowledged again" : "", r->status ? ", refused: " : "", detail);
}

static struct err *take_item(struct talk *t, const Device__Item *item)
{
	AUTO(applied) struct applied *r = NULL;
	Device__Acknowledge m = DEVICE__ACKNOWLEDGE__INIT;

	TRY(apply_item(t->home, t->state, t->identity, buf_bytes(t->delivery_public), item, &r));
	m.acknowledgement = pb_lend(buf_bytes(r->ack->acknowledgement));
	m.signature = pb_lend(buf_bytes(r->ack->signature));
	TRY(talk_send(t, MSG_DEVICE_ACKNOWLEDGE, &m.base));
	t->unsettled++;
	say_item(t, r);
	return NULL;
}

struct err *talk_removed(void)
{
	return err_new(&ERR_REMOVED, "this device was removed; its keys are gone");
}

/* All that waited has come, and the server knows it. */
static bool is_idle(const struct talk *t)
{
	return t->options->goal == GOAL_IDLE && t->drained && t->unsettled == 0;
}

struct err *talk_on_settled(struct talk *t, UNUSED const struct wire_message *in)
{
	if (t->unsettled > 0)
		t->unsettled--;
	t->done = t->done || is_idle(t);
	return t->state->stage == STAGE_REMOVED && t->unsettled == 0 ? talk_removed() : NULL;
}

struct err *talk_on_items(struct talk *t, const struct wire_message *in)
{
	const Device__Items *m = (const void *)in->body;

	t->pulling = false;
	t->drained = m->waiting == 0;
	for (size_t i = 0; i < m->n_items; i++)
		TRY(take_item(t, m->items[i]));
	if (m->n_items)
		TRY(home_sweep(t->home, t->state));
	/* Who removed it waits for the acknowledgement: it is over when that was settled, on whichever connection. */
	if (t->state->stage == STAGE_REMOVED)
		return m->n_items ? NULL : talk_removed();
	/* Who came back after the kiosk had said so does not hear Complete again. */
	if (t->was_enrolled && t->options->goal == GOAL_COMPLETE && !m->waiting)
		t->done = state_is_complete(t->state);
	t->done = t->done || is_idle(t);
	return m->waiting > 0 ? talk_pull(t) : NULL;
}

struct err *talk_on_hint(struct talk *t, UNUSED const struct wire_message *in)
{
	return talk_pull(t);
}
