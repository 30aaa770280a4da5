/*
 * test_sim.c: many small worlds. Short in make check; SIM_WORLDS=n for more, SIM_SEED=n for one (what a failure prints). First one quiet
 * world with a crash after every single commit of it, then worlds with trouble of all kinds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define STEPS_QUIET 400
#define STEPS_TROUBLE 2000
#define STEPS_PAST 500

static struct sim sim;
static char *path;
static unsigned int told; /* notices, in all worlds */

/* What the worlds together must have seen, or they prove little. */
static struct {
	const char *what, *sql;
	int64_t n;
} seen[] = {
	{ "enrollments", "SELECT count(*) FROM request WHERE operation = 1 AND state = 'verified'",
		0 },
	{ "further issues",
		"SELECT count(*) FROM request WHERE operation = 2 AND state = 'verified'", 0 },
	{ "two devices", "SELECT count(*) FROM request WHERE cause_kind = 'two-devices'", 0 },
	{ "wrong digits", "SELECT count(*) FROM request WHERE cause_kind = 'digits-wrong'", 0 },
	{ "nonces that expired", "SELECT count(*) FROM request WHERE cause_kind = 'nonce-expired'",
		0 },
	{ "superseded credentials", "SELECT count(*) FROM credential WHERE state = 'superseded'",
		0 },
	{ "revoked credentials", "SELECT count(*) FROM credential WHERE state = 'revoked'", 0 },
	{ "cancelled credentials", "SELECT count(*) FROM credential WHERE state = 'cancelled'", 0 },
	{ "rejected credentials", "SELECT count(*) FROM credential WHERE state = 'rejected'", 0 },
	{ "unclaimed credentials", "SELECT count(*) FROM credential WHERE state = 'unclaimed'", 0 },
	{ "revoked devices", "SELECT count(*) FROM device WHERE state = 'revoked'", 0 },
	{ "settled items", "SELECT count(*) FROM item WHERE state = 'settled'", 0 },
	{ "declined items", "SELECT count(*) FROM item WHERE state = 'declined'", 0 },
};

static void look(void)
{
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		seen[i].n += sim_count(&sim, seen[i].sql);
}

static bool saw_everything(void)
{
	bool all = true;

	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		printf("# %lld %s\n", (long long)seen[i].n, seen[i].what);
		all = all && seen[i].n > 0;
	}
	printf("# %u notices\n", told);
	return all && told > 0;
}

/* How many commits a world has without a crash. */
static unsigned int quiet_world(uint64_t seed, unsigned int crash_at)
{
	sim_start(&sim, seed, path);
	sim.crash_at = crash_at;
	sim_run(&sim, STEPS_QUIET);
	unsigned int commits = sim.commits;
	sim_settle(&sim);
	sim_stop(&sim);
	return commits;
}

static void troubled_world(uint64_t seed, unsigned int *ret_crashes, unsigned int *ret_delivered)
{
	sim_start(&sim, seed, path);
	sim.trouble = true;
	sim_run(&sim, STEPS_TROUBLE);
	sim_settle(&sim);
	look();
	*ret_crashes += sim.crashes;
	*ret_delivered += sim.delivered;
	told += sim.told;
	sim_stop(&sim);
}

/* The store is put back in the middle. */
static void past_world(uint64_t seed, unsigned int *ret_lost, unsigned int *ret_by_hand)
{
	sim_start(&sim, seed, path);
	sim.trouble = sim.past = true;
	sim_run(&sim, (unsigned int)(200 + seed * 37 % 500));
	sim_past_keep(&sim);
	sim_run(&sim, STEPS_PAST);
	sim_past_return(&sim);
	sim_run(&sim, STEPS_PAST);
	sim_past_accept(&sim);
	sim_run(&sim, STEPS_PAST);
	sim_settle(&sim);
	*ret_lost += sim.lost;
	*ret_by_hand += sim.by_hand;
	sim_stop(&sim);
}

static uint64_t number_from(const char *variable, uint64_t fallback)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : fallback;
}

static void crash_everywhere(unsigned int stride)
{
	unsigned int commits = quiet_world(1, 0), n = 0;

	for (unsigned int at = 1; at <= commits; at += stride, n++)
		quiet_world(1, at);
	printf("ok 1 - a quiet world of %u commits, with a crash after %u of them\n", commits, n);
}

int main(void)
{
	uint64_t worlds = number_from("SIM_WORLDS", 16), seed = number_from("SIM_SEED", 0);
	unsigned int crashes = 0, delivered = 0, lost = 0, by_hand = 0;

	/* The journal of some hundred crashes helps nobody; SIM_LOG=1 shows it. */
	if (!getenv("SIM_LOG") && !freopen("/dev/null", "w", stderr))
		return 1;
	/* What a crash loses is decided here, not by a disk: memory is fast. */
	const char *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	path = xasprintf("%s/derivd-sim-%d.db", dir, (int)getpid());
	if (seed) {
		if (getenv("SIM_PAST"))
			past_world(seed, &lost, &by_hand);
		else
			troubled_world(seed, &crashes, &delivered);
		printf("ok 1 - seed %llu\n1..1\n", (unsigned long long)seed);
		free(path);
		return 0;
	}
	crash_everywhere(worlds > 16 ? 1 : 11);
	for (uint64_t i = 1; i <= worlds; i++)
		troubled_world(i, &crashes, &delivered);
	bool all = saw_everything();
	printf("%s 2 - %llu worlds with %u crashes, %u items delivered\n", all ? "ok" : "not ok",
		(unsigned long long)worlds, crashes, delivered);
	for (uint64_t i = 1; i <= worlds; i++)
		past_world(i, &lost, &by_hand);
	bool older = lost > 0 && by_hand > 0 && by_hand < worlds;
	printf("%s 3 - %llu worlds with a store that is put back, %u times by hand: %u requests "
	       "came "
	       "back\n1..3\n",
		older ? "ok" : "not ok", (unsigned long long)worlds, by_hand, lost);
	free(path);
	return !all || !older;
}
