/*
 * op_item.c: ENROLLMENT step 10: what is signed for delivery to a device. Only typed items, whose content derivd-ca knows
 * or makes itself; numbers grow; the same item asked for again is the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/ca/approval.h"
#include "daemon/ca/op_part.h"
#include "daemon/ca/payload_fill.h"
#include "evidence/cert.h"

/*
 * A device takes no item with a lower number than its last. Whoever could have one signed with the highest of all would keep
 * everything from it for good, the notice of removal too, long after derivd was clean again.
 */
#define GAP_MAX (1 << 20)

/* The payloads that derivd-ca fills in itself. */
static bool is_filled_here(Ca__ItemKind kind)
{
	return kind == CA__ITEM_KIND__CHAIN || kind == CA__ITEM_KIND__PINS ||
	       kind == CA__ITEM_KIND__APP;
}

/* Everything that was asked for, so that the same item id cannot stand for something else. */
static void hash_request(const Ca__SignItem *q, uint8_t ret_hash[static SHA256_LEN])
{
	AUTO(buf) struct buf *packed = msg_pack_type(&q->base);

	sha256(buf_bytes(packed), ret_hash);
}

static struct err *parse_certificate(
	struct state *s, struct bytes der, struct entry_certificate **ret_certificate)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(entry_certificate) struct entry_certificate *c = NULL;
	uint8_t serial[ENTRY_SERIAL_LEN];

	TRY(cert_parse(der, &cert));
	const ASN1_INTEGER *number = X509_get0_serialNumber(cert);
	if (ASN1_STRING_length(number) == ENTRY_SERIAL_LEN) {
		memcpy(serial, ASN1_STRING_get0_data(number), ENTRY_SERIAL_LEN);
		TRY(entry_certificate_by_serial(s->ledger, serial, &c));
	}
	if (!c || !bytes_eq(buf_bytes(c->der), der))
		return err_new(&ERR_NO_SUCH, "this certificate was not issued here");
	*ret_certificate = take(c);
	return NULL;
}

/* The device's own, or the holder's encryption certificate, which all devices of the holder share. */
static struct err *check_owner(const Ca__SignItem *q, const struct entry_receipt *device,
	const struct entry_certificate *c)
{
	bool own = memcmp(c->device_id, q->device_id.data, SHA256_LEN) == 0;
	bool shared = c->purpose == COMMON__PURPOSE__ENCRYPTION &&
		      memcmp(c->holder_id, device->holder_id, SHA256_LEN) == 0;

	if (!own && !shared)
		return err_new(&ERR_EVIDENCE_BAD, "this certificate was issued to another device");
	if (c->purpose != q->purpose)
		return err_new(&ERR_EVIDENCE_BAD, "this certificate is for another purpose");
	return NULL;
}

static struct err *check_certificate(
	struct state *s, const Ca__SignItem *q, const struct entry_receipt *device)
{
	AUTO(entry_certificate) struct entry_certificate *c = NULL;

	TRY(parse_certificate(s, pb_bytes(q->payload), &c));
	TRY(check_owner(q, device, c));
	return c->revoked ? err_new(&ERR_WRONG_STATE, "this certificate has been revoked") : NULL;
}

/* A copy that was sealed to this very device, of a key whose certificate was issued and still counts. */
static struct err *check_sealed(struct state *s, const Ca__SignItem *q)
{
	AUTO(entry_made) struct entry_made *made = NULL;
	AUTO(entry_certificate) struct entry_certificate *c = NULL;
	uint8_t digest[SHA256_LEN];

	sha256(pb_bytes(q->payload), digest);
	TRY(entry_made_by_copy(s->ledger, q->device_id.data, digest, &made));
	if (!made)
		return err_new(&ERR_NO_SUCH, "this key was not sealed here to this device");
	if (made->purpose != q->purpose)
		return err_new(&ERR_EVIDENCE_BAD, "this key is for another purpose");
	TRY(entry_certificate_get(s->ledger, made->intent_hash, made->purpose, &c));
	if (!c || c->revoked)
		return err_new(&ERR_WRONG_STATE,
			"this key's certificate was not issued or has been revoked");
	return NULL;
}

/* One certificate of the device's that was revoked, or everything on a device that was. */
static struct err *check_removal(
	struct state *s, const Ca__SignItem *q, const struct entry_receipt *device)
{
	AUTO(entry_certificate) struct entry_certificate *c = NULL;
	int64_t revoked_ms;

	if (q->payload.len) {
		TRY(parse_certificate(s, pb_bytes(q->payload), &c));
		TRY(check_owner(q, device, c));
		return c->revoked ? NULL
				  : err_new(&ERR_POLICY,
					    "a certificate is removed only when it was revoked");
	}
	TRY(entry_device_revoked(s->ledger, q->device_id.data, &revoked_ms));
	if (!revoked_ms)
		return err_new(
			&ERR_POLICY, "everything is removed only from a device that was revoked");
	return NULL;
}

/* What the item will hold; what is filled in here is allocated. */
static struct err *check_payload(struct state *s, const Ca__SignItem *q,
	const struct entry_receipt *device, int64_t now_ms, struct buf **ret_filled)
{
	if (is_filled_here(q->kind) && q->payload.len)
		return err_new(&ERR_PROTOCOL, "the payload of such an item is filled in here");
	switch (q->kind) {
	case CA__ITEM_KIND__CERTIFICATE:
		return check_certificate(s, q, device);
	case CA__ITEM_KIND__SEALED_KEY:
		return check_sealed(s, q);
	case CA__ITEM_KIND__REMOVAL:
		return check_removal(s, q, device);
	case CA__ITEM_KIND__CHAIN:
		return payload_fill_chain(s, q->device_id.data, ret_filled);
	case CA__ITEM_KIND__PINS:
		payload_fill_pins(s, now_ms, ret_filled);
		return NULL;
	case CA__ITEM_KIND__APP:
		return payload_fill_apps(s, device, ret_filled);
	default:
		return err_new(&ERR_PROTOCOL, "an item of an unknown kind");
	}
}

