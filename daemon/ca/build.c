/* build.c: the certificates of holders (STANDARDS 2.2 to 2.5, 2.11; RFC 5280 section 4). */
#include "daemon/ca/build.h"

#include <string.h>

#include "daemon/ca/build_part.h"
#include "daemon/ca/names.h"
#include "daemon/ca/oid.h"
#include "evidence/der.h"
#include "proto/kind.h"

void build_key_usage(struct buf *out, uint16_t bits)
{
	AUTO(buf) struct buf *value = buf_new();
	uint8_t bytes[2] = { (uint8_t)(bits >> 8), (uint8_t)bits };
	size_t len = bytes[1] ? 2 : 1;
	uint8_t unused = 0;

	while (!(bytes[len - 1] >> unused & 1) && unused < 7)
		unused++;
	size_t mark = der_begin(value, DER_BIT_STRING);
	buf_add_u8(value, unused);
	buf_add(value, bytes, len);
	der_end(value, mark);
	der_put_extension(out, OID_KEY_USAGE, true, buf_bytes(value));
}

void build_crl_point(struct buf *out, const char *url)
{
	size_t point = der_begin(out, DER_SEQUENCE);
	size_t name = der_begin(out, DER_CONTEXT_CONSTRUCTED(0));
	size_t full = der_begin(out, DER_CONTEXT_CONSTRUCTED(0));

	der_put_str(out, DER_CONTEXT(6), url);
	der_end(out, full);
	der_end(out, name);
	der_end(out, point);
}

void build_access(struct buf *out, struct bytes method, const char *url)
{
	size_t mark = der_begin(out, DER_SEQUENCE);

	buf_add_bytes(out, method);
	der_put_str(out, DER_CONTEXT(6), url);
	der_end(out, mark);
}

void build_sequence_extension(struct buf *out, struct bytes oid, const struct buf *content)
{
	AUTO(buf) struct buf *value = buf_new();

	if (!buf_len(content))
		return;
	der_put(value, DER_SEQUENCE, buf_bytes(content));
	der_put_extension(out, oid, false, buf_bytes(value));
}

static struct err *put_oids(struct buf *out, const struct profile_list *list, bool each_in_sequence)
{
	for (size_t i = 0; i < list->n; i++) {
		AUTO(buf) struct buf *oid = NULL;
		TRY(err_as(&ERR_CONFIG, der_oid(list->v[i], &oid), "profile"));
		if (each_in_sequence)
			der_put(out, DER_SEQUENCE, buf_bytes(oid));
		else
			buf_add_bytes(out, buf_bytes(oid));
	}
	return NULL;
}

struct err *build_fixed(const struct profile *p, struct buf **ret_extensions)
{
	AUTO(buf) struct buf *out = buf_new();
	AUTO(buf) struct buf *policies = buf_new();
	AUTO(buf) struct buf *eku = buf_new();
	AUTO(buf) struct buf *points = buf_new();
	AUTO(buf) struct buf *access = buf_new();

	build_key_usage(out, (uint16_t)(p->key_usage << 8));
	TRY(put_oids(policies, &p->policies, true));
	build_sequence_extension(out, OID_POLICIES, policies);
	TRY(put_oids(eku, &p->eku, false));
	build_sequence_extension(out, OID_EXT_KEY_USAGE, eku);
	for (size_t i = 0; i < p->crl.n; i++)
		build_crl_point(points, p->crl.v[i]);
	build_sequence_extension(out, OID_CRL_POINTS, points);
	for (size_t i = 0; i < p->issuers.n; i++)
		build_access(access, OID_AD_ISSUERS, p->issuers.v[i]);
	for (size_t i = 0; i < p->ocsp.n; i++)
		build_access(access, OID_AD_OCSP, p->ocsp.v[i]);
	build_sequence_extension(out, OID_AUTHORITY_INFO, access);
	*ret_extensions = take(out);
	return NULL;
}

