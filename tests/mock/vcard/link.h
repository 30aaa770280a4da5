/*
 * The contacts between card and reader: vpcd's wire protocol. Each message, both ways, is a length
 * of two bytes (big endian) and that many bytes. From the reader a message of one byte is a control
 * code (00 power off, 01 power on, 02 reset: no answer; 04: the answer is the ATR), any other an
 * APDU. The card is the client: connecting is inserting, closing is pulling.
 */
#ifndef VCARD_LINK_H
#define VCARD_LINK_H

#include "tests/mock/vcard/hand.h"

#include <poll.h>

struct link;

/* target: HOST:PORT (a stock vpcd; numeric, loopback only) or a path (the rig's own reader).
 * gap_ms: how long a swapped card stays away; a stock vpcd looks only each 400 ms. */
MUST_CHECK bool link_new(
	const char *target, unsigned gap_ms, struct link **ret_link, struct why *why);
void link_free(struct link *l);
DEFINE_AUTO(link, struct link, link_free);

/* Follows the hand (connects, lets go, sends an answer that is due); sets what to poll for; returns
 * the milliseconds after which it wants to be called again, or -1. */
int link_prepare(struct link *l, struct hand *h, struct pollfd *ret_poll);
/* After the poll. */
void link_serve(struct link *l, struct hand *h, const struct pollfd *polled);
/* True while connected to a reader. */
bool link_is_up(const struct link *l);

#endif
