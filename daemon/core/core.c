/* core.c: how derivd comes up, and whether it may issue. */
#include "daemon/core/core.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/core/calog.h"
#include "daemon/core/mail.h"
#include "daemon/core/notice.h"
#include "daemon/core/metrics.h"
#include "daemon/core/presence.h"
#include "daemon/core/reconcile.h"
#include "daemon/core/seats.h"
#include "daemon/core/session.h"
#include "daemon/core/turn.h"

/* How much of the chain is recomputed at each start; derivctl audit verify does all of it. */
#define TAIL_CHECKED 64

static struct err *begin(struct core *c, void *arg UNUSED)
{
	static const struct audit_about about = { .event = EV_STARTED };
	bool same_boot = false;
	uint64_t n = 0;

	TRY(core_watch_clock(c));
	TRY(store_new_run(c->store, c->boot_id, &c->run, &same_boot));
	TRY(store_job_void(c->store, c->run, same_boot, &n));
	TRY(session_restore(c));
	return audit_add(c->audit, &about,
		"run %llu, version %s, %llu leases of earlier runs are void",
		(unsigned long long)c->run, PACKAGE_VERSION, (unsigned long long)n);
}

void core_freeze(struct core *c, const struct err *why)
{
	free(c->frozen);
	c->frozen = xstrdup(err_get_text(why));
	c->frozen_kind = err_is(why, &ERR_CA_LOG_OLDER) ? &ERR_CA_LOG_OLDER : &ERR_AUDIT_BAD;
	log_note(NOTE_FROZEN, NULL, "nothing will be issued, only revoked: %s", c->frozen);
}

/* Whether the store can be written, asked before anything else, so that the answer has the right kind. */
static struct err *try_store(struct store *s)
{
	TRY(store_begin(s));
	TRY(store_touch(s, clock_real_ms()));
	return store_commit(s);
}

static struct err *open_all(struct core *c, const char *store_path)
{
	TRY(clock_boot_id(c->boot_id));
	TRY(store_open(store_path, &c->store));
	TRY(try_store(c->store));
	TRY(audit_new(c->store, &c->audit));
	TRY(calog_read(c));
	AUTO(err) struct err *tail = audit_check_tail(c->audit, TAIL_CHECKED);
	if (tail)
		core_freeze(c, tail);
	const struct from nobody = { .kind = FROM_NOBODY };
	if (!turn_run(c, &nobody, begin, NULL) || !turn_end(c))
		return err_new(c->turn_trouble ? c->turn_trouble : &ERR_STORE,
			"%s: the start cannot be recorded; the journal says why", store_path);
	return NULL;
}

struct err *core_new(const char *store_path, struct settings *take_settings,
	const struct ports *ports, void *outside, struct core **ret_core)
{
	AUTO(core) struct core *c = xcalloc(1, sizeof(*c));

	c->settings = take_settings;
	c->ports = ports;
	c->outside = outside;
	c->mail = mailbag_new();
	c->metrics = metrics_new();
	c->seats = seats_new();
	c->presence = presence_new(PRESENCE_MAX);
	/* Nobody is connected yet. */
	c->pins_after = PINS_TOLD;
	c->started_ms = clock_real_ms();
	TRY(open_all(c, store_path));
	*ret_core = take(c);
	return NULL;
}

void core_free(struct core *c)
{
	if (!c)
		return;
	audit_free(c->audit);
	store_free(c->store);
	mailbag_free(c->mail);
	metrics_free(c->metrics);
	seats_free(c->seats);
	presence_free(c->presence);
	settings_free(c->settings);
	free(c->ca.trouble);
	free(c->ca.issuer);
	free(c->channels.text);
	free(c->frozen);
	free(c->gateway_trouble);
	free(c->requesters);
	free(c);
}

struct err *core_may_begin(const struct core *c)
{
	if (c->frozen)
		return err_new(&ERR_WRONG_STATE, "nothing is issued: %s", c->frozen);
	TRY(reconcile_check(c));
	return audit_check_clock(c->audit);
}

struct err *core_may_issue(const struct core *c)
{
	if (!c->frozen && !c->ca.seen)
		return err_new(&ERR_CA_UNREACHABLE,
			"derivd-ca has not answered since derivd started%s%s",
			c->ca.trouble ? ": " : "", c->ca.trouble ? c->ca.trouble : "");
	return core_may_begin(c);
}

struct err *core_watch_clock(struct core *c)
{
	static const struct audit_about about = { .event = EV_CLOCK_BEHIND,
		.error = "clock-behind" };
	AUTO(err) struct err *behind = audit_check_clock(c->audit);
	bool said = c->clock_said;

