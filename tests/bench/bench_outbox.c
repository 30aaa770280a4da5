/*
 * bench_outbox.c: what a lease and its acknowledgement cost with few and with many jobs queued (DESIGN section 7: p99 with a
 * million at most one and a half times that with a thousand). A round is what derivd does: lease one job, commit; settle it
 * and post another in its place, commit.
 *
 *     bench_outbox [directory]      default: the working directory; it should be on the disk that the store will be on
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/core/store.h"

#define ROUNDS 3000
#define BATCH 10000

static void must(struct err *e)
{
	if (e)
		err_abort("%s", err_get_text(e));
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void post_one(struct store *s, uint64_t n)
{
	static const enum job_what whats[] = { JOB_VERIFY, JOB_MAKE, JOB_CERTIFY, JOB_SIGN_ITEM };
	struct job j = { .what = whats[n % ARRAY_LEN(whats)],
		.rank = 1 + (unsigned int)(n % 3),
		.next_boot_ms = (int64_t)(n % 1000),
		.number = n };

	clock_random(j.id, ID_LEN);
	clock_random(j.request, ID_LEN);
	clock_random(j.credential, ID_LEN);
	clock_random(j.device, SHA256_LEN);
	must(store_job_post(s, &j));
}

static void fill(struct store *s, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		if (i % BATCH == 0)
			must(store_begin(s));
		post_one(s, i);
		if (i % BATCH == BATCH - 1 || i == n - 1)
			must(store_commit(s));
	}
}

static void one_round(struct store *s, uint64_t n)
{
	AUTO(rows) struct rows *rows = NULL;
	static const uint8_t boot[16] = { 1 };
	const struct lease l = { .boot_id = boot, .run = 1, .now_boot_ms = 1000, .most = 1 };

	must(store_begin(s));
	must(store_job_lease(s, &l, &rows));
	must(store_commit(s));
	if (rows->n != 1)
		err_abort("nothing to lease");
	must(store_begin(s));
	must(store_job_done(s, ((const struct job *)rows->row[0])->id));
	post_one(s, n);
	must(store_commit(s));
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void remove_store(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		AUTO_MEM char *name = xasprintf("%s%s", path, ends[i]);
		unlink(name);
	}
}

/* A store with so many jobs queued, and what its rounds took in microseconds. */
struct queue {
	uint64_t queued;
	char *path;
	struct store *store;
	uint64_t took[ROUNDS];
};

static void open_queue(const char *dir, uint64_t queued, struct queue *ret_queue)
{
	ret_queue->queued = queued;
	ret_queue->path =
		xasprintf("%s/derivd-bench-%d-%" PRIu64 ".db", dir, (int)getpid(), queued);
	remove_store(ret_queue->path);
	must(store_open(ret_queue->path, &ret_queue->store));
	fill(ret_queue->store, queued);
	for (uint64_t i = 0; i < ROUNDS / 10; i++)
		one_round(ret_queue->store, i);
}

static uint64_t close_queue(struct queue *q)
{
	store_free(q->store);
	remove_store(q->path);
	free(q->path);
	qsort(q->took, ROUNDS, sizeof(q->took[0]), by_size);
	printf("# %8" PRIu64 " jobs queued: lease + acknowledge p50 %" PRIu64 " us, p99 %" PRIu64
	       " us\n",
		q->queued, q->took[ROUNDS / 2], q->took[ROUNDS * 99 / 100]);
	return q->took[ROUNDS * 99 / 100];
}

int main(int argc, char **argv)
{
	static struct queue queue[2];
	const char *dir = argc > 1 ? argv[1] : ".";

	open_queue(dir, 1000, &queue[0]);
	open_queue(dir, 1000000, &queue[1]);
	/* In turns: whatever else the machine and its disk do meets both. */
	for (size_t i = 0; i < 2 * ROUNDS; i++) {
		uint64_t began = now_us();
		one_round(queue[i % 2].store, i);
		queue[i % 2].took[i / 2] = now_us() - began;
	}
	uint64_t few = close_queue(&queue[0]), many = close_queue(&queue[1]);
	double ratio = (double)many / (double)few;
	printf("figure outbox-million %.2f <=1.5 %s\n", ratio, ratio <= 1.5 ? "ok" : "short");
	return 0;
}
