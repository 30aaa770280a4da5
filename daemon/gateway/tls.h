/*
 * tls.h: the gateway's side of TLS (PROTOCOL.device section 1): version 1.3 alone, ALPN "derivd/1", and a client
 * certificate that is nothing but the envelope of a P-256 key. Names, dates and signature of that certificate mean
 * nothing; the handshake proves the key, and the key's hash is who the device is.
 */
#ifndef DERIVD_GATEWAY_TLS_H
#define DERIVD_GATEWAY_TLS_H

#include <openssl/ssl.h>

#include "base/def.h"
#include "base/err.h"
#include "proto/sig.h"

static inline UNUSED void ssl_ctx_free(SSL_CTX *ctx)
{
	SSL_CTX_free(ctx);
}
DEFINE_AUTO(ssl_ctx, SSL_CTX *, ssl_ctx_free);

/* Reads both PEM files. ERR_CONFIG names the file and what to do. */
MUST_CHECK struct err *tls_new(
	const char *key_path, const char *certificate_path, SSL_CTX **ret_ctx);
/* When its certificate ends, in ms since 1970; 0 when it does not say. */
int64_t tls_not_after(const SSL_CTX *ctx);
/* The server side of a connection on a non-blocking socket, which stays the caller's; NULL when memory is short. */
SSL *tls_accept(SSL_CTX *ctx, int fd);
/* After the handshake: SHA-256 of the device's SubjectPublicKeyInfo. */
void tls_identity(const SSL *ssl, uint8_t ret_hash[static SHA256_LEN]);
/* What devices pin: SHA-256 of the SubjectPublicKeyInfo in a PEM certificate. ERR_CONFIG. */
MUST_CHECK struct err *tls_pin(const char *certificate_path, uint8_t ret_pin[static SHA256_LEN]);

#endif
