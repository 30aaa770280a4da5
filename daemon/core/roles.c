/* roles.c: one row a message. */
#include "daemon/core/roles.h"

#include "base/buf.h"
#include "proto/kind.h"

#define OPERATOR ROLE_BIT(ROLE_OPERATOR)
#define OFFICER ROLE_BIT(ROLE_OFFICER)
#define AUDITOR ROLE_BIT(ROLE_AUDITOR)
#define MONITOR ROLE_BIT(ROLE_MONITOR)
#define ANYBODY (~0U)

/*
 * An officer is an operator who may also revoke; an auditor reads and changes nothing; what monitors reads counts. command: what
 * it is for people; of several messages of one command one has it.
 */
static const struct {
	enum msg_number number;
	unsigned int roles;
	const char *command;
} table[] = {
	{ MSG_STATUS, ANYBODY, "status" },
	{ MSG_ROLES, ANYBODY, "roles" },
	{ MSG_METRICS, OPERATOR | OFFICER | AUDITOR | MONITOR, "metrics" },
	{ MSG_SESSION_OPEN, OPERATOR | OFFICER, "provision, issue" },
	{ MSG_SESSION_INVITE, OPERATOR | OFFICER, NULL },
	{ MSG_SESSION_REVEAL, OPERATOR | OFFICER, NULL },
	{ MSG_SESSION_DIGITS, OPERATOR | OFFICER, NULL },
	{ MSG_SESSION_PREPARE, OPERATOR | OFFICER, NULL },
	{ MSG_SESSION_EVIDENCE, OPERATOR | OFFICER, NULL },
	{ MSG_SESSION_RESUME, OPERATOR | OFFICER, NULL },
	{ MSG_SESSION_CANCEL, OPERATOR | OFFICER, NULL },
	{ MSG_LIST, OPERATOR | OFFICER | AUDITOR,
		"request, device, credential, queue: list, show; pins" },
	{ MSG_CHECK, OPERATOR | OFFICER | AUDITOR, "doctor" },
	{ MSG_WATCH, OPERATOR | OFFICER | AUDITOR, "watch, audit show" },
	{ MSG_REQUEST_CANCEL, OPERATOR | OFFICER, "request cancel" },
	{ MSG_QUEUE_RETRY, OPERATOR | OFFICER, "queue retry" },
	{ MSG_DEVICE_REVOKE, OFFICER, "device revoke" },
	{ MSG_CREDENTIAL_REVOKE, OFFICER, "credential revoke" },
	/* Never comes here: derivd-ca takes it from officers itself. */
	{ MSG_CHANGE_APPROVE, OFFICER, "change show, change approve, change list" },
	{ MSG_EVIDENCE_GET, AUDITOR, "evidence show, evidence verify" },
	{ MSG_AUDIT_HEADS, AUDITOR, "audit verify" },
	{ MSG_AUDIT_CHECKPOINT, AUDITOR, "audit checkpoint" },
};

unsigned int roles_of(const struct settings *s, const struct proc_peer *peer)
{
	unsigned int roles = 0;

	if (peer->uid == 0)
		return OPERATOR | OFFICER | AUDITOR | MONITOR;
	for (unsigned int r = 0; r < ROLES; r++) {
		gid_t gid = s->role[r].gid;
		bool member = gid != NO_GROUP && peer->gid == gid;
		for (size_t i = 0; i < peer->n_groups && gid != NO_GROUP; i++)
			member = member || peer->groups[i] == gid;
		if (member)
			roles |= ROLE_BIT(r);
	}
	return roles;
}

static struct err *denied(const struct settings *s, unsigned int wanted)
{
	AUTO(buf) struct buf *names = buf_new();

	for (unsigned int r = 0; r < ROLES; r++) {
		if (wanted & ROLE_BIT(r))
			buf_addf(names, "%s%s", buf_len(names) ? " or " : "", s->role[r].name);
	}
	return err_new(&ERR_DENIED, "this takes membership in the group %s", buf_str(names));
}

struct err *roles_check(const struct settings *s, unsigned int roles, enum msg_number number)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].number != number)
			continue;
		if (table[i].roles == ANYBODY || (roles & table[i].roles))
			return NULL;
		return denied(s, table[i].roles);
	}
	return err_new(&ERR_DENIED, "nobody may ask that");
}

const char *roles_command(enum role r, size_t i)
{
	size_t n = 0;

	for (size_t at = 0; at < ARRAY_LEN(table); at++) {
		if (table[at].command && (table[at].roles & ROLE_BIT(r)) && n++ == i)
			return table[at].command;
	}
	return NULL;
}
