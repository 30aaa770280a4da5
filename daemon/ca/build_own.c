/* build_own.c: the CA's own certificates: root, issuing CA, and those that only carry a key. */
#include <string.h>

#include "base/clock.h"
#include "daemon/ca/build_part.h"
#include "daemon/ca/names.h"
#include "daemon/ca/oid.h"
#include "evidence/der.h"

static void put_constraints(struct buf *out, int path_len)
{
	AUTO(buf) struct buf *value = buf_new();
	size_t mark = der_begin(value, DER_SEQUENCE);

	der_put_true(value);
	if (path_len >= 0)
		der_put_small(value, DER_INTEGER, (uint64_t)path_len);
	der_end(value, mark);
	der_put_extension(out, OID_BASIC_CONSTRAINTS, true, buf_bytes(value));
}

static struct err *put_extensions(const struct build_own *b, struct bytes spki, struct buf *out)
{
	AUTO(buf) struct buf *points = buf_new();
	AUTO(buf) struct buf *access = buf_new();
	uint8_t id[KEY_IDENTIFIER_LEN];

	TRY(issuer_key_identifier(spki, id));
	size_t tagged = der_begin(out, DER_CONTEXT_CONSTRUCTED(3));
	size_t list = der_begin(out, DER_SEQUENCE);
	if (b->issuer)
		buf_add_bytes(out, buf_bytes(b->issuer->authority));
	build_put_subject_key_id(out, id);
	build_key_usage(out, b->key_usage);
	if (b->is_ca)
		put_constraints(out, b->path_len);
	if (b->crl)
		build_crl_point(points, b->crl);
	build_sequence_extension(out, OID_CRL_POINTS, points);
	if (b->issuers)
		build_access(access, OID_AD_ISSUERS, b->issuers);
	build_sequence_extension(out, OID_AUTHORITY_INFO, access);
	der_end(out, list);
	der_end(out, tagged);
	return NULL;
}

struct err *build_own(const struct build_own *b, struct buf **ret_der)
{
	AUTO(buf) struct buf *tbs = buf_new();
	AUTO(buf) struct buf *der = buf_new();
	AUTO(buf) struct buf *subject = buf_new();
	AUTO(buf) struct buf *spki = sig_spki(b->subject_key);
	uint8_t serial[SERIAL_LEN];
	struct bytes algorithm;

	clock_random(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
	TRY(names_fixed(b->subject, subject));
	TRY(issuer_algorithm(b->signing_key, &algorithm));
	size_t mark = der_begin(tbs, DER_SEQUENCE);
	build_put_head(tbs, BYTES(serial, sizeof(serial)), algorithm,
		buf_bytes(b->issuer ? b->issuer->subject : subject), b->not_before_ms,
		b->not_after_ms);
	buf_add_bytes(tbs, buf_bytes(subject));
	buf_add_bytes(tbs, buf_bytes(spki));
	TRY(put_extensions(b, buf_bytes(spki), tbs));
	der_end(tbs, mark);
	TRY(issuer_sign(b->signing_key, buf_bytes(tbs), der));
	*ret_der = take(der);
	return NULL;
}
