/* fake_clock.c: see fake_clock.h. */
#include "tests/unit/fake_clock.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

int64_t fake_real_ms = INT64_C(1700000000000);
int64_t fake_boot_ms = 1000;

int64_t clock_real_ms(void)
{
	return fake_real_ms;
}

int64_t clock_boot_ms(void)
{
	return fake_boot_ms;
}

struct err *clock_boot_id(uint8_t ret_id[static 16])
{
	memset(ret_id, 0x42, 16);
	return NULL;
}

void clock_random(void *ret_bytes, size_t len)
{
	if (getrandom(ret_bytes, len, 0) != (ssize_t)len)
		err_abort("no random bytes");
}
