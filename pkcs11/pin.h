/*
 * pin.h: what is known of a card's PIN, and the rules for sending one. A PIN is sent once: never again after the card
 * refused it, never when it is the last try unless the person insists.
 */
#ifndef DERIVD_PKCS11_PIN_H
#define DERIVD_PKCS11_PIN_H

#include "base/def.h"
#include "base/err.h"
#include "pkcs11/hold.h"
#include "pkcs11/module.h"
#include "proto/card.pb-c.h"

/* The wire takes no longer one. */
#define PIN_LEN_MAX 64

struct pin {
	Card__PinState state;
	bool pad;        /* the reader takes it; it never comes through us */
	size_t min, max; /* bytes */
	bool knows_tries;
	unsigned int tries_left;
};

/* From the token's flags and, if look is not NULL and knows it, the card's own counter; the worse of the two counts. */
struct pin pin_from(const CK_TOKEN_INFO *info, const struct hold_look *look);
/* After the card refused a PIN: cost tries less where the number is known; info as it is now. */
struct pin pin_after_refusal(
	const struct pin *before, const CK_TOKEN_INFO *info, unsigned int cost);

struct refused;

/* The PINs that this process has seen refused; they are kept as secrets until the end. */
struct refused *refused_new(void);
void refused_free(struct refused *r);
DEFINE_AUTO(refused, struct refused *, refused_free);
void refused_add(struct refused *r, struct bytes pin);

/*
 * May this PIN be sent? pin: empty with a PIN pad and where none is asked for. ERR_PIN_LOCKED, ERR_PIN_FINAL (unless
 * insist), ERR_PIN_EXPIRED, ERR_PIN_FORMAT, ERR_PIN_WRONG (it was refused before). No try is spent on any of these.
 */
MUST_CHECK struct err *pin_check(
	const struct pin *p, const struct refused *refused, struct bytes pin, bool insist);

#endif
