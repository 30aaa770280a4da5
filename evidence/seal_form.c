/*
 * seal_form.c: a strict walk from field to field; what may not vary is compared byte by byte, and written from the same
 * constants: OpenSSL's CMS, which opens what is written here, says whether they are right. Readers of CMS have had
 * memory errors with odd parameters, accept tags of four bytes and key derivation with SHA-1; nothing of that passes here.
 */
#include "evidence/seal_form.h"

#include <stdlib.h>

#include "evidence/der.h"
#include "evidence/seal.h"

#define CONTEXT_0 DER_CONTEXT_CONSTRUCTED(0)
#define CONTEXT_1 DER_CONTEXT_CONSTRUCTED(1)
#define CONTEXT_0_PRIMITIVE DER_CONTEXT(0)

#define RSA_MIN_LEN 256
#define RSA_MAX_LEN 512

/* clang-format off */
static const uint8_t OID_AUTH_ENVELOPED[] = { 0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17 };
static const uint8_t VERSION_0[] = { 0x02, 0x01, 0x00 };
static const uint8_t VERSION_2[] = { 0x02, 0x01, 0x02 };
static const uint8_t VERSION_3[] = { 0x02, 0x01, 0x03 };
/* SEQUENCE { id-ecPublicKey }, BIT STRING of 65 bytes that begins an uncompressed point */
static const uint8_t EC_PUBLIC_KEY[] = { 0x30, 0x09, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x03, 0x42, 0x00, 0x04 };
/* SEQUENCE { dhSinglePass-stdDH-sha256kdf-scheme, SEQUENCE { id-aes256-wrap } } */
static const uint8_t ECDH_SHA256_WRAP[] = { 0x30, 0x15, 0x06, 0x06, 0x2b, 0x81, 0x04, 0x01, 0x0b, 0x01,
	0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2d };
/* SEQUENCE { rsaesOaep, SEQUENCE { [0] { SEQUENCE { sha256 } }, [1] { SEQUENCE { mgf1, SEQUENCE { sha256 } } } } } */
static const uint8_t OAEP_SHA256[] = { 0x30, 0x38, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07,
	0x30, 0x2b, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
	0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
	0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01 };
static const uint8_t OID_DATA[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01 };
/* SEQUENCE { aes-256-gcm, SEQUENCE { OCTET STRING of 12 bytes … */
static const uint8_t AES_256_GCM[] = { 0x30, 0x1e, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2e,
	0x30, 0x11, 0x04, 0x0c };
/* … INTEGER 16 } } */
static const uint8_t TAG_LEN_16[] = { 0x02, 0x01, 0x10 };
/* clang-format on */

#define EXACT(c, name, literal) exact(c, name, literal, sizeof(literal))

static struct err *exact(struct cursor *c, const char *name, const uint8_t *literal, size_t len)
{
	struct bytes b;

	TRY(err_wrap(cursor_bytes(c, len, &b), "%s", name));
	if (!bytes_eq(b, BYTES(literal, len)))
		return err_new(&ERR_FORMAT, "%s: not the one that is prescribed", name);
	return NULL;
}

/* The value of the next element, which must have this tag, as a cursor. */
static struct err *enter(struct cursor *c, const char *name, uint8_t tag, struct cursor *ret_inner)
{
	return err_wrap(der_get(c, tag, &ret_inner->rest, NULL), "%s", name);
}

static struct err *get_octets(struct cursor *c, const char *name, size_t min, size_t max)
{
	struct bytes b;

	TRY(err_wrap(der_get(c, DER_OCTET_STRING, &b, NULL), "%s", name));
	if (b.len < min || b.len > max)
		return err_new(&ERR_FORMAT, "%s: %zu bytes", name, b.len);
	return NULL;
}

static struct err *key_agreement(struct cursor *ri)
{
	struct cursor originator, point, keys, key, id;
	struct bytes rest;

	TRY(EXACT(ri, "version of the recipient", VERSION_3));
	TRY(enter(ri, "originator", CONTEXT_0, &originator));
	TRY(enter(&originator, "originator key", CONTEXT_1, &point));
	TRY(cursor_end(&originator));
	TRY(EXACT(&point, "originator key", EC_PUBLIC_KEY));
	TRY(err_wrap(cursor_bytes(&point, SEAL_POINT_LEN - 1, &rest), "originator key"));
	TRY(cursor_end(&point));
	TRY(EXACT(ri, "key agreement", ECDH_SHA256_WRAP));
	TRY(enter(ri, "encrypted keys", DER_SEQUENCE, &keys));
	TRY(cursor_end(ri));
	TRY(enter(&keys, "encrypted key", DER_SEQUENCE, &key));
	TRY(err_wrap(cursor_end(&keys), "more than one recipient"));
	TRY(enter(&key, "recipient", CONTEXT_0, &id));
	TRY(get_octets(&id, "subject key identifier", 1, SEAL_SKI_MAX));
	TRY(cursor_end(&id));
	TRY(get_octets(&key, "encrypted key", SEAL_WRAPPED_LEN, SEAL_WRAPPED_LEN));
	return cursor_end(&key);
}

static struct err *key_transport(struct cursor *ri)
{
	struct bytes id;

