/* GENERAL AUTHENTICATE (SP 800-73-4 Part 2 section 3.2.4): what the private keys do. */
#include "tests/mock/vcard/applet.h"
#include "tests/mock/vcard/tlv.h"

#include <openssl/rand.h>

enum {
	KEY_MANAGEMENT = 0x9B,
	TEMPLATE = 0x7C,
	TAG_WITNESS = 0x80,
	TAG_CHALLENGE = 0x81,
	TAG_RESPONSE = 0x82,
	TAG_POINT = 0x85,
};

/* What a dynamic authentication template held; at NULL = the element was not there. */
struct request {
	struct span witness, challenge, response, point;
};

static struct span *field(struct request *r, uint32_t tag)
{
	switch (tag) {
	case TAG_WITNESS:
		return &r->witness;
	case TAG_CHALLENGE:
		return &r->challenge;
	case TAG_RESPONSE:
		return &r->response;
	case TAG_POINT:
		return &r->point;
	default:
		return NULL;
	}
}

static bool read_request(struct span data, struct request *ret)
{
	struct span inner, value;
	uint32_t tag;

	if (!tlv_next(&data, &tag, &inner) || tag != TEMPLATE || data.n)
		return false;
	while (tlv_next(&inner, &tag, &value)) {
		struct span *f = field(ret, tag);

		if (!f || f->at)
			return false;
		*f = value;
	}
	return !inner.n;
}

static void answer(struct blob *out, uint32_t tag, struct span value)
{
	AUTO(blob) struct blob inner = { 0 };

	tlv_put(&inner, tag, value);
	tlv_put(out, TEMPLATE, blob_span(&inner));
}

/* The card management key: a challenge may be had by anybody (OpenSC takes its random numbers from
 * there); nobody has the key, so every answer to it is wrong. */
static uint16_t management(const struct apdu *a, const struct request *r, struct blob *out)
{
	uint8_t bytes[16];
	size_t n = a->p1 == 0x00 || a->p1 == 0x03 ? 8 : sizeof bytes;

	if (a->p1 != 0x00 && a->p1 != 0x03 && a->p1 != 0x08 && a->p1 != 0x0A && a->p1 != 0x0C)
		return SW_BAD_P1P2;
	if (r->response.n)
		return SW_VERIFICATION_FAILED;
	if (r->challenge.n || r->witness.n || r->point.at || !r->challenge.at == !r->witness.at)
		return SW_BAD_DATA;
	if (RAND_bytes(bytes, (int)n) != 1)
		return SW_UNKNOWN;
	answer(out, r->challenge.at ? TAG_CHALLENGE : TAG_WITNESS, (struct span){ bytes, n });
	return SW_OK;
}

static bool pin_suffices(const struct card *c, const struct slot *slot)
{
	switch (slot->pin) {
	case PIN_NEVER:
		return true;
	case PIN_ONCE:
		return c->verified;
	case PIN_ALWAYS:
		return c->verified && c->fresh;
	}
	return false;
}

static enum key_result use_key(
	EVP_PKEY *key, const struct slot *slot, const struct request *r, struct blob *out)
{
	bool ec = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC;

	if (!r->challenge.at == !r->point.at || r->witness.at || r->response.n)
		return KEY_BAD_DATA;
	if (!ec)
		return r->challenge.at ? keys_rsa(key, r->challenge, out) : KEY_BAD_DATA;
	if (r->challenge.at)
		return slot->signs ? keys_ecdsa(key, r->challenge, out) : KEY_BAD_DATA;
	return slot->agrees ? keys_ecdh(key, r->point, out) : KEY_BAD_DATA;
}

uint16_t auth_general(struct card *c, const struct apdu *a, struct blob *out)
{
	const struct slot *slot = slot_find(a->p2);
	EVP_PKEY *key = slot ? store_key(c->store, slot) : NULL;
	AUTO(blob) struct blob result = { 0 };
	struct request r = { 0 };
	enum key_result done;

	if (!key && a->p2 != KEY_MANAGEMENT)
		return SW_BAD_P1P2;
	if (key && !keys_match(key, a->p1))
		return SW_BAD_P1P2;
	if (key && !pin_suffices(c, slot))
		return SW_SECURITY_STATUS;
	c->fresh = false;
	if (!read_request(a->data, &r))
		return SW_BAD_DATA;
	if (!key)
		return management(a, &r, out);
	done = use_key(key, slot, &r, &result);
	if (done != KEY_DONE)
		return done == KEY_BAD_DATA ? SW_BAD_DATA : SW_UNKNOWN;
	answer(out, TAG_RESPONSE, blob_span(&result));
	return SW_OK;
}
