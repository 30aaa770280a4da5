/*
 * statement.h: what a device says of itself and its keys (ENROLLMENT step 4, PROTOCOL.intent section 3). Its hash is
 * the SHA-256 of its bytes; its signatures are over SIG_STATEMENT and its bytes.
 */
#ifndef DERIVD_EVIDENCE_STATEMENT_H
#define DERIVD_EVIDENCE_STATEMENT_H

#include "evidence/offer.h"
#include "proto/host.h"
#include "proto/kind.h"

#define STATEMENT_VERSION 1
#define STATEMENT_MAX 32768
#define STATEMENT_PLATFORM_MAX 64
#define STATEMENT_PKCS10_MAX 4096
#define STATEMENT_SEALING_MAX 2048
#define COMMITMENT_LEN 32
#define R_LEN 32
#define STATEMENT_REQUESTS_MAX OFFER_PURPOSES_MAX

struct statement_request {
	Common__Purpose purpose;
	struct bytes pkcs10;      /* DER */
	struct bytes attestation; /* may be empty */
};

struct statement {
	uint8_t version; /* STATEMENT_VERSION */
	char *host;      /* as the QR code named it */
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	bool has_invitation; /* false for op = issue */
	uint8_t invitation_public[ED25519_PUBLIC_LEN];
	uint8_t offer_digest[SHA256_LEN];
	struct bytes identity_public;     /* P-256 SubjectPublicKeyInfo, DER */
	struct bytes sealing_certificate; /* X.509 over a P-256 key, signed by the identity key, DER */
	char *platform; /* printable, what the device says that it is */
	size_t n_requests;
	struct statement_request requests[STATEMENT_REQUESTS_MAX]; /* ascending purposes */
	uint8_t commitment[COMMITMENT_LEN]; /* SHA-256 of r_d; zeros for op = issue */

	struct buf *source; /* the bytes it was decoded from, owner of the views */
	uint8_t hash[SHA256_LEN];
};

void statement_free(struct statement *s);
DEFINE_AUTO(statement, struct statement *, statement_free);
struct buf *statement_encode(const struct statement *s);
/* Decodes and re-encodes; ERR_FORMAT unless equal. Checks no signature. */
MUST_CHECK struct err *statement_decode(struct bytes b, struct statement **ret_statement);

/*
 * All that can be checked of a statement against an offer, without knowing the person (used by derivctl,
 * derivd-card and derivd-ca alike): both signatures (the invitation's under invitation_public, which must also be the
 * one named; empty for op = issue, and then no invitation may be named), deployment, offer digest, the identity
 * key's type, the sealing certificate under the identity key, exactly the device-made purposes of the offer, each
 * PKCS#10 signed by its own key, of the key type asked for, no key twice, no key equal to identity or sealing key.
 * ERR_STATEMENT_BAD, ERR_SIGNATURE_BAD.
 */
MUST_CHECK struct err *statement_check(const Common__Statement *wire, const struct offer *offer,
	struct bytes offer_bytes, struct bytes invitation_public, struct statement **ret_statement);

/*
 * In an enrollment the device must have come to this host: it is what its QR code said, and deployment.conf says. (An
 * enrolled device names the host of its enrollment, which may have got another name since.) ERR_STATEMENT_BAD.
 */
MUST_CHECK struct err *statement_check_host(const struct statement *s, const char *host);

/* SHA-256 of the SubjectPublicKeyInfo in a PKCS#10. ERR_FORMAT. */
MUST_CHECK struct err *statement_key_hash(const struct statement_request *r, uint8_t ret_hash[static SHA256_LEN]);
/* SHA-256 of the identity key's SPKI: the device id. */
void statement_device_id(const struct statement *s, uint8_t ret_id[static SHA256_LEN]);

/* What an attestation for this purpose must carry as its challenge (PROTOCOL.intent section 3). */
void statement_challenge(const struct offer_purpose *offered, struct bytes identity_public,
	uint8_t ret_challenge[static SHA256_LEN]);

/* ENROLLMENT step 5: "12 34 56" and the number behind it. */
uint32_t digits_number(const uint8_t statement_hash[static SHA256_LEN], const uint8_t r_d[static R_LEN],
	const uint8_t r_k[static R_LEN]);
void digits_text(uint32_t number, char ret_text[static 9]);

#endif
