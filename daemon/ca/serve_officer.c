/*
 * serve_officer.c: derivd-ca officer: one connection of a person, on a socket that derivd does not have. Who it is, the kernel
 * says: derivd, which may be compromised, has no part in it. PROTOCOL.ca section 16.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/command.h"
#include "proto/ca.pb-c.h"
#include "proto/kind.h"
#include "proto/worker.h"

#define DEADLINE_S 60
/* PROTOCOL.ca: of one answer. */
#define DIFFERENCES_MAX 512
#define PAGE 100

struct desk {
	struct state *state;
	uid_t uid;
};

static struct err *who_is_it(int fd, const struct state *s, struct desk *desk)
{
	struct proc_peer peer;
	bool member;

	TRY(proc_get_peer(fd, &peer));
	member = s->settings->officer_gid != NO_OFFICERS && peer.gid == s->settings->officer_gid;
	for (size_t i = 0; i < peer.n_groups && s->settings->officer_gid != NO_OFFICERS; i++)
		member = member || peer.groups[i] == s->settings->officer_gid;
	desk->uid = peer.uid;
	if (member || peer.uid == 0)
		return NULL;
	return err_new(
		&ERR_DENIED, "this takes membership in the group %s", s->settings->officer_group);
}

/* --- show --- */

static char *too_many(size_t n)
{
	return xasprintf("and %zu more: derivd-ca approve, as root, tells all of them", n);
}

static struct err *answer_show(struct worker *w, const struct approval *a, struct effect_lines *l)
{
	struct desk *d = w->state;
	Ca__Change m = CA__CHANGE__INIT;

	if (l->n > DIFFERENCES_MAX) {
		char *rest = too_many(l->n - DIFFERENCES_MAX + 1);
		free(l->v[DIFFERENCES_MAX - 1]);
		l->v[DIFFERENCES_MAX - 1] = rest;
	}
	m.digest = pb_lend(BYTES(d->state->effect_digest, SHA256_LEN));
	if (a->standing.row)
		m.approved = pb_lend(BYTES(a->standing.digest, SHA256_LEN));
	m.since_ms = a->standing.time_ms;
	m.in_force = a->in_force;
	m.waits = a->waits;
	m.needed = a->needed;
	m.given = a->given;
	m.own = a->own;
	m.differences = l->v;
	m.n_differences = l->n < DIFFERENCES_MAX ? l->n : DIFFERENCES_MAX;
	return worker_reply(w, MSG_CHANGE, &m);
}

static struct err *run_show(struct worker *w, const void *request)
{
	struct desk *d = w->state;
	struct effect_lines l;
	struct approval a;

	(void)request;
	TRY(approval_settle(d->state));
	TRY(approval_look(d->state, d->uid, &a));
	TRY(approval_difference(d->state, &a, &l));
	struct err *e = answer_show(w, &a, &l);
	effect_lines_clear(&l);
	return e;
}

/* --- approve --- */

static struct err *run_approve(struct worker *w, const void *request)
{
	const Ca__ChangeApprove *q = request;
	struct desk *d = w->state;
	Ca__ChangeApproved m = CA__CHANGE_APPROVED__INIT;
	struct approval a;

	if (d->uid == 0)
		return err_new(&ERR_DENIED,
			"root changes the configuration, and others approve it: officers with "
			"users of "
			"their own. Where there are none: derivd-ca approve --alone");
	TRY(approval_give(d->state, d->uid, q->digest, &a));
	m.needed = a.needed;
	m.given = a.given;
	m.in_force = a.in_force;
	return worker_reply(w, MSG_CHANGE_APPROVED, &m);
}

/* --- list --- */

struct page {
	size_t n;
	Ca__ChangeRow rows[PAGE];
	Ca__ChangeRow *pointers[PAGE];
	uint8_t digests[PAGE][SHA256_LEN];
	char *reasons[PAGE];
};

static struct err *add_row(struct page *p, const struct ledger_rows *rows)
{
	Ca__ChangeRow *r = &p->rows[p->n];

	ca__change_row__init(r);
	TRY(ledger_fixed(rows, 2, p->digests[p->n], SHA256_LEN));
	r->row = (uint64_t)ledger_number(rows, 0);
	r->time_ms = ledger_number(rows, 1);
	r->digest = pb_lend(BYTES(p->digests[p->n], SHA256_LEN));
	r->how = (Ca__How)ledger_number(rows, 3);
	r->officers = (uint32_t)ledger_number(rows, 4);
	r->uid = (uint32_t)ledger_number(rows, 5);
	p->reasons[p->n] = bytes_strdup(ledger_bytes(rows, 6));
	r->reason = p->reasons[p->n];
	p->pointers[p->n] = r;
	p->n++;
	return NULL;
}

static struct err *read_rows(struct ledger *l, uint64_t after, struct page *p, uint64_t *ret_next)
{
	static const char sql[] =
		"SELECT c.row, time_ms, digest, how, officers, uid, reason FROM"
		" (SELECT row, digest, how, officers, uid, reason FROM approved UNION ALL"
		"  SELECT row, digest, 5, 0, uid, x'' FROM vote) AS c"
		" JOIN chain ON chain.row = c.row WHERE c.row > ? ORDER BY c.row LIMIT ?";
	const struct ledger_value values[] = { LEDGER_NUMBER(after), LEDGER_NUMBER(PAGE + 1) };
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool more;

	*ret_next = 0;
	TRY(ledger_query(l, sql, values, ARRAY_LEN(values), &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		if (p->n == PAGE)
			break;
		TRY(add_row(p, rows));
	}
	*ret_next = p->rows[PAGE - 1].row;
	return NULL;
}

static struct err *run_list(struct worker *w, const void *request)
{
	const Ca__ChangeList *q = request;
	struct desk *d = w->state;
	struct page *p = xcalloc(1, sizeof(*p));
	Ca__ChangePage m = CA__CHANGE_PAGE__INIT;
	struct err *e = q->after > INT64_MAX ? err_new(&ERR_PROTOCOL, "a row that no log has")
					     : read_rows(d->state->ledger, q->after, p, &m.next);

	m.rows = p->pointers;
	m.n_rows = p->n;
	if (!e)
		e = worker_reply(w, MSG_CHANGE_PAGE, &m);
	for (size_t i = 0; i < p->n; i++)
		free(p->reasons[i]);
	free(p);
	return e;
}

static const struct worker_op ops[] = {
	{ MSG_CHANGE_SHOW, run_show, false },
	{ MSG_CHANGE_APPROVE, run_approve, false },
	{ MSG_CHANGE_LIST, run_list, false },
	{ 0, NULL, false },
};

struct err *serve_officer(void)
{
	AUTO(state) struct state *s = NULL;
	struct desk desk = { NULL, 0 };
	int fd;

	TRY(proc_passed_fd("", SOCK_SEQPACKET, false, &fd));
	struct err *e = state_open(&s);
	if (!e)
		e = who_is_it(fd, s, &desk);
	if (e)
		return worker_refuse(fd, LINK_OFFICER, "derivd-ca", e);
	desk.state = s;
	return worker_run(fd, LINK_OFFICER, "derivd-ca", ops, DEADLINE_S, &desk);
}
