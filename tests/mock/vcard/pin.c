/*
 * VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (SP 800-73-4 Part 2 sections 3.2.1 to 3.2.3).
 */
#include "tests/mock/vcard/applet.h"

#include <string.h>

#include <openssl/crypto.h>

enum { REF_GLOBAL = 0x00, REF_PIN = 0x80, REF_PUK = 0x81, PIN_DIGITS_MIN = 6, P1_CLEAR = 0xFF };

static uint16_t tries_left(const struct pin *p)
{
	return p->tries ? (uint16_t)(SW_TRIES_LEFT | p->tries) : SW_BLOCKED;
}

/* Six to eight ASCII digits, padded with FF (Part 2 section 2.4.3), but for cards that take any. */
static bool is_pin(const struct card *c, const uint8_t *p)
{
	size_t n = 0;

	if (store_settings(c->store)->any_pin)
		return true;
	while (n < PIN_BYTES && p[n] >= '0' && p[n] <= '9')
		n++;
	if (n < PIN_DIGITS_MIN)
		return false;
	while (n < PIN_BYTES && p[n] == 0xFF)
		n++;
	return n == PIN_BYTES;
}

/* Compares and counts. 9000, 63CX with what is left now (63C0 for the last), or 6983 if nothing was
 * left before: then nothing is compared. */
static uint16_t present(struct pin *p, const uint8_t *value)
{
	if (!p->tries)
		return SW_BLOCKED;
	p->tries--;
	if (CRYPTO_memcmp(p->value, value, PIN_BYTES) != 0)
		return (uint16_t)(SW_TRIES_LEFT | p->tries);
	p->tries = p->limit;
	return SW_OK;
}

static void set_verified(struct card *c, bool verified)
{
	c->verified = verified;
	c->fresh = verified;
}

uint16_t pin_verify(struct card *c, const struct apdu *a, struct blob *out)
{
	struct pin *p = a->p2 == REF_GLOBAL ? &c->global : &c->pin;
	uint16_t sw;

	(void)out;
	if (a->p1 != 0 && a->p1 != P1_CLEAR)
		return SW_BAD_P1P2;
	if ((a->p2 != REF_PIN && a->p2 != REF_GLOBAL) || !p->limit)
		return SW_BAD_REFERENCE;
	if (a->p1 == P1_CLEAR) {
		if (a->data.n)
			return SW_BAD_DATA;
		set_verified(c, false);
		return SW_OK;
	}
	if (!a->data.n)
		return c->verified ? SW_OK : tries_left(p);
	c->verifies++;
	if (!p->tries)
		return SW_BLOCKED;
	if (a->data.n != PIN_BYTES || !is_pin(c, a->data.at))
		return SW_BAD_DATA;
	sw = present(p, a->data.at);
	set_verified(c, sw == SW_OK);
	return sw;
}

uint16_t pin_change(struct card *c, const struct apdu *a, struct blob *out)
{
	struct pin *p = a->p2 == REF_PUK ? &c->puk : &c->pin;
	uint16_t sw;

	(void)out;
	if (a->p1 != 0)
		return SW_BAD_P1P2;
	if (a->p2 != REF_PIN && a->p2 != REF_PUK)
		return SW_BAD_REFERENCE;
	if (!p->tries)
		return SW_BLOCKED;
	if (a->data.n != 2 * PIN_BYTES)
		return SW_BAD_DATA;
	if (p == &c->pin && !is_pin(c, a->data.at + PIN_BYTES))
		return SW_BAD_DATA;
	sw = present(p, a->data.at);
	if (sw == SW_OK)
		memcpy(p->value, a->data.at + PIN_BYTES, PIN_BYTES);
	if (p == &c->pin)
		set_verified(c, sw == SW_OK);
	return sw;
}

uint16_t pin_reset_counter(struct card *c, const struct apdu *a, struct blob *out)
{
	uint16_t sw;

	(void)out;
	if (a->p1 != 0)
		return SW_BAD_P1P2;
	if (a->p2 != REF_PIN)
		return SW_BAD_REFERENCE;
	if (!c->puk.tries)
		return SW_BLOCKED;
	if (a->data.n != 2 * PIN_BYTES || !is_pin(c, a->data.at + PIN_BYTES))
		return SW_BAD_DATA;
	sw = present(&c->puk, a->data.at);
	if (sw != SW_OK)
		return sw;
	memcpy(c->pin.value, a->data.at + PIN_BYTES, PIN_BYTES);
	c->pin.tries = c->pin.limit;
	return SW_OK;
}
