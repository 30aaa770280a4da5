/* loop.c: see loop.h. */
#include "daemon/core/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alive.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/notice.h"
#include "daemon/core/outbox.h"
#include "daemon/core/presence.h"
#include "daemon/core/seats.h"
#include "daemon/core/turn.h"

#define SWEEP_MS (60 * 1000)
/* The status line is not rewritten more often. */
#define STATUS_MS 1000
/* courier.conf changes now and then; a reload asks at once. */
#define CHANNELS_MS (10 * 60 * 1000)
/* After a lease that found nothing it may have, or that failed. */
#define PUMP_REST_MS 1000
#define CALOG_MS 2000
#define TIMER_SLACK_US 1000
/* A derivd-ca that hangs keeps derivd from revoking and reading no longer than this. */
#define READY_WAIT_MS 10000

static const struct from NOBODY = { .kind = FROM_NOBODY };

/* --- status --- */

static const char *stop_text(const struct core *c)
{
	AUTO(err) struct err *clock = audit_check_clock(c->audit);

	if (c->frozen)
		return c->frozen_kind == &ERR_AUDIT_BAD
			       ? "NOTHING IS ISSUED, the audit chain is broken; "
			       : "NOTHING IS ISSUED, derivd-ca's log was put back to an earlier "
				 "state; ";
	if (c->reconcile.on)
		return "catching up with derivd-ca's log; ";
	return clock ? "NOTHING IS ISSUED, the clock is behind; " : "";
}

/* As much of it as fits; a peer's error may be in it. */
static void fit(const char *text, char *ret_text, size_t size)
{
	AUTO_MEM char *safe = text_safe(BYTES(text, strlen(text)));
	AUTO_MEM char *cut = text_cut(safe, size - 1);

	snprintf(ret_text, size, "%s", cut);
}

static void state_text(struct daemon *d, char *ret_text, size_t size)
{
	const struct core *c = d->core;
	const char *gateway =
		d->gateway && gateway_is_connected(d->gateway) ? "" : ", gateway away";
	const char *trouble = c->ca.reachable ? NULL : c->ca.trouble;
	uint64_t waiting = 0, blocked = 0;
	struct err *e = store_job_count(c->store, &waiting, &blocked);

	if (e) {
		snprintf(ret_text, size, "the store cannot be read");
		err_free(e);
		return;
	}
	AUTO_MEM char *text = xasprintf("%s%zu devices connected%s, %" PRIu64
					" jobs waiting, %" PRIu64 " blocked, %s%s%s%s%s",
		stop_text(c), presence_count(c->presence), gateway, waiting, blocked,
		c->ca.reachable ? "CA ready" : "CA unreachable", trouble ? ": " : "",
		trouble ? trouble : "",
		d->not_in_force ? "; the configuration is not in force: " : "",
		d->not_in_force ? d->not_in_force : "");
	fit(text, ret_text, size);
}

static void say_status(struct daemon *d)
{
	char text[sizeof(d->said)];

	d->status_stale = false;
	d->status_boot_ms = clock_boot_ms() + STATUS_MS;
	state_text(d, text, sizeof(text));
	if (strcmp(text, d->said) == 0)
		return;
	memcpy(d->said, text, sizeof(text));
	alive_say(text);
}

/* Before it is ready there is nothing else to say. */
static bool may_say_status(const struct daemon *d)
{
	return d->status_stale && !d->ready_boot_ms;
}

static void become_ready(struct daemon *d)
{
	const struct ca_facts *ca = &d->core->ca;

	if (!d->ready_boot_ms || (!ca->seen && !ca->trouble && clock_boot_ms() < d->ready_boot_ms))
		return;
	d->ready_boot_ms = 0;
	d->status_stale = false;
	state_text(d, d->said, sizeof(d->said));
	alive_ready(d->said);
}

void loop_facts(void *userdata, struct control_facts *ret_facts)
{
	struct daemon *d = userdata;

	ret_facts->gateway_connected = gateway_is_connected(d->gateway);
	ret_facts->gateway_not_after_ms = gateway_not_after(d->gateway);
	caworker_count(
		d->ca, &ret_facts->ca_connections, &ret_facts->ca_ready, &ret_facts->ca_asked);
	state_text(d, ret_facts->state, sizeof(ret_facts->state));
}

/* --- timers: one, for whatever is due next --- */

static struct err *on_expire(struct core *c, void *arg UNUSED)
{
	return session_expire(c);
}

static struct err *on_sweep(struct core *c, void *arg)
{
	return lifecycle_sweep(c, arg);
}

struct pump {
	unsigned int room, leased;
};

static struct err *on_pump(struct core *c, void *arg)
{
	struct pump *p = arg;

	return outbox_pump(c, p->room, &p->leased);
}

static struct err *on_notice(struct core *c, void *arg)
{
	return notice_pump(c, arg);
}

static struct err *on_ask_channels(struct core *c, void *arg UNUSED)
{
	notice_ask_channels(c);
	return NULL;
}

