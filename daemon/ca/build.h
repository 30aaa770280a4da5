/*
 * build.h: certificates, written as DER. The parts that follow from a profile alone are made once for each profile
 * (build_fixed); a certificate fills in serial, times, names, key and identifiers.
 */
#ifndef DERIVD_DAEMON_CA_BUILD_H
#define DERIVD_DAEMON_CA_BUILD_H

#include "daemon/ca/issuer.h"
#include "daemon/ca/profile.h"

#define SERIAL_LEN 20
#define UUID_TEXT_LEN 36

/* The extensions that are the same in every certificate of the profile, in DER. ERR_CONFIG. */
MUST_CHECK struct err *build_fixed(const struct profile *p, struct buf **ret_extensions);

struct build {
	const struct profile *profile;
	const struct facts *facts;
	uint8_t serial[SERIAL_LEN]; /* first bit 0, second bit 1 */
	char uuid[UUID_TEXT_LEN + 1];
	struct bytes spki;
	int64_t not_before_ms;
	int64_t not_after_ms;
};
/* A holder's certificate. ERR_POLICY (names.h), ERR_FORMAT, ERR_CA_MISCONFIGURED. */
MUST_CHECK struct err *build_certificate(
	const struct build *b, const struct issuer *issuer, EVP_PKEY *key, struct buf **ret_der);
/* Could it be built: do the facts fill the profile? ERR_POLICY says what is missing. */
MUST_CHECK struct err *build_check(const struct profile *p, const struct facts *facts);

/* The CA's own certificates, for init. */
struct build_own {
	const char *subject; /* RFC 4514, fixed text */
	EVP_PKEY *subject_key;
	const struct issuer *issuer; /* NULL: self-signed */
	EVP_PKEY *signing_key;
	bool is_ca;
	int path_len;       /* -1: none */
	uint16_t key_usage; /* the BIT STRING's first two octets, big-endian */
	int64_t not_before_ms;
	int64_t not_after_ms;
	const char *crl;     /* URL or NULL */
	const char *issuers; /* URL or NULL */
};
MUST_CHECK struct err *build_own(const struct build_own *b, struct buf **ret_der);

#endif
