/*
 * offer_answer.h: from an offer to a statement (ENROLLMENT step 4, PROTOCOL.device sections 4 and 5): the offer is checked, the keys that it
 * asks for are made and stored, then the statement is made, signed and stored. Only what is stored is ever sent.
 */
#ifndef DERIVD_DEVICE_OFFER_ANSWER_H
#define DERIVD_DEVICE_OFFER_ANSWER_H

#include "client/device/home.h"
#include "proto/device.pb-c.h"

/* Asked before anything is made for an offer; ask may be NULL: whatever comes is wanted. */
struct offer_question {
	bool (*ask)(void *arg, const struct offer *o);
	void *arg;
};

/*
 * Answers the offer in the state's attempt, or begins one (operation ISSUE). When the same offer was answered before, nothing
 * is made again. *ret_offer says what was offered. ERR_OFFER, ERR_SIGNATURE_BAD, ERR_FORMAT, ERR_DECLINED: nothing was stored.
 */
MUST_CHECK struct err *offer_answer(const struct home *h, struct state *s, EVP_PKEY *identity,
	const Device__Offer *m, struct offer_question question, struct offer **ret_offer);
/* Fills a message with the attempt's statement; lent from attempt and identity_spki. */
void offer_fill_statement(const struct attempt *a, const struct buf *identity_spki,
	Device__Statement *ret_message, Common__Statement *ret_inner);

#endif
