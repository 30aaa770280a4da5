/* uplink.c: see uplink.h. */
#include "daemon/gateway/uplink.h"

#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "proto/link.h"

#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS 10000
#define RETRY_SLACK_US 10000

struct uplink {
	sd_event *event;
	sd_event_source *retry;
	struct link *link;
	char *path;
	const struct uplink_ops *ops;
	void *userdata;
	uint64_t retry_ms;
	bool ready;                  /* ops->ready was called, and not lost since */
	const struct err_kind *said; /* in the journal: the same once for each absence */
};

static void wait_and_retry(struct uplink *u);

static void say_away(struct uplink *u, struct err *take_why)
{
	const struct err_kind *kind = err_get_kind(take_why);

	if (kind == u->said)
		err_free(take_why);
	else
		log_error(take_why, "derivd is away, devices wait");
	u->said = kind;
}

static void on_message(UNUSED struct link *l, const struct msg *msg, UNUSED uint32_t serial,
	const void *body, void *userdata)
{
	struct uplink *u = userdata;

	u->ops->message(msg, body, u->userdata);
}

static void on_gone(struct link *l, struct err *take_why, void *userdata)
{
	struct uplink *u = userdata;
	bool was_ready = u->ready;

	link_free(l);
	u->link = NULL;
	u->ready = false;
	say_away(u, take_why);
	if (was_ready)
		u->ops->lost(u->userdata);
	wait_and_retry(u);
}

static void on_drained(UNUSED struct link *l, void *userdata)
{
	struct uplink *u = userdata;

	u->ops->drained(u->userdata);
}

static void on_ready(UNUSED struct link *l, void *userdata)
{
	struct uplink *u = userdata;

	u->retry_ms = RETRY_FIRST_MS;
	u->ready = true;
	u->said = NULL;
	log_note(NOTE_CONNECTED, NULL, "connected to derivd");
	u->ops->ready(u->userdata);
}

static const struct link_ops LINK_OPS = {
	.message = on_message,
	.gone = on_gone,
	.drained = on_drained,
};

static struct err *open_link(struct uplink *u)
{
	int fd = -1;

	TRY(err_as(&ERR_UNREACHABLE, io_connect_unix(u->path, &fd), "cannot connect"));
	TRY(link_new(
		u->event, fd, LINK_GATEWAY, SIDE_CLIENT, "derivd-gateway", &LINK_OPS, u, &u->link));
	link_set_ready(u->link, on_ready);
	return NULL;
}

static int on_retry(UNUSED sd_event_source *source, UNUSED uint64_t usec, void *userdata)
{
	struct uplink *u = userdata;
	struct err *e = open_link(u);

	if (!e)
		return 0;
	say_away(u, e);
	wait_and_retry(u);
	return 0;
}

/* Half of the interval is random: several gateways do not knock together. */
static void wait_and_retry(struct uplink *u)
{
	uint32_t random;

	clock_random(&random, sizeof(random));
	uint64_t wait_ms = u->retry_ms / 2 + random % (u->retry_ms / 2);
	u->retry_ms = u->retry_ms * 2 < RETRY_MOST_MS ? u->retry_ms * 2 : RETRY_MOST_MS;
	if (sd_event_source_set_time_relative(u->retry, wait_ms * 1000) < 0 ||
		sd_event_source_set_enabled(u->retry, SD_EVENT_ONESHOT) < 0)
		err_abort("the timer for derivd's socket cannot be set");
}

struct err *uplink_new(sd_event *event, const char *path, const struct uplink_ops *ops,
	void *userdata, struct uplink **ret_uplink)
{
	AUTO(uplink) struct uplink *u = xcalloc(1, sizeof(*u));

	u->event = event;
	u->path = xstrdup(path);
	u->ops = ops;
	u->userdata = userdata;
	u->retry_ms = RETRY_FIRST_MS * 2;
	int r = sd_event_add_time_relative(
		event, &u->retry, CLOCK_BOOTTIME, 0, RETRY_SLACK_US, on_retry, u);
	if (r < 0)
		return err_errno(-r, "a timer");
	*ret_uplink = take(u);
	return NULL;
}

void uplink_free(struct uplink *u)
{
	if (!u)
		return;
	link_free(u->link);
	sd_event_source_disable_unref(u->retry);
	free(u->path);
	free(u);
}

bool uplink_is_ready(const struct uplink *u)
{
	return u->link && link_is_ready(u->link);
}

bool uplink_is_full(const struct uplink *u)
{
	return !uplink_is_ready(u) || link_is_full(u->link);
}

void uplink_send(struct uplink *u, enum msg_number number, const void *body)
{
	if (uplink_is_ready(u))
		link_send(u->link, number, 0, body);
}
