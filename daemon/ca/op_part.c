/* op_part.c: checks that several operations share. */
#include "daemon/ca/op_part.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/ca/revocation.h"

struct err *part_now(struct state *s, int64_t *ret_now_ms)
{
	uint8_t head[SHA256_LEN];
	int64_t newest, now = clock_real_ms();
	uint64_t row;

	TRY(ledger_head(s->ledger, &row, head, &newest));
	if (now < newest) {
		AUTO_MEM char *clock = text_time(now);
		AUTO_MEM char *record = text_time(newest);
		return err_new(&ERR_CLOCK_BEHIND,
			"the clock says %s, the newest row of the log is of %s", clock, record);
	}
	*ret_now_ms = now;
	return NULL;
}

struct err *part_device_good(struct state *s, const uint8_t device_id[static SHA256_LEN])
{
	int64_t when;

	TRY(entry_device_revoked(s->ledger, device_id, &when));
	if (!when)
		return NULL;
	AUTO_MEM char *time = text_time(when);
	return err_new(&ERR_DEVICE_REVOKED, "the device was revoked at %s", time);
}

struct err *part_device_of(struct state *s, const uint8_t device_id[static SHA256_LEN],
	const uint8_t holder_id[static SHA256_LEN])
{
	AUTO(entry_receipt) struct entry_receipt *entry = NULL;

	TRY(entry_receipt_by_device(s->ledger, device_id, &entry));
	if (entry && memcmp(entry->holder_id, holder_id, SHA256_LEN) != 0)
		return err_new(&ERR_POLICY, "this device was enrolled with another person's card");
	return NULL;
}

struct err *part_issuer_good(const struct state *s, const uint8_t key_id[static SHA256_LEN])
{
	if (memcmp(s->issuer->key_id, key_id, SHA256_LEN) == 0)
		return NULL;
	if (state_is_own_issuer(s, key_id))
		return err_new(&ERR_CA_RETIRED,
			"the issuing CA that was named is not the one that issues now");
	return err_new(&ERR_EVIDENCE_BAD, "the issuing CA that is named is not one of ours");
}

/* Says what is wrong with a receipt that is not the log's. */
static struct err *refuse_receipt(struct state *s, const Common__Signed *wire)
{
	AUTO(receipt) struct receipt *receipt = NULL;

	TRY(err_wrap(receipt_open(wire, BYTES(s->deployment->receipt_public, ED25519_PUBLIC_LEN),
			     &receipt),
		"receipt"));
	if (memcmp(receipt->deployment, s->deployment->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "a receipt of another deployment");
	return err_new(&ERR_STORE,
		"a receipt that was signed here is not in the log: restore the newest backup");
}

/* A receipt that is in the log to the last bit was signed here: its signature need not be verified again. */
struct err *part_receipt(struct state *s, const Common__Signed *wire, struct receipt **ret_receipt,
	struct entry_receipt **ret_entry)
{
	AUTO(receipt) struct receipt *receipt = NULL;
	AUTO(entry_receipt) struct entry_receipt *entry = NULL;

	AUTO(err) struct err *e = receipt_decode(pb_bytes(wire->body), &receipt);
	if (e)
		return refuse_receipt(s, wire);
	TRY(entry_receipt_by_intent(s->ledger, receipt->intent_hash, &entry));
	if (!entry || !bytes_eq(buf_bytes(entry->body), pb_bytes(wire->body)) ||
		!bytes_eq(buf_bytes(entry->signature), pb_bytes(wire->signature)))
		return refuse_receipt(s, wire);
	*ret_receipt = take(receipt);
	*ret_entry = take(entry);
	return NULL;
}

struct err *part_predecessor(struct state *s, Common__Operation operation,
	const Common__Signed *wire, struct receipt **ret_receipt)
{
	AUTO(receipt) struct receipt *receipt = NULL;
	AUTO(entry_receipt) struct entry_receipt *entry = NULL;

	if (operation == COMMON__OPERATION__ENROLL && !wire)
		return NULL;
	if (operation != COMMON__OPERATION__ISSUE || !wire)
		return err_new(&ERR_EVIDENCE_BAD, "the receipt of the enrollment belongs to the "
						  "operation \"issue\" and to no other");
	TRY(part_receipt(s, wire, &receipt, &entry));
	if (receipt->operation != COMMON__OPERATION__ENROLL)
		return err_new(&ERR_EVIDENCE_BAD, "a receipt that is not of an enrollment");
	TRY(part_device_good(s, entry->device_id));
	*ret_receipt = take(receipt);
	return NULL;
}

struct err *part_evidence(
	struct state *s, const struct entry_receipt *entry, Common__Evidence **ret_evidence)
{
	AUTO(buf) struct buf *packed = NULL;
	ProtobufCMessage *message = NULL;

	TRY(ledger_get_piece(s->ledger, entry->row, 0, &packed));
	if (!packed)
		return err_new(&ERR_STORE, "the evidence of a receipt is not in the log");
	TRY(err_as(&ERR_STORE,
		msg_parse_type(&common__evidence__descriptor, buf_bytes(packed), &message),
		"evidence in the log"));
	*ret_evidence = (Common__Evidence *)message;
	return NULL;
}

/* What verify found still holds, under an anchor that is still trusted. */
static struct err *basis_stands(struct state *s, const struct receipt *receipt,
	const struct entry_receipt *entry, int64_t now_ms, bool *ret_stands)
{
	AUTO(basis) struct basis *basis = NULL;
	const char *hex = facts_get(receipt->facts, FACT_ANCHOR);

	*ret_stands = false;
	TRY(err_as(
		&ERR_STORE, basis_decode(buf_bytes(entry->basis), &basis), "receipt in the log"));
	for (size_t i = 0; i < s->settings->n_anchors && hex && !*ret_stands; i++) {
		const struct anchor *anchor = s->settings->anchors[i];
		AUTO_MEM char *own = text_hex(BYTES(anchor->key_hash, SHA256_LEN));
		*ret_stands = strcmp(own, hex) == 0 &&
			      revocation_basis_stands(s->revocation, anchor, basis, now_ms);
	}
	return NULL;
}

/* Most often nothing has changed since verify, or all of them were judged a moment ago: then not even the evidence is read. */
struct err *part_recheck(struct state *s, const struct receipt *receipt,
	const struct entry_receipt *entry, int64_t now_ms)
{
	AUTO_MSG Common__Evidence *evidence = NULL;
	bool good = true, stands;

	TRY(basis_stands(s, receipt, entry, now_ms, &stands));
	for (size_t i = 0; i < receipt->n_certs && !stands; i++)
		good = good && revocation_stands(s->revocation, receipt->certs[i], now_ms);
	if (stands || good)
		return NULL;
	TRY(part_evidence(s, entry, &evidence));
	for (size_t i = 0; i < evidence->n_card_certificates; i++)
		TRY(err_wrap(
			card_recheck(s, pb_bytes(evidence->card_certificates[i]), i == 0, now_ms),
			"the card"));
	return NULL;
}

struct err *part_audit(const Common__AuditHead *wire, struct entry_audit *ret_audit)
{
	if (wire->sequence > INT64_MAX || wire->hash.len != SHA256_LEN)
		return err_new(&ERR_PROTOCOL, "an audit head with number %" PRIu64, wire->sequence);
	ret_audit->sequence = wire->sequence;
	memcpy(ret_audit->hash, wire->hash.data, SHA256_LEN);
	return NULL;
}
