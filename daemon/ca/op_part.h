/* op_part.h: what several operations do alike; nobody else includes it. */
#ifndef DERIVD_DAEMON_CA_OP_PART_H
#define DERIVD_DAEMON_CA_OP_PART_H

#include "daemon/ca/op.h"
#include "proto/kind.h"
#include "proto/msg.h"

/* The time. ERR_CLOCK_BEHIND when it is before the newest row of the log. */
MUST_CHECK struct err *part_now(struct state *s, int64_t *ret_now_ms);
/* ERR_DEVICE_REVOKED. */
MUST_CHECK struct err *part_device_good(
	struct state *s, const uint8_t device_id[static SHA256_LEN]);
/* A device has one holder for life: ERR_POLICY when a receipt was given for it with another one's card. */
MUST_CHECK struct err *part_device_of(struct state *s, const uint8_t device_id[static SHA256_LEN],
	const uint8_t holder_id[static SHA256_LEN]);
/* ERR_CA_RETIRED unless it is the issuer of now. */
MUST_CHECK struct err *part_issuer_good(
	const struct state *s, const uint8_t key_id[static SHA256_LEN]);
/*
 * A receipt of ours: signature, deployment, and its row in the log. ERR_SIGNATURE_BAD, ERR_EVIDENCE_BAD, ERR_STORE (the
 * signature is ours and the row is missing: the log was put back to an older state).
 */
MUST_CHECK struct err *part_receipt(struct state *s, const Common__Signed *wire,
	struct receipt **ret_receipt, struct entry_receipt **ret_entry);
/* op = issue: the enrollment's receipt, whose device may get more. NULL for op = enroll, which must have none. */
MUST_CHECK struct err *part_predecessor(struct state *s, Common__Operation operation,
	const Common__Signed *wire, struct receipt **ret_receipt);
/* The card's certificates that a receipt names must still be valid and not revoked. */
MUST_CHECK struct err *part_recheck(struct state *s, const struct receipt *receipt,
	const struct entry_receipt *entry, int64_t now_ms);
/* The logged evidence; the caller frees with msg_free. ERR_STORE. */
MUST_CHECK struct err *part_evidence(
	struct state *s, const struct entry_receipt *entry, Common__Evidence **ret_evidence);
/* ERR_PROTOCOL for numbers that the log cannot hold. */
MUST_CHECK struct err *part_audit(const Common__AuditHead *wire, struct entry_audit *ret_audit);
/* The answer to verify, and to certify, from what is in the log. */
MUST_CHECK struct err *part_verified(
	struct state *s, const struct entry_receipt *entry, Ca__Verified **ret);
MUST_CHECK struct err *part_certified(
	struct state *s, const struct entry_certificate *c, Ca__Certified **ret);
/* The longest name of a person in an answer. */
#define PART_NAME_MAX 256
/* A Signed message that lends from both. */
#define PART_SIGNED(message, body_buf, signature_buf)                                              \
	Common__Signed message = COMMON__SIGNED__INIT;                                             \
	(message).body = pb_lend(buf_bytes(body_buf));                                             \
	(message).signature = pb_lend(buf_bytes(signature_buf))

#endif