	TRY(EXACT(ri, "version of the recipient", VERSION_2));
	TRY(err_wrap(der_get(ri, CONTEXT_0_PRIMITIVE, &id, NULL), "recipient"));
	if (id.len < 1 || id.len > SEAL_SKI_MAX)
		return err_new(&ERR_FORMAT, "subject key identifier: %zu bytes", id.len);
	TRY(EXACT(ri, "key transport", OAEP_SHA256));
	TRY(get_octets(ri, "encrypted key", RSA_MIN_LEN, RSA_MAX_LEN));
	return cursor_end(ri);
}

static struct err *get_recipients(struct cursor *c)
{
	struct cursor set, ri;

	TRY(enter(c, "recipients", DER_SET, &set));
	if (set.rest.len && set.rest.data[0] == CONTEXT_1) {
		TRY(enter(&set, "recipient", CONTEXT_1, &ri));
		TRY(key_agreement(&ri));
	} else {
		TRY(enter(&set, "recipient", DER_SEQUENCE, &ri));
		TRY(key_transport(&ri));
	}
	return err_wrap(cursor_end(&set), "more than one recipient");
}

static struct err *get_content(struct cursor *c)
{
	struct cursor info;
	struct bytes b;

	TRY(enter(c, "content", DER_SEQUENCE, &info));
	TRY(EXACT(&info, "content type", OID_DATA));
	TRY(EXACT(&info, "content encryption", AES_256_GCM));
	TRY(err_wrap(cursor_bytes(&info, SEAL_NONCE_LEN, &b), "nonce"));
	TRY(EXACT(&info, "tag length", TAG_LEN_16));
	TRY(err_wrap(der_get(&info, CONTEXT_0_PRIMITIVE, &b, NULL), "encrypted content"));
	TRY(cursor_end(&info));
	TRY(get_octets(c, "tag", SEAL_TAG_LEN, SEAL_TAG_LEN));
	return err_wrap(cursor_end(c), "attributes");
}

struct err *seal_form(struct bytes sealed)
{
	struct cursor c = { sealed }, outer, wrapper, data;

	if (sealed.len > SEAL_MAX)
		return err_new(&ERR_FORMAT, "%zu bytes, more than %d", sealed.len, SEAL_MAX);
	TRY(enter(&c, "CMS", DER_SEQUENCE, &outer));
	TRY(cursor_end(&c));
	TRY(EXACT(&outer, "CMS type", OID_AUTH_ENVELOPED));
	TRY(enter(&outer, "CMS content", CONTEXT_0, &wrapper));
	TRY(cursor_end(&outer));
	TRY(enter(&wrapper, "AuthEnvelopedData", DER_SEQUENCE, &data));
	TRY(cursor_end(&wrapper));
	TRY(EXACT(&data, "version", VERSION_0));
	TRY(get_recipients(&data));
	return get_content(&data);
}

/* --- writing --- */

#define PUT(out, literal) buf_add(out, literal, sizeof(literal))

static void put_key_agreement(struct buf *out, const struct seal_parts *p)
{
	size_t info = der_begin(out, CONTEXT_1);

	PUT(out, VERSION_3);
	size_t originator = der_begin(out, CONTEXT_0);
	size_t point = der_begin(out, CONTEXT_1);
	PUT(out, EC_PUBLIC_KEY);
	/* The point's first byte, which says that it is not compressed, ends that already. */
	buf_add(out, p->point + 1, sizeof(p->point) - 1);
	der_end(out, point);
	der_end(out, originator);
	PUT(out, ECDH_SHA256_WRAP);
	size_t keys = der_begin(out, DER_SEQUENCE);
	size_t key = der_begin(out, DER_SEQUENCE);
	size_t id = der_begin(out, CONTEXT_0);
	der_put(out, DER_OCTET_STRING, p->key_id);
	der_end(out, id);
	der_put(out, DER_OCTET_STRING, BYTES(p->wrapped, sizeof(p->wrapped)));
	der_end(out, key);
	der_end(out, keys);
	der_end(out, info);
}

static void put_content(struct buf *out, const struct seal_parts *p)
{
	size_t info = der_begin(out, DER_SEQUENCE);

	PUT(out, OID_DATA);
	PUT(out, AES_256_GCM);
	buf_add(out, p->nonce, sizeof(p->nonce));
	PUT(out, TAG_LEN_16);
	der_put(out, CONTEXT_0_PRIMITIVE, buf_bytes(p->encrypted));
	der_end(out, info);
	der_put(out, DER_OCTET_STRING, BYTES(p->tag, sizeof(p->tag)));
}

struct buf *seal_form_write(const struct seal_parts *p)
{
	struct buf *out = buf_new();
	size_t outer = der_begin(out, DER_SEQUENCE);

	PUT(out, OID_AUTH_ENVELOPED);
	size_t wrapper = der_begin(out, CONTEXT_0);
	size_t data = der_begin(out, DER_SEQUENCE);
	PUT(out, VERSION_0);
	size_t recipients = der_begin(out, DER_SET);
	put_key_agreement(out, p);
	der_end(out, recipients);
	put_content(out, p);
	der_end(out, data);
	der_end(out, wrapper);
	der_end(out, outer);
	return out;
}
