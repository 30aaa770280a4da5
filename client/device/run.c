/* run.c: see run.h. */
#include "client/device/run.h"

#include <stdlib.h>

#include "base/clock.h"
#include "client/device/api.h"
#include "client/device/fault.h"
#include "client/device/wire_tls.h"

#define RETRY_FIRST_MS 1000
/* Others that only a person can mend are tried as rarely as that. */
#define RETRY_REFUSED_MS (5 * 60 * 1000)

/* Anything between half of it and all: devices that lost the gateway together do not come back together. */
static uint64_t jitter(uint64_t ms)
{
	uint32_t random;

	clock_random(&random, sizeof(random));
	return ms / 2 + random % (ms / 2 + 1);
}

static struct err *is_enrolled(const struct home *h, bool *ret_enrolled)
{
	AUTO(state) struct state *s = NULL;

	TRY(home_load(h, &s));
	*ret_enrolled = s && s->stage == STAGE_ENROLLED;
	return NULL;
}

/* Is there any sense in another connection? The other side's troubles, whatever it calls them, are none of ours. */
static struct err *is_final(const struct home *h, const struct err *e, bool told, bool *ret_final)
{
	bool enrolled,
		ours = !told && (err_get_fate(e) == FATE_BROKEN || err_is(e, &ERR_REMOVED) ||
					err_is(e, &ERR_TIMED_OUT) || err_is(e, &ERR_STOPPED));

	TRY(is_enrolled(h, &enrolled));
	*ret_final = ours || (!enrolled && err_get_fate(e) == FATE_REFUSE);
	return NULL;
}

static void say_away(const struct listener *l, const struct err *e, uint64_t wait_ms)
{
	struct derivd_device_error shown = { 0 };

	api_show_error(e, &shown);
	tell(l,
		(struct derivd_device_event){
			.type = DERIVD_DEVICE_DISCONNECTED, .error = &shown, .retry_ms = wait_ms },
		"Not connected: %s. Next attempt in %llu s.", shown.text,
		(unsigned long long)(wait_ms + 999) / 1000);
	free(shown.text);
}

/* ERR_STOPPED. */
static struct err *pause_ms(uint64_t ms, int stop_fd)
{
	struct err *e = wire_tls_wait_fd(-1, 0, stop_fd, clock_boot_ms() + (int64_t)ms);

	if (!err_is(e, &ERR_TIMEOUT))
		return e;
	err_free(e);
	return NULL;
}

struct err *run_until(const struct home *h, const struct run_options *options)
{
	uint64_t retry_ms = RETRY_FIRST_MS;
	bool reached = options->patient;

	for (;;) {
		struct talk_end end;
		bool final = true;
		AUTO(err) struct err *e = talk_run(h, &options->talk, &end);
		if (!e)
			return NULL;
		reached = reached || end.welcomed;
		TRY(is_final(h, e, end.told, &final));
		if (final || !reached || options->talk.goal == GOAL_IDLE)
			return take(e);
		/* An item that cannot be believed comes again on the next connection. */
		if (end.welcomed && !err_is(e, &ERR_ITEM))
			retry_ms = RETRY_FIRST_MS;
		if (err_get_fate(e) != FATE_RETRY)
			retry_ms = RETRY_REFUSED_MS;
		if (retry_ms > options->retry_most_ms)
			retry_ms = options->retry_most_ms;
		uint64_t wait_ms = jitter(retry_ms);
		if (clock_boot_ms() + (int64_t)wait_ms >= options->talk.until_boot_ms)
			return take(e);
		say_away(&options->talk.listener, e, wait_ms);
		TRY(pause_ms(wait_ms, options->talk.stop_fd));
		retry_ms *= 2;
	}
}