static struct err *check_number(struct state *s, const Ca__SignItem *q)
{
	uint64_t newest;

	if (q->number == 0 || q->number > INT64_MAX)
		return err_new(&ERR_PROTOCOL, "an item's number is from 1 to 2^63 - 1");
	TRY(entry_item_newest(s->ledger, q->device_id.data, &newest));
	if (q->number <= newest)
		return err_new(&ERR_WRONG_STATE,
			"number %llu: the device has had number %llu already",
			(unsigned long long)q->number, (unsigned long long)newest);
	if (q->number - newest > GAP_MAX)
		return err_new(&ERR_WRONG_STATE,
			"number %llu: more than %d higher than the device's last, %llu",
			(unsigned long long)q->number, GAP_MAX, (unsigned long long)newest);
	return NULL;
}

static struct err *sign(struct state *s, const Ca__SignItem *q, struct bytes payload,
	int64_t now_ms, struct entry_item *ret_item)
{
	struct item i = { .number = q->number,
		.kind = (enum item_kind)q->kind,
		.purpose = q->purpose,
		.payload_len = payload.len,
		.time_ms = now_ms };

	memcpy(i.deployment, s->deployment->id, DEPLOYMENT_ID_LEN);
	memcpy(i.device_id, q->device_id.data, SHA256_LEN);
	memcpy(i.item_id, q->item_id.data, ITEM_ID_LEN);
	sha256(payload, i.payload_digest);
	memcpy(ret_item->item_id, i.item_id, ITEM_ID_LEN);
	memcpy(ret_item->device_id, i.device_id, SHA256_LEN);
	memcpy(ret_item->payload, i.payload_digest, SHA256_LEN);
	ret_item->number = q->number;
	ret_item->body = item_encode(&i);
	return state_sign_delivery(s, SIG_ITEM, buf_bytes(ret_item->body), &ret_item->signature);
}

static struct err *answer(const struct entry_item *item, struct bytes payload, Ca__SignedItem **ret)
{
	Ca__SignedItem m = CA__SIGNED_ITEM__INIT;

	PART_SIGNED(signed_item, item->body, item->signature);
	m.item = &signed_item;
	m.payload = pb_lend(payload);
	*ret = msg_dup(&m.base);
	return NULL;
}

/* The same item again: the same bytes. */
static struct err *repeat(
	struct state *s, const Ca__SignItem *q, const struct entry_item *item, Ca__SignedItem **ret)
{
	AUTO(buf) struct buf *filled = NULL;
	uint8_t request[SHA256_LEN];

	hash_request(q, request);
	if (memcmp(request, item->request, SHA256_LEN) != 0)
		return err_new(&ERR_WRONG_STATE, "this item's id was used for another item");
	if (!is_filled_here(q->kind))
		return answer(item, pb_bytes(q->payload), ret);
	TRY(ledger_get_piece(s->ledger, item->row, 0, &filled));
	if (!filled)
		return err_new(&ERR_STORE, "an item's payload is not in the log");
	return answer(item, buf_bytes(filled), ret);
}

static struct err *sign_new(
	struct state *s, struct ledger_tx *take_tx, const Ca__SignItem *q, Ca__SignedItem **ret)
{
	AUTO(ledger_tx) struct ledger_tx *tx = take_tx;
	AUTO(entry_receipt) struct entry_receipt *device = NULL;
	AUTO(entry_item) struct entry_item *item = xcalloc(1, sizeof(*item));
	AUTO(buf) struct buf *filled = NULL;
	uint8_t digest[SHA256_LEN];
	bool exists;

	TRY(entry_receipt_by_device(s->ledger, q->device_id.data, &device));
	if (!device)
		return err_new(&ERR_DEVICE_UNKNOWN, "no receipt was given for this device");
	TRY(check_number(s, q));
	TRY(check_payload(s, q, device, ledger_now(tx), &filled));
	struct bytes payload = filled ? buf_bytes(filled) : pb_bytes(q->payload);
	hash_request(q, item->request);
	TRY(sign(s, q, payload, ledger_now(tx), item));
	if (filled)
		TRY(ledger_put_piece(tx, 0, payload, digest));
	TRY(entry_item_put(tx, item, &exists));
	if (exists)
		return err_new(&ERR_WRONG_STATE, "this item's id or number was used before");
	TRY(ledger_commit(take(tx)));
	return answer(item, payload, ret);
}

/* All of it inside one transaction: what is looked up must still be so when the item is signed. */
struct err *op_sign_item(struct state *s, const Ca__SignItem *q, Ca__SignedItem **ret)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	AUTO(entry_item) struct entry_item *item = NULL;

	/* What is told from the configuration; deliveries of what was issued go on. */
	if (q->kind == CA__ITEM_KIND__PINS || q->kind == CA__ITEM_KIND__APP)
		TRY(approval_check(s, q->kind == CA__ITEM_KIND__PINS));
	/* A notice of removal must get out also when the clock was put back. */
	TRY(ledger_begin(s->ledger, q->kind == CA__ITEM_KIND__REMOVAL, &tx));
	if (q->kind != CA__ITEM_KIND__REMOVAL)
		TRY(part_device_good(s, q->device_id.data));
	TRY(entry_item_get(s->ledger, q->item_id.data, &item));
	if (item)
		return repeat(s, q, item, ret);
	return sign_new(s, take(tx), q, ret);
}
