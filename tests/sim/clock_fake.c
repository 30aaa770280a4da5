/* clock_fake.c: stands in the place of base/clock.c. */
#include "tests/sim/clock_fake.h"

#include <string.h>

/* 2026-01-01T00:00:00Z. */
#define FIRST_REAL_MS 1767225600000LL

static struct {
	int64_t real_ms, boot_ms;
	uint8_t boots;
	uint64_t bytes,
		schedule; /* two generators: what derivd draws, and what the scheduler draws */
} fake;

/* xorshift64*; not for anything but tests. */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1DULL;
}

void clock_fake_start(uint64_t seed)
{
	fake.real_ms = FIRST_REAL_MS;
	/* Up for long: whatever was counted with this clock lies far ahead after a reboot. */
	fake.boot_ms = 400LL * 24 * 3600 * 1000;
	fake.boots = 1;
	fake.bytes = (seed + 1) * 0x9E3779B97F4A7C15ULL;
	fake.schedule = (seed + 1) * 0xD1B54A32D192ED03ULL;
}

void clock_fake_advance(int64_t ms)
{
	fake.real_ms += ms;
	fake.boot_ms += ms;
}

void clock_fake_reboot(void)
{
	fake.real_ms += 30000;
	fake.boot_ms = 3000;
	fake.boots++;
}

uint32_t clock_fake_below(uint32_t n)
{
	return (uint32_t)((draw(&fake.schedule) >> 33) % n);
}

int64_t clock_real_ms(void)
{
	return fake.real_ms;
}

int64_t clock_boot_ms(void)
{
	return fake.boot_ms;
}

struct err *clock_boot_id(uint8_t ret_id[static 16])
{
	memset(ret_id, fake.boots, 16);
	return NULL;
}

void clock_random(void *ret_bytes, size_t len)
{
	uint8_t *p = ret_bytes;

	while (len--)
		*p++ = (uint8_t)(draw(&fake.bytes) >> 56);
}
