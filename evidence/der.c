/* der.c: DER by hand. Definite lengths only; nothing here is longer than 2^32 bytes. */
#include "evidence/der.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

/* GeneralizedTime begins in 2050. */
#define YEAR_2050_MS INT64_C(2524608000000)

size_t der_begin(struct buf *out, uint8_t tag)
{
	buf_add_u8(out, tag);
	return buf_len(out);
}

static size_t encode_len(size_t len, uint8_t ret_bytes[static 5])
{
	size_t n = len < 0x80 ? 0 : len < 0x100 ? 1 : len < 0x10000 ? 2 : len < 0x1000000 ? 3 : 4;

	if (n == 0)
		ret_bytes[0] = (uint8_t)len;
	else
		ret_bytes[0] = (uint8_t)(0x80 | n);
	for (size_t i = 1; i <= n; i++)
		ret_bytes[i] = (uint8_t)(len >> (8 * (n - i)));
	return n + 1;
}

void der_end(struct buf *out, size_t mark)
{
	uint8_t header[5];
	size_t len = buf_len(out) - mark;
	size_t n = encode_len(len, header);
	uint8_t *content = buf_grow(out, n) - len;

	memmove(content + n, content, len);
	memcpy(content, header, n);
}

void der_put(struct buf *out, uint8_t tag, struct bytes content)
{
	uint8_t header[5];

	buf_add_u8(out, tag);
	buf_add(out, header, encode_len(content.len, header));
	buf_add_bytes(out, content);
}

void der_put_str(struct buf *out, uint8_t tag, const char *s)
{
	der_put(out, tag, BYTES(s, strlen(s)));
}

static void put_number(struct buf *out, uint8_t tag, struct bytes big_endian)
{
	while (big_endian.len > 1 && !big_endian.data[0])
		big_endian = BYTES(big_endian.data + 1, big_endian.len - 1);
	size_t mark = der_begin(out, tag);
	if (!big_endian.len || big_endian.data[0] & 0x80)
		buf_add_u8(out, 0);
	buf_add_bytes(out, big_endian);
	der_end(out, mark);
}

void der_put_uint(struct buf *out, struct bytes big_endian)
{
	put_number(out, DER_INTEGER, big_endian);
}

void der_put_small(struct buf *out, uint8_t tag, uint64_t v)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(v >> (8 * (7 - i)));
	put_number(out, tag, BYTES(bytes, sizeof(bytes)));
}

void der_put_true(struct buf *out)
{
	der_put(out, DER_BOOLEAN, BYTES("\xff", 1));
}

void der_put_bits(struct buf *out, struct bytes bits)
{
	size_t mark = der_begin(out, DER_BIT_STRING);

	buf_add_u8(out, 0);
	buf_add_bytes(out, bits);
	der_end(out, mark);
}

void der_put_time(struct buf *out, int64_t real_ms)
{
	time_t seconds = (time_t)(real_ms / 1000);
	struct tm tm;
	char text[32];
	bool utc = real_ms < YEAR_2050_MS;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
	der_put_str(out, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, utc ? text + 2 : text);
}

void der_put_extension(struct buf *out, struct bytes oid, bool critical, struct bytes value)
{
	size_t mark = der_begin(out, DER_SEQUENCE);

	buf_add_bytes(out, oid);
	if (critical)
		der_put_true(out);
	der_put(out, DER_OCTET_STRING, value);
	der_end(out, mark);
}

struct err *der_oid(const char *text, struct buf **ret_der)
{
	AUTO_MEM char *shown = text_safe(BYTES(text, strlen(text)));
	ASN1_OBJECT *object = OBJ_txt2obj(text, 0);
	unsigned char *der = NULL;
	int len = object ? i2d_ASN1_OBJECT(object, &der) : 0;

	ASN1_OBJECT_free(object);
	if (len <= 0)
		return err_new(&ERR_FORMAT, "\"%s\" is no object identifier", shown);
	*ret_der = buf_new();
	buf_add(*ret_der, der, (size_t)len);
	OPENSSL_free(der);
	return NULL;
}

static struct err *get_len(struct cursor *c, size_t *ret_len)
{
	uint8_t first, byte;
	size_t len = 0;

	TRY(cursor_u8(c, &first));
	if (first < 0x80) {
		*ret_len = first;
		return NULL;
	}
	if (first == 0x80 || first > 0x84)
		return err_new(&ERR_FORMAT, "DER: a length that is indefinite or too long");
	for (int i = first & 0x7f; i > 0; i--) {
		TRY(cursor_u8(c, &byte));
		len = len << 8 | byte;
	}
	if (len < 0x80 || len >> (8 * ((first & 0x7f) - 1)) == 0)
		return err_new(&ERR_FORMAT, "DER: a length that is not minimal");
	*ret_len = len;
	return NULL;
}

struct err *der_get(
	struct cursor *c, uint8_t tag, struct bytes *ret_content, struct bytes *ret_whole)
{
	struct cursor at = *c;
	struct bytes content;
	uint8_t found;
	size_t len;

	TRY(cursor_u8(&at, &found));
	if (found != tag)
		return err_new(&ERR_FORMAT, "DER: tag 0x%02x where 0x%02x belongs", found, tag);
	TRY(get_len(&at, &len));
	TRY(cursor_bytes(&at, len, &content));
	if (ret_content)
		*ret_content = content;
	if (ret_whole)
		*ret_whole = BYTES(c->rest.data, c->rest.len - at.rest.len);
	*c = at;
	return NULL;
}

struct err *der_request_key(struct bytes pkcs10, struct bytes *ret_spki)
{
	struct cursor outer = { pkcs10 }, request = { 0 }, info = { 0 };

