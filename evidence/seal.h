/*
 * seal.h: a private key on its way to a device, to the history key or to escrow (PROTOCOL.intent section 10): CMS
 * AuthEnvelopedData with AES-256-GCM to one recipient, named by its subject key identifier (RFC 5083, 5084). EC P-256
 * recipients: ephemeral-static ECDH with SHA-256 and AES-256 key wrap (RFC 5753); RSA recipients: OAEP with SHA-256.
 * Inside stands the key as OneAsymmetricKey (RFC 5958) with what it was made for, so that it cannot be moved to another
 * deployment, intent or purpose. Sealing says nothing of the sender: the item's signature does.
 */
#ifndef DERIVD_EVIDENCE_SEAL_H
#define DERIVD_EVIDENCE_SEAL_H

#include <openssl/x509.h>

#include "evidence/offer.h"

/* No sealed key is longer. */
#define SEAL_MAX 8192

struct secret;

struct seal_context {
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t intent_hash[SHA256_LEN];
	Common__Purpose purpose;
	bool any_intent; /* unseal only: the receiver does not know the intent (a device), so it is not compared */
};

/*
 * Must be the first call into libcrypto of a program that seals or unseals: from then on whatever libcrypto frees is
 * overwritten first, so that no copy of a key outlives its use. Aborts when libcrypto has allocated already.
 */
void seal_start(void);
/* The same for a library, which does not know who was first: false when it was too late, and then nothing changes. */
bool seal_wipe_freed(void);

/* A subject key identifier of a recipient is not longer. */
#define SEAL_SKI_MAX 64

/*
 * May keys be sealed to this certificate: a sound key (key.h) of type p256 or rsa2048 to rsa4096, a subject key identifier of
 * 1 to SEAL_SKI_MAX bytes, a keyUsage that allows it? To be asked once, when the certificate comes. ERR_CERT_NOT_ELIGIBLE.
 */
MUST_CHECK struct err *seal_recipient(X509 *cert);
/* The recipient's certificate must be as above, but whether its key is sound is not looked at again; ERR_CERT_NOT_ELIGIBLE.
 * key: of a type that key.h knows. */
MUST_CHECK struct err *seal(EVP_PKEY *key, X509 *recipient, const struct seal_context *context,
	struct buf **ret_sealed);
/* The halves of seal, for several recipients of one key: what is sealed, and sealing it to one of them. */
MUST_CHECK struct err *seal_content(
	EVP_PKEY *key, const struct seal_context *context, struct secret **ret_content);
MUST_CHECK struct err *seal_to(
	const struct secret *content, X509 *recipient, struct buf **ret_sealed);
/*
 * The same without parsing a certificate again: to the P-256 key, and by the subject key identifier, of one that was judged
 * when it came. ERR_SYSTEM.
 */
MUST_CHECK struct err *seal_to_key(const struct secret *content, EVP_PKEY *recipient,
	struct bytes key_id, struct buf **ret_sealed);
/*
 * Opens what seal made for cert, whose private key is recipient. Anything else than exactly that form is refused before
 * OpenSSL's CMS reader sees it; nothing of the content is looked at before its integrity is proved. ERR_FORMAT when it is
 * malformed or does not open, ERR_EVIDENCE_BAD when it was made for something else.
 */
MUST_CHECK struct err *unseal(struct bytes sealed, EVP_PKEY *recipient, X509 *cert,
	const struct seal_context *expected, EVP_PKEY **ret_key);

#endif
