/*
 * der.h: writing DER (X.690) straight into a buffer, and walking over it. Certificates and CRLs are
 * written this way because building them from libcrypto's objects costs ten times their signature.
 */
#ifndef DERIVD_EVIDENCE_DER_H
#define DERIVD_EVIDENCE_DER_H

#include "base/buf.h"

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8 = 0x0c,
	DER_PRINTABLE = 0x13,
	DER_IA5 = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
/* Context-specific tags: primitive and constructed. */
#define DER_CONTEXT(n) (0x80 | (n))
#define DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n))

/* Opens a value; what is added until der_end with the mark is its content. */
size_t der_begin(struct buf *out, uint8_t tag);
void der_end(struct buf *out, size_t mark);

void der_put(struct buf *out, uint8_t tag, struct bytes content);
void der_put_str(struct buf *out, uint8_t tag, const char *s);
/* A non-negative INTEGER from big-endian bytes; leading zeros are dropped. */
void der_put_uint(struct buf *out, struct bytes big_endian);
void der_put_small(struct buf *out, uint8_t tag, uint64_t v);
void der_put_true(struct buf *out);
/* A BIT STRING whose bits all count. */
void der_put_bits(struct buf *out, struct bytes bits);
/* UTCTime until 2049, then GeneralizedTime; whole seconds (RFC 5280 section 4.1.2.5). */
void der_put_time(struct buf *out, int64_t real_ms);
/* An extension: oid as DER, value as the content of its OCTET STRING. */
void der_put_extension(struct buf *out, struct bytes oid, bool critical, struct bytes value);

/* The DER of an object identifier, from dotted numbers or a name that OpenSSL knows. ERR_FORMAT. */
MUST_CHECK struct err *der_oid(const char *text, struct buf **ret_der);

/*
 * The next value, which must have that tag: its content, and with its header. Either output may be
 * NULL. Lengths must be definite and minimal. ERR_FORMAT.
 */
MUST_CHECK struct err *der_get(
	struct cursor *c, uint8_t tag, struct bytes *ret_content, struct bytes *ret_whole);
/* The SubjectPublicKeyInfo inside a PKCS#10 request (RFC 2986 section 4), lent. ERR_FORMAT. */
MUST_CHECK struct err *der_request_key(struct bytes pkcs10, struct bytes *ret_spki);
/* notBefore and notAfter of a certificate. ERR_FORMAT. */
MUST_CHECK struct err *der_validity(
	struct bytes certificate, int64_t *ret_from_ms, int64_t *ret_to_ms);
/* Key and subject key identifier of a certificate, both lent. ERR_FORMAT, also when it has no identifier. */
MUST_CHECK struct err *der_certificate_key(
	struct bytes certificate, struct bytes *ret_spki, struct bytes *ret_key_id);
/* The bits of a SubjectPublicKeyInfo's key, lent: what key identifiers are hashed from. ERR_FORMAT. */
MUST_CHECK struct err *der_spki_bits(struct bytes spki, struct bytes *ret_bits);

#endif
