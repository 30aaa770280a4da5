/*
 * seal_p256.h: sealing to P-256 keys (PROTOCOL.intent section 10): an ephemeral key, ECDH with the X9.63 key derivation and SHA-256
 * (RFC 5753 section 3.1), AES-256 key wrap (RFC 3394), AES-256-GCM (RFC 5084). For seal.c; who may be a recipient is judged there.
 */
#ifndef DERIVD_EVIDENCE_SEAL_P256_H
#define DERIVD_EVIDENCE_SEAL_P256_H

#include <openssl/evp.h>

#include "base/buf.h"

/*
 * recipient: a P-256 key that is sound; key_id: its certificate's subject key identifier. content is a private key and its
 * head. No key that is used on the way outlives the call. ERR_SYSTEM with OpenSSL's reason.
 */
MUST_CHECK struct err *seal_p256(
	struct bytes content, EVP_PKEY *recipient, struct bytes key_id, struct buf **ret_sealed);

#endif
