/* request.c: the walk through request.def, the audit row of each step, and the drawing. */
#include "daemon/core/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/actions.h"
#include "daemon/core/mail.h"
#include "daemon/core/notice.h"
#include "daemon/core/presence.h"

/* "nothing" in request.def. */
#define request_nothing NULL
#define credential_nothing NULL

static const struct {
	enum request_state state;
	enum request_event event;
	struct err *(*action)(struct core *c, struct request *r, const struct cause *cause);
	enum request_state next;
	const char *action_name;
} request_moves[] = {
#define REQUEST(state, event, action, next)                                                        \
	{ RS_##state, RE_##event, request_##action, RS_##next, #action },
#include "daemon/core/request.def"
};

static const struct {
	enum credential_state state;
	enum credential_event event;
	struct err *(*action)(struct core *c, struct credential *k, const struct cause *cause);
	enum credential_state next;
	const char *action_name;
} credential_moves[] = {
#define CREDENTIAL(state, event, action, next)                                                     \
	{ CS_##state, CE_##event, credential_##action, CS_##next, #action },
#include "daemon/core/request.def"
};

/* What each event is called in the chain. */
static const enum event request_audit[] = {
	[RE_ASSESSED] = EV_OFFERED,
	[RE_REFUSE] = EV_REJECTED,
	[RE_INVITE] = EV_INVITED,
	[RE_STATEMENT] = EV_STATEMENT,
	[RE_RETURN] = EV_STATEMENT,
	[RE_REVEAL] = EV_REVEALED,
	[RE_DISCLOSE] = EV_DISCLOSED,
	[RE_CONFIRM] = EV_DIGITS_RIGHT,
	[RE_MISS] = EV_DIGITS_WRONG,
	[RE_NONCE] = EV_PREPARED,
	[RE_EVIDENCE] = EV_EVIDENCE,
	[RE_LAPSE] = EV_LAPSED,
	[RE_VERIFY] = EV_VERIFIED,
	[RE_CANCEL] = EV_CANCELLED,
};

static const enum event credential_audit[] = {
	[CE_MADE] = EV_MADE,
	[CE_CERTIFIED] = EV_CERTIFIED,
	[CE_GONE] = EV_REVOKED,
	[CE_SIGNED] = EV_QUEUED,
	[CE_ACKNOWLEDGED] = EV_ACTIVE,
	[CE_DECLINED] = EV_DECLINED,
	[CE_SUPERSEDE] = EV_SUPERSEDED,
	[CE_REVOKE] = EV_REVOKE,
	[CE_REVOKED] = EV_REVOKED,
	[CE_EXPIRE] = EV_EXPIRED,
	[CE_REJECT] = EV_CREDENTIAL_REJECTED,
	[CE_CANCEL] = EV_CREDENTIAL_CANCELLED,
	[CE_UNCLAIM] = EV_UNCLAIMED,
	[CE_RECALLED] = EV_ACTIVE,
};

static bool find_request_move(enum request_state state, enum request_event event, size_t *ret_at)
{
	for (size_t i = 0; i < ARRAY_LEN(request_moves); i++) {
		*ret_at = i;
		if (request_moves[i].state == state && request_moves[i].event == event)
			return true;
	}
	return false;
}

static bool find_credential_move(
	enum credential_state state, enum credential_event event, size_t *ret_at)
{
	for (size_t i = 0; i < ARRAY_LEN(credential_moves); i++) {
		*ret_at = i;
		if (credential_moves[i].state == state && credential_moves[i].event == event)
			return true;
	}
	return false;
}

bool request_can(const struct request *r, enum request_event event)
{
	size_t at;

	return find_request_move(r->state, event, &at);
}

bool credential_can(const struct credential *k, enum credential_event event)
{
	size_t at;

	return find_credential_move(k->state, event, &at);
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = text ? xstrdup(text) : NULL;
}

static struct err *audit_request(struct core *c, const struct request *r, enum request_event event,
	const char *before, const struct cause *cause)
{
	const struct audit_about about = {
		.event = request_audit[event],
		.actor = cause->actor,
		.request = r->id,
		.device = r->device,
		.holder = r->holder,
		.reader = r->reader,
		.error = cause->kind,
		.card = r->card,
		.operator_uid = &r->uid,
	};

	return audit_add(c->audit, &about, "request %s, now %s%s%s", before,
		request_state_name(r->state), cause->text ? ": " : "",
		cause->text ? cause->text : "");
}

/* --- whether anything is still on its way --- */

static struct err *count(
	struct core *c, const uint8_t *request, unsigned int *ret_coming, unsigned int *ret_arrived)
{
	struct filter f = { .request = request, .most = STORE_PAGE_MAX };
	AUTO(rows) struct rows *rows = NULL;

	TRY(store_credential_list(c->store, &f, &rows));
	for (size_t i = 0; i < rows->n; i++) {
		const struct credential *k = rows->row[i];
		*ret_coming += credential_state_class(k->state) == CLASS_COMING;
		*ret_arrived += k->delivered;
	}
	return NULL;
}

struct err *request_shown_state(struct core *c, const struct request *r, const char **ret_name)
{
	unsigned int coming = 0, arrived = 0;

	*ret_name = request_state_name(r->state);
	if (r->state != RS_VERIFIED)
		return NULL;
	TRY(count(c, r->id, &coming, &arrived));
	if (coming)
		*ret_name = "issuing";
	else
		*ret_name = arrived ? "complete" : "failed";
	return NULL;
}

static void tell_complete(struct core *c, const struct request *r, unsigned int arrived)
{
	const struct connection *device = presence_find(c->presence, r->device);
	Device__Progress p = DEVICE__PROGRESS__INIT;

	p.stage = arrived ? DEVICE__STAGE__COMPLETE : DEVICE__STAGE__CANCELLED;
	if (device)
		mail_device(c, device->number, MSG_DEVICE_PROGRESS, 0, &p);
}

/* Closes a verified request once nothing of it is coming. */
static struct err *look_at(struct core *c, struct request *r)
{
	unsigned int coming = 0, arrived = 0;
	const struct audit_about about = {
		.event = EV_COMPLETE,
		.request = r->id,
		.device = r->device,
		.holder = r->holder,
		.card = r->card,
		.operator_uid = &r->uid,
	};

	if (r->state != RS_VERIFIED || !r->open)
		return NULL;
	TRY(count(c, r->id, &coming, &arrived));
	if (coming)
		return NULL;
	r->open = false;
	TRY(store_request_put(c->store, r));
	TRY(audit_add(
		c->audit, &about, "%u of the request's credentials reached the device", arrived));
	tell_complete(c, r, arrived);
	return NULL;
}

struct err *request_settle(struct core *c, const uint8_t id[static ID_LEN])
{
	AUTO(request) struct request *r = NULL;

	TRY(store_request_get(c->store, id, &r));
	return look_at(c, r);
}

/* --- steps --- */

struct err *request_step(
	struct core *c, struct request *r, enum request_event event, const struct cause *cause)
{
	const char *before = request_state_name(r->state);
	size_t at;

	if (!find_request_move(r->state, event, &at))
		return err_new(&ERR_WRONG_STATE, "the request is %s: \"%s\" is not possible",
			before, request_event_name(event));
	if (request_moves[at].action)
		TRY(request_moves[at].action(c, r, cause));
	r->state = request_moves[at].next;
	r->changed_ms = clock_real_ms();
	/* A verified request stays open until its credentials are where they belong. */
	r->open = r->state == RS_VERIFIED ? r->open : !request_state_is_end(r->state);
	if (cause->kind) {
		set_text(&r->cause_kind, cause->kind);
		set_text(&r->cause, cause->text);
	}
	TRY(store_request_put(c->store, r));
	return audit_request(c, r, event, before, cause);
}

static struct err *audit_credential(struct core *c, const struct credential *k,
	enum credential_event event, enum credential_state before, const struct cause *cause)
{
	const struct audit_about about = {
		.event = credential_audit[event],
		.actor = cause->actor,
		.request = k->request,
		.credential = k->id,
		.device = k->device,
		.holder = k->holder,
		.purpose = k->purpose,
		.error = cause->kind,
	};

	return audit_add(c->audit, &about, "%s credential%s%s %s, now %s%s%s",
		purpose_name(k->purpose), k->serial ? " serial " : "", k->serial ? k->serial : "",
		credential_state_name(before), credential_state_name(k->state),
		cause->text ? ": " : "", cause->text ? cause->text : "");
}

/* Its holder hears of it, in another way than from the device. */
static struct err *tell(struct core *c, const struct credential *k, enum credential_event event,
	enum credential_state before)
{
	if (event == CE_CERTIFIED && k->state == CS_CERTIFIED)
		return notice_certified(c, k);
	return k->state == CS_REVOKING && before != CS_REVOKING ? notice_revoking(c, k) : NULL;
}

struct err *credential_step(struct core *c, struct credential *k, enum credential_event event,
	const struct cause *cause)
{
	enum credential_state before = k->state;
	size_t at;

	if (!find_credential_move(k->state, event, &at))
		return err_new(&ERR_WRONG_STATE, "the %s credential is %s: \"%s\" is not possible",
			purpose_name(k->purpose), credential_state_name(k->state),
			credential_event_name(event));
	if (credential_moves[at].action)
		TRY(credential_moves[at].action(c, k, cause));
	k->state = credential_moves[at].next;
	k->changed_ms = clock_real_ms();
	if (cause->kind) {
		set_text(&k->cause_kind, cause->kind);
		set_text(&k->cause, cause->text);
	}
	TRY(store_credential_put(c->store, k));
	TRY(audit_credential(c, k, event, before, cause));
	TRY(tell(c, k, event, before));
	return request_settle(c, k->request);
}

/* --- the drawing --- */

static void print_row(FILE *out, const char *machine, const char *from, const char *to,
	const char *event, const char *action)
{
	bool silent = strcmp(action, "nothing") == 0;

	fprintf(out, "\t\t\"%s %s\" -> \"%s %s\" [label=\"%s%s%s\"];\n", machine, from, machine, to,
		event, silent ? "" : "\\n/ ", silent ? "" : action);
}

void request_print_states(FILE *out)
{
	fputs("digraph derivd {\n\trankdir=TB;\n\tnode [shape=box, style=rounded];\n", out);
	fputs("\tsubgraph cluster_request {\n\t\tlabel=\"request\";\n", out);
	for (size_t i = 0; i < ARRAY_LEN(request_moves); i++)
		print_row(out, "request", request_state_name(request_moves[i].state),
			request_state_name(request_moves[i].next),
			request_event_name(request_moves[i].event), request_moves[i].action_name);
	fputs("\t}\n\tsubgraph cluster_credential {\n\t\tlabel=\"credential\";\n", out);
	for (size_t i = 0; i < ARRAY_LEN(credential_moves); i++)
		print_row(out, "credential", credential_state_name(credential_moves[i].state),
			credential_state_name(credential_moves[i].next),
			credential_event_name(credential_moves[i].event),
			credential_moves[i].action_name);
	fputs("\t}\n}\n", out);
}
