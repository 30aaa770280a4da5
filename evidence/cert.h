/* cert.h: what this project asks of X.509 certificates, over OpenSSL. Everything parsed here is hostile. */
#ifndef DERIVD_EVIDENCE_CERT_H
#define DERIVD_EVIDENCE_CERT_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "evidence/facts.h"

#define CERT_DER_MAX 16384

static inline UNUSED void x509_free(X509 *x)
{
	X509_free(x);
}
DEFINE_AUTO(x509, X509 *, x509_free);

/* A list with its certificates. */
static inline UNUSED void x509_stack_free(STACK_OF(X509) *s)
{
	sk_X509_pop_free(s, X509_free);
}
DEFINE_AUTO(x509_stack, STACK_OF(X509) *, x509_stack_free);

/* Exactly one certificate, in DER, nothing behind it, at most CERT_DER_MAX bytes. ERR_CERT_BAD. */
MUST_CHECK struct err *cert_parse(struct bytes der, X509 **ret_cert);
struct buf *cert_der(const X509 *cert);
void cert_hash(const X509 *cert, uint8_t ret_hash[static SHA256_LEN]);
/* SHA-256 of the SubjectPublicKeyInfo. */
void cert_key_hash(const X509 *cert, uint8_t ret_hash[static SHA256_LEN]);
/* RFC 4514 text, safe to show; the caller frees. */
char *cert_subject(const X509 *cert);
char *cert_issuer(const X509 *cert);
/* Lower-case hexadecimal without leading zeros beyond a byte; the caller frees. */
char *cert_serial(const X509 *cert);
int64_t cert_not_before_ms(const X509 *cert);
int64_t cert_not_after_ms(const X509 *cert);

/* Does the certificate have this policy, extended key usage (dotted OID)? Is that keyUsage bit (KU_…) allowed:
 * true when the extension is absent only if absent_is_true. */
bool cert_has_policy(const X509 *cert, const char *oid);
bool cert_has_eku(const X509 *cert, const char *oid);
bool cert_has_key_usage(const X509 *cert, uint32_t bits, bool absent_is_true);

/*
 * The facts that a card certificate carries: name, subject, mail, upn, sid, fascn, uuid, organization, country, each if
 * present and not yet in facts (so the certificate whose key signs comes first). Not the id and the anchor: rules of
 * derivd-ca decide these. ERR_CERT_BAD when what carries one cannot be parsed or shown.
 */
MUST_CHECK struct err *cert_facts(const X509 *cert, struct facts *facts);

#endif
