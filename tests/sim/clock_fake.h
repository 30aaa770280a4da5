/* clock_fake.h: base/clock.h with a clock that the simulator sets and random bytes that a seed determines. */
#ifndef DERIVD_TESTS_SIM_CLOCK_FAKE_H
#define DERIVD_TESTS_SIM_CLOCK_FAKE_H

#include "base/clock.h"

/* A new world: its random bytes, its first boot. */
void clock_fake_start(uint64_t seed);
void clock_fake_advance(int64_t ms);
/* The machine starts again: another boot id, the boot clock near zero. */
void clock_fake_reboot(void);
/* A number below n, from a generator of its own: what the scheduler does must not depend on what derivd draws. */
uint32_t clock_fake_below(uint32_t n);

#endif
