/* cfssl.h: "cfssl serve" on loopback, with a P-256 CA, and connections that stay open. */
#ifndef DERIVD_TESTS_BENCH_CFSSL_H
#define DERIVD_TESTS_BENCH_CFSSL_H

#include <openssl/x509.h>

#include "base/buf.h"

struct cfssl;

/* dir: for its files. Waits until it listens. Aborts when there is no cfssl. */
struct cfssl *cfssl_start(const char *dir, X509 *ca, EVP_PKEY *key);
/* Ends the process. */
void cfssl_free(struct cfssl *c);
DEFINE_AUTO(cfssl, struct cfssl *, cfssl_free);

/* A blocking connection: the caller's. */
int cfssl_connect(const struct cfssl *c);
/* The HTTP request that has this PKCS#10 signed. */
struct buf *cfssl_request(struct bytes pkcs10);
/* Adds what came to the answer; true when the answer is whole. Aborts when it is not a certificate. */
bool cfssl_receive(int fd, struct buf *answer);

#endif
