/*
 * op.h: the operations of derivd-ca, one file each. Each takes a message that passed table and limits and gives the
 * answer, which the caller frees with msg_free. What an operation changed is committed when it returns; an error means
 * that nothing was done. PROTOCOL.ca has the errors of each.
 */
#ifndef DERIVD_DAEMON_CA_OP_H
#define DERIVD_DAEMON_CA_OP_H

#include "daemon/ca/card.h"
#include "daemon/ca/state.h"
#include "proto/ca.pb-c.h"

/* reasons: filled with one for each certificate that was refused, also on success. */
MUST_CHECK struct err *op_assess(struct state *s, const Ca__Assess *request,
	struct card_reasons *reasons, Ca__Assessment **ret);
MUST_CHECK struct err *op_prepare(struct state *s, const Ca__Prepare *request, Ca__Nonce **ret);
MUST_CHECK struct err *op_verify(struct state *s, const Ca__Verify *request, Ca__Verified **ret);
MUST_CHECK struct err *op_make(struct state *s, const Ca__Make *request, Ca__Made **ret);
MUST_CHECK struct err *op_certify(struct state *s, const Ca__Certify *request, Ca__Certified **ret);
MUST_CHECK struct err *op_sign_item(
	struct state *s, const Ca__SignItem *request, Ca__SignedItem **ret);
MUST_CHECK struct err *op_revoke(struct state *s, const Ca__Revoke *request, Ca__Revoked **ret);
MUST_CHECK struct err *op_revoke_device(
	struct state *s, const Ca__RevokeDevice *request, Ca__Revoked **ret);
MUST_CHECK struct err *op_crl(struct state *s, const Ca__Crl *request, Ca__CrlPublished **ret);
MUST_CHECK struct err *op_status(struct state *s, const Ca__Status *request, Ca__CaStatus **ret);
MUST_CHECK struct err *op_check(struct state *s, const Ca__Check *request, Ca__Checked **ret);
MUST_CHECK struct err *op_heads(struct state *s, const Ca__Heads *request, Ca__HeadPage **ret);
MUST_CHECK struct err *op_reconcile(
	struct state *s, const Ca__Reconcile *request, Ca__Reconciled **ret);
MUST_CHECK struct err *op_recall(struct state *s, const Ca__Recall *request, Ca__Recalled **ret);
MUST_CHECK struct err *op_checkpoint(
	struct state *s, const Ca__Checkpoint *request, Ca__CheckpointSigned **ret);

#endif
