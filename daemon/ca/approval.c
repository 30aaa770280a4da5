/* approval.c: see approval.h. */
#include "daemon/ca/approval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "proto/kind.h"

static char *short_name(const uint8_t digest[static SHA256_LEN])
{
	return text_hex(BYTES(digest, APPROVAL_SHOWN_LEN));
}

static bool is_in_force(const struct state *s, const struct entry_approved *standing)
{
	return standing->row && memcmp(standing->digest, s->effect_digest, SHA256_LEN) == 0;
}

/* --- how things stand --- */

struct err *approval_look(struct state *s, uid_t uid, struct approval *ret_approval)
{
	struct approval a = { .needed = 1 };

	TRY(entry_approved_newest(s->ledger, &a.standing));
	if (a.standing.row && a.standing.officers > 1)
		a.needed = a.standing.officers;
	a.in_force = is_in_force(s, &a.standing);
	a.waits = a.needed > 1 && (!a.in_force || a.standing.how == HOW_ALONE);
	if (a.waits)
		TRY(entry_votes(
			s->ledger, s->effect_digest, a.standing.row, uid, &a.given, &a.own));
	*ret_approval = a;
	return NULL;
}

struct err *approval_difference(
	struct state *s, const struct approval *a, struct effect_lines *ret_lines)
{
	AUTO(buf) struct buf *before = NULL;

	if (a->standing.row)
		TRY(entry_configuration_get(s->ledger, a->standing.digest, &before));
	if (a->standing.row && !before)
		return err_new(&ERR_STORE, "the configuration that is in force is not in the log");
	effect_difference(
		before ? buf_bytes(before) : BYTES("", 0), buf_bytes(s->effect), ret_lines);
	return NULL;
}

/* The first difference, and how many more there are. */
static char *summary(struct state *s, const struct approval *a)
{
	struct effect_lines l;
	AUTO(err) struct err *e = approval_difference(s, a, &l);

	if (e)
		return xstrdup(err_get_text(e));
	AUTO_MEM char *first = text_cut(l.n ? l.v[0] : "nothing differs", 300);
	char *text = l.n > 1 ? xasprintf("%s, and %zu more", first, l.n - 1) : xstrdup(first);
	effect_lines_clear(&l);
	return text;
}

static struct err *unapproved(struct state *s, const struct approval *a)
{
	AUTO_MEM char *name = short_name(s->effect_digest);
	AUTO_MEM char *what = summary(s, a);

	return err_new(&ERR_UNAPPROVED,
		"root has changed the configuration of derivd-ca, and %u of %u officers have "
		"approved it (%s): %s",
		a->given, a->needed, name, what);
}

/* --- coming into force --- */

/* Inside the transaction that also has what led to it. */
static struct err *put_in_force(struct ledger_tx *tx, const struct state *s, enum entry_how how,
	uint32_t officers, uid_t uid, const char *reason)
{
	struct entry_approved a = { .how = how, .officers = officers, .uid = uid };

	(void)snprintf(a.reason, sizeof(a.reason), "%s", reason);
	memcpy(a.digest, s->effect_digest, SHA256_LEN);
	TRY(entry_configuration_put(tx, a.digest, buf_bytes(s->effect)));
	return entry_approved_put(tx, &a);
}

static void note(enum note note, const struct state *s, uid_t uid, const char *text)
{
	AUTO_MEM char *name = short_name(s->effect_digest);
	AUTO_MEM char *number = xasprintf("%u", uid);
	const struct log_field fields[] = {
		{ "CONFIGURATION", name },
		{ "OPERATOR", number },
		{ NULL, NULL },
	};

	log_note(note, fields, "configuration %s: %s", name, text);
}

/* Where root alone may: what is new is in force by being there. */
static struct err *adopt_by_root(struct state *s)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	struct approval a;

	TRY(ledger_begin(s->ledger, false, &tx));
	TRY(approval_look(s, 0, &a));
	if (a.in_force)
		return NULL;
	if (a.needed > 1)
		return unapproved(s, &a);
	AUTO_MEM char *what = a.standing.row ? summary(s, &a) : xstrdup("the first one");
	TRY(put_in_force(
		tx, s, a.standing.row ? HOW_ROOT : HOW_FIRST, s->settings->officers, 0, ""));
	TRY(ledger_commit(take(tx)));
	note(NOTE_CHANGE_IN_FORCE, s, 0, what);
	return NULL;
}

struct err *approval_settle(struct state *s)
{
	struct approval a;

	TRY(approval_look(s, 0, &a));
	return a.in_force || a.needed > 1 ? NULL : adopt_by_root(s);
}

