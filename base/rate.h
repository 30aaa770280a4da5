/*
 * rate.h: at most so many a minute, for what strangers can make happen as often as they like: log lines, audit rows. What is
 * left out is counted, so that the next one can say so.
 */
#ifndef DERIVD_BASE_RATE_H
#define DERIVD_BASE_RATE_H

#include "base/def.h"

#define RATE_WINDOW_MS (60 * 1000)

/* All zeros at first. */
struct rate {
	int64_t until_boot_ms; /* the end of the minute that is counted */
	unsigned int n;        /* let through in it */
	uint64_t left_out;     /* since the last one that was let through */
};

/* Begins another minute if the last one is over. */
void rate_turn(struct rate *r, int64_t now_boot_ms);
/* One more. True when it is one of the first `most` of its minute; *ret_left_out: how many were not, before it. */
MUST_CHECK bool rate_take(
	struct rate *r, unsigned int most, int64_t now_boot_ms, uint64_t *ret_left_out);

#endif
