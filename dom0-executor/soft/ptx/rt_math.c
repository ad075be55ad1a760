/* SPDX-License-Identifier: MIT */
/*
 * Helpers of generated code: arithmetic in the rounding modes that are not the default. Compiled so that
 * the compiler moves nothing over a change of the mode (volatile operands).
 */
#include "rt.h"

#include <fenv.h>
#include <math.h>
#include <string.h>
#include <xmmintrin.h>

/* MXCSR.RC: 0 nearest, 1 down, 2 up, 3 zero; ours: 0 nearest, 1 zero, 2 down, 3 up */
static unsigned int mode_enter(uint32_t mode)
{
	static const unsigned int bits[] = {0u << 13, 3u << 13, 1u << 13, 2u << 13};
	unsigned int old = _mm_getcsr();

	_mm_setcsr((old & ~(3u << 13)) | bits[mode & 3]);
	return old;
}

/* fma may be libm's, which asks the x87 control word too. */
static int fenv_mode(uint32_t mode)
{
	static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};

	return modes[mode & 3];
}

float ptx_rt_round_f32(uint32_t op, uint32_t mode, float a, float b, float c)
{
	volatile float x = a, y = b, z = c, r = 0;
	unsigned int old;

	if (op == PTX_FOP_FMA) {
		fesetround(fenv_mode(mode));
		r = fmaf(x, y, z);
		fesetround(FE_TONEAREST);
		return r;
	}
	old = mode_enter(mode);
	switch (op) {
	case PTX_FOP_ADD: r = x + y; break;
	case PTX_FOP_SUB: r = x - y; break;
	case PTX_FOP_MUL: r = x * y; break;
	case PTX_FOP_DIV: r = x / y; break;
	default: r = sqrtf(x); break;
	}
	_mm_setcsr(old);
	return r;
}

double ptx_rt_round_f64(uint32_t op, uint32_t mode, double a, double b, double c)
{
	volatile double x = a, y = b, z = c, r = 0;
	unsigned int old;

	if (op == PTX_FOP_FMA) {
		fesetround(fenv_mode(mode));
		r = fma(x, y, z);
		fesetround(FE_TONEAREST);
		return r;
	}
	old = mode_enter(mode);
	switch (op) {
	case PTX_FOP_ADD: r = x + y; break;
	case PTX_FOP_SUB: r = x - y; break;
	case PTX_FOP_MUL: r = x * y; break;
	case PTX_FOP_DIV: r = x / y; break;
	default: r = sqrt(x); break;
	}
	_mm_setcsr(old);
	return r;
}

float ptx_rt_f64_to_f32(double a, uint32_t mode)
{
	volatile double x = a;
	volatile float r;
	unsigned int old = mode_enter(mode);

	r = (float)x;
	_mm_setcsr(old);
	return r;
}

/* Of a size, rounded to `bits` bits in the given mode (4: to odd), as a double's exact value. */
static uint64_t round_integer(uint64_t a, unsigned int bits, uint32_t mode, bool negative)
{
	unsigned int width = a ? 64 - (unsigned int)__builtin_clzll(a) : 0, drop;
	uint64_t rest, half, kept;
	bool up;

	if (width <= bits)
		return a;
	drop = width - bits;
	rest = a & ((1ull << drop) - 1);
	half = 1ull << (drop - 1);
	kept = a >> drop;
	switch (mode) {
	case 0: up = rest > half || (rest == half && (kept & 1)); break;
	case 1: up = false; break;
	case 2: up = rest && negative; break;
	case 3: up = rest && !negative; break;
	default: up = rest && !(kept & 1); break;
	}
	kept += up;
	/* Past 2^64 the shift would lose it; 2^64 itself is said by 0 with a sum that is not. */
	return kept >> (64 - drop) ? 0 : kept << drop;
}

static double integer_to(uint64_t a, uint32_t is_signed, unsigned int bits, uint32_t mode)
{
	bool negative = is_signed && (int64_t)a < 0;
	uint64_t size = negative ? 0 - a : a;
	uint64_t rounded = round_integer(size, bits, mode, negative);
	double value = size && !rounded ? 0x1p64 : (double)rounded;

	return negative ? -value : value;
}

float ptx_rt_i64_to_f32(uint64_t a, uint32_t is_signed, uint32_t mode)
{
	return (float)integer_to(a, is_signed, 24, mode);
}

double ptx_rt_i64_to_f64(uint64_t a, uint32_t is_signed, uint32_t mode)
{
	return integer_to(a, is_signed, 53, mode);
}

/* 10 bits of fraction are kept; nearest, ties to even or away from zero. */
float ptx_rt_tf32(float a, uint32_t away)
{
	uint32_t bits;

	memcpy(&bits, &a, sizeof(bits));
	if ((bits & 0x7f800000) == 0x7f800000)
		return a;
	bits += away ? 0x1000 : 0xfff + (bits >> 13 & 1);
	bits &= ~0x1fffu;
	memcpy(&a, &bits, sizeof(a));
	return a;
}
