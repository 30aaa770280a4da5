/*
 * The PIV card application (SP 800-73-4 Part 2): APDU in, APDU out, no sockets and no clock. What
 * lasts as long as the card (PIN, PUK, their counters) and what power keeps alive (selection,
 * verified PIN, a chain that is not complete, an answer that is not fetched) both live here.
 */
#ifndef VCARD_CARD_H
#define VCARD_CARD_H

#include "tests/mock/vcard/store.h"

enum { CARD_APDU_MAX = 65535, CARD_CHAIN_MAX = 8192 };

struct card;

struct card *card_new(struct store *take_store);
void card_free(struct card *c);
DEFINE_AUTO(card, struct card, card_free);

/* Puts the objects and keys that were read again in place; PIN, PUK and counters stay the card's.
 */
void card_renew(struct card *c, struct store *take_store);

/* Power off or reset. */
void card_reset(struct card *c);

/* One command APDU (any bytes) to one response APDU in *answer, which is emptied first: at least a
 * status word, at most 65535 bytes. */
void card_transmit(struct card *c, struct span apdu, struct blob *answer);

struct span card_atr(const struct card *c);
MUST_CHECK bool card_set_atr(struct card *c, const char *hex, struct why *why);
unsigned card_tries(const struct card *c);
/* Sets the PIN's retry counter; not more than it was issued with. */
void card_set_tries(struct card *c, unsigned tries);
bool card_is_verified(const struct card *c);
/* VERIFY commands that carried a PIN, since the card is loaded. */
unsigned card_verifies(const struct card *c);

#endif
