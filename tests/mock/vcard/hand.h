/*
 * The hand that holds the card: puts it in and pulls it out, swaps it for another, makes it slow or
 * mute, and waits for the moment to do so ("when the second VERIFY arrives"). No sockets here.
 */
#ifndef VCARD_HAND_H
#define VCARD_HAND_H

#include "tests/mock/vcard/card.h"

struct hand;

/* Takes the first card out of its directory; out: it is not in the reader yet. atr: hex, in place
 * of each card's own; or NULL. */
MUST_CHECK bool hand_new(
	const char *dir, const char *atr, bool out, struct hand **ret, struct why *why);
void hand_free(struct hand *h);
DEFINE_AUTO(hand, struct hand, hand_free);

/* The card that is (or will be) in the reader. */
struct card *hand_card(struct hand *h);

/* True while the card should be in the reader. A swap is two moves: hand_moved() tells how many
 * times the card was pulled so far, so that the link can see that it must let go first. */
bool hand_in(const struct hand *h);
unsigned hand_pulls(const struct hand *h);

/* The reader took the power away or reset the card. */
void hand_reset(struct hand *h);

/* An APDU arrived. What comes of it is decided now; *ret_due is when the answer may be sent. */
enum hand_result { HAND_ANSWER, HAND_PULLED };
enum hand_result hand_apdu(struct hand *h, struct span apdu, struct blob *answer, int64_t *ret_due);

/* True while a mute card keeps its answers. */
bool hand_mute(const struct hand *h);

/* The reader's PIN pad asks for digits; true and the digits (none: cancelled) once somebody typed them. */
void hand_pad_ask(struct hand *h);
bool hand_pad_take(struct hand *h, struct blob *ret_digits);

/* One line of the control socket, without the line feed; the answer without it too: "ok", "ok
 * VALUE" or "error TEXT". *ret_quit is set by "quit". */
void hand_command(struct hand *h, char *line, struct blob *answer, bool *ret_quit);

#endif
