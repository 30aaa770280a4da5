/*
 * order.h: what is asked to be signed, checked in full before the card is touched. The intent is built here from
 * fields; no bytes of a caller's choice are ever signed.
 */
#ifndef DERIVD_PKCS11_ORDER_H
#define DERIVD_PKCS11_ORDER_H

#include "evidence/cert.h"
#include "evidence/intent.h"
#include "proto/deployment.h"
#include "pkcs11/card.h"
#include "proto/card.pb-c.h"

struct order {
	struct buf *intent;
	enum card_algorithm algorithm;
	const struct card_cert *cert; /* lent from the card */
	X509 *x509;                   /* the same, parsed */
};

/*
 * The offer under the deployment's delivery key and not expired; its certificates are the card's, the first one with a
 * key that can sign; the statement against it, under the invitation key that derivctl made; the commitment opened; for a
 * further issuance the enrollment's receipt under the receipt key, naming the same device. now_ms: real time.
 * ERR_SIGNATURE_BAD, ERR_STATEMENT_BAD, ERR_EVIDENCE_BAD, ERR_SESSION_OVER (expired), ERR_CARD_CHANGED (offer for another
 * card), ERR_CARD_NO_KEY, ERR_CERT_NOT_ELIGIBLE, ERR_CERT_BAD, ERR_FORMAT.
 */
MUST_CHECK struct err *order_check(const Card__Sign *request, const struct deployment *deployment,
	const struct card *card, int64_t now_ms, struct order **ret_order);
void order_free(struct order *o);
DEFINE_AUTO(order, struct order *, order_free);

#endif
