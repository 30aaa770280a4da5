/* caworker.c: lanes, what was asked on each, and the way back into the engine. */
#include "daemon/core/caworker.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/core/control.h"
#include "daemon/core/outbox.h"
#include "daemon/core/reconcile.h"
#include "daemon/core/turn.h"
#include "proto/link.h"

#define RETRY_FIRST_MS_CA 100
#define RETRY_MOST_MS_CA 10000
/* derivd-ca may have to fetch several CRLs. */
#define SESSION_WAIT_MS 60000
#define JOB_WAIT_MS 180000
#define LANES_MAX 17
#define SESSION_LANE 0
#define TIMER_SLACK_US 10000

struct asked {
	struct asked *next;
	struct ask ask;
	uint32_t serial; /* 0: not sent yet */
	int64_t until_boot_ms;
	enum msg_number number;
	void *body; /* until it is sent */
};

struct lane {
	struct caworker *worker;
	struct link *link;
	sd_event_source *timer; /* to connect again, or to give up on an answer */
	int64_t wait_ms;
	struct asked *asked; /* oldest first */
	unsigned int n_asked;
	bool stale; /* the process at its end may have another configuration than there is now */
};

struct caworker {
	sd_event *event;
	struct core *core;
	char *path;
	void (*changed)(void *userdata);
	void *userdata;
	struct lane lane[LANES_MAX];
	size_t n_lanes;
	const struct err_kind *said; /* in the journal: the same once for each absence */
	struct err *refusal;         /* instead of its status; NULL: derivd-ca can work */
};

static void connect_lane(struct lane *l);

/* --- answers --- */

struct answered {
	const struct ask *ask;
	struct answer answer;
};

static struct err *on_answer(struct core *c, void *arg)
{
	const struct answered *a = arg;

	switch (a->ask->kind) {
	case ASK_ASSESS:
		return session_assessed(c, a->ask, &a->answer);
	case ASK_PREPARE:
		return session_prepared(c, a->ask, &a->answer);
	case ASK_HEADS:
		return control_heads_came(c, a->ask, &a->answer);
	case ASK_RECONCILE:
	case ASK_RECALL:
		return reconcile_came(c, a->ask, &a->answer);
	case ASK_CHECKPOINT:
		return control_checkpoint_came(c, a->ask, &a->answer);
	case ASK_CHECK:
		return control_checked(c, a->ask, &a->answer);
	case ASK_JOB:
		return outbox_settle(c, a->ask, &a->answer);
	default:
		return a->answer.error ? NULL : core_ca_status(c, a->answer.body);
	}
}

static void answer(struct caworker *w, const struct ask *ask, const void *body,
	const struct err *error, const Common__Error *wire)
{
	struct answered a = { .ask = ask,
		.answer = { .body = body, .error = error, .wire = wire } };
	struct from from = { .kind = FROM_CALLER };

	if (ask->kind == ASK_HEADS || ask->kind == ASK_CHECKPOINT || ask->kind == ASK_CHECK) {
		from.whom = ask->caller;
		from.serial = ask->serial;
	} else {
		session_asker(w->core, ask, &from.whom, &from.serial);
	}
	if (!from.whom)
		from.kind = FROM_NOBODY;
	turn_run(w->core, &from, on_answer, &a);
}

static struct asked *find_asked(const struct lane *l, uint32_t serial)
{
	struct asked *a = l->asked;

	while (a && a->serial != serial)
		a = a->next;
	return a;
}

static void take_asked(struct lane *l, const struct asked *a)
{
	struct asked **at = &l->asked;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	l->n_asked--;
}

