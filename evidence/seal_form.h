/* seal_form.h: the one form of a sealed key, judged on its bytes before any general CMS reader sees them. */
#ifndef DERIVD_EVIDENCE_SEAL_FORM_H
#define DERIVD_EVIDENCE_SEAL_FORM_H

#include "base/def.h"
#include "base/err.h"

/*
 * AuthEnvelopedData version 0; one recipient, by subject key identifier: key agreement with an uncompressed P-256 point,
 * dhSinglePass-stdDH-sha256kdf and aes256-wrap, or key transport with RSAES-OAEP, SHA-256 twice; id-data under aes-256-gcm
 * with a nonce of 12 and a tag of 16 bytes; no attributes, nothing behind it; DER; at most SEAL_MAX bytes. ERR_FORMAT.
 */
MUST_CHECK struct err *seal_form(struct bytes sealed);

#endif