	TRY(der_get(&outer, DER_SEQUENCE, &request.rest, NULL));
	TRY(cursor_end(&outer));
	TRY(der_get(&request, DER_SEQUENCE, &info.rest, NULL));
	TRY(der_get(&info, DER_INTEGER, NULL, NULL));
	TRY(der_get(&info, DER_SEQUENCE, NULL, NULL));
	return der_get(&info, DER_SEQUENCE, NULL, ret_spki);
}

struct err *der_spki_bits(struct bytes spki, struct bytes *ret_bits)
{
	struct cursor outer = { spki }, inner = { 0 };
	struct bytes bits;

	TRY(der_get(&outer, DER_SEQUENCE, &inner.rest, NULL));
	TRY(cursor_end(&outer));
	TRY(der_get(&inner, DER_SEQUENCE, NULL, NULL));
	TRY(der_get(&inner, DER_BIT_STRING, &bits, NULL));
	if (!bits.len || bits.data[0])
		return err_new(&ERR_FORMAT, "DER: a public key of odd bits");
	*ret_bits = BYTES(bits.data + 1, bits.len - 1);
	return NULL;
}

/* UTCTime or GeneralizedTime in the form of RFC 5280 section 4.1.2.5: to the second, in Zulu time. */
static struct err *get_time(struct cursor *c, int64_t *ret_ms)
{
	struct bytes text;
	struct tm tm = { 0 };
	char zulu;

	bool utc = c->rest.len && *c->rest.data == DER_UTC_TIME;
	TRY(der_get(c, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, &text, NULL));
	AUTO_MEM char *s = bytes_strdup(text);
	int n = sscanf(s, utc ? "%2d%2d%2d%2d%2d%2d%c" : "%4d%2d%2d%2d%2d%2d%c", &tm.tm_year,
		&tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &zulu);
	if (n != 7 || zulu != 'Z' || text.len != (utc ? 13 : 15))
		return err_new(&ERR_FORMAT, "DER: a time of another form");
	tm.tm_year += utc ? (tm.tm_year < 50 ? 100 : 0) : -1900;
	tm.tm_mon--;
	*ret_ms = (int64_t)timegm(&tm) * 1000;
	return NULL;
}

/* What stands behind a certificate's issuer. */
static struct err *enter_certificate(struct bytes certificate, struct cursor *ret_tbs)
{
	struct cursor outer = { certificate }, cert = { 0 };

	TRY(der_get(&outer, DER_SEQUENCE, &cert.rest, NULL));
	TRY(cursor_end(&outer));
	TRY(der_get(&cert, DER_SEQUENCE, &ret_tbs->rest, NULL));
	TRY(der_get(ret_tbs, DER_CONTEXT_CONSTRUCTED(0), NULL, NULL));
	TRY(der_get(ret_tbs, DER_INTEGER, NULL, NULL));
	TRY(der_get(ret_tbs, DER_SEQUENCE, NULL, NULL));   /* algorithm */
	return der_get(ret_tbs, DER_SEQUENCE, NULL, NULL); /* issuer */
}

struct err *der_validity(struct bytes certificate, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
	struct cursor tbs = { 0 }, validity = { 0 };

	TRY(enter_certificate(certificate, &tbs));
	TRY(der_get(&tbs, DER_SEQUENCE, &validity.rest, NULL));
	TRY(get_time(&validity, ret_from_ms));
	return get_time(&validity, ret_to_ms);
}

/* The value of the extension with this object identifier, critical or not. */
static struct err *find_extension(struct cursor *list, struct bytes oid, struct bytes *ret_value)
{
	while (list->rest.len) {
		struct cursor ext = { 0 };
		struct bytes found;
		TRY(der_get(list, DER_SEQUENCE, &ext.rest, NULL));
		TRY(der_get(&ext, DER_OID, NULL, &found));
		if (!bytes_eq(found, oid))
			continue;
		if (ext.rest.len && ext.rest.data[0] == DER_BOOLEAN)
			TRY(der_get(&ext, DER_BOOLEAN, NULL, NULL));
		return der_get(&ext, DER_OCTET_STRING, ret_value, NULL);
	}
	return err_new(&ERR_FORMAT, "DER: a certificate without an extension that it must have");
}

struct err *der_certificate_key(
	struct bytes certificate, struct bytes *ret_spki, struct bytes *ret_key_id)
{
	static const uint8_t key_id_oid[] = { 0x06, 0x03, 0x55, 0x1d, 0x0e };
	struct cursor tbs = { 0 }, tagged = { 0 }, extensions = { 0 }, value = { 0 };
	struct bytes spki;

	TRY(enter_certificate(certificate, &tbs));
	TRY(der_get(&tbs, DER_SEQUENCE, NULL, NULL)); /* validity */
	TRY(der_get(&tbs, DER_SEQUENCE, NULL, NULL)); /* subject */
	TRY(der_get(&tbs, DER_SEQUENCE, NULL, &spki));
	for (uint8_t id = 1; id <= 2; id++) /* unique identifiers of old */
		if (tbs.rest.len && tbs.rest.data[0] == DER_CONTEXT(id))
			TRY(der_get(&tbs, DER_CONTEXT(id), NULL, NULL));
	TRY(der_get(&tbs, DER_CONTEXT_CONSTRUCTED(3), &tagged.rest, NULL));
	TRY(der_get(&tagged, DER_SEQUENCE, &extensions.rest, NULL));
	TRY(find_extension(&extensions, BYTES(key_id_oid, sizeof(key_id_oid)), &value.rest));
	TRY(der_get(&value, DER_OCTET_STRING, ret_key_id, NULL));
	*ret_spki = spki;
	return NULL;
}
