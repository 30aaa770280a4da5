/* bench.h: what the benchmarks share: a clock, medians, and the lines that they print. */
#ifndef DERIVD_TESTS_BENCH_BENCH_H
#define DERIVD_TESTS_BENCH_BENCH_H

#include "base/def.h"

/* Seconds of a clock that is never set. */
double bench_now(void);
/* Seconds of the clock, and of this process on a core. */
struct bench_time {
	double wall, cpu;
};
struct bench_time bench_begin(void);
struct bench_time bench_since(struct bench_time began);
/* Sorts the values. */
double bench_median(double *values, size_t n);
/* "# text": what was compared, and the absolute values. */
void bench_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "figure NAME VALUE >=GOAL ok|short". */
void bench_at_least(const char *name, double value, double goal);

#endif
