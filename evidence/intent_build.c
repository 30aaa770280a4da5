/* intent_build.c: the one place that says what an intent names; derivd-card signs it, derivd-ca builds it again and compares. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/intent.h"
#include "evidence/part.h"

static struct err *set_purposes(
	struct intent *i, const struct offer *offer, const struct statement *statement)
{
	size_t next = 0;

	for (size_t n = 0; n < offer->n_purposes; n++) {
		const struct offer_purpose *offered = &offer->purposes[n];
		struct intent_purpose *p = &i->purposes[i->n_purposes++];
		p->purpose = offered->purpose;
		p->origin = offered->origin;
		memcpy(p->profile_digest, offered->profile_digest, SHA256_LEN);
		p->has_key = offered->origin == COMMON__ORIGIN__DEVICE;
		if (!p->has_key)
			continue;
		if (next == statement->n_requests ||
			statement->requests[next].purpose != offered->purpose)
			return err_new(&ERR_EVIDENCE_BAD, "the statement has no key for purpose %d",
				(int)offered->purpose);
		TRY(err_as(&ERR_EVIDENCE_BAD,
			statement_key_hash(&statement->requests[next++], p->key_hash), "purpose %d",
			(int)offered->purpose));
	}
	if (next < statement->n_requests)
		return err_new(&ERR_EVIDENCE_BAD,
			"the statement has a key for purpose %d, the offer has not",
			(int)statement->requests[next].purpose);
	return NULL;
}

static int by_kind(const void *a, const void *b)
{
	const struct intent_consent *x = a;
	const struct intent_consent *y = b;

	return strcmp(x->kind, y->kind);
}

static struct err *set_consents(struct intent *i, const struct intent_consent *consents, size_t n)
{
	if (n > CONSENTS_MAX)
		return err_new(&ERR_EVIDENCE_BAD, "%zu consents, more than %d", n, CONSENTS_MAX);
	for (size_t k = 0; k < n; k++) {
		struct intent_consent *own = &i->consents[k];
		if (!part_is_kind(consents[k].kind) || consents[k].until_ms < 0 ||
			consents[k].until_ms > RECORD_TIME_MAX_MS)
			return err_new(&ERR_EVIDENCE_BAD, "a consent of a malformed kind or end");
		strcpy(own->kind, consents[k].kind);
		own->until_ms = consents[k].until_ms;
	}
	i->n_consents = n;
	qsort(i->consents, n, sizeof(i->consents[0]), by_kind);
	for (size_t k = 1; k < n; k++)
		if (strcmp(i->consents[k - 1].kind, i->consents[k].kind) == 0)
			return err_new(&ERR_EVIDENCE_BAD, "two consents of the kind %s",
				i->consents[k].kind);
	return NULL;
}

/* The statement must be for this very offer, and both for one operation. */
static struct err *check_fit(
	const struct offer *offer, const struct statement *statement, struct bytes nonce)
{
	AUTO(buf) struct buf *bytes = offer_encode(offer);
	uint8_t digest[SHA256_LEN];

	sha256(buf_bytes(bytes), digest);
	if (memcmp(digest, statement->offer_digest, SHA256_LEN) != 0 ||
		memcmp(offer->deployment, statement->deployment, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the statement was made for another offer");
	if (statement->has_invitation != (offer->operation == COMMON__OPERATION__ENROLL))
		return err_new(&ERR_EVIDENCE_BAD,
			"an enrollment needs an invitation, a further issuance must have none");
	if (nonce.len < 1 || nonce.len > NONCE_MAX)
		return err_new(&ERR_EVIDENCE_BAD, "a nonce of %zu bytes, where 1 to %d are allowed",
			nonce.len, NONCE_MAX);
	return NULL;
}

struct err *intent_build(const struct offer *offer, const struct statement *statement,
	struct bytes nonce, const struct intent_consent *consents, size_t n_consents,
	enum card_algorithm algorithm, const uint8_t kiosk[static KIOSK_ID_LEN],
	struct intent **ret_intent)
{
	AUTO(intent) struct intent *i = xcalloc(1, sizeof(*i));

	TRY(err_wrap(check_fit(offer, statement, nonce), "intent"));
	i->operation = offer->operation;
	memcpy(i->deployment, offer->deployment, DEPLOYMENT_ID_LEN);
	memcpy(i->issuer_key_id, offer->issuer_key_id, SHA256_LEN);
	memcpy(i->request_id, offer->request_id, REQUEST_ID_LEN);
	memcpy(i->nonce, nonce.data, nonce.len);
	i->nonce_len = nonce.len;
	memcpy(i->certs, offer->certs, offer->n_certs * SHA256_LEN);
	i->n_certs = offer->n_certs;
	i->algorithm = algorithm;
	memcpy(i->statement_hash, statement->hash, SHA256_LEN);
	i->has_invitation = statement->has_invitation;
	memcpy(i->invitation_public, statement->invitation_public, ED25519_PUBLIC_LEN);
	TRY(err_wrap(set_purposes(i, offer, statement), "intent"));
	facts_digest(offer->facts, i->facts_digest);
	TRY(err_wrap(set_consents(i, consents, n_consents), "intent"));
	i->has_predecessor = offer->operation == COMMON__OPERATION__ISSUE;
	memcpy(i->predecessor, offer->predecessor, SHA256_LEN);
	memcpy(i->kiosk, kiosk, KIOSK_ID_LEN);
	*ret_intent = take(i);
	return NULL;
}
