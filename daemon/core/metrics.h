/*
 * metrics.h: what derivd counts of itself since it started: errors by kind, how long things took. In memory: whoever scrapes
 * knows that counters begin again (PROTOCOL.control section 4.1). What an undone turn counted stays counted.
 */
#ifndef DERIVD_CORE_METRICS_H
#define DERIVD_CORE_METRICS_H

#include "base/err.h"
#include "daemon/core/store.h"

/* Where an error was handled. */
enum metrics_where { IN_CONTROL, IN_DEVICE, IN_QUEUE, IN_DERIVD, METRICS_WHERES };
const char *metrics_where_name(enum metrics_where w);

/* Upper ends of the buckets, in ms; one more bucket for what was longer. */
#define METRICS_BUCKETS 13
extern const uint64_t METRICS_MOST_MS[METRICS_BUCKETS];

struct durations {
	uint64_t n[METRICS_BUCKETS + 1];
	uint64_t sum_ms;
};

struct errors {
	enum metrics_where where;
	const struct err_kind *kind;
	uint64_t n;
};
/* The most that a reply has; more kinds there are not. */
#define METRICS_ERRORS_MAX 512

struct metrics {
	struct errors *errors;
	size_t n_errors, room;
	struct durations issuance;
	struct durations job[JOB_WHATS];
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

void metrics_error(struct metrics *m, enum metrics_where where, const struct err *e);
/* From then until now, by the real-time clock; a clock that was set back makes it 0. */
void metrics_took(struct durations *d, int64_t since_ms);

#endif
