/* The PIV card application: see card.h. This file dispatches, chains and answers SELECT and GET
 * DATA. */
#include "tests/mock/vcard/applet.h"
#include "tests/mock/vcard/tlv.h"

#include <stdlib.h>
#include <string.h>

enum {
	INS_VERIFY = 0x20,
	INS_CHANGE = 0x24,
	INS_RESET_COUNTER = 0x2C,
	INS_GENERATE = 0x47,
	INS_AUTHENTICATE = 0x87,
	INS_SELECT = 0xA4,
	INS_GET_RESPONSE = 0xC0,
	INS_GET_DATA = 0xCB,
	INS_PUT_DATA = 0xDB,
	PIV_RID_BYTES = 5,
};

static const uint8_t piv_aid[] = { 0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01,
	0x00 };

struct card *card_new(struct store *take_store)
{
	const struct settings *s = store_settings(take_store);
	struct card *c = must_alloc(sizeof *c);

	c->store = take_store;
	c->pin = (struct pin){ .tries = s->pin_tries, .limit = s->pin_tries };
	c->puk = (struct pin){ .tries = s->puk_tries, .limit = s->puk_tries };
	memcpy(c->pin.value, s->pin, PIN_BYTES);
	if (s->has_global_pin)
		c->global = (struct pin){ .tries = s->pin_tries, .limit = s->pin_tries };
	memcpy(c->global.value, s->global_pin, PIN_BYTES);
	memcpy(c->puk.value, s->puk, PIN_BYTES);
	card_reset(c);
	return c;
}

void card_free(struct card *c)
{
	if (!c)
		return;
	store_free(c->store);
	blob_free(&c->chain);
	blob_free(&c->rest);
	explicit_bzero(c, sizeof *c);
	free(c);
}

void card_renew(struct card *c, struct store *take_store)
{
	store_free(c->store);
	c->store = take_store;
	card_reset(c);
}

void card_reset(struct card *c)
{
	c->selected = store_settings(c->store)->default_app;
	c->verified = false;
	c->fresh = false;
	blob_clear(&c->chain);
	blob_clear(&c->rest);
}

struct span card_atr(const struct card *c)
{
	const struct settings *s = store_settings(c->store);

	return (struct span){ s->atr, s->atr_n };
}

bool card_set_atr(struct card *c, const char *hex, struct why *why)
{
	return store_set_atr(c->store, hex, why);
}

unsigned card_tries(const struct card *c)
{
	return c->pin.tries;
}

void card_set_tries(struct card *c, unsigned tries)
{
	c->pin.tries = tries < c->pin.limit ? tries : c->pin.limit;
}

bool card_is_verified(const struct card *c)
{
	return c->verified;
}

unsigned card_verifies(const struct card *c)
{
	return c->verifies;
}

/* Part 2 section 3.1.1. The AID may be cut off on the right. Another AID changes nothing: there is
 * no other application that could be selected in PIV's place. */
static uint16_t do_select(struct card *c, const struct apdu *a, struct blob *out)
{
	static const uint8_t pix[] = { 0x00, 0x00, 0x10, 0x00, 0x01, 0x00 };
	AUTO(blob) struct blob authority = { 0 }, inner = { 0 };

	if (a->p1 != 0x04 || (a->p2 != 0x00 && a->p2 != 0x0C))
		return SW_BAD_P1P2;
	if (a->data.n < PIV_RID_BYTES || a->data.n > sizeof piv_aid ||
		memcmp(a->data.at, piv_aid, a->data.n) != 0)
		return SW_NOT_FOUND;
	c->selected = true;
	if (a->p2 == 0x0C)
		return SW_OK;
	tlv_put(&inner, 0x4F, (struct span){ pix, sizeof pix });
	tlv_put(&authority, 0x4F, (struct span){ piv_aid, PIV_RID_BYTES });
	tlv_put(&inner, 0x79, blob_span(&authority));
	tlv_put(out, 0x61, blob_span(&inner));
	return SW_OK;
}

/* Objects that are read with the PIN only (Part 1 table 3): fingerprints, face, iris, printed
 * information, pairing code. */
static bool needs_pin(uint32_t tag)
{
	return tag == 0x5FC103 || tag == 0x5FC108 || tag == 0x5FC121 || tag == 0x5FC109 ||
	       tag == 0x5FC123;
}

/* Part 2 section 3.1.2. */
static uint16_t do_get_data(struct card *c, const struct apdu *a, struct blob *out)
{
	struct span data = a->data, name, bytes;
	uint32_t tag, wanted = 0;

	if (a->p1 != 0x3F || a->p2 != 0xFF)
		return SW_BAD_P1P2;
	if (!tlv_next(&data, &tag, &name) || data.n || tag != 0x5C || !name.n || name.n > 3)
		return SW_BAD_DATA;
	for (size_t i = 0; i < name.n; i++)
		wanted = wanted << 8 | name.at[i];
	if (needs_pin(wanted) && !c->verified)
		return SW_SECURITY_STATUS;
	if (!store_object(c->store, wanted, &bytes))
		return SW_NOT_FOUND;
	blob_add(out, bytes.at, bytes.n);
	return SW_OK;
}

/* PUT DATA and GENERATE ASYMMETRIC KEY PAIR need the card management key, which nobody has. */
static uint16_t do_refuse(struct card *c, const struct apdu *a, struct blob *out)
{
	(void)c;
	(void)a;
	(void)out;
	return SW_SECURITY_STATUS;
}

