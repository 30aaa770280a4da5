/* due.c: see due.h. The timer stands at the earliest head of all queues, and fires early rather than being moved back
 * each time that a head is cleared. */
#include "daemon/gateway/due.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"

TAILQ_HEAD(due_queue, due_entry);

struct due {
	struct due_ops ops;
	void *userdata;
	sd_event_source *timer;
	int64_t armed_ms; /* INT64_MAX: off */
	struct due_queue queues[DUE_KINDS];
};

/* A timer late by this much is early enough, and saves wake-ups. */
#define SLACK_US 50000

static void arm(struct due *d, int64_t at_ms)
{
	if (at_ms >= d->armed_ms)
		return;
	uint64_t at_us = at_ms > 0 ? (uint64_t)at_ms * 1000 : 0;
	int r = sd_event_source_set_time(d->timer, at_us);
	/* The loop is over, and the connections are being closed: nothing is due any more. */
	if (r == -ESTALE)
		return;
	if (r < 0 || sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT) < 0)
		err_abort("the timer of the deadlines cannot be set");
	d->armed_ms = at_ms;
}

static void expire_queue(struct due *d, enum due_kind kind, int64_t now_ms)
{
	struct due_entry *first;

	while ((first = TAILQ_FIRST(&d->queues[kind])) && first->at_ms <= now_ms) {
		due_clear(d, first);
		d->ops.expired(first, kind, d->userdata);
	}
}

static int on_timer(UNUSED sd_event_source *source, UNUSED uint64_t usec, void *userdata)
{
	struct due *d = userdata;
	/* An entry that is set again while this runs lies after it. */
	int64_t now_ms = clock_boot_ms();

	d->armed_ms = INT64_MAX;
	for (int kind = 0; kind < DUE_KINDS; kind++)
		expire_queue(d, (enum due_kind)kind, now_ms);
	for (int kind = 0; kind < DUE_KINDS; kind++) {
		const struct due_entry *first = TAILQ_FIRST(&d->queues[kind]);
		if (first)
			arm(d, first->at_ms);
	}
	return 0;
}

struct err *due_new(
	sd_event *event, const struct due_ops *ops, void *userdata, struct due **ret_due)
{
	AUTO(due) struct due *d = xcalloc(1, sizeof(*d));

	d->ops = *ops;
	d->userdata = userdata;
	d->armed_ms = INT64_MAX;
	for (int kind = 0; kind < DUE_KINDS; kind++)
		TAILQ_INIT(&d->queues[kind]);
	int r = sd_event_add_time(event, &d->timer, CLOCK_BOOTTIME, 0, SLACK_US, on_timer, d);
	if (r < 0)
		return err_errno(-r, "a timer");
	r = sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
	if (r < 0)
		return err_errno(-r, "a timer");
	*ret_due = take(d);
	return NULL;
}

void due_free(struct due *d)
{
	if (!d)
		return;
	sd_event_source_disable_unref(d->timer);
	free(d);
}

void due_set_wait(struct due *d, enum due_kind kind, uint64_t wait_ms)
{
	struct due_entry *entry;
	int64_t latest_ms = clock_boot_ms() + (int64_t)wait_ms;

	d->ops.wait_ms[kind] = wait_ms;
	/* The queue must stay in order. */
	TAILQ_FOREACH(entry, &d->queues[kind], entry)
	{
		if (entry->at_ms > latest_ms)
			entry->at_ms = latest_ms;
	}
	if (TAILQ_FIRST(&d->queues[kind]))
		arm(d, TAILQ_FIRST(&d->queues[kind])->at_ms);
}

void due_set(struct due *d, struct due_entry *entry, enum due_kind kind)
{
	due_clear(d, entry);
	entry->at_ms = clock_boot_ms() + (int64_t)d->ops.wait_ms[kind];
	entry->kind_plus_one = (uint8_t)(kind + 1);
	TAILQ_INSERT_TAIL(&d->queues[kind], entry, entry);
	arm(d, entry->at_ms);
}

void due_clear(struct due *d, struct due_entry *entry)
{
	if (!entry->kind_plus_one)
		return;
	TAILQ_REMOVE(&d->queues[entry->kind_plus_one - 1], entry, entry);
	entry->kind_plus_one = 0;
}

bool due_is_set(const struct due_entry *entry, enum due_kind kind)
{
	return entry->kind_plus_one == kind + 1;
}

struct due_entry *due_peek(struct due *d, enum due_kind kind)
{
	return TAILQ_FIRST(&d->queues[kind]);
}

int64_t due_age_ms(const struct due *d, const struct due_entry *entry)
{
	int64_t since_ms = entry->at_ms - (int64_t)d->ops.wait_ms[entry->kind_plus_one - 1];

	return clock_boot_ms() - since_ms;
}
