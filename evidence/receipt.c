/* receipt.c: what derivd-ca found, in bytes. */
#include "evidence/receipt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/key.h"
#include "evidence/part.h"

void receipt_free(struct receipt *r)
{
	if (!r)
		return;
	facts_free(r->facts);
	buf_free(r->source);
	free(r);
}

struct buf *receipt_encode(const struct receipt *r)
{
	struct buf *out = buf_new();
	AUTO(buf) struct buf *facts = buf_new();

	assert(r->n_certs <= CARD_CERTS_MAX && r->n_proofs <= PROOFS_MAX && r->facts);
	record_put(out, BYTES(r->intent_hash, SHA256_LEN));
	record_put(out, BYTES(r->evidence_digest, SHA256_LEN));
	record_put_u8(out, (uint8_t)r->operation);
	record_put(out, BYTES(r->deployment, DEPLOYMENT_ID_LEN));
	record_put(out, BYTES(r->request_id, REQUEST_ID_LEN));
	record_put(out, BYTES(r->issuer_key_id, SHA256_LEN));
	record_put(out, BYTES(r->holder_id, SHA256_LEN));
	facts_encode(r->facts, facts);
	record_put_nested(out, facts);
	record_put(out, r->identity_public);
	record_put(out, r->sealing_certificate);
	part_put_purposes(out, r->purposes, r->n_purposes);
	record_put_u64(out, (uint64_t)r->time_ms);
	record_put_u64(out, (uint64_t)r->nonce_time_ms);
	part_put_hashes(out, r->certs, r->n_certs);
	part_put_hashes(out, r->proofs, r->n_proofs);
	part_put_consents(out, r->consents, r->n_consents);
	part_put_optional(out, r->has_predecessor, r->predecessor, SHA256_LEN);
	return out;
}

static struct err *get_names(struct cursor *c, struct receipt *r)
{
	struct bytes facts;
	uint8_t operation;

	TRY(record_get_fixed(c, "intent hash", SHA256_LEN, r->intent_hash));
	TRY(record_get_fixed(c, "evidence digest", SHA256_LEN, r->evidence_digest));
	TRY(record_get_choice(
		c, "operation", COMMON__OPERATION__ENROLL, COMMON__OPERATION__ISSUE, &operation));
	r->operation = (Common__Operation)operation;
	TRY(record_get_fixed(c, "deployment", DEPLOYMENT_ID_LEN, r->deployment));
	TRY(record_get_fixed(c, "request id", REQUEST_ID_LEN, r->request_id));
	TRY(record_get_fixed(c, "issuer key id", SHA256_LEN, r->issuer_key_id));
	TRY(record_get_fixed(c, "holder id", SHA256_LEN, r->holder_id));
	TRY(record_get(c, "facts", 0, RECORD_MAX, &facts));
	return facts_decode(facts, &r->facts);
}

static struct err *get_findings(struct cursor *c, struct receipt *r)
{
	TRY(record_get(c, "identity key", 1, KEY_SPKI_MAX, &r->identity_public));
	TRY(record_get(
		c, "sealing certificate", 1, STATEMENT_SEALING_MAX, &r->sealing_certificate));
	TRY(part_get_purposes(c, r->purposes, &r->n_purposes));
	TRY(record_get_time(c, "time", &r->time_ms));
	TRY(record_get_time(c, "time of the nonce", &r->nonce_time_ms));
	TRY(part_get_hashes(c, "card certificates", 1, CARD_CERTS_MAX, r->certs, &r->n_certs));
	TRY(part_get_hashes(c, "revocation proofs", 0, PROOFS_MAX, r->proofs, &r->n_proofs));
	TRY(part_get_consents(c, r->consents, &r->n_consents));
	TRY(part_get_optional(c, "predecessor", SHA256_LEN, &r->has_predecessor, r->predecessor));
	if (r->has_predecessor != (r->operation == COMMON__OPERATION__ISSUE))
		return err_new(&ERR_FORMAT,
			"an enrollment has no predecessor, a further issuance must have one");
	return cursor_end(c);
}

struct err *receipt_decode(struct bytes b, struct receipt **ret_receipt)
{
	AUTO(receipt) struct receipt *r = xcalloc(1, sizeof(*r));

	if (b.len > RECORD_MAX)
		return err_new(&ERR_FORMAT, "receipt: %zu bytes, more than %d", b.len, RECORD_MAX);
	r->source = buf_new();
	buf_add_bytes(r->source, b);
	struct cursor c = { buf_bytes(r->source) };
	TRY(err_wrap(get_names(&c, r), "receipt"));
	TRY(err_wrap(get_findings(&c, r), "receipt"));
	AUTO(buf) struct buf *again = receipt_encode(r);
	if (!bytes_eq(buf_bytes(again), b))
		return err_new(&ERR_FORMAT, "receipt: not in its one encoding");
	sha256(b, r->hash);
	*ret_receipt = take(r);
	return NULL;
}

struct err *receipt_open(
	const Common__Signed *s, struct bytes receipt_public, struct receipt **ret_receipt)
{
	TRY(err_wrap(part_open(s, SIG_RECEIPT, receipt_public), "receipt"));
	return receipt_decode(BYTES(s->body.data, s->body.len), ret_receipt);
}

void receipt_device_id(const struct receipt *r, uint8_t ret_id[static SHA256_LEN])
{
	sha256(r->identity_public, ret_id);
}

const struct intent_purpose *receipt_purpose(const struct receipt *r, Common__Purpose purpose)
{
	for (size_t i = 0; i < r->n_purposes; i++)
		if (r->purposes[i].purpose == purpose)
			return &r->purposes[i];
	return NULL;
}
