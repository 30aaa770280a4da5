/* control.h: the socket of derivctl: who is there, what they may, and their requests as events of a turn. */
#ifndef DERIVD_CORE_CONTROL_H
#define DERIVD_CORE_CONTROL_H

#include <systemd/sd-event.h>

#include "daemon/core/session.h"

/* Connections at once: together, of one user, and of all who have no role. */
#define CONTROL_MAX 64
#define CONTROL_UID_MAX 16
#define CONTROL_STRANGERS_MAX 16

struct control;

/* What status and metrics say beside the store: filled by main. */
struct control_facts {
	bool gateway_connected;
	int64_t gateway_not_after_ms; /* of its certificate; 0: it has not said */
	unsigned int ca_connections, ca_ready, ca_asked;
	char state[256]; /* as systemctl shows it */
};

/* listen_fd is lent. facts is called for each status, and for the metrics. */
MUST_CHECK struct err *control_new(sd_event *event, struct core *core, int listen_fd,
	void (*facts)(void *userdata, struct control_facts *ret_facts), void *userdata,
	struct control **ret_control);
void control_free(struct control *t);
DEFINE_AUTO(control, struct control *, control_free);

/* For the ports. */
void control_send(struct control *t, uint64_t caller, enum msg_number number, uint32_t serial,
	const void *body);
void control_send_error(struct control *t, uint64_t caller, uint32_t serial, const struct err *e);
/* Rows were committed: streams go on. */
void control_committed(struct control *t);

/* --- answers from the store (control_list.c, control_read.c): parts of an event --- */

MUST_CHECK struct err *control_list(
	struct core *c, const struct caller *who, const Control__List *m);
MUST_CHECK struct err *control_evidence(
	struct core *c, const struct caller *who, const Control__EvidenceGet *m);
MUST_CHECK struct err *control_heads(
	struct core *c, const struct caller *who, const Control__AuditHeads *m);
/* derivd-ca's answer, for the caller whom the ask names. */
MUST_CHECK struct err *control_heads_came(
	struct core *c, const struct ask *ask, const struct answer *a);
/* How far both logs have come, signed by derivd-ca; and its answer. */
MUST_CHECK struct err *control_checkpoint(
	struct core *c, const struct caller *who, const Control__AuditCheckpoint *m);
MUST_CHECK struct err *control_checkpoint_came(
	struct core *c, const struct ask *ask, const struct answer *a);
/* What is wrong: a mark in the store, then derivd-ca is asked, then the answer (control_check.c). */
MUST_CHECK struct err *control_check(struct core *c, const struct caller *who);
/* Who may do what; roles: the caller's. */
MUST_CHECK struct err *control_roles(
	struct core *c, const struct caller *who, unsigned int roles);
MUST_CHECK struct err *control_checked(
	struct core *c, const struct ask *ask, const struct answer *a);
MUST_CHECK struct err *control_status(struct core *c, const struct caller *who, unsigned int roles,
	const struct control_facts *facts);

/* control_metrics.c */
MUST_CHECK struct err *control_metrics(
	struct core *c, const struct caller *who, const struct control_facts *facts);

/* A row of the chain as a message, for lists and streams. Freed with control_audit_row_free. */
MUST_CHECK struct err *control_audit_row(
	const struct audit_stored *stored, Control__AuditRow **ret_row);
void control_audit_row_free(Control__AuditRow *row);

#endif
