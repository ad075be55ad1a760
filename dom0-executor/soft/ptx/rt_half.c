/* SPDX-License-Identifier: MIT */
/* Helpers of generated code: f16, bf16 and fp8 conversions by integer arithmetic, bit exact on any CPU. */
#include "rt.h"

#include <math.h>
#include <string.h>

struct format {
	int fraction; /* bits, without the leading one */
	int bias;
	uint32_t infinity, largest, nan;
};

static const struct format formats[] = {
	{10, 15, 0x7c00, 0x7bff, 0x7fff},
	{7, 127, 0x7f80, 0x7f7f, 0x7fff},
};

static uint64_t bits_of(double a)
{
	uint64_t bits;

	memcpy(&bits, &a, sizeof(bits));
	return bits;
}

/* size = fraction * 2^exponent, a double's 53-bit fraction; rounds to f's numbers, mode as in rt.h. */
static uint32_t encode(const struct format *f, uint64_t fraction, int exponent, bool negative,
		       uint32_t mode)
{
	/* The result's unit in the last place is 2^unit. */
	int unit = exponent + 52 - f->fraction, least = 1 - f->bias - f->fraction, drop;
	uint64_t kept, rest, half;
	bool up;

	if (unit < least)
		unit = least;
	drop = unit - exponent;
	if (drop > 62) {
		kept = 0;
		rest = fraction != 0;
		half = 2;
	} else {
		kept = fraction >> drop;
		rest = fraction & ((1ull << drop) - 1);
		half = 1ull << (drop - 1);
	}
	switch (mode) {
	case 0: up = rest > half || (rest == half && (kept & 1)); break;
	case 2: up = rest && negative; break;
	case 3: up = rest && !negative; break;
	default: up = false; break;
	}
	kept += up;
	/* kept is fraction bits and perhaps the leading one, which adds itself to the exponent. */
	return (uint32_t)(((uint64_t)(unit - least) << f->fraction) + kept);
}

uint32_t ptx_rt_d2h(double a, uint32_t format, uint32_t mode)
{
	const struct format *f = &formats[format & 1];
	uint64_t bits = bits_of(a), fraction = bits & 0xfffffffffffffull;
	int exponent = (int)(bits >> 52 & 0x7ff);
	bool negative = bits >> 63, away = mode == 0 || mode == (negative ? 2u : 3u);
	uint32_t sign = negative ? 0x8000 : 0, value;

	if (exponent == 0x7ff)
		return fraction ? f->nan : sign | f->infinity;
	if (exponent)
		fraction |= 1ull << 52;
	else
		exponent = 1;
	value = fraction ? encode(f, fraction, exponent - 1075, negative, mode) : 0;
	if (value >= f->infinity)
		value = away ? f->infinity : f->largest;
	return sign | value;
}

uint32_t ptx_rt_f2h(float a, uint32_t format, uint32_t mode)
{
	return ptx_rt_d2h((double)a, format, mode);
}

float ptx_rt_h2f(uint32_t h, uint32_t format)
{
	uint32_t size = h & 0x7fff, sign = (h & 0x8000) << 16, bits;
	float value;

	if (format) {
		bits = (h & 0xffff) << 16;
		memcpy(&value, &bits, sizeof(value));
		return value;
	}
	bits = size << 13;
	memcpy(&value, &bits, sizeof(value));
	value *= 0x1p112f;
	memcpy(&bits, &value, sizeof(bits));
	if (size >= 0x7c00)
		bits = size << 13 | 0x7f800000;
	bits |= sign;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The product is exact in a double; the sum is rounded to odd, after which one more rounding is right. */
uint32_t ptx_rt_fma_h(uint32_t a, uint32_t b, uint32_t c, uint32_t format)
{
	double product = (double)ptx_rt_h2f(a, format) * (double)ptx_rt_h2f(b, format);
	double addend = (double)ptx_rt_h2f(c, format);
	volatile double sum = product + addend;
	volatile double part = sum - product;
	volatile double error = (product - (sum - part)) + (addend - part);
	uint64_t bits = bits_of(sum);
	double odd = sum;

	if (isfinite(sum) && error != 0 && !(bits & 1)) {
		/* towards the error's sign: away from zero where both have the same one */
		bits = (error > 0) == (sum > 0) ? bits + 1 : bits - 1;
		memcpy(&odd, &bits, sizeof(odd));
	}
	return ptx_rt_d2h(odd, format, 0);
}

/* e4m3: no infinity, 0x7f is NaN, largest 448; e5m2: as f16 with 2 bits of fraction. Finite ones saturate. */
uint32_t ptx_rt_f2e(float a, uint32_t format)
{
	static const struct format small[] = {{3, 7, 0x7f, 0x7e, 0x7f}, {2, 15, 0x7c, 0x7b, 0x7f}};
	const struct format *f = &small[format & 1];
	uint64_t bits = bits_of((double)a), fraction = bits & 0xfffffffffffffull;
	int exponent = (int)(bits >> 52 & 0x7ff);
	bool negative = bits >> 63;
	uint32_t sign = negative ? 0x80 : 0, value;

	if (exponent == 0x7ff && fraction)
		return f->nan; /* the canonical NaN has no sign */
	if (exponent == 0x7ff)
		return sign | f->largest;
	value = exponent ? encode(f, fraction | 1ull << 52, exponent - 1075, negative, 0) : 0;
	return sign | (value > f->largest ? f->largest : value);
}

uint32_t ptx_rt_e2h(uint32_t e, uint32_t format)
{
	uint32_t sign = (e & 0x80) << 8, size = e & 0x7f;

	if (format) /* e5m2 is the upper half of an f16 */
		return size > 0x7c ? 0x7fff : sign | size << 8;
	if (size == 0x7f)
		return 0x7fff;
	if (size < 8) /* subnormal: size * 2^-9 */
		return sign | ptx_rt_d2h((double)size * 0x1p-9, 0, 0);
	return sign | (size + (8u << 3)) << 7;
}
