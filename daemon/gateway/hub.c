/* hub.c: see hub.h. */
#include "daemon/gateway/hub.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alive.h"
#include "base/buf.h"
#include "base/log.h"
#include "daemon/gateway/conn.h"

#define THROTTLE_MS 250
#define LINGER_MS 5000
/* As long as it takes until an address may open a full burst of connections again. */
#define ADDRESS_MS 60000
#define HOUSEKEEPING_US (5 * 1000 * 1000)
#define HOUSEKEEPING_SLACK_US (1000 * 1000)
/* Lines in the journal that sum up: one in so many rounds of housekeeping. */
#define TALLY_ROUNDS 12

/* Fewer devices are not worth the trouble. */
#define CROWD 500

/* --- status --- */

static char *get_status(const struct hub *h)
{
	const char *away =
		h->met_derivd ? ", derivd is away" : ", derivd has not been reached yet";

	return xasprintf("%zu device%s connected%s%s%s", h->devices, h->devices == 1 ? "" : "s",
		uplink_is_ready(h->uplink) ? "" : away,
		h->not_in_force ? "; the configuration is not in force: " : "",
		h->not_in_force ? h->not_in_force : "");
}

static void say_status(struct hub *h)
{
	AUTO_MEM char *status = get_status(h);

	if (!h->said_status || strcmp(status, h->said_status) == 0)
		return;
	alive_say(status);
	free(h->said_status);
	h->said_status = take(status);
}

void hub_ready(struct hub *h)
{
	h->said_status = get_status(h);
	alive_ready(h->said_status);
}

void hub_keep(struct hub *h, const struct err *why)
{
	free(h->not_in_force);
	h->not_in_force = xstrdup(err_get_text(why));
	say_status(h);
}

/* --- derivd --- */

void hub_announce(struct hub *h)
{
	struct conn *c;

	while (!uplink_is_full(h->uplink) && (c = TAILQ_FIRST(&h->unannounced)))
		conn_announce(c);
	if (!h->syncing || !uplink_is_ready(h->uplink) || !TAILQ_EMPTY(&h->unannounced))
		return;
	Gateway__Synced m = GATEWAY__SYNCED__INIT;
	m.not_after_ms = tls_not_after(h->tls);
	h->syncing = false;
	uplink_send(h->uplink, MSG_GATEWAY_SYNCED, &m);
}

static void on_ready(void *userdata)
{
	struct hub *h = userdata;

	h->met_derivd = true;
	h->syncing = true;
	hub_announce(h);
	say_status(h);
}

static void on_lost(void *userdata)
{
	struct hub *h = userdata;

	conn_forget_all(h);
	conn_resume_all(h);
	say_status(h);
}

static void on_drained(void *userdata)
{
	struct hub *h = userdata;

	hub_announce(h);
	if (!uplink_is_full(h->uplink))
		conn_resume_all(h);
}

static void on_message(const struct msg *msg, const void *body, void *userdata)
{
	struct hub *h = userdata;

	if (msg->number == MSG_GATEWAY_RELAY)
		conn_relay(h, body);
	else if (msg->number == MSG_GATEWAY_DROP)
		conn_drop(h, body);
	else
		log_note(NOTE_PEER_ODD, NULL, "derivd sent %s, which means nothing here", msg->name);
}

static const struct uplink_ops UPLINK_OPS = {
	.ready = on_ready,
	.lost = on_lost,
	.message = on_message,
	.drained = on_drained,
};

/* --- time --- */

static void on_expired(struct due_entry *entry, enum due_kind kind, void *userdata)
{
	struct hub *h = userdata;

	if (kind == DUE_ADDRESS)
		roster_expired(h->roster, entry);
	else
		stream_expired(entry, kind);
}

