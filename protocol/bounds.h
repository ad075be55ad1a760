/* SPDX-License-Identifier: MIT */
/*
 * Sizes of ranges from untrusted numbers: saturate instead of wrapping, so that a range that
 * overflows is too large for every check.
 */
#ifndef VG_BOUNDS_H
#define VG_BOUNDS_H

#include <stdint.h>

/* Bytes of parameters that any kernel takes at most. */
#define VG_PARAMS_MAX 32764u

static inline uint64_t vg_sat_mul(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

static inline uint64_t vg_sat_add(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

/* Bytes from the first row's begin to the last row's end. */
static inline uint64_t vg_rows(uint64_t rows, uint64_t pitch, uint64_t width)
{
	return rows ? vg_sat_add(vg_sat_mul(rows - 1, pitch), width) : 0;
}

static inline uint64_t vg_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t vg_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