	c->clock_said = behind != NULL;
	if (!behind || said)
		return NULL;
	TRY(notice_trouble(c, about.event, about.error));
	return audit_add(
		c->audit, &about, "%s: nothing is issued until it is set", err_get_text(behind));
}

/* --- derivd-ca's status --- */

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text);
}

/*
 * Does this chain have the head that derivd-ca has seen? If it does, is there one that it did not have at an earlier start, and that
 * nobody has accepted since? derivd-ca tells of the longest chain only, and this one has grown. *ret_lost is that one then.
 */
static struct err *check_seen(struct core *c, const Common__AuditHead *seen,
	struct audit_link *ret_lost, struct err **ret_wrong)
{
	struct err *e =
		seen ? audit_check_seen(c->audit, seen->sequence, pb_bytes(seen->hash)) : NULL;

	memset(ret_lost, 0, sizeof(*ret_lost));
	if (!e) {
		TRY(store_lost_get(c->store, ret_lost));
		if (ret_lost->sequence)
			e = audit_check_seen(
				c->audit, ret_lost->sequence, BYTES(ret_lost->hash, SHA256_LEN));
	}
	if (e && !err_is(e, &ERR_WRONG_STATE))
		return e;
	*ret_wrong = e;
	return NULL;
}

static struct err *note_lost(struct core *c, const Common__AuditHead *seen)
{
	struct audit_link lost = { .sequence = seen->sequence };

	memcpy(lost.hash, seen->hash.data, SHA256_LEN);
	return store_lost_put(c->store, &lost);
}

/* seen: NULL when no head has come to derivd-ca yet. */
static struct err *compare(struct core *c, const Common__AuditHead *seen)
{
	static const struct audit_about about = { .event = EV_CHAIN_BROKEN,
		.error = "wrong-state" };
	Common__AuditHead before = COMMON__AUDIT_HEAD__INIT;
	AUTO(err) struct err *wrong = NULL;
	struct audit_link lost;
	bool settled = false;

	if (c->frozen)
		return NULL;
	TRY(check_seen(c, seen, &lost, &wrong));
	if (wrong && lost.sequence) {
		before.sequence = lost.sequence;
		before.hash = pb_lend(BYTES(lost.hash, SHA256_LEN));
		seen = &before;
	}
	TRY(reconcile_consider(c, seen, wrong, &settled));
	if (settled)
		return NULL;
	TRY(note_lost(c, seen));
	/* What the operator has to write down to go on in spite of it (derivd.conf(5)). */
	AUTO_MEM char *hex = text_hex(pb_bytes(seen->hash));
	AUTO(err)
	struct err *said =
		err_new(&ERR_WRONG_STATE, "%s (derivd-ca's head is %s)", err_get_text(wrong), hex);
	core_freeze(c, said);
	TRY(notice_trouble(c, about.event, about.error));
	return audit_add(c->audit, &about, "%s", err_get_text(said));
}

/* Root has changed what derivd-ca works by: a row each time that it begins, turns into something else, or ends. */
static struct err *note_change(struct core *c, const Ca__CaStatus *m)
{
	const struct err_kind *kind = *m->change_kind ? kind_find(m->change_kind) : NULL;
	struct audit_about about = { .event = kind == &ERR_ALONE ? EV_CHANGE_ALONE
					      : kind             ? EV_CHANGE_WAITS
								 : EV_CHANGE_SETTLED,
		.error = kind ? kind->name : NULL };

	if (kind == c->ca.change_kind)
		return NULL;
	if (kind)
		TRY(notice_trouble(c, about.event, about.error));
	TRY(audit_add(c->audit, &about, "%s",
		kind ? m->change : "nothing at the CA waits for officers any more"));
	c->ca.change_kind = kind;
	return NULL;
}

struct err *core_ca_status(struct core *c, const Ca__CaStatus *status)
{
	if (!c->ca.seen)
		TRY(compare(c, status->audit));
	TRY(calog_compare(c, status));
	c->ca.seen = true;
	set_text(&c->ca.issuer, status->issuer);
	audit_set_ca(c->audit, status->issuer);
	c->ca.issuer_not_after_ms = status->issuer_not_after_ms;
	c->ca.crl_this_update_ms = status->crl_this_update_ms;
	c->ca.crl_next_update_ms = status->crl_next_update_ms;
	c->ca.root_crl_next_update_ms = status->root_crl_next_update_ms;
	c->ca.officers = status->officers;
	TRY(note_change(c, status));
	c->ca.certificates = status->certificates;
	c->ca.revoked = status->revoked;
	reconcile_go_on(c);
	return NULL;
}
