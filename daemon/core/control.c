/* control.c: accepting, counting, dispatching, streaming. */
#include "daemon/core/control_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/core/lifecycle.h"
#include "daemon/core/roles.h"
#include "daemon/core/turn.h"

/* When descriptors have run out, nobody new is let in for so long. */
#define PAUSE_US (1000 * 1000)
/* Lines a minute in the journal about connections that are refused, and about those that break the protocol. */
#define LINES_MAX 10

/* --- dispatch --- */

struct asked {
	struct client *client;
	struct caller who;
	enum msg_number number;
	const void *body;
	uint64_t left_out; /* of a refusal: those before it that were not recorded */
};

static struct err *status(struct client *t, const struct caller *who)
{
	struct control_facts facts = { .gateway_connected = false };

	t->control->facts(t->control->userdata, &facts);
	return control_status(t->control->core, who, t->roles, &facts);
}

/* One at a time: they wait in memory while derivd-ca is slow. */
static struct err *heads(struct client *t, const struct asked *a)
{
	if (t->heads_serial)
		return err_new(&ERR_BUSY, "derivd-ca is asked already");
	TRY(control_heads(t->control->core, &a->who, a->body));
	t->heads_serial = a->who.serial;
	return NULL;
}

static struct err *metrics(struct client *t, const struct caller *who)
{
	struct control_facts facts = { .gateway_connected = false };

	t->control->facts(t->control->userdata, &facts);
	return control_metrics(t->control->core, who, &facts);
}

static struct err *run_session(struct core *c, const struct asked *a)
{
	switch (a->number) {
	case MSG_SESSION_OPEN:
		return session_open(c, &a->who, a->body);
	case MSG_SESSION_INVITE:
		return session_invite(c, &a->who, a->body);
	case MSG_SESSION_REVEAL:
		return session_reveal(c, &a->who, a->body);
	case MSG_SESSION_DIGITS:
		return session_digits(c, &a->who, a->body);
	case MSG_SESSION_PREPARE:
		return session_prepare(c, &a->who, a->body);
	case MSG_SESSION_EVIDENCE:
		return session_evidence(c, &a->who, a->body);
	case MSG_SESSION_RESUME:
		return session_resume(c, &a->who, a->body);
	default:
		return session_cancel(c, &a->who, a->body);
	}
}

static struct err *run(struct core *c, void *arg)
{
	const struct asked *a = arg;

	TRY(roles_check(c->settings, a->client->roles, a->number));
	switch (a->number) {
	case MSG_STATUS:
		return status(a->client, &a->who);
	case MSG_ROLES:
		return control_roles(c, &a->who, a->client->roles);
	case MSG_METRICS:
		return metrics(a->client, &a->who);
	case MSG_LIST:
		return control_list(c, &a->who, a->body);
	case MSG_WATCH:
		return control_watch(a->client, &a->who, a->body);
	case MSG_EVIDENCE_GET:
		return control_evidence(c, &a->who, a->body);
	case MSG_AUDIT_HEADS:
		return heads(a->client, a);
	case MSG_AUDIT_CHECKPOINT:
		return control_checkpoint(c, &a->who, a->body);
	case MSG_CHECK:
		return control_check(c, &a->who);
	case MSG_REQUEST_CANCEL:
		return lifecycle_cancel(c, &a->who, a->body);
	case MSG_DEVICE_REVOKE:
		return lifecycle_revoke_device(c, &a->who, a->body);
	case MSG_CREDENTIAL_REVOKE:
		return lifecycle_revoke(c, &a->who, a->body);
	case MSG_QUEUE_RETRY:
		return lifecycle_retry(c, &a->who, a->body);
	default:
		return run_session(c, a);
	}
}

/* The refusal itself is the answer to the request; this is what auditors see of it. */
static struct err *audit_denied(struct core *c, void *arg)
{
	const struct asked *a = arg;
	AUTO_MEM char *actor = session_actor(a->who.uid);
	const struct audit_about about = {
		.event = EV_DENIED, .actor = actor, .error = ERR_DENIED.name
	};