static void set_waits(struct due *d, const struct settings *s)
{
	due_set_wait(d, DUE_HANDSHAKE, s->handshake_ms);
	due_set_wait(d, DUE_HELLO, s->hello_ms);
	due_set_wait(d, DUE_PING, s->ping_ms);
	due_set_wait(d, DUE_PONG, s->pong_ms);
	due_set_wait(d, DUE_FRAME, s->frame_ms);
	due_set_wait(d, DUE_THROTTLE, THROTTLE_MS);
	due_set_wait(d, DUE_STALL, s->stall_ms);
	due_set_wait(d, DUE_LINGER, LINGER_MS);
	due_set_wait(d, DUE_ADDRESS, ADDRESS_MS);
}

static void say_tally(struct hub *h)
{
	struct tally *t = &h->tally;

	if (!(t->refused || t->failed || t->shed || t->broken || t->slow))
		return;
	log_note(NOTE_GATEWAY_REFUSALS, NULL,
		"in the last minute: %" PRIu64 " connections refused by limits, %" PRIu64
		" handshakes failed, %" PRIu64 " given up for others, %" PRIu64
		" devices broke a rule, %" PRIu64 " took too little",
		t->refused, t->failed, t->shed, t->broken, t->slow);
	*t = (struct tally){ 0 };
}

/* What a crowd needed, malloc keeps in pieces when it has gone. */
static void give_back_memory(struct hub *h)
{
	if (h->devices > h->most_devices)
		h->most_devices = h->devices;
	if (h->most_devices < CROWD || h->devices > h->most_devices / 2)
		return;
	malloc_trim(0);
	h->most_devices = h->devices;
}

static int on_housekeeping(sd_event_source *source, UNUSED uint64_t usec, void *userdata)
{
	struct hub *h = userdata;

	say_status(h);
	give_back_memory(h);
	if (++h->rounds % TALLY_ROUNDS == 0)
		say_tally(h);
	if (sd_event_source_set_time_relative(source, HOUSEKEEPING_US) < 0 ||
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0)
		err_abort("the timer of the housekeeping cannot be set");
	return 0;
}

/* --- life --- */

struct err *hub_new(sd_event *event, struct settings *take_settings, SSL_CTX *take_tls,
	const char *path, struct hub **ret_hub)
{
	AUTO(hub) struct hub *h = xcalloc(1, sizeof(*h));
	const struct due_ops due_ops = { .expired = on_expired };

	h->event = sd_event_ref(event);
	h->settings = take_settings;
	h->tls = take_tls;
	TAILQ_INIT(&h->fresh);
	TAILQ_INIT(&h->unannounced);
	TAILQ_INIT(&h->announced);
	TAILQ_INIT(&h->strangers);
	TAILQ_INIT(&h->paused);
	TRY(due_new(event, &due_ops, h, &h->due));
	set_waits(h->due, h->settings);
	h->roster = roster_new(h->due, h->settings);
	TRY(poller_new(event, &h->poller));
	h->env = (struct stream_env){ .poller = h->poller, .due = h->due, .ops = &CONN_STREAM_OPS };
	int r = sd_event_add_time_relative(event, &h->housekeeping, CLOCK_BOOTTIME, 0,
		HOUSEKEEPING_SLACK_US, on_housekeeping, h);
	if (r < 0)
		return err_errno(-r, "a timer");
	TRY(uplink_new(event, path, &UPLINK_OPS, h, &h->uplink));
	*ret_hub = take(h);
	return NULL;
}

void hub_free(struct hub *h)
{
	if (!h)
		return;
	if (h->roster)
		conn_free_all(h);
	uplink_free(h->uplink);
	roster_free(h->roster);
	poller_free(h->poller);
	due_free(h->due);
	sd_event_source_disable_unref(h->housekeeping);
	sd_event_unref(h->event);
	settings_free(h->settings);
	SSL_CTX_free(h->tls);
	free(h->said_status);
	free(h->not_in_force);
	free(h);
}

void hub_reload(struct hub *h, struct settings *take_settings, SSL_CTX *take_tls)
{
	roster_set_settings(h->roster, take_settings);
	set_waits(h->due, take_settings);
	settings_free(h->settings);
	h->settings = take_settings;
	SSL_CTX_free(h->tls);
	h->tls = take_tls;
	free(take(h->not_in_force));
	say_status(h);
	/* With its date, which may be another one. */
	h->syncing = true;
	hub_announce(h);
}