/* What the engine casts an answer's body to follows from the question: another one must not get there. */
static bool answers(enum msg_number answer, enum msg_number question)
{
	static const struct {
		enum msg_number question, answer;
	} pairs[] = {
		{ MSG_CA_ASSESS, MSG_CA_ASSESSMENT },
		{ MSG_CA_PREPARE, MSG_CA_NONCE },
		{ MSG_CA_VERIFY, MSG_CA_VERIFIED },
		{ MSG_CA_MAKE, MSG_CA_MADE },
		{ MSG_CA_CERTIFY, MSG_CA_CERTIFIED },
		{ MSG_CA_SIGN_ITEM, MSG_CA_SIGNED_ITEM },
		{ MSG_CA_REVOKE, MSG_CA_REVOKED },
		{ MSG_CA_REVOKE_DEVICE, MSG_CA_REVOKED },
		{ MSG_CA_CRL, MSG_CA_CRL_PUBLISHED },
		{ MSG_CA_STATUS, MSG_CA_STATUS_REPLY },
		{ MSG_CA_HEADS, MSG_CA_HEAD_PAGE },
		{ MSG_CA_CHECKPOINT, MSG_CA_CHECKPOINT_SIGNED },
		{ MSG_CA_RECONCILE, MSG_CA_RECONCILED },
		{ MSG_CA_RECALL, MSG_CA_RECALLED },
		{ MSG_CA_CHECK, MSG_CA_CHECKED },
	};
	size_t i = 0;

	while (i < ARRAY_LEN(pairs) && pairs[i].question != question)
		i++;
	return answer == MSG_ERROR || (i < ARRAY_LEN(pairs) && pairs[i].answer == answer);
}

static void asked_free(struct asked *a)
{
	msg_free(a->body);
	free(a);
}

/* The lane is lost, and with it every answer that it owed. */
static void fail_all(struct lane *l, const struct err *why)
{
	struct asked *list = take(l->asked);

	l->n_asked = 0;
	while (list) {
		struct asked *a = list;
		list = a->next;
		AUTO(err) struct err *e = err_new(&ERR_CA_UNREACHABLE, "%s", err_get_text(why));
		answer(l->worker, &a->ask, NULL, e, NULL);
		asked_free(a);
	}
}

/* --- connecting --- */

static void set_timer(struct lane *l, int64_t in_ms)
{
	if (sd_event_source_set_time_relative(l->timer, (uint64_t)(in_ms > 0 ? in_ms : 0) * 1000) <
			0 ||
		sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT) < 0)
		err_abort("a timer cannot be set");
}

static void note_reachable(struct caworker *w, const struct err *why)
{
	struct ca_facts *ca = &w->core->ca;

	ca->reachable = w->lane[SESSION_LANE].link && link_is_ready(w->lane[SESSION_LANE].link) &&
			!w->refusal;
	if (!why)
		why = w->refusal;
	if (ca->reachable || why) {
		free(ca->trouble);
		ca->trouble = ca->reachable ? NULL : xstrdup(err_get_text(why));
		ca->trouble_kind = ca->reachable ? NULL : err_get_kind(why);
	}
	w->changed(w->userdata);
}

/* One that answers, and can do nothing: as bad as none, and what is wrong with it may be mended while it runs. */
static void note_answer(struct lane *l, const struct ask *ask, const struct err *error)
{
	struct caworker *w = l->worker;

	if (error && err_get_fate(error) == FATE_BROKEN)
		l->stale = true;
	if (ask->kind != ASK_STATUS)
		return;
	err_free(take(w->refusal));
	if (error)
		w->refusal = err_new(err_get_kind(error), "%s", err_get_text(error));
	note_reachable(w, NULL);
}

static void lost(struct lane *l, struct err *take_why)
{
	const struct err_kind *kind = err_get_kind(take_why);
	uint32_t random;

	clock_random(&random, sizeof(random));
	set_timer(l, l->wait_ms / 2 + random % l->wait_ms);
	l->wait_ms = l->wait_ms * 2 < RETRY_MOST_MS_CA ? l->wait_ms * 2 : RETRY_MOST_MS_CA;
	fail_all(l, take_why);
	note_reachable(l->worker, take_why);
	/* An idle worker that ends is no trouble. */
	if (kind == l->worker->said || err_is(take_why, &ERR_GONE))
		err_free(take_why);
	else
		log_error(take_why, "derivd-ca");
	l->worker->said = kind;
}

static void on_gone(struct link *link, struct err *take_why, void *userdata)
{
	struct lane *l = userdata;

	link_free(link);
	l->link = NULL;
	lost(l, take_why);
}

