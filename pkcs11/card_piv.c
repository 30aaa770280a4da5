/*
 * card_piv.c: PIV cards (SP 800-73-4) as OpenSC, and modules that follow it, show them. The four keys that every PIV
 * card may have, by their fixed CKA_ID; retired keys are of no use for signing and are not asked for.
 */
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "pkcs11/card.h"
#include "pkcs11/chuid.h"

/* Part 1, table 4b: which keys sign, and how the PIN comes in. */
static const struct {
	const char *slot;
	uint8_t id;
	bool signs;
	bool always_authenticate;
} keys[] = {
	{ "9A", 0x01, true, false },
	{ "9C", 0x02, true, true },
	{ "9D", 0x03, false, false },
	{ "9E", 0x04, true, false },
};

static struct err *match(const struct card_source *source, bool *ret_match)
{
	struct object_list found = { 0 };

	TRY(card_find_chuid(source, &found));
	*ret_match = found.n > 0;
	return NULL;
}

/* A CHUID that cannot be understood leaves the token's own serial number. */
static struct err *read_chuid(const struct card_source *source, struct card *card)
{
	struct bytes guid = { 0 };

	TRY(card_read_chuid(source, &card->chuid));
	if (!card->chuid)
		return NULL;
	AUTO(err) struct err *e = chuid_guid(buf_bytes(card->chuid), &guid);
	if (e)
		log_note(NOTE_CARD_ODD, NULL, "%s", err_get_text(e));
	if (guid.len > 0)
		card->serial = text_hex(guid);
	return NULL;
}

static struct err *read_slot(const struct card_source *source, struct card *card, size_t i)
{
	struct object_list found = { 0 };
	struct card_cert *cert = NULL;

	TRY(object_find_class(
		source->token, CKO_CERTIFICATE, BYTES(&keys[i].id, 1), BYTES(NULL, 0), &found));
	if (found.n == 0)
		return NULL;
	TRY(card_read_cert(source, found.at[0], card, &cert));
	if (!cert)
		return NULL;
	strcpy(cert->slot, keys[i].slot);
	cert->has_key = keys[i].signs;
	cert->always_authenticate = keys[i].always_authenticate;
	return NULL;
}

static struct err *read(const struct card_source *source, struct card *card)
{
	TRY(read_chuid(source, card));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		TRY(err_wrap(read_slot(source, card, i), "certificate %s", keys[i].slot));
	return NULL;
}

const struct card_type card_piv = { .name = "piv", .match = match, .read = read };
