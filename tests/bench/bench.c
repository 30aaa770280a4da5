/* bench.c: time, medians, lines. */
#include "tests/bench/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_now(void)
{
	return seconds(CLOCK_MONOTONIC);
}

struct bench_time bench_begin(void)
{
	return (struct bench_time){ bench_now(), seconds(CLOCK_PROCESS_CPUTIME_ID) };
}

struct bench_time bench_since(struct bench_time began)
{
	struct bench_time now = bench_begin();

	return (struct bench_time){ now.wall - began.wall, now.cpu - began.cpu };
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double bench_median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void bench_note(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void bench_at_least(const char *name, double value, double goal)
{
	printf("figure %s %.2f >=%.2g %s\n", name, value, goal, value >= goal ? "ok" : "short");
	fflush(stdout);
}