/* When the oldest answer is overdue. */
static void watch_answers(struct lane *l)
{
	if (l->asked)
		set_timer(l, l->asked->until_boot_ms - clock_boot_ms());
}

static void on_message(struct link *link UNUSED, const struct msg *msg, uint32_t serial,
	const void *body, void *userdata)
{
	struct lane *l = userdata;
	struct asked *a = find_asked(l, serial);

	if (!a)
		return;
	if (!answers((enum msg_number)msg->number, a->number)) {
		link_free(take(l->link));
		lost(l, err_new(&ERR_PROTOCOL, "derivd-ca answered %s with %s",
				msg_find((uint16_t)a->number)->name, msg->name));
		return;
	}
	take_asked(l, a);
	if (msg->number == MSG_ERROR) {
		AUTO(err) struct err *e = kind_from_wire(body);
		note_answer(l, &a->ask, e);
		answer(l->worker, &a->ask, NULL, e, body);
	} else {
		note_answer(l, &a->ask, NULL);
		answer(l->worker, &a->ask, body, NULL, NULL);
	}
	asked_free(a);
	l->wait_ms = RETRY_FIRST_MS_CA;
	watch_answers(l);
	l->worker->changed(l->worker->userdata);
}

static void send_one(struct lane *l, struct asked *a)
{
	a->serial = link_next_serial(l->link);
	link_send(l->link, a->number, a->serial, a->body);
	msg_free(take(a->body));
}

static void ask_status(struct caworker *w)
{
	const struct ask ask = { .kind = ASK_STATUS };
	Ca__Status m = CA__STATUS__INIT;

	m.row = w->core->calog.known.sequence;
	caworker_ask(w, &ask, MSG_CA_STATUS, &m);
}

/* The status goes first: nothing is offered before the audit chain was compared with what derivd-ca has seen. */
static void on_ready(struct link *link UNUSED, void *userdata)
{
	struct lane *l = userdata;

	l->worker->said = NULL;
	if (l == &l->worker->lane[SESSION_LANE])
		ask_status(l->worker);
	for (struct asked *a = l->asked; a; a = a->next) {
		if (!a->serial)
			send_one(l, a);
	}
	watch_answers(l);
	note_reachable(l->worker, NULL);
}

static const struct link_ops LINK_OPS = {
	.message = on_message,
	.gone = on_gone,
};

static struct err *open_lane(struct lane *l)
{
	int fd = -1;

	l->stale = false;
	TRY(err_as(&ERR_CA_UNREACHABLE, io_connect_unix(l->worker->path, &fd),
		"derivd-ca does not answer"));
	TRY(link_new(l->worker->event, fd, LINK_CA, SIDE_CLIENT, "derivd", &LINK_OPS, l, &l->link));
	link_set_ready(l->link, on_ready);
	return NULL;
}

static void connect_lane(struct lane *l)
{
	struct err *e = open_lane(l);

	if (e)
		lost(l, e);
}

static int on_timer(sd_event_source *source UNUSED, uint64_t usec UNUSED, void *userdata)
{
	struct lane *l = userdata;

	if (!l->link) {
		connect_lane(l);
		return 0;
	}
	if (!l->asked || l->asked->until_boot_ms > clock_boot_ms()) {
		watch_answers(l);
		return 0;
	}
	/* A new connection is a new process; this one hangs. */
	link_free(take(l->link));
	lost(l, err_new(&ERR_TIMEOUT, "derivd-ca did not answer in time"));
	return 0;
}

/* --- asking --- */

/* A check may wait for the network, not where people wait. */
static bool is_patient(const struct ask *ask)
{
	return ask->kind == ASK_JOB || ask->kind == ASK_HEADS || ask->kind == ASK_CHECK;
}

static struct lane *choose(struct caworker *w, const struct ask *ask)
{
	struct lane *best = NULL;

	if (!is_patient(ask))
		return &w->lane[SESSION_LANE];
	for (size_t i = SESSION_LANE + 1; i < w->n_lanes; i++) {
		struct lane *l = &w->lane[i];
		bool ready = l->link && link_is_ready(l->link);
		if (ready && (!best || l->n_asked < best->n_asked))
			best = l;
	}
	return best ? best : &w->lane[SESSION_LANE + 1];
}

