/*
 * readers.h: the card readers and what is in them, through PC/SC alone: no module is loaded, no card is spoken to.
 */
#ifndef DERIVD_PKCS11_READERS_H
#define DERIVD_PKCS11_READERS_H

#include "base/def.h"
#include "base/err.h"
#include "proto/card.pb-c.h"

/* pcsc-lite's own limits. */
#define READERS_MAX 16
#define READER_NAME_MAX 128
#define READER_ATR_MAX 33

struct reader {
	char name[READER_NAME_MAX];
	Card__ReaderState state;
	uint8_t atr[READER_ATR_MAX];
	size_t atr_len;
	unsigned int
		moves; /* how often a card was put in or taken out since pcscd knows the reader */
};

struct readers;

/* Nothing is known before the first readers_wait. Never fails. */
struct readers *readers_new(void);
void readers_free(struct readers *r);
DEFINE_AUTO(readers, struct readers *, readers_free);

/*
 * Waits until something differs from what the last call found, or for timeout_ms. The first call returns at once.
 * *ret_changed says which. A reader plugged in later is found, the first one included. ERR_PCSC_GONE: the next call
 * connects to the service anew.
 */
MUST_CHECK struct err *readers_wait(struct readers *r, unsigned int timeout_ms, bool *ret_changed);

size_t readers_len(const struct readers *r);
/* How many of them hold a card, mute ones included. */
size_t readers_with_card(const struct readers *r);
/* Lent until the next readers_wait. */
const struct reader *readers_at(const struct readers *r, size_t i);
/* NULL when there is none of that name. */
const struct reader *readers_find(const struct readers *r, const char *name);

/*
 * The reader to use: the named one, or, with an empty name, the only one that holds a card; lent. The errors name the
 * readers: ERR_READER_NONE, ERR_READER_UNKNOWN, ERR_CARD_NONE, ERR_CARD_MANY, ERR_CARD_MUTE, ERR_READER_IN_USE.
 */
MUST_CHECK struct err *readers_choose(
	const struct readers *r, const char *name, const struct reader **ret_reader);

#endif
