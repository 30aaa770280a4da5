/*
 * bare.h: what issuing a certificate for a key made here costs with OpenSSL alone: a P-256 key, its sealed copies, a
 * certificate with the same extensions, a signature for the ticket. Nothing is checked, recorded or remembered. It runs
 * in a process of its own, so that libcrypto's memory is not wiped there as it is in derivd-ca.
 */
#ifndef DERIVD_TESTS_BENCH_BARE_H
#define DERIVD_TESTS_BENCH_BARE_H

#include "base/buf.h"
#include "tests/bench/bench.h"

struct bare;

/* Forks: before the first use of libcrypto. */
struct bare *bare_start(void);
/* Ends the process. */
void bare_free(struct bare *b);
DEFINE_AUTO(bare, struct bare *, bare_free);

/* The certificate to do like, in DER; copies: to how many recipients each key is sealed. */
void bare_teach(struct bare *b, struct bytes certificate, uint32_t copies);
/* Issues n and waits. */
struct bench_time bare_issue(struct bare *b, uint32_t n);

#endif