	const char *name = msg_find((uint16_t)a->number)->name;

	if (!a->left_out)
		return audit_add(c->audit, &about, "%s", name);
	return audit_add(c->audit, &about, "%s; %llu refusals before it were not recorded", name,
		(unsigned long long)a->left_out);
}

/* Everybody may connect and ask: nobody may fill the disk with it. */
static bool is_recorded(struct client *t, uint64_t *ret_left_out)
{
	struct control *control = t->control;
	struct rate *r = &control->denials;
	int64_t now = clock_boot_ms();
	bool known = t->denied;

	t->denied = true;
	rate_turn(r, now);
	for (unsigned int i = 0; i < r->n; i++)
		known = known || control->denied_uid[i] == t->uid;
	if (known)
		r->left_out++;
	if (known || !rate_take(r, DENIALS_MAX, now, ret_left_out))
		return false;
	control->denied_uid[r->n - 1] = t->uid;
	return true;
}

static void on_message(struct link *l UNUSED, const struct msg *msg, uint32_t serial,
	const void *body, void *userdata)
{
	static const struct from nobody = { .kind = FROM_NOBODY };
	struct client *t = userdata;
	struct core *c = t->control->core;
	const struct from from = { .kind = FROM_CALLER, .whom = t->number, .serial = serial };
	struct asked a = {
		.client = t,
		.who = { .number = t->number, .serial = serial, .uid = t->uid },
		.number = (enum msg_number)msg->number,
		.body = body,
	};
	AUTO(err) struct err *no = roles_check(c->settings, t->roles, a.number);

	if (no && is_recorded(t, &a.left_out))
		turn_run(c, &nobody, audit_denied, &a);
	turn_run(c, &from, run, &a);
	if (link_is_full(t->link))
		link_pause(t->link, true);
}

/* --- connections --- */

static void listen_again(struct control *t, bool on)
{
	if (sd_event_source_set_enabled(t->listener, on ? SD_EVENT_ON : SD_EVENT_OFF) < 0)
		err_abort("the control socket cannot be watched");
}

static void drop(struct client *t)
{
	struct control *control = t->control;
	struct client **at = &control->client;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	session_left(control->core, t->number);
	link_free(t->link);
	free(t);
	if (control->n-- == CONTROL_MAX)
		listen_again(control, true);
}

static void log_some(struct rate *r, struct err *take_why, const char *what)
{
	uint64_t left_out = 0;

	if (!rate_take(r, LINES_MAX, clock_boot_ms(), &left_out))
		err_free(take_why);
	else if (left_out)
		log_error(take_why, "%s (and %llu before it)", what, (unsigned long long)left_out);
	else
		log_error(take_why, "%s", what);
}

static void on_gone(struct link *l UNUSED, struct err *take_why, void *userdata)
{
	struct client *t = userdata;

	if (err_is(take_why, &ERR_GONE))
		err_free(take_why);
	else
		log_some(&t->control->broken, take_why, "a control connection ends");
	drop(t);
}

static void on_drained(struct link *l, void *userdata)
{
	link_pause(l, false);
	control_stream(userdata);
}

static const struct link_ops LINK_OPS = {
	.message = on_message,
	.gone = on_gone,
	.drained = on_drained,
};

/* Those without a role leave room for those who have one. */
static struct err *check_room(const struct control *t, uint32_t uid, unsigned int roles)
{
	unsigned int same = 0, strangers = 0;

	for (const struct client *i = t->client; i; i = i->next) {
		same += i->uid == uid;
		strangers += !i->roles;
	}
	if (same >= CONTROL_UID_MAX)
		return err_new(
			&ERR_BUSY, "uid %u has %d connections already", uid, CONTROL_UID_MAX);
	if (!roles && strangers >= CONTROL_STRANGERS_MAX)
		return err_new(&ERR_BUSY, "%d connections are of users without a role",
			CONTROL_STRANGERS_MAX);
	return NULL;
}