void caworker_ask(
	struct caworker *w, const struct ask *ask, enum msg_number number, const void *body)
{
	struct lane *l = choose(w, ask);
	struct asked *a = xcalloc(1, sizeof(*a)), **end = &l->asked;

	if (l->stale && !l->asked)
		link_free(take(l->link));
	a->ask = *ask;
	a->number = number;
	a->until_boot_ms = clock_boot_ms() + (is_patient(ask) ? JOB_WAIT_MS : SESSION_WAIT_MS);
	a->body = msg_dup(body);
	while (*end)
		end = &(*end)->next;
	*end = a;
	l->n_asked++;
	if (l->link && link_is_ready(l->link))
		send_one(l, a);
	/* A lane that is down tries at once when somebody asks; what becomes of it comes from the loop. */
	if (!l->link)
		set_timer(l, 0);
	else
		watch_answers(l);
}

bool caworker_ask_status(struct caworker *w)
{
	const struct lane *l = &w->lane[SESSION_LANE];

	if (!l->link || !link_is_ready(l->link) || l->asked)
		return false;
	ask_status(w);
	return true;
}

void caworker_reload(struct caworker *w)
{
	for (size_t i = 0; i < w->n_lanes; i++)
		w->lane[i].stale = true;
}

unsigned int caworker_room(const struct caworker *w)
{
	unsigned int room = 0;

	for (size_t i = SESSION_LANE + 1; i < w->n_lanes; i++) {
		const struct lane *l = &w->lane[i];
		bool ready = l->link && link_is_ready(l->link) && !link_is_full(l->link);
		if (ready && l->n_asked < w->core->settings->ca_window)
			room += w->core->settings->ca_window - l->n_asked;
	}
	return room;
}

void caworker_count(const struct caworker *w, unsigned int *ret_connections,
	unsigned int *ret_ready, unsigned int *ret_asked)
{
	*ret_connections = (unsigned int)w->n_lanes;
	*ret_ready = 0;
	*ret_asked = 0;
	for (size_t i = 0; i < w->n_lanes; i++) {
		const struct lane *l = &w->lane[i];
		*ret_ready += l->link && link_is_ready(l->link);
		*ret_asked += l->n_asked;
	}
}

bool caworker_is_asked(const struct caworker *w, const uint8_t job[static ID_LEN])
{
	for (size_t i = SESSION_LANE + 1; i < w->n_lanes; i++) {
		for (const struct asked *a = w->lane[i].asked; a; a = a->next) {
			if (a->ask.kind == ASK_JOB && memcmp(a->ask.id, job, ID_LEN) == 0)
				return true;
		}
	}
	return false;
}

/* --- life --- */

struct err *caworker_new(sd_event *event, struct core *core, const char *path,
	void (*changed)(void *userdata), void *userdata, struct caworker **ret_worker)
{
	AUTO(caworker) struct caworker *w = xcalloc(1, sizeof(*w));

	w->event = sd_event_ref(event);
	w->core = core;
	w->path = xstrdup(path);
	w->changed = changed;
	w->userdata = userdata;
	w->n_lanes = 1 + core->settings->ca_connections;
	for (size_t i = 0; i < w->n_lanes; i++) {
		struct lane *l = &w->lane[i];
		l->worker = w;
		l->wait_ms = RETRY_FIRST_MS_CA;
		int r = sd_event_add_time_relative(
			event, &l->timer, CLOCK_BOOTTIME, 0, TIMER_SLACK_US, on_timer, l);
		if (r < 0)
			return err_errno(-r, "a timer");
	}
	*ret_worker = take(w);
	return NULL;
}

static void lane_free(struct lane *l)
{
	while (l->asked) {
		struct asked *a = l->asked;
		l->asked = a->next;
		asked_free(a);
	}
	link_free(l->link);
	sd_event_source_disable_unref(l->timer);
}

void caworker_free(struct caworker *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_lanes; i++)
		lane_free(&w->lane[i]);
	sd_event_unref(w->event);
	err_free(w->refusal);
	free(w->path);
	free(w);
}
