/* sim.c: the scheduler: queues, turns, crashes. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/reconcile.h"
#include "daemon/core/store_sql.h"

static const struct from NOBODY = { .kind = FROM_NOBODY };

void sim_remove_store(const char *path)
{
	AUTO_MEM char *wal = xasprintf("%s-wal", path);
	AUTO_MEM char *shm = xasprintf("%s-shm", path);

	unlink(path);
	unlink(wal);
	unlink(shm);
}

void sim_fail(const struct sim *s, const char *fmt, ...)
{
	va_list ap;

	printf("not ok - seed %llu, crash after commit %u, now at commit %u: ",
		(unsigned long long)s->seed, s->crash_at, s->commits);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n# run again with SIM_SEED=%llu%s\n1..1\n", (unsigned long long)s->seed,
		s->past ? " SIM_PAST=1" : "");
	sim_remove_store(s->path);
	exit(1);
}

bool sim_chance(const struct sim *s, uint32_t n)
{
	return clock_fake_below(n) == 0 && s->trouble;
}

/* --- letters --- */

void sim_post(struct sim *s, const struct letter *l, const void *body)
{
	struct letter *new = xcalloc(1, sizeof(*new)), **end = &s->letters;

	*new = *l;
	new->next = NULL;
	new->body = body ? msg_dup(body) : NULL;
	while (*end)
		end = &(*end)->next;
	*end = new;
}

static void letter_free(struct letter *l)
{
	msg_free(l->body);
	err_free(l->error);
	free(l);
}

static bool same_way(const struct letter *a, const struct letter *b)
{
	return a->from == b->from && a->to == b->to && a->who == b->who;
}

/* Any letter that has no earlier one on the same way. */
static struct letter *draw_letter(struct sim *s)
{
	struct letter **heads[64];
	size_t n = 0;

	for (struct letter **at = &s->letters; *at && n < ARRAY_LEN(heads); at = &(*at)->next) {
		bool first = true;
		for (const struct letter *i = s->letters; i != *at; i = i->next)
			first = first && !same_way(i, *at);
		if (first)
			heads[n++] = at;
	}
	if (!n)
		return NULL;
	struct letter **at = heads[clock_fake_below((uint32_t)n)];
	struct letter *l = *at;
	*at = l->next;
	return l;
}

static void drop_letters(struct sim *s)
{
	while (s->letters) {
		struct letter *l = s->letters;
		s->letters = l->next;
		letter_free(l);
	}
}

/* --- ports --- */

static size_t find_kiosk(const struct sim *s, uint64_t caller)
{
	size_t k = 0;

	while (k < SIM_KIOSKS && s->kiosk[k].caller != caller)
		k++;
	return k;
}

static size_t find_device(const struct sim *s, uint64_t connection)
{
	size_t d = 0;

	while (d < SIM_DEVICES && s->device[d].connection != connection)
		d++;
	return d;
}

static void to_caller(
	void *outside, uint64_t caller, enum msg_number number, uint32_t serial, const void *body)
{
	struct sim *s = outside;
	struct letter l = { .from = PARTY_CORE,
		.to = PARTY_KIOSK,
		.who = find_kiosk(s, caller),
		.number = caller };

	if (s->lose_mail || l.who == SIM_KIOSKS)
		return;
	sim_check_told(s, number, body);
	l.message = number;
	l.serial = serial;
	sim_post(s, &l, body);
}

static void to_caller_error(void *outside, uint64_t caller, uint32_t serial, const struct err *e)
{
	struct sim *s = outside;
	struct letter l = { .from = PARTY_CORE,
		.to = PARTY_KIOSK,
		.who = find_kiosk(s, caller),
		.number = caller };

	if (s->lose_mail || l.who == SIM_KIOSKS)
		return;
	l.message = MSG_ERROR;
	l.serial = serial;
	l.error = err_new(err_get_kind(e), "%s", err_get_text(e));
	sim_post(s, &l, NULL);
}

static void to_device(void *outside, uint64_t connection, enum msg_number number, uint32_t serial,
	const void *body)
{
	struct sim *s = outside;
	struct letter l = { .from = PARTY_CORE,
		.to = PARTY_DEVICE,
		.who = find_device(s, connection),
		.number = connection };

	if (s->lose_mail || l.who == SIM_DEVICES)
		return;
	sim_check_told(s, number, body);
	l.message = number;
	l.serial = serial;
	sim_post(s, &l, body);
}

