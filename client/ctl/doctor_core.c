/* doctor_core.c: derivd, its store, clock, chain and queue, and what derivd-ca says of itself. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "client/ctl/doctor.h"
#include "proto/kind.h"

#define SOON_MS (INT64_C(30) * 86400 * 1000)
/* derivd-ca may try four CRLs for five seconds each. */
#define CHECK_MS 40000

static bool is_silent(struct doctor *d)
{
	if (!d->status)
		doctor_note(d, VERDICT_SKIPPED, _("derivd does not answer"));
	return !d->status;
}

static bool is_unchecked(struct doctor *d)
{
	if (is_silent(d))
		return true;
	if (!d->checked)
		doctor_note(d, VERDICT_SKIPPED, _("derivd did not check itself"));
	return !d->checked;
}

/* The findings about a subject, which may have more words behind it. */
static void pass_on(struct doctor *d, const char *subject)
{
	size_t len = strlen(subject);

	for (size_t i = 0; i < d->checked->n_findings; i++) {
		const Common__Reason *r = d->checked->findings[i];
		const struct err_kind *kind = kind_find(r->kind);
		if (strncmp(r->subject, subject, len) != 0 || !strchr(" ", r->subject[len]))
			continue;
		doctor_error(d, kind == &ERR_ALONE ? VERDICT_WARNING : VERDICT_FAULT,
			err_new(kind ? kind : &ERR_REMOTE_BROKEN, "%s%s%s",
				r->subject[len] ? r->subject + len + 1 : "",
				r->subject[len] ? ": " : "", r->text));
	}
}

void doctor_derivd(struct doctor *d)
{
	Control__Status ask = CONTROL__STATUS__INIT;
	struct err *e = ctl_call(d->ctl, MSG_STATUS, &ask, MSG_STATUS_REPLY, &d->status);

	if (e)
		doctor_error(d, VERDICT_FAULT, e);
	else
		doctor_note(d, VERDICT_OK, _("derivd %s answers: %s"), d->status->version,
			d->status->state);
}

void doctor_store(struct doctor *d)
{
	Control__Check ask = CONTROL__CHECK__INIT;
	struct peer *p;

	if (is_silent(d))
		return;
	struct err *e = ctl_control(d->ctl, &p);
	if (!e)
		e = peer_call(p, MSG_CHECK, &ask, MSG_CHECKED, CHECK_MS, &d->checked);
	if (e)
		doctor_error(d, err_is(e, &ERR_DENIED) ? VERDICT_SKIPPED : VERDICT_FAULT, e);
}

void doctor_clock(struct doctor *d)
{
	if (!is_unchecked(d))
		pass_on(d, "clock");
}

void doctor_audit(struct doctor *d)
{
	if (!is_unchecked(d))
		pass_on(d, "audit");
}

static void check_issuer(struct doctor *d)
{
	int64_t now = clock_real_ms(), end = d->status->ca_not_after_ms;

	if (!end || end - now > SOON_MS)
		return;
	AUTO_MEM char *when = text_time(end);
	doctor_say(d, end < now ? VERDICT_FAULT : VERDICT_WARNING, ADVICE_ISSUER_ENDS,
		_("the issuing certificate is good until %s"), when);
}

void doctor_ca(struct doctor *d)
{
	if (is_silent(d))
		return;
	if (d->checked)
		pass_on(d, "ca");
	if (d->status->ca_reachable)
		check_issuer(d);
	else if (!d->said)
		doctor_error(d, VERDICT_FAULT,
			err_new(&ERR_CA_UNREACHABLE, "%s",
				d->status->ca_trouble[0]
					? d->status->ca_trouble
					: _("derivd has no connection to derivd-ca")));
	if (d->status->ca_reachable && !d->said)
		(void)is_unchecked(d);
}

/* derivd cannot renew this one: the key is elsewhere. */
static void check_root_crl(struct doctor *d)
{
	int64_t now = clock_real_ms(), next = d->status->root_crl_next_update_ms;

	if (!next || next - now > SOON_MS)
		return;
	AUTO_MEM char *when = text_time(next);
	doctor_say(d, next < now ? VERDICT_FAULT : VERDICT_WARNING, ADVICE_ROOT_CRL,
		_("the root's CRL is good until %s"), when);
}

void doctor_crl(struct doctor *d)
{
	if (is_silent(d))
		return;
	int64_t now = clock_real_ms(), next = d->status->crl_next_update_ms;
	if (next && next < now) {
		AUTO_MEM char *when = text_time(next);
		doctor_say(d, VERDICT_FAULT, ADVICE_OWN_CRL,
			_("the CRL of this CA is out of date since %s"), when);
	}
	check_root_crl(d);
	if (!is_unchecked(d))
		pass_on(d, "crl");
}

void doctor_change(struct doctor *d)
{
	if (!is_unchecked(d))
		pass_on(d, "change");
}

void doctor_backup(struct doctor *d)
{
	if (is_silent(d))
		return;
	int64_t now = clock_real_ms(), taken = d->status->backup_ms, due = d->status->backup_due_ms;
	AUTO_MEM char *when = text_time(taken);
	bool old = due && due < now;

	if (old && taken)
		doctor_say(d, VERDICT_WARNING, ADVICE_BACKUP_OLD,
			_("the last verified backup is of %s"), when);
	else if (old)
		doctor_say(d, VERDICT_WARNING, ADVICE_BACKUP_OLD, _("there is no verified backup"));
	else if (!taken)
		doctor_note(d, VERDICT_OK, _("there is no verified backup yet"));
}

/* Whether people are told is the installation's choice: no fault, but it is said. */
void doctor_notices(struct doctor *d)
{
	if (is_silent(d))
		return;
	doctor_note(d, VERDICT_OK, "%s", d->status->notices);
}

void doctor_queue(struct doctor *d)
{
	if (is_silent(d))
		return;
	if (d->status->queue_blocked)
		doctor_say(d, VERDICT_FAULT, ADVICE_QUEUE_BLOCKED, _("%llu jobs wait for somebody"),
			(unsigned long long)d->status->queue_blocked);
	else
		doctor_note(d, VERDICT_OK, _("%llu jobs wait, none for somebody"),
			(unsigned long long)d->status->queue_waiting);
}

void doctor_gateway(struct doctor *d)
{
	if (is_silent(d) || d->status->gateway_connected)
		return;
	if (d->checked)
		pass_on(d, "gateway");
	if (!d->said)
		doctor_say(d, VERDICT_FAULT, ADVICE_GATEWAY_AWAY,
			_("no gateway is connected to derivd"));
}
