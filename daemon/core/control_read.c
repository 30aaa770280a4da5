/* control_read.c: status, evidence and audit heads. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/core/control.h"
#include "daemon/core/mail.h"
#include "daemon/core/presence.h"
#include "daemon/core/roles.h"

/* --- status --- */

static void fill_head(struct core *c, Common__AuditHead *ret_head)
{
	const struct audit_link *head = audit_head(c->audit);

	common__audit_head__init(ret_head);
	ret_head->sequence = head->sequence;
	ret_head->hash = pb_lend(BYTES(head->hash, SHA256_LEN));
}

static char *lend(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

static size_t fill_roles(unsigned int roles, char *ret_names[static ROLES])
{
	size_t n = 0;

	for (unsigned int r = 0; r < ROLES; r++) {
		if (roles & ROLE_BIT(r))
			ret_names[n++] = lend(role_name((enum role)r));
	}
	return n;
}

static char *notices_text(const struct core *c)
{
	const struct channels *ch = &c->channels;
	AUTO_MEM char *text = text_cut(ch->text ? ch->text : "not asked yet", 900);
	AUTO_MEM char *shown = text_safe(BYTES(text, strlen(text)));

	if (!ch->known)
		return xasprintf("not known: %s", shown);
	if (!ch->holders)
		return xstrdup(
			"NOBODY IS TOLD of anything: courier.conf names neither smtp nor hook");
	return xasprintf("%s%s", shown,
		ch->operators ? "" : "; NO OPERATOR IS TOLD: courier.conf names none");
}

/* The chain's own age counts as long as there is no backup: a kiosk that was set up today needs none of last week. */
static struct err *fill_backup(struct core *c, Control__StatusReply *m)
{
	int64_t since = 0;

	TRY(store_backup_get(c->store, &m->backup_ms));
	since = m->backup_ms;
	if (!since)
		TRY(store_audit_begin(c->store, &since));
	if (since && c->settings->backup_age_ms)
		m->backup_due_ms = since + (int64_t)c->settings->backup_age_ms;
	return NULL;
}

struct err *control_status(struct core *c, const struct caller *who, unsigned int roles,
	const struct control_facts *facts)
{
	Control__StatusReply m = CONTROL__STATUS_REPLY__INIT;
	Common__AuditHead head;
	char *names[ROLES];
	AUTO_MEM char *trouble = text_safe(BYTES(lend(c->ca.trouble), strlen(lend(c->ca.trouble))));

	TRY(store_job_count(c->store, &m.queue_waiting, &m.queue_blocked));
	TRY(store_request_count_open(c->store, &m.requests_open));
	TRY(fill_backup(c, &m));
	fill_head(c, &head);
	if (strlen(trouble) > 1000)
		trouble[1000] = 0;
	m.version = lend(PACKAGE_VERSION);
	m.state = lend(facts->state);
	m.devices_connected = (uint32_t)presence_count(c->presence);
	m.ca_reachable = c->ca.reachable;
	m.gateway_connected = facts->gateway_connected;
	m.ca_trouble = trouble;
	m.audit = &head;
	m.schema = store_get_schema(c->store);
	m.n_roles = fill_roles(roles, names);
	m.roles = names;
	m.started_ms = c->started_ms;
	m.crl_next_update_ms = c->ca.crl_next_update_ms;
	m.root_crl_next_update_ms = c->ca.root_crl_next_update_ms;
	AUTO_MEM char *notices = notices_text(c);
	m.notices = notices;
	m.pins_epoch = c->settings->pins_epoch;
	m.ca_issuer = lend(c->ca.issuer);
	m.ca_not_after_ms = c->ca.issuer_not_after_ms;
	mail_caller(c, who->number, MSG_STATUS_REPLY, who->serial, &m);
	return NULL;
}

/* --- roles --- */

struct err *control_roles(struct core *c, const struct caller *who, unsigned int roles)
{
	Control__RolesReply m = CONTROL__ROLES_REPLY__INIT;
	Control__RoleRow rows[ROLES], *list[ROLES];
	char *may[ROLES][ROLES_COMMANDS_MAX];

	for (unsigned int r = 0; r < ROLES; r++) {
		const char *command;
		control__role_row__init(&rows[r]);
		rows[r].role = lend(role_name((enum role)r));
		rows[r].group = c->settings->role[r].name;
		rows[r].yours = (roles & ROLE_BIT(r)) != 0;
		rows[r].may = may[r];
		while (rows[r].n_may < ROLES_COMMANDS_MAX &&
			(command = roles_command((enum role)r, rows[r].n_may)))
			may[r][rows[r].n_may++] = lend(command);
		list[r] = &rows[r];
	}
	m.n_roles = ROLES;
	m.change_officers = c->ca.officers;
	m.roles = list;
	mail_caller(c, who->number, MSG_ROLES_REPLY, who->serial, &m);
	return NULL;
}

/* --- evidence --- */

/* The chain's certificates, each behind its length, into views of them. */
static struct err *split_chain(
	struct bytes chain, ProtobufCBinaryData ret_certs[static 10], size_t *ret_n)
{
	struct cursor at = { chain };
	size_t n = 0;

	while (at.rest.len) {
		struct bytes cert;
		uint32_t len = 0;
		if (n == 10)
			return err_new(&ERR_STORE, "a chain of more than 10 certificates");
		TRY(cursor_u32(&at, &len));
		TRY(cursor_bytes(&at, len, &cert));
		ret_certs[n++] = pb_lend(cert);
	}
	*ret_n = n;
	return NULL;
}

static struct err *send_bundle(struct core *c, const struct caller *who, const struct credential *k,
	const struct buf *evidence, const struct buf *receipt, const struct papers *p)
{
	AUTO_MSG ProtobufCMessage *wire_evidence = NULL;
	AUTO_MSG ProtobufCMessage *wire_receipt = NULL;
	AUTO_MSG ProtobufCMessage *ticket = NULL;
	Common__Bundle bundle = COMMON__BUNDLE__INIT;
	Control__EvidenceReply m = CONTROL__EVIDENCE_REPLY__INIT;
	ProtobufCBinaryData chain[10];

	TRY(msg_parse_type(&common__evidence__descriptor, buf_bytes(evidence), &wire_evidence));
	TRY(msg_parse_type(&common__signed__descriptor, buf_bytes(receipt), &wire_receipt));
	if (p->ticket)
		TRY(msg_parse_type(&common__signed__descriptor, buf_bytes(p->ticket), &ticket));
	if (p->chain)
		TRY(split_chain(buf_bytes(p->chain), chain, &bundle.n_chain));
	bundle.version = 1;
	bundle.evidence = (Common__Evidence *)wire_evidence;
	bundle.receipt = (Common__Signed *)wire_receipt;
	bundle.ticket = (Common__Signed *)ticket;
	bundle.certificate = pb_lend(buf_bytes(p->certificate));
	bundle.chain = chain;
	bundle.purpose = k->purpose;
	m.bundle = &bundle;
	mail_caller(c, who->number, MSG_EVIDENCE_REPLY, who->serial, &m);
	return NULL;
}

struct err *control_evidence(
	struct core *c, const struct caller *who, const Control__EvidenceGet *m)
{
	AUTO(credential) struct credential *k = NULL;
	AUTO(papers) struct papers *p = NULL;
	AUTO(buf) struct buf *evidence = NULL;
	AUTO(buf) struct buf *receipt = NULL;
	AUTO_MEM char *actor = session_actor(who->uid);
	uint8_t id[SHA256_LEN];

	TRY(store_find(c->store, TABLE_CREDENTIAL, m->credential, id));
	TRY(store_credential_get(c->store, id, &k));
	TRY(store_papers_get(c->store, k->id, &p));
	TRY(store_evidence_get(c->store, k->request, &evidence, &receipt));
	if (!evidence || !receipt || !p->certificate)
		return err_new(&ERR_WRONG_STATE,
			"the credential is %s: it has no certificate to prove",
			credential_state_name(k->state));
	TRY(send_bundle(c, who, k, evidence, receipt, p));
	const struct audit_about about = {
		.event = EV_EVIDENCE_READ,
		.actor = actor,
		.request = k->request,
		.credential = k->id,
		.device = k->device,
		.holder = k->holder,
		.purpose = k->purpose,
	};
	return audit_add(c->audit, &about, "serial number %s", k->serial ? k->serial : "");
}

/* --- audit heads --- */

/* What derivd-ca logged, and nothing from the store: that is what the store is held against. */
struct err *control_heads(struct core *c, const struct caller *who, const Control__AuditHeads *m)
{
	const struct ask ask = { .kind = ASK_HEADS, .caller = who->number, .serial = who->serial };
	Ca__Heads q = CA__HEADS__INIT;

	q.after = m->after;
	q.challenge = m->challenge;
	mail_ask(c, &ask, MSG_CA_HEADS, &q);
	return NULL;
}

struct err *control_heads_came(struct core *c, const struct ask *ask, const struct answer *a)
{
	const Ca__HeadPage *page = a->body;
	Control__AuditHeadsReply reply = CONTROL__AUDIT_HEADS_REPLY__INIT;

	if (a->error)
		return err_new(err_get_kind(a->error), "%s", err_get_text(a->error));
	reply.page = page->page;
	mail_caller(c, ask->caller, MSG_AUDIT_HEADS_REPLY, ask->serial, &reply);
	return NULL;
}

/* --- checkpoint --- */

/* The chain's committed end; what this turn adds is not in it. */
struct err *control_checkpoint(
	struct core *c, const struct caller *who, const Control__AuditCheckpoint *m)
{
	const struct ask ask = {
		.kind = ASK_CHECKPOINT, .caller = who->number, .serial = who->serial
	};
	Ca__Checkpoint q = CA__CHECKPOINT__INIT;
	Common__AuditHead head;

	fill_head(c, &head);
	q.challenge = m->challenge;
	q.audit = &head;
	mail_ask(c, &ask, MSG_CA_CHECKPOINT, &q);
	return NULL;
}

struct err *control_checkpoint_came(struct core *c, const struct ask *ask, const struct answer *a)
{
	const Ca__CheckpointSigned *signed_checkpoint = a->body;
	Control__AuditCheckpointReply reply = CONTROL__AUDIT_CHECKPOINT_REPLY__INIT;

	if (a->error)
		return err_new(err_get_kind(a->error), "%s", err_get_text(a->error));
	reply.checkpoint = signed_checkpoint->checkpoint;
	mail_caller(c, ask->caller, MSG_AUDIT_CHECKPOINT_REPLY, ask->serial, &reply);
	return NULL;
}
