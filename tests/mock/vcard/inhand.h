/* Inside the hand: what hand.c and words.c share. Nobody else includes this. */
#ifndef VCARD_INHAND_H
#define VCARD_INHAND_H

#include "tests/mock/vcard/hand.h"

#include <stdio.h>

enum { TRIGGERS_MAX = 16, ANY_INS = -1, PAD_DIGITS_MAX = 16 };

enum act { ACT_FAIL, ACT_PULL, ACT_SWAP, ACT_MUTE };

/* Something to do when the left-th APDU (of this INS) from now arrives. */
struct trigger {
	int ins;
	unsigned left;
	enum act act;
	bool done; /* the card still carries the command out; only its answer is lost */
	uint16_t sw;
	char *dir;
	bool again; /* at each one from then on */
};

struct known {
	struct known *next;
	char *path;
	struct card *card;
};

struct hand {
	struct known *cards;
	struct known *now;
	char *atr;
	bool in;
	bool mute;
	unsigned pulls;
	unsigned resets;
	unsigned count;
	unsigned slow; /* ms before each answer */
	struct trigger triggers[TRIGGERS_MAX];
	size_t triggers_n;
	FILE *log;
	bool pad_asks;  /* digits are waited for */
	bool pad_typed; /* and there they are */
	char pad_digits[PAD_DIGITS_MAX + 1];
};

MUST_CHECK bool hand_take(struct hand *h, const char *dir, struct why *why);
void hand_pull(struct hand *h);
MUST_CHECK bool hand_swap(struct hand *h, const char *dir, struct why *why);

#endif
