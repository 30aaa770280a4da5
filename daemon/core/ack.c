/* ack.c: six fields, each behind its length as a 32-bit number, and nothing else. */
#include "daemon/core/ack.h"

#include <string.h>

#include "base/text.h"

static struct err *field(
	struct cursor *c, const char *name, size_t min, size_t max, struct bytes *ret_field)
{
	uint32_t len = 0;

	TRY(cursor_u32(c, &len));
	if (len < min || len > max)
		return err_new(&ERR_FORMAT, "%s of %u bytes", name, len);
	return cursor_bytes(c, len, ret_field);
}

static struct err *fixed(struct cursor *c, const char *name, uint8_t *ret_bytes, size_t len)
{
	struct bytes b;

	TRY(field(c, name, len, len, &b));
	memcpy(ret_bytes, b.data, len);
	return NULL;
}

static struct err *parse(struct cursor *c, struct ack *a)
{
	uint8_t number[8];
	struct bytes detail;

	TRY(fixed(c, "device id", a->device, SHA256_LEN));
	TRY(fixed(c, "item id", a->item, ID_LEN));
	TRY(fixed(c, "number", number, sizeof(number)));
	for (size_t i = 0; i < sizeof(number); i++)
		a->number = a->number << 8 | number[i];
	TRY(fixed(c, "item digest", a->digest, SHA256_LEN));
	TRY(fixed(c, "status", &a->status, 1));
	TRY(field(c, "detail", 0, ACK_DETAIL_MAX - 1, &detail));
	if (!text_is_printable(detail))
		return err_new(&ERR_FORMAT, "detail: not printable text");
	if (detail.len)
		memcpy(a->detail, detail.data, detail.len);
	return cursor_end(c);
}

struct err *ack_parse(struct bytes b, struct ack *ret_ack)
{
	struct cursor c = { b };
	struct ack a = { .number = 0 };

	TRY(err_wrap(parse(&c, &a), "acknowledgement"));
	*ret_ack = a;
	return NULL;
}
