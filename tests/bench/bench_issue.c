/*
 * bench_issue.c: encryption credentials per second: derivd-ca's own operations "make" and "certify", on a log on the disk, beside
 * OpenSSL alone doing the cryptography of the same.
 */
#include "tests/unit/unit.h"

#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/unit/ca_world.h"

#include "base/clock.h"
#include "evidence/seal.h"
#include "proto/msg.h"

#include <time.h>

#define ROUNDS 9
#define BATCH 100
#define ENCRYPTION COMMON__PURPOSE__ENCRYPTION

/* Each person has a card: what is known of one says nothing of the next. */
static void enroll(struct world *w, struct world_run **ret_runs, struct world_card **ret_cards)
{
	for (size_t i = 0; i < BATCH; i++) {
		ret_runs[i] = world_run_new(w);
		ret_cards[i] = world_new_card(w, NULL);
		ret_runs[i]->card = ret_cards[i];
		world_enroll(ret_runs[i]);
	}
}

static struct bench_time issue(struct world_run **runs, struct buf **ret_last, uint32_t *ret_copies)
{
	struct bench_time began = bench_begin();

	for (size_t i = 0; i < BATCH; i++) {
		AUTO_MSG Ca__Certified *certified = NULL;
		assert_ok(world_make(runs[i], ENCRYPTION));
		assert_ok(world_certify(runs[i], ENCRYPTION, &certified));
		if (i + 1 < BATCH)
			continue;
		*ret_last = buf_new();
		buf_add_bytes(*ret_last, pb_bytes(certified->certificate));
	}
	const Ca__Made *made = runs[0]->made;
	*ret_copies = 1 + (made->sealed_history.len != 0) + (uint32_t)made->n_sealed_escrow;
	return bench_since(began);
}

static struct bench_time round_of_ours(struct world *w, struct buf **ret_last, uint32_t *ret_copies)
{
	struct world_run *runs[BATCH];
	struct world_card *cards[BATCH];

	enroll(w, runs, cards);
	struct bench_time took = issue(runs, ret_last, ret_copies);
	for (size_t i = 0; i < BATCH; i++) {
		world_run_free(runs[i]);
		world_card_free(cards[i]);
	}
	return took;
}

static void report(double *ours, double *theirs, double *ratio, double *cpu, uint32_t copies)
{
	bench_note(
		"issuance, P-256, key made here and sealed to %u recipients, card checked again, "
		"two commits on the disk: %.0f/s; OpenSSL alone, nothing checked or kept: %.0f/s "
		"(one process each)",
		copies, bench_median(ours, ROUNDS), bench_median(theirs, ROUNDS));
	bench_note("the same in time on a core, which waits for neither disk nor neighbours: %.2f",
		bench_median(cpu, ROUNDS));
	bench_at_least("issue-server-key", bench_median(ratio, ROUNDS), 0.8);
}

static void measure(struct world *w, struct bare *bare)
{
	double ours[ROUNDS], theirs[ROUNDS], ratio[ROUNDS], cpu[ROUNDS];
	uint32_t copies;

	for (int i = -1; i < ROUNDS; i++) {
		AUTO(buf) struct buf *last = NULL;
		struct bench_time a = round_of_ours(w, &last, &copies);
		if (i < 0) { /* the first round only warms up */
			bare_teach(bare, buf_bytes(last), copies);
			bare_issue(bare, BATCH);
			continue;
		}
		struct bench_time b = bare_issue(bare, BATCH);
		ours[i] = BATCH / a.wall;
		theirs[i] = BATCH / b.wall;
		ratio[i] = b.wall / a.wall;
		cpu[i] = b.cpu / a.cpu;
	}
	report(ours, theirs, ratio, cpu, copies);
}

int main(void)
{
	AUTO(bare) struct bare *bare = bare_start();
	AUTO(world) struct world *w = NULL;

	AUTO_MEM char *here = realpath(".", NULL);

	seal_start();
	world_parent = here;
	world_start_ms = (int64_t)time(NULL) * 1000 - 60000;
	w = world_new(NULL);
	measure(w, bare);
	return 0;
}
