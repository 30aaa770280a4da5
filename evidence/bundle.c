/*
 * bundle.c: a credential back to the card that asked for it, from bytes alone. Each step that held is a line of the
 * report, in words for people.
 */
#include "evidence/bundle.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "evidence/cert.h"
#include "evidence/path.h"
#include "proto/msg.h"

#define BUNDLE_VERSION 1

struct verification {
	const Common__Bundle *bundle;
	struct bytes delivery_public;
	struct bytes receipt_public;
	const uint8_t *kiosk;
	STACK_OF(X509) *anchors, *intermediates;
	struct bundle_report *report;
	/* found on the way */
	struct evidence *evidence;
	struct receipt *receipt;
	X509 *cert;
	uint8_t key_hash[SHA256_LEN]; /* of the key that the certificate must have */
};

void bundle_report_free(struct bundle_report *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		free(r->findings[i].detail);
	free(r);
}

static void found(struct verification *v, const char *check, char *take_detail)
{
	struct bundle_report *r = v->report;

	assert(r->n < ARRAY_LEN(r->findings));
	r->findings[r->n++] = (struct bundle_finding){ .check = check, .detail = take_detail };
}

static struct err *verify_evidence(struct verification *v)
{
	const Common__Evidence *wire = v->bundle->evidence;
	AUTO(receipt) struct receipt *predecessor = NULL;

	if (wire->predecessor) {
		TRY(err_wrap(receipt_open(wire->predecessor, v->receipt_public, &predecessor),
			"predecessor"));
		found(v, "receipt of the enrollment", text_time(predecessor->time_ms));
	}
	TRY(evidence_check(wire, v->delivery_public, v->kiosk, predecessor, &v->evidence));
	found(v, "offer signed by the delivery key", text_time(v->evidence->offer->created_ms));
	found(v, "statement signed by the device", xstrdup(v->evidence->statement->platform));
	found(v, "intent signed by the card", cert_subject(v->evidence->card));
	return NULL;
}

static struct err *verify_receipt(struct verification *v)
{
	TRY(receipt_open(v->bundle->receipt, v->receipt_public, &v->receipt));
	TRY(evidence_fits_receipt(v->evidence, v->receipt));
	found(v, "receipt for this evidence", text_time(v->receipt->time_ms));
	return NULL;
}

/* A key that derivd-ca made has a ticket; a device's own stands in the receipt. */
static struct err *verify_key(struct verification *v)
{
	const struct intent_purpose *granted = receipt_purpose(v->receipt, v->bundle->purpose);
	AUTO(ticket) struct ticket *ticket = NULL;

	if (!granted)
		return err_new(
			&ERR_EVIDENCE_BAD, "the card signed for no credential of this purpose");
	if (granted->has_key) {
		if (v->bundle->ticket)
			return err_new(
				&ERR_EVIDENCE_BAD, "a ticket for a key that the device made");
		memcpy(v->key_hash, granted->key_hash, SHA256_LEN);
		found(v, "key named in the intent", text_hex(BYTES(v->key_hash, SHA256_LEN)));
		return NULL;
	}
	TRY(ticket_open(v->bundle->ticket, v->receipt_public, &ticket));
	if (memcmp(ticket->intent_hash, v->evidence->intent_hash, SHA256_LEN) != 0 ||
		ticket->purpose != v->bundle->purpose)
		return err_new(
			&ERR_EVIDENCE_BAD, "the ticket was given for another intent or purpose");
	sha256(ticket->public_key, v->key_hash);
	found(v, "key made by derivd-ca for this intent", text_time(ticket->time_ms));
	return NULL;
}

static bool is_issued_by(X509 *cert, X509 *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	return key &&
	       X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) == 0 &&
	       X509_verify(cert, key) == 1;
}

/* From the credential to the last certificate of the chain; the first issuer is the one that the intent names. */
static struct err *verify_chain(struct verification *v)
{
	X509 *below = v->cert;
	AUTO(x509_stack) STACK_OF(X509) *chain = sk_X509_new_null();
	uint8_t hash[SHA256_LEN];

