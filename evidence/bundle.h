/*
 * bundle.h: the proof of one credential, checked offline from its bytes alone (DESIGN section 2.1): derivctl evidence
 * verify. The same checks in the same order serve derivd-ca, which has more to go by.
 */
#ifndef DERIVD_EVIDENCE_BUNDLE_H
#define DERIVD_EVIDENCE_BUNDLE_H

#include <openssl/x509.h>

#include "evidence/receipt.h"

/* Evidence whose parts fit together. Freed with evidence_free. */
struct evidence {
	struct offer *offer;
	struct statement *statement;
	struct intent *intent;
	X509 *card; /* whose key signed */
	uint8_t intent_hash[SHA256_LEN];
	uint8_t digest[SHA256_LEN]; /* of the packed message */
};
void evidence_free(struct evidence *e);
DEFINE_AUTO(evidence, struct evidence *, evidence_free);

/*
 * Everything that the bytes alone prove: the offer under the delivery key, statement_check, the commitment opened, the
 * certificates that the intent names, the intent rebuilt and equal, the card's signature. Not the card's path, the nonce
 * and the policy: these are derivd-ca's. kiosk: KIOSK_ID_LEN bytes that the intent must name, NULL: any. predecessor: for
 * op = issue the enrollment's receipt, which the caller opened; its device keys must be the statement's. NULL for op =
 * enroll. ERR_EVIDENCE_BAD, ERR_SIGNATURE_BAD, ERR_STATEMENT_BAD.
 */
MUST_CHECK struct err *evidence_check(const Common__Evidence *wire, struct bytes delivery_public,
	const uint8_t *kiosk, const struct receipt *predecessor, struct evidence **ret_evidence);
/* Does the receipt say what this evidence does: every field that can be compared? ERR_EVIDENCE_BAD. */
MUST_CHECK struct err *evidence_fits_receipt(const struct evidence *e, const struct receipt *receipt);

/* One line of what bundle_verify found, for people and for --json. */
struct bundle_finding {
	const char *check; /* "card signature over the intent", ... */
	char *detail;
};
struct bundle_report {
	size_t n;
	struct bundle_finding findings[32];
};
void bundle_report_free(struct bundle_report *r);
DEFINE_AUTO(bundle_report, struct bundle_report *, bundle_report_free);

/*
 * evidence_check, then: the receipt under the receipt key fits the evidence; the ticket fits the receipt; the certificate is
 * signed by the issuer that the intent names and carries the key that the receipt or ticket names; anchors (may be NULL): the
 * card's path at the receipt's time without revocation, over intermediates (may be NULL). *ret_report is set also when an
 * error is returned, and holds what was proved before it.
 */
MUST_CHECK struct err *bundle_verify(const Common__Bundle *bundle, struct bytes delivery_public,
	struct bytes receipt_public, const uint8_t *kiosk, STACK_OF(X509) *anchors,
	STACK_OF(X509) *intermediates, struct bundle_report **ret_report);

#endif
