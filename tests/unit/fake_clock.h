/* fake_clock.h: time that stands still until a test moves it. In place of base/clock.c, which the linker then leaves out. */
#ifndef DERIVD_TESTS_UNIT_FAKE_CLOCK_H
#define DERIVD_TESTS_UNIT_FAKE_CLOCK_H

#include <stdint.h>

/* Both clocks stand here at first; the boot clock's value lies in the past of every machine that runs tests. */
extern int64_t fake_real_ms;
extern int64_t fake_boot_ms;

#endif
