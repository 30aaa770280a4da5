/*
 * evidence.c: whether the parts of an evidence fit together. The intent is not compared field by field: it is built again
 * from the other parts and must come out the same, so nothing in it can be forgotten here.
 */
#include <stdlib.h>
#include <string.h>

#include "evidence/bundle.h"
#include "evidence/cert.h"
#include "evidence/key.h"
#include "proto/msg.h"

void evidence_free(struct evidence *e)
{
	if (!e)
		return;
	offer_free(e->offer);
	statement_free(e->statement);
	intent_free(e->intent);
	X509_free(e->card);
	free(e);
}

/* r_d is what the statement commits to; a further issuance shows no digits, so it has neither number. */
static struct err *check_commitment(const Common__Evidence *wire, const struct statement *s)
{
	uint8_t hash[SHA256_LEN];

	if (!s->has_invitation) {
		if (wire->device_random.len || wire->kiosk_random.len)
			return err_new(&ERR_EVIDENCE_BAD, "random numbers without an invitation");
		return NULL;
	}
	if (wire->device_random.len != R_LEN || wire->kiosk_random.len != R_LEN)
		return err_new(&ERR_EVIDENCE_BAD, "random numbers that are not of %d bytes", R_LEN);
	sha256(pb_bytes(wire->device_random), hash);
	if (memcmp(hash, s->commitment, SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD,
			"the device's random number is not the one that it committed to");
	return NULL;
}

static struct err *check_certs(
	const Common__Evidence *wire, const struct intent *i, X509 **ret_card)
{
	AUTO(x509) X509 *card = NULL;

	if (wire->n_card_certificates != i->n_certs)
		return err_new(&ERR_EVIDENCE_BAD, "%zu card certificates, the intent names %zu",
			wire->n_card_certificates, i->n_certs);
	for (size_t n = 0; n < i->n_certs; n++) {
		AUTO(x509) X509 *cert = NULL;
		uint8_t hash[SHA256_LEN];
		TRY(err_as(&ERR_EVIDENCE_BAD,
			cert_parse(pb_bytes(wire->card_certificates[n]), &cert),
			"card certificate %zu", n));
		cert_hash(cert, hash);
		if (memcmp(hash, i->certs[n], SHA256_LEN) != 0)
			return err_new(&ERR_EVIDENCE_BAD,
				"card certificate %zu is not the one that the intent names", n);
		if (n == 0)
			card = take(cert);
	}
	*ret_card = take(card);
	return NULL;
}

/* The device of an enrollment asks for more: the same keys, under the receipt that the offer names. */
static struct err *check_predecessor(
	const Common__Evidence *wire, const struct evidence *e, const struct receipt *predecessor)
{
	uint8_t hash[SHA256_LEN], holder[SHA256_LEN];

	if (e->offer->operation == COMMON__OPERATION__ENROLL) {
		if (predecessor || wire->predecessor)
			return err_new(&ERR_EVIDENCE_BAD, "an enrollment with a predecessor");
		return NULL;
	}
	if (!predecessor || !wire->predecessor)
		return err_new(&ERR_EVIDENCE_BAD, "the receipt of the enrollment is missing");
	sha256(pb_bytes(wire->predecessor->body), hash);
	if (memcmp(hash, predecessor->hash, SHA256_LEN) != 0 ||
		memcmp(hash, e->offer->predecessor, SHA256_LEN) != 0)
		return err_new(
			&ERR_EVIDENCE_BAD, "another receipt than the one that the offer names");
	if (memcmp(predecessor->deployment, e->offer->deployment, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the enrollment was in another deployment");
	if (!bytes_eq(predecessor->identity_public, e->statement->identity_public) ||
		!bytes_eq(predecessor->sealing_certificate, e->statement->sealing_certificate))
		return err_new(
			&ERR_EVIDENCE_BAD, "the device has other keys than at its enrollment");
	TRY(err_as(&ERR_EVIDENCE_BAD, facts_holder_id(e->offer->facts, holder), "offer"));
	if (memcmp(holder, predecessor->holder_id, SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the device was enrolled for another holder");
	return NULL;
}

/* The intent that follows from offer and statement must be the one that was signed. */
static struct err *check_intent(
	const Common__Evidence *wire, const struct evidence *e, const uint8_t *kiosk)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(intent) struct intent *built = NULL;
	enum card_algorithm algorithm;
	const struct intent *i = e->intent;

	TRY(err_as(&ERR_EVIDENCE_BAD, key_from_pubkey(X509_get_X509_PUBKEY(e->card), &key),
		"key of the card"));
	TRY(err_as(&ERR_EVIDENCE_BAD, intent_algorithm(key, &algorithm), "key of the card"));
	TRY(intent_build(e->offer, e->statement, BYTES(i->nonce, i->nonce_len), i->consents,
		i->n_consents, algorithm, kiosk ? kiosk : i->kiosk, &built));
	AUTO(buf) struct buf *bytes = intent_encode(built);
	if (!bytes_eq(buf_bytes(bytes), pb_bytes(wire->intent)))
		return err_new(&ERR_EVIDENCE_BAD,
			"the intent is not the one that follows from offer, statement and kiosk");
	return intent_verify(key, algorithm, buf_bytes(bytes), pb_bytes(wire->card_signature));
}

static struct err *check(const Common__Evidence *wire, struct bytes delivery_public,
	const uint8_t *kiosk, const struct receipt *predecessor, struct evidence *e)
{
	struct bytes invitation = { 0 };

	if (!wire->offer || !wire->statement)
		return err_new(&ERR_EVIDENCE_BAD, "offer or statement is missing");
	struct err *failed = offer_open(wire->offer, delivery_public, &e->offer);
	TRY(err_is(failed, &ERR_FORMAT) ? err_as(&ERR_EVIDENCE_BAD, failed, "offer") : failed);
	TRY(intent_decode(pb_bytes(wire->intent), &e->intent));
	if (e->intent->has_invitation)
		invitation = BYTES(e->intent->invitation_public, ED25519_PUBLIC_LEN);
	TRY(statement_check(
		wire->statement, e->offer, pb_bytes(wire->offer->body), invitation, &e->statement));
	TRY(check_commitment(wire, e->statement));
	TRY(check_predecessor(wire, e, predecessor));
	TRY(check_certs(wire, e->intent, &e->card));
	return check_intent(wire, e, kiosk);
}

struct err *evidence_check(const Common__Evidence *wire, struct bytes delivery_public,
	const uint8_t *kiosk, const struct receipt *predecessor, struct evidence **ret_evidence)
{
	AUTO(evidence) struct evidence *e = xcalloc(1, sizeof(*e));

	TRY(err_wrap(check(wire, delivery_public, kiosk, predecessor, e), "evidence"));
	sha256(pb_bytes(wire->intent), e->intent_hash);
	AUTO(buf) struct buf *packed = msg_pack_type(&wire->base);
	sha256(buf_bytes(packed), e->digest);
	*ret_evidence = take(e);
	return NULL;
}

/* Again by building: the receipt that this evidence gives, with what only derivd-ca can know taken from the given one. */
struct err *evidence_fits_receipt(const struct evidence *e, const struct receipt *receipt)
{
	struct receipt own = *receipt;
	const struct intent *i = e->intent;

	memcpy(own.intent_hash, e->intent_hash, SHA256_LEN);
	memcpy(own.evidence_digest, e->digest, SHA256_LEN);
	own.operation = i->operation;
	memcpy(own.deployment, i->deployment, DEPLOYMENT_ID_LEN);
	memcpy(own.request_id, i->request_id, REQUEST_ID_LEN);
	memcpy(own.issuer_key_id, i->issuer_key_id, SHA256_LEN);
	own.facts = e->offer->facts;
	TRY(err_as(&ERR_EVIDENCE_BAD, facts_holder_id(own.facts, own.holder_id), "evidence"));
	own.identity_public = e->statement->identity_public;
	own.sealing_certificate = e->statement->sealing_certificate;
	memcpy(own.purposes, i->purposes, sizeof(own.purposes));
	own.n_purposes = i->n_purposes;
	memcpy(own.certs, i->certs, sizeof(own.certs));
	own.n_certs = i->n_certs;
	memcpy(own.consents, i->consents, sizeof(own.consents));
	own.n_consents = i->n_consents;
	own.has_predecessor = i->has_predecessor;
	memcpy(own.predecessor, i->predecessor, SHA256_LEN);
	AUTO(buf) struct buf *a = receipt_encode(&own);
	AUTO(buf) struct buf *b = receipt_encode(receipt);
	if (!bytes_eq(buf_bytes(a), buf_bytes(b)))
		return err_new(&ERR_EVIDENCE_BAD, "the receipt was given for other evidence");
	return NULL;
}