static void to_device_error(
	void *outside, uint64_t connection, uint32_t serial, const struct err *e)
{
	struct sim *s = outside;
	struct letter l = { .from = PARTY_CORE,
		.to = PARTY_DEVICE,
		.who = find_device(s, connection),
		.number = connection };

	if (s->lose_mail || l.who == SIM_DEVICES)
		return;
	l.message = MSG_DEVICE_ERROR;
	l.serial = serial;
	l.error = err_new(err_get_kind(e), "%s", err_get_text(e));
	sim_post(s, &l, NULL);
}

static void to_ca(void *outside, const struct ask *ask, enum msg_number number, const void *body)
{
	struct sim *s = outside;
	/* Several workers answer in any order: each question goes its own way. */
	struct letter l = { .from = PARTY_CORE,
		.to = PARTY_CA,
		.who = (size_t)clock_fake_below(8),
		.message = number };

	if (s->lose_mail)
		return;
	sim_check_asked(s, ask);
	l.ask = *ask;
	sim_post(s, &l, body);
}

static bool under_way(void *outside, const uint8_t job[ID_LEN])
{
	const struct sim *s = outside;

	for (const struct letter *l = s->letters; l; l = l->next) {
		bool about_job = l->ask.kind == ASK_JOB || l->ask.kind == ASK_NOTICE;
		if (about_job && memcmp(l->ask.id, job, ID_LEN) == 0)
			return true;
	}
	return false;
}

static const struct ports PORTS = {
	.caller = to_caller,
	.caller_error = to_caller_error,
	.device = to_device,
	.device_error = to_device_error,
	.ask = to_ca,
	.under_way = under_way,
};

/* --- derivd starts and crashes --- */

static void ask_status(struct sim *s)
{
	struct letter l = {
		.from = PARTY_CORE, .to = PARTY_CA, .message = MSG_CA_STATUS, .ask.kind = ASK_STATUS
	};
	const Ca__Status m = CA__STATUS__INIT;

	sim_post(s, &l, &m);
}

static void open_core(struct sim *s)
{
	struct settings *settings = settings_default();

	memcpy(settings->accept_head, s->accept, SHA256_LEN);
	struct err *e = core_new(s->path, settings, &PORTS, s, &s->core);

	if (e)
		sim_fail(s, "derivd does not start: %s", err_get_text(e));
	/* Without a channel nobody is told, which the chain says. */
	s->core->channels.known = true;
	s->core->channels.holders = s->core->channels.operators = s->channels;
	s->full = false;
	ask_status(s);
	for (size_t d = 0; d < SIM_DEVICES; d++) {
		if (s->device[d].connection)
			sim_device_connect(s, d);
	}
}

static void stop_core(struct sim *s)
{
	core_free(s->core);
	drop_letters(s);
	s->lose_mail = false;
}

static void start_core(struct sim *s)
{
	open_core(s);
	for (size_t k = 0; k < SIM_KIOSKS; k++)
		sim_kiosk_lost(s, k);
}

static void crash(struct sim *s)
{
	s->crashes++;
	stop_core(s);
	if (sim_chance(s, 4))
		clock_fake_reboot();
	start_core(s);
}

