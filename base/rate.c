/* rate.c: see rate.h. */
#include "base/rate.h"

void rate_turn(struct rate *r, int64_t now_boot_ms)
{
	if (now_boot_ms < r->until_boot_ms)
		return;
	r->until_boot_ms = now_boot_ms + RATE_WINDOW_MS;
	r->n = 0;
}

bool rate_take(struct rate *r, unsigned int most, int64_t now_boot_ms, uint64_t *ret_left_out)
{
	rate_turn(r, now_boot_ms);
	if (r->n >= most) {
		r->left_out++;
		return false;
	}
	r->n++;
	*ret_left_out = r->left_out;
	r->left_out = 0;
	return true;
}
