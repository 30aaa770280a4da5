/* The hand that holds the card: see hand.h; the words of the control socket are in words.c. */
#include "tests/mock/vcard/inhand.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { INS_SECRET_FIRST = 0x20, INS_SECRET_CHANGE = 0x24, INS_SECRET_RESET = 0x2C, HEADER = 5 };

/* Cards are remembered by their directory: a card that comes back has the PIN, and the tries left,
 * that it went with. Its objects and keys are read again. */
bool hand_take(struct hand *h, const char *dir, struct why *why)
{
	AUTO(free) char *path = realpath(dir, NULL);
	struct store *store = NULL;
	struct known *k;

	if (!path)
		return why_set(why, "card %s: %s", dir, strerror(errno));
	if (!store_load(path, &store, why))
		return false;
	if (h->atr && !store_set_atr(store, h->atr, why)) {
		store_free(store);
		return false;
	}
	for (k = h->cards; k && strcmp(k->path, path) != 0; k = k->next)
		;
	if (k) {
		card_renew(k->card, store);
	} else {
		k = must_alloc(sizeof *k);
		k->path = must_strdup(path);
		k->card = card_new(store);
		k->next = h->cards;
		h->cards = k;
	}
	h->now = k;
	return true;
}

bool hand_new(const char *dir, const char *atr, bool out, struct hand **ret, struct why *why)
{
	AUTO(hand) struct hand *h = must_alloc(sizeof *h);

	h->atr = atr ? must_strdup(atr) : NULL;
	if (!hand_take(h, dir, why))
		return false;
	h->in = !out;
	*ret = take(h);
	return true;
}

void hand_free(struct hand *h)
{
	if (!h)
		return;
	for (struct known *k = h->cards, *next; k; k = next) {
		next = k->next;
		card_free(k->card);
		free(k->path);
		free(k);
	}
	for (size_t i = 0; i < h->triggers_n; i++)
		free(h->triggers[i].dir);
	if (h->log)
		fclose(h->log);
	free(h->atr);
	free(h);
}

struct card *hand_card(struct hand *h)
{
	return h->now->card;
}

bool hand_in(const struct hand *h)
{
	return h->in;
}

unsigned hand_pulls(const struct hand *h)
{
	return h->pulls;
}

bool hand_mute(const struct hand *h)
{
	return h->mute;
}

void hand_reset(struct hand *h)
{
	h->resets++;
	card_reset(h->now->card);
	if (h->log)
		fputs("-- reset\n", h->log);
}

void hand_pull(struct hand *h)
{
	if (h->in)
		h->pulls++;
	h->in = false;
	h->pad_asks = false;
	card_reset(h->now->card);
	if (h->log)
		fputs("-- pulled\n", h->log);
}

void hand_pad_ask(struct hand *h)
{
	h->pad_asks = true;
}

bool hand_pad_take(struct hand *h, struct blob *ret_digits)
{
	if (!h->pad_asks || !h->pad_typed)
		return false;
	blob_add(ret_digits, h->pad_digits, strlen(h->pad_digits));
	explicit_bzero(h->pad_digits, sizeof h->pad_digits);
	h->pad_asks = false;
	h->pad_typed = false;
	return true;
}

bool hand_swap(struct hand *h, const char *dir, struct why *why)
{
	bool was_in = h->in;

	if (!hand_take(h, dir, why))
		return false;
	if (was_in) {
		hand_pull(h);
		h->in = true;
	}
	return true;
}

/* PINs and PUKs are not for logs, not even test ones: people send logs around. */
static bool is_secret(struct span apdu)
{
	uint8_t ins = apdu.n > HEADER ? apdu.at[1] : 0;

	return ins == INS_SECRET_FIRST || ins == INS_SECRET_CHANGE || ins == INS_SECRET_RESET;
}

static void log_bytes(struct hand *h, const char *mark, struct span bytes, bool secret)
{
	if (!h->log)
		return;
	fputs(mark, h->log);
	for (size_t i = 0; i < bytes.n; i++)
		fprintf(h->log, secret && i >= HEADER ? "**" : "%02X", bytes.at[i]);
	fputc('\n', h->log);
}

/* The first trigger that this APDU sets off, taken off the list unless it is for each one from now on; all
 * that could match count it. */
static bool take_trigger(struct hand *h, uint8_t ins, struct trigger *ret)
{
	bool found = false;
	size_t kept = 0;

	for (size_t i = 0; i < h->triggers_n; i++) {
		struct trigger t = h->triggers[i];

		if (t.ins == ANY_INS || t.ins == ins)
			t.left--;
		if (t.left == 0 && !found) {
			*ret = t;
			found = true;
			if (!t.again)
				continue;
		}
		h->triggers[kept] = t;
		h->triggers[kept].left += t.left == 0;
		kept++;
	}
	h->triggers_n = kept;
	return found;
}

static enum hand_result fire(
	struct hand *h, const struct trigger *t, struct span apdu, struct blob *answer)
{
	struct why why = { "" };

	if (t->done)
		card_transmit(h->now->card, apdu, answer);
	switch (t->act) {
	case ACT_FAIL:
		blob_clear(answer);
		blob_add_byte(answer, (uint8_t)(t->sw >> 8));
		blob_add_byte(answer, (uint8_t)t->sw);
		return HAND_ANSWER;
	case ACT_MUTE:
		h->mute = true;
		if (!t->done)
			card_transmit(h->now->card, apdu, answer);
		return HAND_ANSWER;
	case ACT_PULL:
		hand_pull(h);
		return HAND_PULLED;
	case ACT_SWAP:
		if (!hand_swap(h, t->dir, &why)) {
			fprintf(stderr, "vcard: %s\n", why.text);
			hand_pull(h);
		}
		return HAND_PULLED;
	}
	return HAND_PULLED;
}

enum hand_result hand_apdu(struct hand *h, struct span apdu, struct blob *answer, int64_t *ret_due)
{
	enum hand_result result = HAND_ANSWER;
	struct trigger t;

	h->count++;
	*ret_due = now_ms() + h->slow;
	log_bytes(h, "> ", apdu, is_secret(apdu));
	if (take_trigger(h, apdu.n > 1 ? apdu.at[1] : 0, &t)) {
		result = fire(h, &t, apdu, answer);
		free(t.dir);
	} else {
		card_transmit(h->now->card, apdu, answer);
	}
	if (result == HAND_ANSWER)
		log_bytes(h, "< ", blob_span(answer), false);
	if (h->log)
		fflush(h->log);
	return result;
}
