/* BER-TLV as PIV cards use it: see tlv.h. */
#include "tests/mock/vcard/tlv.h"

enum { LENGTH_BYTES_MAX = 3 };

static void put_tag(struct blob *out, uint32_t tag)
{
	for (int shift = 24; shift > 0; shift -= 8)
		if (tag >> shift)
			blob_add_byte(out, (uint8_t)(tag >> shift));
	blob_add_byte(out, (uint8_t)tag);
}

void tlv_put(struct blob *out, uint32_t tag, struct span value)
{
	put_tag(out, tag);
	if (value.n > 0xFFFF) {
		blob_add_byte(out, 0x83);
		blob_add_byte(out, (uint8_t)(value.n >> 16));
		blob_add_byte(out, (uint8_t)(value.n >> 8));
	} else if (value.n > 0xFF) {
		blob_add_byte(out, 0x82);
		blob_add_byte(out, (uint8_t)(value.n >> 8));
	} else if (value.n > 0x7F) {
		blob_add_byte(out, 0x81);
	}
	blob_add_byte(out, (uint8_t)value.n);
	blob_add(out, value.at, value.n);
}

static bool take_byte(struct span *in, uint8_t *ret_byte)
{
	if (!in->n)
		return false;
	*ret_byte = *in->at++;
	in->n--;
	return true;
}

static bool take_tag(struct span *in, uint32_t *ret_tag)
{
	uint8_t byte;
	uint32_t tag;

	if (!take_byte(in, &byte))
		return false;
	tag = byte;
	if ((byte & 0x1F) == 0x1F) {
		do {
			if (tag > 0xFFFF || !take_byte(in, &byte))
				return false;
			tag = tag << 8 | byte;
		} while (byte & 0x80);
	}
	*ret_tag = tag;
	return true;
}

static bool take_length(struct span *in, size_t *ret_n)
{
	uint8_t byte;
	size_t n = 0;

	if (!take_byte(in, &byte))
		return false;
	if (byte < 0x80) {
		*ret_n = byte;
		return true;
	}
	if (byte == 0x80 || (byte & 0x7F) > LENGTH_BYTES_MAX)
		return false;
	for (int left = byte & 0x7F; left; left--) {
		if (!take_byte(in, &byte))
			return false;
		n = n << 8 | byte;
	}
	*ret_n = n;
	return true;
}

bool tlv_next(struct span *in, uint32_t *ret_tag, struct span *ret_value)
{
	struct span rest = *in;
	uint32_t tag;
	size_t n;

	if (!take_tag(&rest, &tag) || !take_length(&rest, &n) || n > rest.n)
		return false;
	*ret_tag = tag;
	*ret_value = (struct span){ rest.at, n };
	*in = (struct span){ rest.at + n, rest.n - n };
	return true;
}
