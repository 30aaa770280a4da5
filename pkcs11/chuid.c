/* chuid.c: BER-TLV with tags of one byte, as in the containers of a PIV card. */
#include "pkcs11/chuid.h"

#include "base/buf.h"

#define TAG_CONTAINER 0x53
#define TAG_GUID 0x34

/* Lengths of one byte, or 81 and 82 with one or two more. */
static struct err *get_length(struct cursor *c, size_t *ret_len)
{
	uint8_t first = 0;
	uint8_t byte = 0;
	uint16_t word = 0;

	TRY(cursor_u8(c, &first));
	if (first < 0x80) {
		*ret_len = first;
		return NULL;
	}
	if (first == 0x81) {
		TRY(cursor_u8(c, &byte));
		*ret_len = byte;
		return NULL;
	}
	if (first != 0x82)
		return err_new(&ERR_FORMAT, "a length of form %02X", first);
	TRY(cursor_u16(c, &word));
	*ret_len = word;
	return NULL;
}

static struct err *get_tlv(struct cursor *c, uint8_t *ret_tag, struct bytes *ret_value)
{
	size_t len = 0;

	TRY(cursor_u8(c, ret_tag));
	TRY(get_length(c, &len));
	return cursor_bytes(c, len, ret_value);
}

static bool is_zero(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i])
			return false;
	return true;
}

static struct err *find_guid(struct bytes content, struct bytes *ret_guid)
{
	struct cursor c = { content };
	struct bytes value;
	uint8_t tag = 0;

	*ret_guid = BYTES(NULL, 0);
	while (c.rest.len > 0) {
		TRY(get_tlv(&c, &tag, &value));
		if (tag != TAG_GUID)
			continue;
		if (value.len != CHUID_GUID_LEN)
			return err_new(&ERR_FORMAT, "a GUID of %zu bytes", value.len);
		*ret_guid = is_zero(value) ? BYTES(NULL, 0) : value;
		return NULL;
	}
	return NULL;
}

struct err *chuid_guid(struct bytes chuid, struct bytes *ret_guid)
{
	struct cursor c = { chuid };
	struct bytes content = chuid;
	uint8_t tag = 0;

	if (chuid.len > 0 && chuid.data[0] == TAG_CONTAINER) {
		TRY(err_wrap(get_tlv(&c, &tag, &content), "CHUID"));
		TRY(err_wrap(cursor_end(&c), "CHUID"));
	}
	return err_wrap(find_guid(content, ret_guid), "CHUID");
}
