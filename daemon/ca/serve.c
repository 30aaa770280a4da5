/* serve.c: one connection, passed in by systemd (Accept=yes) or derivd-spawn: its operations. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/proc.h"
#include "daemon/ca/command.h"
#include "daemon/ca/op.h"
#include "daemon/ca/pool.h"
#include "daemon/ca/revocation.h"
#include "proto/kind.h"
#include "proto/worker.h"

/* An operation that takes longer is killed: all CRL fetches together (revocation.h) and an RSA key (4 s) fit in. */
#define DEADLINE_S 60
_Static_assert(
	REVOCATION_MS / 1000 < DEADLINE_S - 10, "a request that fetches must end with an answer");

/* Refusals of assess carry a reason for each certificate, which a struct err cannot. */
static struct err *reply_reasons(
	struct worker *w, const struct card_reasons *reasons, struct err *take_e)
{
	AUTO(err) struct err *why = take_e;
	AUTO_MSG Common__Error *m = kind_to_wire(why);
	Common__Error full = *m;
	Common__Reason rows[CARD_REASONS_MAX], *pointers[CARD_REASONS_MAX];
	char *texts[CARD_REASONS_MAX];
	char empty[] = "";

	for (size_t i = 0; i < reasons->n; i++) {
		common__reason__init(&rows[i]);
		texts[i] = xstrdup(reasons->v[i].kind->name);
		rows[i].kind = texts[i];
		rows[i].subject = reasons->v[i].subject ? reasons->v[i].subject : empty;
		rows[i].text = reasons->v[i].text;
		pointers[i] = &rows[i];
	}
	full.reasons = pointers;
	full.n_reasons = reasons->n;
	log_note(NOTE_NOT_OFFERED, NULL, "assess refused: %s", err_get_text(why));
	struct err *e = worker_reply(w, MSG_ERROR, &full);
	for (size_t i = 0; i < reasons->n; i++)
		free(texts[i]);
	return e;
}

/* Before answers are sent. */
static struct err *settle(void *state)
{
	return ledger_settle(((struct state *)state)->ledger);
}

/* Between requests. */
static bool is_asked(void *userdata)
{
	return worker_is_asked(userdata);
}

static bool idle(struct worker *w)
{
	struct state *s = w->state;

	return pool_fill(s->pool, s->settings, is_asked, w);
}

static struct err *run_assess(struct worker *w, const void *request)
{
	struct card_reasons reasons = { 0 };
	AUTO_MSG Ca__Assessment *m = NULL;

	state_begin(w->state);
	struct err *e = op_assess(w->state, request, &reasons, &m);

	if (!e)
		e = worker_reply(w, MSG_CA_ASSESSMENT, m);
	else if (reasons.n && err_get_fate(e) != FATE_BROKEN)
		e = reply_reasons(w, &reasons, e);
	card_reasons_clear(&reasons);
	return e;
}

/* The others are alike: operation, type of the answer, its number. */
#define RUN(operation, Answer, number)                                                             \
	static struct err *run_##operation(struct worker *w, const void *request)                  \
	{                                                                                          \
		AUTO_MSG Answer *m = NULL;                                                         \
		state_begin(w->state);                                                             \
		TRY(op_##operation(w->state, request, &m));                                        \
		return worker_reply(w, number, m);                                                 \
	}
RUN(prepare, Ca__Nonce, MSG_CA_NONCE)
RUN(verify, Ca__Verified, MSG_CA_VERIFIED)
RUN(make, Ca__Made, MSG_CA_MADE)
RUN(certify, Ca__Certified, MSG_CA_CERTIFIED)
RUN(sign_item, Ca__SignedItem, MSG_CA_SIGNED_ITEM)
RUN(revoke, Ca__Revoked, MSG_CA_REVOKED)
RUN(revoke_device, Ca__Revoked, MSG_CA_REVOKED)
RUN(crl, Ca__CrlPublished, MSG_CA_CRL_PUBLISHED)
RUN(status, Ca__CaStatus, MSG_CA_STATUS_REPLY)
RUN(check, Ca__Checked, MSG_CA_CHECKED)
RUN(heads, Ca__HeadPage, MSG_CA_HEAD_PAGE)
RUN(reconcile, Ca__Reconciled, MSG_CA_RECONCILED)
RUN(recall, Ca__Recalled, MSG_CA_RECALLED)
RUN(checkpoint, Ca__CheckpointSigned, MSG_CA_CHECKPOINT_SIGNED)
#undef RUN

static const struct worker_op ops[] = {
	{ MSG_CA_ASSESS, run_assess, false },
	{ MSG_CA_PREPARE, run_prepare, false },
	{ MSG_CA_VERIFY, run_verify, false },
	/* Mass work, which derivd sends several of at a time. */
	{ MSG_CA_MAKE, run_make, true },
	{ MSG_CA_CERTIFY, run_certify, true },
	{ MSG_CA_SIGN_ITEM, run_sign_item, true },
	{ MSG_CA_REVOKE, run_revoke, false },
	{ MSG_CA_REVOKE_DEVICE, run_revoke_device, false },
	{ MSG_CA_CRL, run_crl, false },
	{ MSG_CA_STATUS, run_status, false },
	{ MSG_CA_HEADS, run_heads, false },
	{ MSG_CA_CHECK, run_check, false },
	{ MSG_CA_CHECKPOINT, run_checkpoint, false },
	{ MSG_CA_RECONCILE, run_reconcile, false },
	{ MSG_CA_RECALL, run_recall, false },
	{ 0, NULL, false },
};

static const struct worker_ways ways = { settle, idle };

struct err *serve(void)
{
	AUTO(state) struct state *s = NULL;
	int fd;

	TRY(proc_passed_fd("", SOCK_SEQPACKET, false, &fd));
	struct err *e = state_open(&s);
	/* derivd shows the reason to the operator. */
	if (e)
		return worker_refuse(fd, LINK_CA, "derivd-ca", e);
	ledger_defer(s->ledger);
	return worker_run_settled(fd, LINK_CA, "derivd-ca", ops, DEADLINE_S, s, &ways);
}
