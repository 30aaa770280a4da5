/* order.c: the checks before the PIN, in the order of ENROLLMENT steps 2 to 6. */
#include "pkcs11/order.h"

#include <stdlib.h>
#include <string.h>

#include "evidence/receipt.h"
#include "proto/kind.h"
#include "proto/msg.h"

void order_free(struct order *o)
{
	if (!o)
		return;
	buf_free(o->intent);
	X509_free(o->x509);
	free(o);
}

static struct err *check_offer(
	const struct offer *offer, const struct deployment *deployment, int64_t now_ms)
{
	if (memcmp(offer->deployment, deployment->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the offer is of another deployment");
	if (now_ms >= offer->expires_ms)
		return err_new(&ERR_SESSION_OVER, "the offer has expired");
	return NULL;
}

/* All that the offer names is on this card; the first one's key has to sign. */
static struct err *find_cert(
	const struct offer *offer, const struct card *card, struct order *order)
{
	for (size_t i = 0; i < offer->n_certs; i++)
		if (!card_find(card, offer->certs[i]))
			return err_new(&ERR_CARD_CHANGED,
				"the offer names a certificate that is not on this card");
	const struct card_cert *cert = offer->n_certs ? card_find(card, offer->certs[0]) : NULL;
	if (!cert)
		return err_new(&ERR_EVIDENCE_BAD, "the offer names no certificate");
	TRY(cert_parse(buf_bytes(cert->der), &order->x509));
	if (!cert->has_key)
		return err_new(&ERR_CARD_NO_KEY,
			"the card has no key that signs for certificate %s",
			*cert->slot ? cert->slot : cert->label);
	order->cert = cert;
	return NULL;
}

/* ENROLLMENT step 5: what the device committed to is what it opened. */
static struct err *check_commitment(const struct statement *statement, struct bytes opened)
{
	uint8_t hash[SHA256_LEN];

	if (opened.len != R_LEN)
		return err_new(&ERR_STATEMENT_BAD, "the device's commitment is not opened");
	sha256(opened, hash);
	if (memcmp(hash, statement->commitment, SHA256_LEN) != 0)
		return err_new(
			&ERR_STATEMENT_BAD, "the device opened another value than it committed to");
	return NULL;
}

/* op = issue: the receipt of the enrollment says which device this is. */
static struct err *check_predecessor(const Common__Signed *signed_receipt,
	const struct offer *offer, const struct statement *statement,
	const struct deployment *deployment)
{
	AUTO(receipt) struct receipt *receipt = NULL;

	if (!signed_receipt)
		return err_new(&ERR_EVIDENCE_BAD, "the receipt of the enrollment is missing");
	TRY(err_wrap(receipt_open(signed_receipt,
			     BYTES(deployment->receipt_public, ED25519_PUBLIC_LEN), &receipt),
		"the receipt of the enrollment"));
	if (memcmp(receipt->hash, offer->predecessor, SHA256_LEN) != 0)
		return err_new(
			&ERR_EVIDENCE_BAD, "the receipt is not the one that the offer names");
	if (memcmp(receipt->deployment, deployment->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the receipt is of another deployment");
	if (!bytes_eq(receipt->identity_public, statement->identity_public))
		return err_new(&ERR_STATEMENT_BAD,
			"the statement is of another device than the one that was enrolled");
	return NULL;
}

static struct err *check_operation(const Card__Sign *request, const struct offer *offer,
	const struct statement *statement, const struct deployment *deployment)
{
	if (offer->operation == COMMON__OPERATION__ISSUE)
		return check_predecessor(request->predecessor, offer, statement, deployment);
	if (offer->operation != COMMON__OPERATION__ENROLL)
		return err_new(&ERR_EVIDENCE_BAD, "the offer is for an unknown operation");
	if (request->invitation_public.len != ED25519_PUBLIC_LEN)
		return err_new(&ERR_STATEMENT_BAD, "an enrollment needs an invitation key");
	return check_commitment(statement, pb_bytes(request->device_random));
}

static struct err *copy_consents(
	const Card__Sign *request, struct intent_consent consents[static CONSENTS_MAX])
{
	if (request->n_consents > CONSENTS_MAX)
		return err_new(&ERR_EVIDENCE_BAD, "more than %d consents", CONSENTS_MAX);
	for (size_t i = 0; i < request->n_consents; i++) {
		const Card__Consent *consent = request->consents[i];
		if (strlen(consent->kind) >= CONSENT_KIND_MAX)
			return err_new(&ERR_EVIDENCE_BAD, "a consent of an unknown kind");
		strcpy(consents[i].kind, consent->kind);
		consents[i].until_ms = consent->until_ms;
	}
	return NULL;
}

static struct err *build(const Card__Sign *request, const struct offer *offer,
	const struct statement *statement, const struct deployment *deployment, struct order *order)
{
	struct intent_consent consents[CONSENTS_MAX] = { 0 };
	AUTO(intent) struct intent *intent = NULL;

	TRY(copy_consents(request, consents));
	EVP_PKEY *key = X509_get0_pubkey(order->x509);
	if (!key)
		return err_new(&ERR_CERT_BAD, "the certificate's key cannot be read");
	TRY(intent_algorithm(key, &order->algorithm));
	TRY(intent_build(offer, statement, pb_bytes(request->nonce), consents, request->n_consents,
		order->algorithm, deployment->kiosk, &intent));
	order->intent = intent_encode(intent);
	if (buf_len(order->intent) > INTENT_MAX)
		return err_new(&ERR_EVIDENCE_BAD, "the intent is larger than %d bytes", INTENT_MAX);
	return NULL;
}

struct err *order_check(const Card__Sign *request, const struct deployment *deployment,
	const struct card *card, int64_t now_ms, struct order **ret_order)
{
	AUTO(order) struct order *order = xcalloc(1, sizeof(*order));
	AUTO(offer) struct offer *offer = NULL;
	AUTO(statement) struct statement *statement = NULL;

	TRY(err_wrap(offer_open(request->offer,
			     BYTES(deployment->delivery_public, ED25519_PUBLIC_LEN), &offer),
		"the offer"));
	TRY(check_offer(offer, deployment, now_ms));
	TRY(find_cert(offer, card, order));
	TRY(err_wrap(statement_check(request->statement, offer, pb_bytes(request->offer->body),
			     pb_bytes(request->invitation_public), &statement),
		"the device's statement"));
	TRY(statement_check_host(statement, deployment->host));
	TRY(check_operation(request, offer, statement, deployment));
	TRY(build(request, offer, statement, deployment, order));
	*ret_order = take(order);
	return NULL;
}
