/* pin.c: see pin.h. */
#include "pkcs11/pin.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/secret.h"
#include "proto/kind.h"

/* More wrong PINs than any card allows; further ones replace the oldest. */
#define REFUSED_MAX 16

struct refused {
	size_t n;
	struct secret *pins[REFUSED_MAX];
};

static Card__PinState state_from(CK_FLAGS flags)
{
	if (!(flags & CKF_LOGIN_REQUIRED))
		return CARD__PIN_STATE__PIN_NONE;
	if (flags & CKF_USER_PIN_LOCKED)
		return CARD__PIN_STATE__PIN_LOCKED;
	if (!(flags & CKF_USER_PIN_INITIALIZED))
		return CARD__PIN_STATE__PIN_UNSET;
	if (flags & CKF_USER_PIN_TO_BE_CHANGED)
		return CARD__PIN_STATE__PIN_CHANGE;
	if (flags & CKF_USER_PIN_FINAL_TRY)
		return CARD__PIN_STATE__PIN_FINAL;
	return flags & CKF_USER_PIN_COUNT_LOW ? CARD__PIN_STATE__PIN_LOW : CARD__PIN_STATE__PIN_OK;
}

/* Brings state and counter into agreement: of two opinions, the one that leaves fewer tries. */
static void agree(struct pin *p)
{
	bool counts = p->state == CARD__PIN_STATE__PIN_OK || p->state == CARD__PIN_STATE__PIN_LOW ||
		      p->state == CARD__PIN_STATE__PIN_FINAL;

	if (counts && p->knows_tries && p->tries_left == 0)
		p->state = CARD__PIN_STATE__PIN_LOCKED;
	if (counts && p->knows_tries && p->tries_left == 1)
		p->state = CARD__PIN_STATE__PIN_FINAL;
	if (p->state == CARD__PIN_STATE__PIN_FINAL || p->state == CARD__PIN_STATE__PIN_LOCKED) {
		p->knows_tries = true;
		p->tries_left = p->state == CARD__PIN_STATE__PIN_FINAL ? 1 : 0;
	}
}

static size_t length_or(CK_ULONG len, size_t otherwise)
{
	return len > 0 && len <= PIN_LEN_MAX ? (size_t)len : otherwise;
}

struct pin pin_from(const CK_TOKEN_INFO *info, const struct hold_look *look)
{
	struct pin p = {
		.state = state_from(info->flags),
		.pad = (info->flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0,
		.min = length_or(info->ulMinPinLen, 1),
		.max = length_or(info->ulMaxPinLen, PIN_LEN_MAX),
		.knows_tries = look && look->knows_tries,
		.tries_left = look ? look->tries_left : 0,
	};

	if (p.min > p.max)
		p.min = 1;
	agree(&p);
	return p;
}

struct pin pin_after_refusal(const struct pin *before, const CK_TOKEN_INFO *info, unsigned int cost)
{
	struct hold_look counted = {
		.knows_tries = before->knows_tries,
		.tries_left = before->tries_left > cost ? before->tries_left - cost : 0,
	};

	return pin_from(info, &counted);
}

struct refused *refused_new(void)
{
	return xcalloc(1, sizeof(struct refused));
}

void refused_free(struct refused *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < REFUSED_MAX; i++)
		secret_free(r->pins[i]);
	free(r);
}

void refused_add(struct refused *r, struct bytes pin)
{
	struct secret **place = &r->pins[r->n++ % REFUSED_MAX];

	secret_free(*place);
	*place = secret_dup(pin);
}

static bool was_refused(const struct refused *r, struct bytes pin)
{
	for (size_t i = 0; i < REFUSED_MAX; i++)
		if (r->pins[i] && bytes_eq_const(secret_bytes(r->pins[i]), pin))
			return true;
	return false;
}

static struct err *check_format(const struct pin *p, struct bytes pin)
{
	if (p->pad)
		return pin.len == 0 ? NULL
				    : err_new(&ERR_PIN_FORMAT, "this PIN is typed at the reader");
	if (pin.len < p->min || pin.len > p->max)
		return err_new(&ERR_PIN_FORMAT, "this card's PIN has from %zu to %zu characters",
			p->min, p->max);
	for (size_t i = 0; i < pin.len; i++)
		if (pin.data[i] < 0x20 || pin.data[i] == 0x7f)
			return err_new(&ERR_PIN_FORMAT, "a PIN has no control characters");
	return NULL;
}

struct err *pin_check(
	const struct pin *p, const struct refused *refused, struct bytes pin, bool insist)
{
	if (p->state == CARD__PIN_STATE__PIN_NONE)
		return pin.len == 0 ? NULL : err_new(&ERR_PIN_FORMAT, "this card asks for no PIN");
	if (p->state == CARD__PIN_STATE__PIN_LOCKED)
		return err_new(&ERR_PIN_LOCKED, "the PIN is locked");
	if (p->state == CARD__PIN_STATE__PIN_UNSET)
		return err_new(&ERR_PIN_EXPIRED, "the card's PIN was never set");
	if (p->state == CARD__PIN_STATE__PIN_CHANGE)
		return err_new(&ERR_PIN_EXPIRED, "the card asks for a new PIN");
	TRY(check_format(p, pin));
	if (pin.len > 0 && was_refused(refused, pin))
		return err_new(&ERR_PIN_WRONG,
			"the card refused this PIN a moment ago, so it was not sent again and no "
			"try was used");
	if (p->state == CARD__PIN_STATE__PIN_FINAL && !insist)
		return err_new(&ERR_PIN_FINAL, "a wrong PIN would lock the card");
	return NULL;
}
