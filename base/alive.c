/* alive.c: see alive.h. */
#include "base/alive.h"

#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

/* A step is passed on so often while starting; later four times in the watchdog's interval, as sd-event does. */
#define START_STEP_MS 5000

static bool ready;
static int64_t next_boot_ms;

static int64_t watchdog_step_ms(void)
{
	uint64_t interval_us = 0;

	return sd_watchdog_enabled(0, &interval_us) > 0 ? (int64_t)(interval_us / 4000) : INT64_MAX / 2;
}

struct err *alive_watch(sd_event *event)
{
	int r = sd_event_set_watchdog(event, true);

	return r < 0 ? err_errno(-r, "the watchdog") : NULL;
}

void alive_step(void)
{
	int64_t now = clock_boot_ms();

	if (now < next_boot_ms)
		return;
	next_boot_ms = now + (ready ? watchdog_step_ms() : START_STEP_MS);
	if (!ready)
		sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d000000", ALIVE_START_SECONDS);
	else if (sd_watchdog_enabled(0, NULL) > 0)
		sd_notify(0, "WATCHDOG=1");
}

void alive_say(const char *status)
{
	AUTO_MEM char *safe = text_safe(BYTES(status, strlen(status)));

	sd_notifyf(0, "STATUS=%s", safe);
}

void alive_ready(const char *status)
{
	AUTO_MEM char *safe = text_safe(BYTES(status, strlen(status)));

	ready = true;
	next_boot_ms = 0;
	sd_notifyf(0, "READY=1\nSTATUS=%s", safe);
}
