/* crl_build.c: version 2, complete, direct, with authorityKeyIdentifier and cRLNumber. */
#include "daemon/ca/crl_build.h"

#include "daemon/ca/oid.h"
#include "evidence/der.h"

static void put_reason(struct buf *out, uint32_t reason)
{
	AUTO(buf) struct buf *value = buf_new();
	size_t list = der_begin(out, DER_SEQUENCE);

	der_put_small(value, DER_ENUMERATED, reason);
	der_put_extension(out, OID_CRL_REASON, false, buf_bytes(value));
	der_end(out, list);
}

void crl_add_entry(struct buf *entries, struct bytes serial, int64_t when_ms, uint32_t reason)
{
	size_t mark = der_begin(entries, DER_SEQUENCE);

	der_put_uint(entries, serial);
	der_put_time(entries, when_ms);
	if (reason)
		put_reason(entries, reason);
	der_end(entries, mark);
}

static void put_extensions(const struct issuer *issuer, uint64_t number, struct buf *out)
{
	AUTO(buf) struct buf *value = buf_new();
	size_t tagged = der_begin(out, DER_CONTEXT_CONSTRUCTED(0));
	size_t list = der_begin(out, DER_SEQUENCE);

	buf_add_bytes(out, buf_bytes(issuer->authority));
	der_put_small(value, DER_INTEGER, number);
	der_put_extension(out, OID_CRL_NUMBER, false, buf_bytes(value));
	der_end(out, list);
	der_end(out, tagged);
}

struct err *crl_build(const struct issuer *issuer, EVP_PKEY *key, uint64_t number,
	int64_t this_update_ms, int64_t next_update_ms, const struct buf *entries,
	struct buf **ret_der)
{
	AUTO(buf) struct buf *tbs = buf_new();
	AUTO(buf) struct buf *der = buf_new();
	struct bytes algorithm;

	TRY(issuer_algorithm(key, &algorithm));
	size_t mark = der_begin(tbs, DER_SEQUENCE);
	der_put_small(tbs, DER_INTEGER, 1);
	buf_add_bytes(tbs, algorithm);
	buf_add_bytes(tbs, buf_bytes(issuer->subject));
	der_put_time(tbs, this_update_ms);
	der_put_time(tbs, next_update_ms);
	if (buf_len(entries))
		der_put(tbs, DER_SEQUENCE, buf_bytes(entries));
	put_extensions(issuer, number, tbs);
	der_end(tbs, mark);
	TRY(issuer_sign(key, buf_bytes(tbs), der));
	*ret_der = take(der);
	return NULL;
}
