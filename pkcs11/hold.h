/*
 * hold.h: whose card it is. The card is held exclusively by the module's own connection (opensc.h sees to that, for
 * OpenSC); what can be seen and done from outside of the module is here: a first look, whether the hold is there,
 * whether the card is still the one that was read, and the reset at the end.
 */
#ifndef DERIVD_PKCS11_HOLD_H
#define DERIVD_PKCS11_HOLD_H

#include "base/def.h"
#include "base/err.h"
#include "pkcs11/readers.h"

/* What the first look found. */
struct hold_look {
	bool piv;                /* the card has the PIV application */
	bool knows_tries;        /* tries_left is known */
	unsigned int tries_left; /* of the PIN that the application asks for */
};

struct hold;

/*
 * Connects exclusively, asks the card for the PIV application and the PIN's counter (SP 800-73-4 part 2, sections 3.1.1,
 * 3.1.2 and 3.2.1: no try is spent), and lets go again: the module comes next. Somebody's verified PIN is reset.
 * reader is copied. ERR_PCSC_GONE, ERR_READER_UNKNOWN, ERR_READER_IN_USE, ERR_CARD_NONE, ERR_CARD_MUTE,
 * ERR_CARD_FAILED.
 */
MUST_CHECK struct err *hold_new(
	const struct reader *reader, struct hold_look *ret_look, struct hold **ret_hold);
void hold_free(struct hold *h);
DEFINE_AUTO(hold, struct hold *, hold_free);

const char *hold_reader(const struct hold *h);

/*
 * The card that hold_new saw is still there: ERR_CARD_REMOVED, ERR_CARD_CHANGED (taken out meanwhile; another one, or
 * the same, was put in), ERR_PCSC_GONE. Looks for up to wait_ms for a card that is just going; 0: as it is now.
 */
MUST_CHECK struct err *hold_check(struct hold *h, unsigned int wait_ms);
/* Somebody holds the card exclusively. As nobody else can while our module talks to it, that is us. ERR_PCSC_GONE. */
MUST_CHECK struct err *hold_is_exclusive(struct hold *h, bool *ret_exclusive);

/*
 * Resets the card after the module has let go of it, so that no PIN stays verified. A card that has left the reader
 * is reset enough. ERR_READER_IN_USE: another program was quicker; ERR_PCSC_GONE, ERR_CARD_MUTE, ERR_CARD_FAILED.
 */
MUST_CHECK struct err *hold_reset(struct hold *h);
/* The same for every reader whose card nobody holds: for what cleans up after a worker was killed. */
MUST_CHECK struct err *hold_reset_all(void);

#endif