struct err *approval_check(struct state *s, bool fresh)
{
	AUTO(state) struct state *now = NULL;
	struct approval a;
	bool in_force = false;

	if (!fresh)
		TRY(entry_in_force(s->ledger, s->effect_digest, &in_force));
	if (in_force)
		return NULL;
	TRY(state_read_again(s, &now));
	TRY(approval_settle(now));
	TRY(approval_look(now, 0, &a));
	if (!a.in_force)
		return unapproved(now, &a);
	/* What is the same keeps what it has learned of CRLs. */
	if (memcmp(now->effect_digest, s->effect_digest, SHA256_LEN) != 0)
		state_exchange(s, now);
	return NULL;
}

struct err *approval_tell(struct state *s)
{
	AUTO(state) struct state *now = NULL;
	struct approval a;

	TRY(state_read_again(s, &now));
	TRY(approval_look(now, 0, &a));
	if (!a.waits)
		return NULL;
	if (!a.in_force)
		return unapproved(now, &a);
	AUTO_MEM char *when = text_time(a.standing.time_ms);
	AUTO_MEM char *name = short_name(now->effect_digest);
	return err_new(&ERR_ALONE,
		"configuration %s is in force since %s because root said so alone (\"%s\"), and %u "
		"of %u officers have approved it since",
		name, when, a.standing.reason, a.given, a.needed);
}

/* --- approving --- */

static struct err *check_waits(const struct approval *a)
{
	if (a->needed < 2)
		return err_new(&ERR_WRONG_STATE,
			"no officers are asked for here: root changes the CA alone (officers in "
			"ca.conf)");
	if (!a->waits)
		return err_new(&ERR_WRONG_STATE, "nothing waits for approval");
	return NULL;
}

static struct err *check_named(const struct state *s, const char *prefix)
{
	AUTO_MEM char *hex = text_hex(BYTES(s->effect_digest, SHA256_LEN));
	AUTO_MEM char *name = short_name(s->effect_digest);

	if (strlen(prefix) < APPROVAL_PREFIX_MIN ||
		strspn(prefix, "0123456789abcdef") != strlen(prefix))
		return err_new(&ERR_WRONG_STATE,
			"a configuration is named by %d or more of its digits",
			APPROVAL_PREFIX_MIN);
	if (text_starts(hex, prefix))
		return NULL;
	return err_new(&ERR_WRONG_STATE,
		"the configuration is %s now, not %.16s: it was changed after you looked, and "
		"approvals of the other one do not count for it",
		name, prefix);
}

struct err *approval_give(
	struct state *s, uid_t uid, const char *prefix, struct approval *ret_approval)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	struct approval a;

	TRY(ledger_begin(s->ledger, false, &tx));
	TRY(approval_look(s, uid, &a));
	TRY(check_waits(&a));
	TRY(check_named(s, prefix));
	if (a.own)
		return err_new(&ERR_WRONG_STATE,
			"you have approved it already: it takes %u officers, each with a user of "
			"his own",
			a.needed);
	TRY(entry_configuration_put(tx, s->effect_digest, buf_bytes(s->effect)));
	TRY(entry_vote_put(tx, s->effect_digest, a.standing.row, uid));
	a.given++;
	a.own = true;
	a.in_force = a.in_force || a.given >= a.needed;
	a.waits = a.given < a.needed;
	if (!a.waits)
		TRY(put_in_force(tx, s, HOW_OFFICERS, s->settings->officers, uid, ""));
	TRY(ledger_commit(take(tx)));
	AUTO_MEM char *text = xasprintf("approved by uid %u, %u of %u%s", uid, a.given, a.needed,
		a.waits ? "" : "; it is in force");
	note(NOTE_CHANGE_APPROVED, s, uid, text);
	*ret_approval = a;
	return NULL;
}

struct err *approval_alone(struct state *s, uid_t uid, const char *reason)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	struct approval a;

	TRY(ledger_begin(s->ledger, false, &tx));
	TRY(approval_look(s, uid, &a));
	TRY(check_waits(&a));
	if (a.in_force)
		return err_new(&ERR_WRONG_STATE,
			"it is in force already because root said so alone; now %u officers have "
			"to approve it",
			a.needed);
	/* The rule stays: officers give it away, nobody else. */
	TRY(put_in_force(tx, s, HOW_ALONE, a.needed, uid, reason));
	TRY(ledger_commit(take(tx)));
	AUTO_MEM char *text = xasprintf(
		"in force because root said so alone, without %u officers: %s", a.needed, reason);
	note(NOTE_CHANGE_ALONE, s, uid, text);
	return NULL;
}