/* What is left of an answer is still there: fit() hands it out. */
static uint16_t do_get_response(struct card *c, const struct apdu *a, struct blob *out)
{
	if (a->p1 || a->p2)
		return SW_BAD_P1P2;
	if (!c->rest.n)
		return SW_CONDITIONS;
	blob_add(out, c->rest.at, c->rest.n);
	return SW_OK;
}

static const struct command {
	uint8_t ins;
	bool chains;
	uint16_t (*run)(struct card *c, const struct apdu *a, struct blob *out);
} commands[] = {
	{ INS_SELECT, false, do_select },
	{ INS_GET_DATA, false, do_get_data },
	{ INS_GET_RESPONSE, false, do_get_response },
	{ INS_VERIFY, false, pin_verify },
	{ INS_CHANGE, false, pin_change },
	{ INS_RESET_COUNTER, false, pin_reset_counter },
	{ INS_AUTHENTICATE, true, auth_general },
	{ INS_PUT_DATA, true, do_refuse },
	{ INS_GENERATE, false, do_refuse },
};

static const struct command *find_command(uint8_t ins)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (commands[i].ins == ins)
			return &commands[i];
	return NULL;
}

static uint16_t check_class(uint8_t cla)
{
	if (cla & 0xE0)
		return SW_BAD_CLA;
	if (cla & 0x0C)
		return SW_NO_SECURE_MESSAGING;
	return cla & 0x03 ? SW_NO_CHANNELS : SW_OK;
}

static bool continues(const struct card *c, const struct apdu *a)
{
	return c->chain.n && a->ins == c->chain_head.ins && a->p1 == c->chain_head.p1 &&
	       a->p2 == c->chain_head.p2;
}

/* A part of a chain (ISO 7816-4 section 5.1.1.1): kept until the last part comes. Any other command
 * in between, and a chain that grows too long, loses it. */
static uint16_t keep_part(struct card *c, const struct apdu *a)
{
	if (c->chain.n + a->data.n > CARD_CHAIN_MAX) {
		blob_clear(&c->chain);
		return SW_WRONG_LENGTH;
	}
	c->chain_head = *a;
	c->chain_head.data = (struct span){ NULL, 0 };
	blob_add(&c->chain, a->data.at, a->data.n);
	return SW_OK;
}

static uint16_t run_whole(
	struct card *c, const struct command *cmd, struct apdu *a, struct blob *out)
{
	AUTO(blob) struct blob whole = { 0 };

	if (c->chain.n + a->data.n > CARD_CHAIN_MAX) {
		blob_clear(&c->chain);
		return SW_WRONG_LENGTH;
	}
	if (c->chain.n) {
		blob_add(&whole, c->chain.at, c->chain.n);
		blob_add(&whole, a->data.at, a->data.n);
		blob_clear(&c->chain);
		a->data = blob_span(&whole);
	}
	return cmd->run(c, a, out);
}

/* A key of PIN_ALWAYS wants the PIN to be the command before its own (all parts of it). */
static bool is_for_pin_always(const struct apdu *a)
{
	const struct slot *slot = slot_find(a->p2);

	return a->ins == INS_AUTHENTICATE && slot && slot->pin == PIN_ALWAYS;
}

static uint16_t dispatch(struct card *c, struct apdu *a, struct blob *out)
{
	const struct command *cmd = find_command(a->ins);
	uint16_t sw = check_class(a->cla);

	if (!continues(c, a))
		blob_clear(&c->chain);
	if (!is_for_pin_always(a))
		c->fresh = false;
	if (sw != SW_OK)
		return sw;
	if (!cmd || (!c->selected && a->ins != INS_SELECT))
		return SW_BAD_INS;
	if (!(a->cla & CLA_CHAIN))
		return run_whole(c, cmd, a, out);
	return cmd->chains ? keep_part(c, a) : SW_NO_CHAINING;
}

static void put_status(struct blob *answer, uint16_t sw)
{
	blob_add_byte(answer, (uint8_t)(sw >> 8));
	blob_add_byte(answer, (uint8_t)sw);
}

/* As much of the data as the reader asked for; the rest waits for GET RESPONSE. Without Le, a T=1
 * reader gets 256 bytes; on T=0 the length of an answer to a command with data is announced by
 * 61XX. */
static void fit(
	struct card *c, const struct apdu *a, struct blob *data, uint16_t sw, struct blob *answer)
{
	bool announce = store_settings(c->store)->t0 && a->data.n && !a->has_le;
	size_t n = announce ? 0 : a->has_le ? a->le : 256;
	size_t room = CARD_APDU_MAX - 2;

	n = n < room ? n : room;
	n = n < data->n ? n : data->n;
	blob_add(answer, data->at, n);
	blob_clear(&c->rest);
	blob_add(&c->rest, data->at + n, data->n - n);
	if (c->rest.n)
		sw = (uint16_t)(SW_MORE | (c->rest.n < 256 ? c->rest.n : 0));
	put_status(answer, sw);
}

void card_transmit(struct card *c, struct span bytes, struct blob *answer)
{
	AUTO(blob) struct blob data = { 0 };
	struct apdu a;
	uint16_t sw;

	blob_clear(answer);
	if (!apdu_parse(bytes, &a)) {
		c->fresh = false;
		blob_clear(&c->chain);
		blob_clear(&c->rest);
		put_status(answer, SW_WRONG_LENGTH);
		return;
	}
	sw = dispatch(c, &a, &data);
	if (sw != SW_OK)
		blob_clear(&data);
	fit(c, &a, &data, sw, answer);
}