static void open_witness(struct sim *s)
{
	if (sqlite3_open_v2(s->path, &s->witness, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		sim_fail(s, "no witness: %s", sqlite3_errmsg(s->witness));
}

void sim_close(struct sim *s)
{
	stop_core(s);
	sqlite3_close(take(s->witness));
}

void sim_open(struct sim *s)
{
	start_core(s);
	open_witness(s);
}

/* The turn ends: commit, or a crash before it, between commit and mail, or after both. */
static void end_turn(struct sim *s)
{
	bool now = s->commits + 1 == s->crash_at;
	uint32_t where = clock_fake_below(3);

	if (sim_chance(s, 60) || now) {
		if (where == 0 && !now) {
			crash(s);
			return;
		}
		s->lose_mail = where == 1;
		turn_end(s->core);
		s->commits++;
		crash(s);
		sim_check_always(s);
		return;
	}
	if (turn_end(s->core))
		s->commits++;
	sim_check_always(s);
}

/* --- events --- */

static struct err *from_device(struct core *c, void *arg)
{
	const struct letter *l = arg;
	struct connection *from = presence_get(c->presence, l->number);

	if (!from)
		return NULL;
	switch (l->message) {
	case MSG_DEVICE_HELLO:
		return delivery_greet(c, from, l->serial, l->body);
	case MSG_DEVICE_BEGIN:
		return session_begin(c, from, l->serial, l->body);
	case MSG_DEVICE_STATEMENT:
		return session_statement(c, from, l->serial, l->body);
	case MSG_DEVICE_OPENED:
		return session_opened(c, from, l->serial, l->body);
	case MSG_DEVICE_PULL:
		return delivery_pull(c, from, l->serial, l->body);
	default:
		return delivery_acknowledge(c, from, l->serial, l->body);
	}
}

static struct err *from_kiosk(struct core *c, void *arg)
{
	const struct letter *l = arg;
	const struct caller who = { .number = l->number, .serial = l->serial, .uid = 1000 };

	switch (l->message) {
	case MSG_SESSION_OPEN:
		return session_open(c, &who, l->body);
	case MSG_SESSION_INVITE:
		return session_invite(c, &who, l->body);
	case MSG_SESSION_REVEAL:
		return session_reveal(c, &who, l->body);
	case MSG_SESSION_DIGITS:
		return session_digits(c, &who, l->body);
	case MSG_SESSION_PREPARE:
		return session_prepare(c, &who, l->body);
	case MSG_SESSION_EVIDENCE:
		return session_evidence(c, &who, l->body);
	case MSG_SESSION_RESUME:
		return session_resume(c, &who, l->body);
	case MSG_SESSION_CANCEL:
		return session_cancel(c, &who, l->body);
	case MSG_REQUEST_CANCEL:
		return lifecycle_cancel(c, &who, l->body);
	case MSG_DEVICE_REVOKE:
		return lifecycle_revoke_device(c, &who, l->body);
	case MSG_CREDENTIAL_REVOKE:
		return lifecycle_revoke(c, &who, l->body);
	default:
		return lifecycle_retry(c, &who, l->body);
	}
}

static struct err *from_ca(struct core *c, void *arg)
{
	const struct letter *l = arg;
	const struct answer a = { .body = l->body, .error = l->error };

	switch (l->ask.kind) {
	case ASK_ASSESS:
		return session_assessed(c, &l->ask, &a);
	case ASK_PREPARE:
		return session_prepared(c, &l->ask, &a);
	case ASK_JOB:
	case ASK_NOTICE:
		return outbox_settle(c, &l->ask, &a);
	case ASK_CHANNELS:
		return NULL;
	case ASK_RECONCILE:
	case ASK_RECALL:
		return reconcile_came(c, &l->ask, &a);
	default:
		c->ca.reachable = true;
		return core_ca_status(c, l->body);
	}
}

static void to_core(struct sim *s, struct letter *l)
{
	struct from from = { .kind = FROM_CALLER, .whom = l->number, .serial = l->serial };

	switch (l->from) {
	case PARTY_KIOSK:
		turn_run(s->core, &from, from_kiosk, l);
		break;
	case PARTY_DEVICE:
		from.kind = FROM_DEVICE;
		turn_run(s->core, &from, from_device, l);
		break;
	default:
		session_asker(s->core, &l->ask, &from.whom, &from.serial);
		turn_run(s->core, from.whom ? &from : &NOBODY, from_ca, l);
		break;
	}
}

static struct err *on_expire(struct core *c, void *arg UNUSED)
{
	return session_expire(c);
}

static struct err *on_sweep(struct core *c, void *arg)
{
	return lifecycle_sweep(c, arg);
}

static struct err *on_pump(struct core *c, void *arg)
{
	return outbox_pump(c, 1 + clock_fake_below(8), arg);
}

static struct err *on_notice(struct core *c, void *arg)
{
	return notice_pump(c, arg);
}

static void timers(struct sim *s)
{
	unsigned int leased = 0;
	bool more = false;

	if (seats_next(s->core->seats) <= clock_boot_ms())
		turn_run(s->core, &NOBODY, on_expire, NULL);
	else if (clock_fake_below(4) == 0)
		turn_run(s->core, &NOBODY, on_sweep, &more);
	else if (clock_fake_below(3) == 0)
		turn_run(s->core, &NOBODY, on_notice, &leased);
	else
		turn_run(s->core, &NOBODY, on_pump, &leased);
	end_turn(s);
}

/* --- what people and machines do by themselves --- */

static void fill_disk(struct sim *s, bool full)
{
	sqlite3 *db = s->core->store->db;

	s->full = full;
	/* No page more than there is now, or as many as SQLite can have. */
	sqlite3_exec(db, full ? "PRAGMA max_page_count = 1" : "PRAGMA max_page_count = 1073741823",
		NULL, NULL, NULL);
}

static void begin_session(struct sim *s)
{
	for (size_t k = 0; k < SIM_KIOSKS; k++) {
		size_t d = clock_fake_below(SIM_DEVICES);
		if (s->kiosk[k].busy)
			continue;
		bool used = s->device[d].removed || s->device[d].told_two;
		if (used)
			sim_device_new(s, d);
		sim_kiosk_start(s, k, d, d % SIM_HOLDERS,
			s->device[d].last_number > 0 && clock_fake_below(2) == 0);
		return;
	}
}

static void by_themselves(struct sim *s)
{
	size_t d = clock_fake_below(SIM_DEVICES), k = clock_fake_below(SIM_KIOSKS);

	if (!s->device[d].connection)
		sim_device_connect(s, d);
	else if (sim_chance(s, 12))
		sim_device_lost(s, d);
	if (sim_chance(s, 30))
		sim_kiosk_end(s, k);
	if (sim_chance(s, 25))
		sim_officer(s);
	if (sim_chance(s, 20))
		fill_disk(s, !s->full);
	/* As once a minute. */
	if (s->core->reconcile.on && clock_fake_below(4) == 0)
		ask_status(s);
	if (!s->ended && clock_fake_below(3) == 0)
		begin_session(s);
}

static void step(struct sim *s)
{
	struct letter *l = clock_fake_below(6) ? draw_letter(s) : NULL;

	if (!l) {
		clock_fake_advance(
			clock_fake_below(20) ? clock_fake_below(1500) : clock_fake_below(60000));
		by_themselves(s);
		timers(s);
		return;
	}
	clock_fake_advance(clock_fake_below(50));
	if (l->to == PARTY_CORE)
		to_core(s, l);
	else if (l->to == PARTY_KIOSK)
		sim_kiosk_receive(s, l);
	else if (l->to == PARTY_DEVICE)
		sim_device_receive(s, l);
	else
		sim_ca_receive(s, l);
	letter_free(l);
	/* Several events may share a turn. */
	if (clock_fake_below(3))
		end_turn(s);
}

/* --- a world --- */

void sim_start(struct sim *s, uint64_t seed, const char *path)
{
	memset(s, 0, sizeof(*s));
	clock_fake_start(seed);
	s->seed = seed;
	s->path = xstrdup(path);
	s->channels = seed % 2 == 0;
	sim_remove_store(path);
	for (size_t d = 0; d < SIM_DEVICES; d++)
		sim_device_new(s, d);
	open_core(s);
	open_witness(s);
}

void sim_stop(struct sim *s)
{
	sqlite3_close(s->witness);
	core_free(s->core);
	drop_letters(s);
	for (size_t k = 0; k < SIM_KIOSKS; k++)
		sim_kiosk_free(&s->kiosk[k]);
	for (size_t d = 0; d < SIM_DEVICES; d++)
		sim_device_free(&s->device[d]);
	sim_log_free(s);
	sim_remove_store(s->path);
	free(s->path);
}

void sim_run(struct sim *s, unsigned int steps)
{
	while (steps--)
		step(s);
}

/* Nothing under way, nothing due, nothing open but what a device would have to fetch. */
static bool is_quiet(struct sim *s)
{
	return !s->letters && !s->core->reconcile.on && seats_next(s->core->seats) == INT64_MAX &&
	       sim_count(s,
		       "SELECT count(*) FROM job WHERE what <> 'deliver' AND state <> 'failed'") ==
		       0;
}

/* Everybody is well and patient; after that, a month passes for what nobody fetched. */
void sim_settle(struct sim *s)
{
	s->trouble = false;
	s->ended = true;
	s->crash_at = 0;
	fill_disk(s, false);
	s->core->settings->notices_per_hour = 1000;
	for (size_t k = 0; k < SIM_KIOSKS; k++)
		sim_kiosk_end(s, k);
	for (unsigned int i = 0; i < 3; i++) {
		unsigned int most = 3000;
		do
			sim_run(s, 50);
		while (!is_quiet(s) && most-- > 50);
		if (!is_quiet(s))
			sim_fail(s, "all is well, and still something is under way");
		clock_fake_advance(31LL * 24 * 3600 * 1000);
	}
	sim_run(s, 50);
	end_turn(s);
	sim_check_end(s);
}
