/* turn.c: see turn.h. */
#include "daemon/core/turn.h"

#include <stdlib.h>

#include "base/log.h"
#include "daemon/core/mail.h"
#include "daemon/core/metrics.h"
#include "daemon/core/reconcile.h"

static void answer_error(struct core *c, const struct from *from, const struct err *e)
{
	if (from->kind == FROM_CALLER)
		mail_caller_error(c, from->whom, from->serial, e);
	else if (from->kind == FROM_DEVICE)
		mail_device_error(c, from->whom, from->serial, e);
}

static void remember(struct core *c, const struct from *from)
{
	c->requesters = xrealloc(c->requesters, TURN_EVENTS_MAX, sizeof(*c->requesters));
	c->requesters[c->n_requesters++] = *from;
}

/* Nothing of the turn has happened: all who wait in it hear so. */
static void fail_turn(struct core *c, struct err *take_e)
{
	unsigned int n = c->n_requesters;

	c->lost_answers = true;
	metrics_error(c->metrics, IN_DERIVD, take_e);
	reconcile_turn_lost(c);
	store_abandon(c->store);
	audit_abandon(c->audit);
	mail_drop(c);
	for (unsigned int i = 0; i < n; i++)
		answer_error(c, &c->requesters[i], take_e);
	c->n_requesters = 0;
	c->events = 0;
	mail_deliver(c);
	/* A disk stays full for a while: the journal hears of it once. */
	if (c->turn_trouble == err_get_kind(take_e)) {
		err_free(take_e);
		return;
	}
	c->turn_trouble = err_get_kind(take_e);
	log_error(take_e, "what was under way is undone");
}

/* An event in its savepoint. *ret_lost: the transaction is gone with it. */
static struct err *run_marked(
	struct core *c, struct err *(*event)(struct core *c, void *arg), void *arg, bool *ret_lost)
{
	*ret_lost = true;
	TRY(store_begin(c->store));
	TRY(store_mark(c->store));
	audit_mark(c->audit);
	mail_mark(c);
	struct err *e = event(c, arg);
	if (!e)
		return store_keep(c->store);
	audit_undo(c->audit);
	mail_undo(c);
	*ret_lost = !store_undo(c->store);
	return e;
}

static void refuse(struct core *c, const struct from *from, struct err *take_e)
{
	static const enum metrics_where where[] = {
		[FROM_NOBODY] = IN_DERIVD,
		[FROM_CALLER] = IN_CONTROL,
		[FROM_DEVICE] = IN_DEVICE,
	};

	metrics_error(c->metrics, where[from->kind], take_e);
	answer_error(c, from, take_e);
	/* What the requester is told need not be in the journal too; what the installation does wrong must be. */
	if (from->kind == FROM_NOBODY || err_get_fate(take_e) == FATE_BROKEN)
		log_error(take_e, "derivd");
	else
		err_free(take_e);
}

bool turn_run(struct core *c, const struct from *from,
	struct err *(*event)(struct core *c, void *arg), void *arg)
{
	bool lost = false;
	struct err *e;

	remember(c, from);
	c->events++;
	e = run_marked(c, event, arg, &lost);
	if (e && lost) {
		fail_turn(c, e);
		return false;
	}
	bool ok = !e;
	if (e)
		refuse(c, from, e);
	if (c->events >= TURN_EVENTS_MAX)
		ok = turn_end(c) && ok;
	return ok;
}

bool turn_end(struct core *c)
{
	struct err *e;

	if (!c->events)
		return true;
	e = store_commit(c->store);
	if (e) {
		fail_turn(c, e);
		return false;
	}
	c->events = 0;
	c->n_requesters = 0;
	c->turn_trouble = NULL;
	audit_commit(c->audit);
	mail_deliver(c);
	if (c->ports->committed)
		c->ports->committed(c->outside);
	return true;
}

void turn_close(struct core *c)
{
	struct err *e = c->events ? store_commit(c->store) : NULL;

	mail_drop(c);
	if (e)
		audit_abandon(c->audit);
	else
		audit_commit(c->audit);
	log_error(e, "what was under way is undone");
}
