/* control_check.c: what derivd, its store and derivd-ca find wrong with themselves, for derivctl doctor. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/control.h"
#include "daemon/core/mail.h"

/* PROTOCOL.control: of one answer; derivd-ca gives at most 32. */
#define FINDINGS_MAX 48
#define TEXT_MAX 1024

struct err *control_check(struct core *c, const struct caller *who)
{
	const struct ask ask = { .kind = ASK_CHECK, .caller = who->number, .serial = who->serial };
	const Ca__Check q = CA__CHECK__INIT;

	/* A store that cannot be written fails the turn, and whoever asked hears why. */
	TRY(store_touch(c->store, clock_real_ms()));
	mail_ask(c, &ask, MSG_CA_CHECK, &q);
	return NULL;
}

struct findings {
	size_t n;
	Common__Reason own[8];
	char *text[8];
	size_t n_own;
	Common__Reason *v[FINDINGS_MAX];
};

static void add(
	struct findings *f, const char *subject, const struct err_kind *kind, const char *text)
{
	AUTO_MEM char *safe = text_safe(BYTES(text, strlen(text)));
	Common__Reason *r = &f->own[f->n_own];

	if (f->n_own == ARRAY_LEN(f->own))
		return;
	common__reason__init(r);
	f->text[f->n_own++] = text_cut(safe, TEXT_MAX);
	r->kind = (char *)(uintptr_t)kind->name;
	r->subject = (char *)(uintptr_t)subject;
	r->text = f->text[f->n_own - 1];
	f->v[f->n++] = r;
}

static void add_own(struct findings *f, const struct core *c)
{
	AUTO(err) struct err *clock = audit_check_clock(c->audit);

	if (clock)
		add(f, "clock", err_get_kind(clock), err_get_text(clock));
	if (c->frozen)
		add(f, "audit", c->frozen_kind, c->frozen);
	if (c->gateway_trouble)
		add(f, "gateway", c->gateway_kind, c->gateway_trouble);
}

struct err *control_checked(struct core *c, const struct ask *ask, const struct answer *a)
{
	const Ca__Checked *checked = a->body;
	Control__Checked m = CONTROL__CHECKED__INIT;
	struct findings f = { 0 };

	add_own(&f, c);
	/* Why there is no connection says more than that there is none. */
	if (!c->ca.reachable && c->ca.trouble_kind)
		add(&f, "ca", c->ca.trouble_kind, c->ca.trouble);
	else if (a->error)
		add(&f, "ca", err_get_kind(a->error), err_get_text(a->error));
	for (size_t i = 0; !a->error && i < checked->n_findings && f.n < FINDINGS_MAX; i++)
		f.v[f.n++] = checked->findings[i];
	m.n_findings = f.n;
	m.findings = f.v;
	mail_caller(c, ask->caller, MSG_CHECKED, ask->serial, &m);
	for (size_t i = 0; i < f.n_own; i++)
		free(f.text[i]);
	return NULL;
}