/* GeneralNames with one otherName that holds the SID as text: STANDARDS 2.11. */
static void put_sid(struct buf *out, const char *sid)
{
	AUTO(buf) struct buf *value = buf_new();
	size_t names = der_begin(value, DER_SEQUENCE);
	size_t other = der_begin(value, DER_CONTEXT_CONSTRUCTED(0));

	buf_add_bytes(value, OID_SID_VALUE);
	size_t explicit = der_begin(value, DER_CONTEXT_CONSTRUCTED(0));
	der_put_str(value, DER_OCTET_STRING, sid);
	der_end(value, explicit);
	der_end(value, other);
	der_end(value, names);
	der_put_extension(out, OID_SID, false, buf_bytes(value));
}

/* subjectAltName and SID: what differs with the holder. */
static struct err *put_holder(
	const struct profile *p, const struct facts *facts, const char *uuid, struct buf *out)
{
	AUTO(buf) struct buf *san = buf_new();
	const char *sid = p->sid == SID_NEVER ? NULL : facts_get(facts, FACT_SID);

	TRY(names_san(p, facts, uuid, san));
	if (buf_len(san))
		der_put_extension(out, OID_SUBJECT_ALT_NAME, false, buf_bytes(san));
	if (!sid && p->sid == SID_REQUIRED)
		return err_new(&ERR_POLICY, "the card's certificate has no %s", FACT_SID);
	if (sid)
		put_sid(out, sid);
	return NULL;
}

struct err *build_check(const struct profile *p, const struct facts *facts)
{
	AUTO(buf) struct buf *scratch = buf_new();

	TRY(names_subject(p, facts, scratch));
	return put_holder(p, facts, "00000000-0000-4000-8000-000000000000", scratch);
}

void build_put_subject_key_id(struct buf *out, const uint8_t id[static KEY_IDENTIFIER_LEN])
{
	AUTO(buf) struct buf *value = buf_new();

	der_put(value, DER_OCTET_STRING, BYTES(id, KEY_IDENTIFIER_LEN));
	der_put_extension(out, OID_SUBJECT_KEY_ID, false, buf_bytes(value));
}

static struct err *put_extensions(
	const struct build *b, const struct issuer *issuer, struct buf *out)
{
	uint8_t id[KEY_IDENTIFIER_LEN];

	TRY(issuer_key_identifier(b->spki, id));
	size_t tagged = der_begin(out, DER_CONTEXT_CONSTRUCTED(3));
	size_t list = der_begin(out, DER_SEQUENCE);
	buf_add_bytes(out, buf_bytes(issuer->authority));
	build_put_subject_key_id(out, id);
	buf_add_bytes(out, buf_bytes(b->profile->extensions));
	TRY(put_holder(b->profile, b->facts, b->uuid, out));
	der_end(out, list);
	der_end(out, tagged);
	return NULL;
}

void build_put_head(struct buf *out, struct bytes serial, struct bytes algorithm,
	struct bytes issuer, int64_t from, int64_t to)
{
	size_t version = der_begin(out, DER_CONTEXT_CONSTRUCTED(0));

	der_put_small(out, DER_INTEGER, 2);
	der_end(out, version);
	der_put_uint(out, serial);
	buf_add_bytes(out, algorithm);
	buf_add_bytes(out, issuer);
	size_t validity = der_begin(out, DER_SEQUENCE);
	der_put_time(out, from);
	der_put_time(out, to);
	der_end(out, validity);
}

struct err *build_certificate(
	const struct build *b, const struct issuer *issuer, EVP_PKEY *key, struct buf **ret_der)
{
	AUTO(buf) struct buf *tbs = buf_new();
	AUTO(buf) struct buf *der = buf_new();
	struct bytes algorithm;

	TRY(issuer_algorithm(key, &algorithm));
	size_t mark = der_begin(tbs, DER_SEQUENCE);
	build_put_head(tbs, BYTES(b->serial, SERIAL_LEN), algorithm, buf_bytes(issuer->subject),
		b->not_before_ms, b->not_after_ms);
	TRY(names_subject(b->profile, b->facts, tbs));
	buf_add_bytes(tbs, b->spki);
	TRY(put_extensions(b, issuer, tbs));
	der_end(tbs, mark);
	TRY(issuer_sign(key, buf_bytes(tbs), der));
	*ret_der = take(der);
	return NULL;
}
