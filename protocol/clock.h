/* SPDX-License-Identifier: MIT */
/*
 * The time that time limits are measured by. It only goes forward, and says nothing of the date.
 */
#ifndef VG_CLOCK_H
#define VG_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t vg_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t vg_clock_ms(void)
{
	return vg_clock_ns() / 1000000;
}

/* The same, a few ms late, and never by a system call, in PV domains neither: for paths that are hot. */
static inline uint64_t vg_clock_coarse_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
