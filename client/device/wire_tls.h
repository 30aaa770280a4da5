/* wire_tls.h: how wire.c reaches the gateway: TCP, then TLS 1.3 to a pinned key. */
#ifndef DERIVD_DEVICE_WIRE_TLS_H
#define DERIVD_DEVICE_WIRE_TLS_H

#include <openssl/ssl.h>

#include "client/device/state.h"

/* Errors of wire_connect. Both results are the caller's. */
MUST_CHECK struct err *wire_tls_open(const struct state *s, EVP_PKEY *identity,
	struct bytes certificate, int stop_fd, int64_t until_ms, SSL **ret_ssl, int *ret_fd);
/*
 * After a call that did not succeed (result r): waits until it is worth repeating. ERR_TIMEOUT after boot time until_ms; ERR_STOPPED;
 * ERR_GONE when the connection is over; ERR_TLS.
 */
MUST_CHECK struct err *wire_tls_wait(
	const SSL *ssl, int fd, int stop_fd, int r, int64_t until_ms, const char *what);
/* Only the time passes: ERR_TIMEOUT, or ERR_STOPPED. fd -1, or one to wait for: NULL when it is ready. */
MUST_CHECK struct err *wire_tls_wait_fd(int fd, short events, int stop_fd, int64_t until_ms);

#endif
