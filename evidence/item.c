/* item.c: what a device is told, and what it answers. */
#include "evidence/item.h"

#include <stdlib.h>
#include <string.h>

#include "evidence/cert.h"
#include "evidence/part.h"

void item_free(struct item *i)
{
	free(i);
}

struct buf *item_encode(const struct item *i)
{
	struct buf *out = buf_new();

	record_put(out, BYTES(i->deployment, DEPLOYMENT_ID_LEN));
	record_put(out, BYTES(i->device_id, SHA256_LEN));
	record_put(out, BYTES(i->item_id, ITEM_ID_LEN));
	record_put_u64(out, i->number);
	record_put_u8(out, (uint8_t)i->kind);
	record_put_u8(out, (uint8_t)i->purpose);
	record_put(out, BYTES(i->payload_digest, SHA256_LEN));
	record_put_u64(out, i->payload_len);
	record_put_u64(out, (uint64_t)i->time_ms);
	return out;
}

static struct err *get_item(struct cursor *c, struct item *i)
{
	uint8_t v;

	TRY(record_get_fixed(c, "deployment", DEPLOYMENT_ID_LEN, i->deployment));
	TRY(record_get_fixed(c, "device id", SHA256_LEN, i->device_id));
	TRY(record_get_fixed(c, "item id", ITEM_ID_LEN, i->item_id));
	TRY(record_get_u64(c, "number", &i->number));
	TRY(record_get_choice(c, "kind", ITEM_CERTIFICATE, ITEM_REMOVAL, &v));
	i->kind = (enum item_kind)v;
	TRY(record_get_choice(
		c, "purpose", COMMON__PURPOSE__PURPOSE_UNSET, COMMON__PURPOSE__DECRYPTION, &v));
	i->purpose = (Common__Purpose)v;
	TRY(record_get_fixed(c, "payload digest", SHA256_LEN, i->payload_digest));
	TRY(record_get_u64(c, "payload length", &i->payload_len));
	TRY(record_get_time(c, "time", &i->time_ms));
	if (i->number == 0 || i->payload_len > ITEM_PAYLOAD_MAX)
		return err_new(&ERR_FORMAT, "number 0, or a payload of more than %d bytes",
			ITEM_PAYLOAD_MAX);
	return cursor_end(c);
}

struct err *item_decode(struct bytes b, struct item **ret_item)
{
	AUTO(item) struct item *i = xcalloc(1, sizeof(*i));
	struct cursor c = { b };

	TRY(err_wrap(get_item(&c, i), "item"));
	AUTO(buf) struct buf *again = item_encode(i);
	if (!bytes_eq(buf_bytes(again), b))
		return err_new(&ERR_FORMAT, "item: not in its one encoding");
	*ret_item = take(i);
	return NULL;
}

struct err *item_open(const Common__Signed *s, struct bytes payload, struct bytes delivery_public,
	struct item **ret_item)
{
	AUTO(item) struct item *i = NULL;
	uint8_t digest[SHA256_LEN];

	TRY(err_wrap(part_open(s, SIG_ITEM, delivery_public), "item"));
	TRY(item_decode(BYTES(s->body.data, s->body.len), &i));
	sha256(payload, digest);
	if (i->payload_len != payload.len || memcmp(i->payload_digest, digest, SHA256_LEN) != 0)
		return err_new(&ERR_FORMAT, "item: it was signed for another payload");
	*ret_item = take(i);
	return NULL;
}

void acknowledgement_free(struct acknowledgement *a)
{
	free(a);
}

struct buf *acknowledgement_encode(const struct acknowledgement *a)
{
	struct buf *out = buf_new();

	record_put(out, BYTES(a->device_id, SHA256_LEN));
	record_put(out, BYTES(a->item_id, ITEM_ID_LEN));
	record_put_u64(out, a->number);
	record_put(out, BYTES(a->item_digest, SHA256_LEN));
	record_put_u8(out, a->status);
	record_put(out, BYTES(a->detail, strnlen(a->detail, sizeof(a->detail) - 1)));
	return out;
}

static struct err *get_acknowledgement(struct cursor *c, struct acknowledgement *a)
{
	AUTO_MEM char *detail = NULL;

	TRY(record_get_fixed(c, "device id", SHA256_LEN, a->device_id));
	TRY(record_get_fixed(c, "item id", ITEM_ID_LEN, a->item_id));
	TRY(record_get_u64(c, "number", &a->number));
	TRY(record_get_fixed(c, "item digest", SHA256_LEN, a->item_digest));
	TRY(record_get_u8(c, "status", &a->status));
	TRY(record_get_str(c, "detail", sizeof(a->detail) - 1, &detail));
	memcpy(a->detail, detail, strlen(detail) + 1);
	return cursor_end(c);
}

struct err *acknowledgement_decode(struct bytes b, struct acknowledgement **ret_acknowledgement)
{
	AUTO(acknowledgement) struct acknowledgement *a = xcalloc(1, sizeof(*a));
	struct cursor c = { b };

	TRY(err_wrap(get_acknowledgement(&c, a), "acknowledgement"));
	AUTO(buf) struct buf *again = acknowledgement_encode(a);
	if (!bytes_eq(buf_bytes(again), b))
		return err_new(&ERR_FORMAT, "acknowledgement: not in its one encoding");
	*ret_acknowledgement = take(a);
	return NULL;
}

struct buf *item_chain_encode(const struct bytes *certs, size_t n)
{
	struct buf *out = buf_new();

	for (size_t i = 0; i < n; i++)
		record_put(out, certs[i]);
	return out;
}

struct err *item_chain_decode(
	struct bytes payload, struct bytes ret_certs[static ITEM_CHAIN_MAX], size_t *ret_n)
{
	struct cursor c = { payload };
	struct bytes certs[ITEM_CHAIN_MAX];
	size_t n = 0;

	while (c.rest.len) {
		struct bytes cert;
		TRY(err_wrap(record_get(&c, "certificate", 1, CERT_DER_MAX, &cert), "chain"));
		if (n == ITEM_CHAIN_MAX)
			return err_new(
				&ERR_FORMAT, "chain: more than %d certificates", ITEM_CHAIN_MAX);
		certs[n++] = cert;
	}
	memcpy(ret_certs, certs, n * sizeof(certs[0]));
	*ret_n = n;
	return NULL;
}
