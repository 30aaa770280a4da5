/* seal_form.h: the one form of a sealed key: judged on its bytes before any general CMS reader sees them, and written. */
#ifndef DERIVD_EVIDENCE_SEAL_FORM_H
#define DERIVD_EVIDENCE_SEAL_FORM_H

#include "base/buf.h"

#define SEAL_POINT_LEN 65   /* P-256, uncompressed */
#define SEAL_WRAPPED_LEN 40 /* AES key wrap adds eight bytes to the 32 of the key */
#define SEAL_NONCE_LEN 12
#define SEAL_TAG_LEN 16

/*
 * AuthEnvelopedData version 0; one recipient, by subject key identifier: key agreement with an uncompressed P-256 point,
 * dhSinglePass-stdDH-sha256kdf and aes256-wrap, or key transport with RSAES-OAEP, SHA-256 twice; id-data under aes-256-gcm
 * with a nonce of 12 and a tag of 16 bytes; no attributes, nothing behind it; DER; at most SEAL_MAX bytes. ERR_FORMAT.
 */
MUST_CHECK struct err *seal_form(struct bytes sealed);

/* What varies in a key sealed to a P-256 key. */
struct seal_parts {
	uint8_t point[SEAL_POINT_LEN]; /* the ephemeral key's */
	struct bytes key_id;           /* the recipient's, lent */
	uint8_t wrapped[SEAL_WRAPPED_LEN];
	uint8_t nonce[SEAL_NONCE_LEN];
	const struct buf *encrypted; /* lent */
	uint8_t tag[SEAL_TAG_LEN];
};

/* The sealed key of these parts. Whether they are of the right lengths, seal_form says. */
struct buf *seal_form_write(const struct seal_parts *p);

#endif