static struct err *admit(struct control *t, int take_fd)
{
	AUTO_FD int fd = take_fd;
	struct proc_peer peer;

	TRY(proc_get_peer(fd, &peer));
	unsigned int roles = roles_of(t->core->settings, &peer);
	TRY(check_room(t, peer.uid, roles));
	struct client *new = xcalloc(1, sizeof(*new));
	new->control = t;
	new->number = ++t->last_number;
	new->uid = peer.uid;
	new->roles = roles;
	struct err *e = link_new(t->event, fd_take(&fd), LINK_CONTROL, SIDE_SERVER, "derivd",
		&LINK_OPS, new, &new->link);
	if (e) {
		free(new);
		return e;
	}
	new->next = t->client;
	t->client = new;
	if (++t->n == CONTROL_MAX)
		listen_again(t, false);
	return NULL;
}

static int on_pause_over(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
	struct control *t = userdata;

	listen_again(t, t->n < CONTROL_MAX);
	return 0;
}

static void pause_accepting(struct control *t, int why)
{
	log_error(err_errno(why, "accept"), "no new control connections for a second");
	listen_again(t, false);
	if (sd_event_source_set_time_relative(t->pause, PAUSE_US) < 0 ||
		sd_event_source_set_enabled(t->pause, SD_EVENT_ONESHOT) < 0)
		err_abort("a timer cannot be set");
}

static int on_accept(
	sd_event_source *source UNUSED, int fd, uint32_t revents UNUSED, void *userdata)
{
	struct control *t = userdata;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (peer < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			pause_accepting(t, errno);
		return 0;
	}
	struct err *e = admit(t, peer);
	if (e)
		log_some(&t->refused, e, "a control connection is refused");
	return 0;
}

/* --- for the ports --- */

static struct client *find(struct control *t, uint64_t number)
{
	struct client *i = t->client;

	while (i && i->number != number)
		i = i->next;
	return i;
}

static void forget_heads(struct client *t, uint32_t serial)
{
	if (t->heads_serial == serial)
		t->heads_serial = 0;
}

void control_send(struct control *t, uint64_t caller, enum msg_number number, uint32_t serial,
	const void *body)
{
	struct client *to = find(t, caller);

	if (!to)
		return;
	forget_heads(to, serial);
	/* From the answer that opens on, the connection is the session's (PROTOCOL.frame section 5). */
	if (number == MSG_SESSION_OFFERED || number == MSG_SESSION_RESUMED)
		link_set_phase(to->link, PH_OPEN);
	link_send(to->link, number, serial, body);
}

void control_send_error(struct control *t, uint64_t caller, uint32_t serial, const struct err *e)
{
	struct client *to = find(t, caller);

	if (!to)
		return;
	forget_heads(to, serial);
	link_send_error(to->link, serial, e);
}

/* --- life --- */

struct err *control_new(sd_event *event, struct core *core, int listen_fd,
	void (*facts)(void *userdata, struct control_facts *ret_facts), void *userdata,
	struct control **ret_control)
{
	AUTO(control) struct control *t = xcalloc(1, sizeof(*t));

	t->event = sd_event_ref(event);
	t->core = core;
	t->listen_fd = listen_fd;
	t->facts = facts;
	t->userdata = userdata;
	int r = sd_event_add_io(event, &t->listener, listen_fd, EPOLLIN, on_accept, t);
	if (r >= 0)
		r = sd_event_add_time_relative(
			event, &t->pause, CLOCK_BOOTTIME, 0, 0, on_pause_over, t);
	if (r < 0)
		return err_errno(-r, "watching the control socket");
	*ret_control = take(t);
	return NULL;
}

void control_free(struct control *t)
{
	if (!t)
		return;
	while (t->client) {
		struct client *i = t->client;
		t->client = i->next;
		link_free(i->link);
		free(i);
	}
	sd_event_source_disable_unref(t->listener);
	sd_event_source_disable_unref(t->pause);
	sd_event_unref(t->event);
	free(t);
}
