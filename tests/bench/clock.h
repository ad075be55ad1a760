/* SPDX-License-Identifier: MIT */
/* Time, medians and arguments of benchmarks. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* Seconds from an arbitrary point. */
static inline double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline unsigned int bench_number(const char *text)
{
	return (unsigned int)strtoul(text, NULL, 10);
}

static inline int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts. */
static inline double bench_median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), bench_compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Median over batches of the time of one of `count` calls, in us. */
#define BENCH_BATCHES 9u
static inline double bench_measure(void (*call)(void), unsigned int count)
{
	double times[BENCH_BATCHES];

	for (unsigned int b = 0; b < BENCH_BATCHES; b++) {
		double start = bench_now();

		for (unsigned int i = 0; i < count; i++)
			call();
		times[b] = (bench_now() - start) / count * 1e6;
	}
	return bench_median(times, BENCH_BATCHES);
}

#endif