	if (v->bundle->n_chain == 0)
		return err_new(&ERR_EVIDENCE_BAD, "the issuer's certificate is missing");
	for (size_t i = 0; i < v->bundle->n_chain; i++) {
		X509 *issuer = NULL;
		TRY(err_as(&ERR_EVIDENCE_BAD, cert_parse(pb_bytes(v->bundle->chain[i]), &issuer),
			"chain"));
		if (!sk_X509_push(chain, issuer))
			err_abort("no memory for a chain");
		if (!is_issued_by(below, issuer))
			return sig_openssl_error(&ERR_EVIDENCE_BAD,
				"certificate %zu of the chain did not issue the one before it", i);
		below = issuer;
	}
	/*
	 * A root is believed for other reasons than its own signature; but of what is shown here, each byte counts, those by which
	 * it would be no root any more, too.
	 */
	if (!is_issued_by(below, below))
		return sig_openssl_error(
			&ERR_EVIDENCE_BAD, "the chain does not end with a root, or it was changed");
	cert_key_hash(sk_X509_value(chain, 0), hash);
	if (memcmp(hash, v->evidence->intent->issuer_key_id, SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "issued by another CA than the intent names");
	found(v, "issuer named in the intent", cert_subject(sk_X509_value(chain, 0)));
	return NULL;
}

static struct err *verify_cert(struct verification *v)
{
	uint8_t hash[SHA256_LEN];

	TRY(err_as(&ERR_EVIDENCE_BAD, cert_parse(pb_bytes(v->bundle->certificate), &v->cert),
		"credential"));
	cert_key_hash(v->cert, hash);
	if (memcmp(hash, v->key_hash, SHA256_LEN) != 0)
		return err_new(&ERR_EVIDENCE_BAD, "the certificate is over another key");
	found(v, "certificate over this key", cert_serial(v->cert));
	TRY(verify_chain(v));
	AUTO_MEM char *from = text_time(cert_not_before_ms(v->cert));
	AUTO_MEM char *to = text_time(cert_not_after_ms(v->cert));
	found(v, "validity", xasprintf("%s to %s", from, to));
	return NULL;
}

/* Revocation at that time is what the receipt's proofs are for; here it is the path alone. */
static struct err *verify_card(struct verification *v)
{
	const struct path_params params = {
		.time_ms = v->receipt->time_ms, .anchors = v->anchors, .untrusted = v->intermediates
	};
	AUTO(path) struct path *path = NULL;

	if (!v->anchors)
		return NULL;
	TRY(path_build(v->evidence->card, &params, &path));
	found(v, "card certificate under an anchor at that time", cert_subject(path_anchor(path)));
	return NULL;
}

static struct err *verify(struct verification *v)
{
	static struct err *(*const steps[])(struct verification *) = {
		verify_evidence,
		verify_receipt,
		verify_key,
		verify_cert,
		verify_card,
	};

	if (v->bundle->version != BUNDLE_VERSION || !v->bundle->evidence || !v->bundle->receipt)
		return err_new(
			&ERR_EVIDENCE_BAD, "not of version %d, or incomplete", BUNDLE_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		TRY(steps[i](v));
	return NULL;
}

struct err *bundle_verify(const Common__Bundle *bundle, struct bytes delivery_public,
	struct bytes receipt_public, const uint8_t *kiosk, STACK_OF(X509) *anchors,
	STACK_OF(X509) *intermediates, struct bundle_report **ret_report)
{
	struct verification v = {
		.bundle = bundle,
		.delivery_public = delivery_public,
		.receipt_public = receipt_public,
		.kiosk = kiosk,
		.anchors = anchors,
		.intermediates = intermediates,
		.report = xcalloc(1, sizeof(struct bundle_report)),
	};
	struct err *e = err_wrap(verify(&v), "bundle");

	evidence_free(v.evidence);
	receipt_free(v.receipt);
	X509_free(v.cert);
	*ret_report = v.report;
	return e;
}
