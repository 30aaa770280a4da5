/*
 * clock.h: the only source of time. Dates come from the real-time clock, leases and timers from boot time,
 * which does not jump. The simulator links another implementation of these functions.
 */
#ifndef DERIVD_BASE_CLOCK_H
#define DERIVD_BASE_CLOCK_H

#include "base/def.h"
#include "base/err.h"

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_real_ms(void);
/* Milliseconds since boot, suspend included. */
int64_t clock_boot_ms(void);
/* The kernel's boot id, 16 bytes. ERR_SYSTEM. */
MUST_CHECK struct err *clock_boot_id(uint8_t ret_id[static 16]);
/* len bytes from the kernel's generator; aborts when there are none. */
void clock_random(void *ret_bytes, size_t len);

#endif