/* One at a time: a mail server takes as long as it likes. */
static int64_t next_notice(struct daemon *d)
{
	int64_t at = INT64_MAX;

	if (!noticeworker_room(d->notices))
		return INT64_MAX;
	struct err *e = store_job_next_notice(d->core->store, &at);
	if (e) {
		log_error(e, "the queue");
		at = clock_boot_ms() + PUMP_REST_MS;
	}
	if (at < d->notice_boot_ms)
		at = d->notice_boot_ms;
	return at < d->channels_boot_ms ? at : d->channels_boot_ms;
}

static void notices(struct daemon *d, int64_t now)
{
	unsigned int leased = 0;

	if (next_notice(d) > now)
		return;
	if (d->channels_boot_ms <= now) {
		d->channels_boot_ms = now + CHANNELS_MS;
		turn_run(d->core, &NOBODY, on_ask_channels, NULL);
		turn_end(d->core);
		return;
	}
	bool ok = turn_run(d->core, &NOBODY, on_notice, &leased) && turn_end(d->core);
	if (!ok || leased == 0)
		d->notice_boot_ms = now + PUMP_REST_MS;
}

/* The next time anything is due; the present means: jobs are waiting and there is room for them. */
static int64_t next_due(struct daemon *d)
{
	int64_t next = d->sweep_boot_ms, at = seats_next(d->core->seats);
	struct err *e = NULL;

	if (at < next)
		next = at;
	if (may_say_status(d) && d->status_boot_ms < next)
		next = d->status_boot_ms;
	if (d->ready_boot_ms && d->ready_boot_ms < next)
		next = d->ready_boot_ms;
	at = next_notice(d);
	if (at < next)
		next = at;
	if (d->core->calog.grown && d->calog_boot_ms < next)
		next = d->calog_boot_ms;
	if (caworker_room(d->ca) == 0)
		return next;
	e = store_job_next(d->core->store, &at);
	if (e) {
		log_error(e, "the queue");
		at = clock_boot_ms() + PUMP_REST_MS;
	}
	if (at < d->pump_boot_ms)
		at = d->pump_boot_ms;
	return at < next ? at : next;
}

static void rearm(struct daemon *d)
{
	int64_t at = next_due(d);

	/* The last turn commits after the loop has ended: nothing is due any more. */
	if (sd_event_get_state(sd_event_source_get_event(d->timer)) == SD_EVENT_FINISHED)
		return;
	if (sd_event_source_set_time(d->timer, at > 0 ? (uint64_t)at * 1000 : 0) < 0 ||
		sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT) < 0)
		err_abort("a timer cannot be set");
}

static void pump(struct daemon *d, int64_t now)
{
	struct pump p = { .room = caworker_room(d->ca) };
	int64_t due = INT64_MAX;
	struct err *e =
		p.room && d->pump_boot_ms <= now ? store_job_next(d->core->store, &due) : NULL;

	err_free(e);
	if (due > now && !(d->core->lost_answers && p.room && d->pump_boot_ms <= now))
		return;
	bool ok = turn_run(d->core, &NOBODY, on_pump, &p) && turn_end(d->core);
	if (!ok || p.leased == 0)
		d->pump_boot_ms = now + PUMP_REST_MS;
}

static void sweep(struct daemon *d, int64_t now)
{
	bool more = false;

	if (d->sweep_boot_ms > now)
		return;
	bool ok = turn_run(d->core, &NOBODY, on_sweep, &more) && turn_end(d->core);
	d->sweep_boot_ms = now + (ok && more ? 0 : SWEEP_MS);
	store_tidy(d->core->store);
	if (!more)
		caworker_ask_status(d->ca);
}

/* Soon after something was logged, so that a log that is put back to before it is found. */
static void watch_log(struct daemon *d, int64_t now)
{
	if (!d->core->calog.grown || d->calog_boot_ms > now)
		return;
	d->calog_boot_ms = now + CALOG_MS;
	if (caworker_ask_status(d->ca))
		d->core->calog.grown = false;
}

static int on_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
	struct daemon *d = userdata;
	int64_t now = clock_boot_ms();

	/* Each ends a turn of its own: a session that is given up leaves its seat at the commit. */
	if (seats_next(d->core->seats) <= now &&
		!(turn_run(d->core, &NOBODY, on_expire, NULL) && turn_end(d->core)))
		seats_postpone(d->core->seats, now + PUMP_REST_MS);
	sweep(d, now);
	pump(d, now);
	notices(d, now);
	watch_log(d, now);
	become_ready(d);
	if (may_say_status(d) && d->status_boot_ms <= now)
		say_status(d);
	rearm(d);
	return 0;
}

void loop_changed(struct daemon *d)
{
	d->status_stale = true;
	if (!d->ca || !d->notices || !d->timer)
		return;
	become_ready(d);
	rearm(d);
}

struct err *loop_start(struct daemon *d)
{
	int r = sd_event_add_time(
		d->event, &d->timer, CLOCK_BOOTTIME, 0, TIMER_SLACK_US, on_timer, d);

	if (r < 0)
		return err_errno(-r, "a timer");
	d->sweep_boot_ms = clock_boot_ms() + SWEEP_MS;
	d->ready_boot_ms = clock_boot_ms() + READY_WAIT_MS;
	alive_say("waiting for derivd-ca");
	become_ready(d);
	rearm(d);
	return NULL;
}
