/* SPDX-License-Identifier: MIT */
/* f32, f64, f16, bf16 arithmetic and conversions against C, with NaN, infinities, subnormals, all roundings. */
#include "harness.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
/* C's arithmetic in a rounding mode; volatile keeps it between the two changes. */
#define ROUNDED32(name, mode, expr) \
	REF(name) { volatile float x = f32(a), y = f32(b), z = f32(c), r; fesetround(mode); \
		    (void)y; (void)z; r = (float)(expr); fesetround(FE_TONEAREST); return u32(r); }
#define ROUNDED64(name, mode, expr) \
	REF(name) { volatile double x = f64(a), y = f64(b), z = f64(c), r; fesetround(mode); \
		    (void)y; (void)z; r = (expr); fesetround(FE_TONEAREST); return u64(r); }

ROUNDED32(add_rn, FE_TONEAREST, x + y)
ROUNDED32(add_rz, FE_TOWARDZERO, x + y)
ROUNDED32(sub_rm, FE_DOWNWARD, x - y)
ROUNDED32(mul_rp, FE_UPWARD, x * y)
ROUNDED32(mul_rn, FE_TONEAREST, x *y)
ROUNDED32(div_rn, FE_TONEAREST, x / y)
ROUNDED32(div_rz, FE_TOWARDZERO, x / y)
ROUNDED32(fma_rn, FE_TONEAREST, fmaf(x, y, z))
ROUNDED32(fma_rm, FE_DOWNWARD, fmaf(x, y, z))
ROUNDED32(sqrt_rn, FE_TONEAREST, sqrtf(x))
ROUNDED32(sqrt_rp, FE_UPWARD, sqrtf(x))
ROUNDED32(rcp_rn, FE_TONEAREST, 1.0f / x)
ROUNDED64(dadd_rn, FE_TONEAREST, x + y)
ROUNDED64(dadd_rp, FE_UPWARD, x + y)
ROUNDED64(dmul_rz, FE_TOWARDZERO, x *y)
ROUNDED64(ddiv_rn, FE_TONEAREST, x / y)
ROUNDED64(ddiv_rm, FE_DOWNWARD, x / y)
ROUNDED64(dfma_rn, FE_TONEAREST, fma(x, y, z))
ROUNDED64(dfma_rz, FE_TOWARDZERO, fma(x, y, z))
ROUNDED64(dsqrt_rn, FE_TONEAREST, sqrt(x))
ROUNDED64(drcp_rp, FE_UPWARD, 1.0 / x)

static float flush(float x)
{
	return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x;
}
static float saturate(float x)
{
	return x > 0 ? (x < 1 ? x : 1) : 0;
}
REF(add_ftz) { return u32(flush(flush(f32(a)) + flush(f32(b)))); }
REF(mul_ftz_sat) { return u32(saturate(flush(flush(f32(a)) * flush(f32(b))))); }
REF(add_sat) { return u32(saturate(f32(a) + f32(b))); }
REF(neg_f) { return a ^ 0x80000000; }
REF(abs_f) { return a & 0x7fffffff; }
REF(neg_d) { return a ^ 1ull << 63; }
REF(copysign_f) { return u32(copysignf(f32(b), f32(a))); }

static float min_f(float x, float y)
{
	return isnan(x) ? y : isnan(y) ? x : x == y ? (signbit(x) ? x : y) : x < y ? x : y;
}
static float max_f(float x, float y)
{
	return isnan(x) ? y : isnan(y) ? x : x == y ? (signbit(x) ? y : x) : x > y ? x : y;
}
REF(min_) { return u32(min_f(f32(a), f32(b))); }
REF(max_) { return u32(max_f(f32(a), f32(b))); }
REF(max_nan) { return isnan(f32(a)) || isnan(f32(b)) ? 0x7fffffff : u32(max_f(f32(a), f32(b))); }
REF(min_xorsign) { float m = min_f(fabsf(f32(a)), fabsf(f32(b))); return isnan(m) ? u32(m) : u32(copysignf(m, signbit(f32(a)) != signbit(f32(b)) ? -1.0f : 1.0f)); }
REF(dmin_) { double x = f64(a), y = f64(b); return isnan(x) ? b : isnan(y) ? a : x == y ? (a | b) : x < y ? a : b; }
REF(setp_ltu) { return !(f32(a) >= f32(b)); }
REF(setp_ne) { float x = f32(a), y = f32(b); return x < y || x > y; }
REF(setp_neu) { return !(f64(a) == f64(b)); }
REF(setp_num) { return !isnan(f64(a)) && !isnan(f64(b)); }
REF(set_f) { return f32(a) > f32(b) ? u32(1.0f) : 0; }
REF(test_normal) { return isnormal(f32(a)); }
REF(test_subnormal) { return fpclassify(f32(a)) == FP_SUBNORMAL; }
REF(test_finite) { return isfinite(f64(a)) != 0; }

/* clang-format on */
static const struct op_test arithmetic[] = {
	{"add.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, add_rn},
	{"add.rz.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, add_rz},
	{"sub.rm.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, sub_rm},
	{"mul.rp.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, mul_rp},
	{"mul.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, mul_rn},
	{"div.rn.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, div_rn},
	{"div.rz.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, div_rz},
	{"fma.rn.f32 %d, %a, %b, %c;", "f32", "f32", "f32", "f32", fma_rn},
	{"fma.rm.f32 %d, %a, %b, %c;", "f32", "f32", "f32", "f32", fma_rm},
	{"sqrt.rn.f32 %d, %a;", "f32", "f32", NULL, NULL, sqrt_rn},
	{"sqrt.rp.f32 %d, %a;", "f32", "f32", NULL, NULL, sqrt_rp},
	{"rcp.rn.f32 %d, %a;", "f32", "f32", NULL, NULL, rcp_rn},
	{"add.f64 %d, %a, %b;", "f64", "f64", "f64", NULL, dadd_rn},
	{"add.rp.f64 %d, %a, %b;", "f64", "f64", "f64", NULL, dadd_rp},
	{"mul.rz.f64 %d, %a, %b;", "f64", "f64", "f64", NULL, dmul_rz},
	{"div.rn.f64 %d, %a, %b;", "f64", "f64", "f64", NULL, ddiv_rn},
	{"div.rm.f64 %d, %a, %b;", "f64", "f64", "f64", NULL, ddiv_rm},
	{"fma.rn.f64 %d, %a, %b, %c;", "f64", "f64", "f64", "f64", dfma_rn},
	{"fma.rz.f64 %d, %a, %b, %c;", "f64", "f64", "f64", "f64", dfma_rz},
	{"sqrt.rn.f64 %d, %a;", "f64", "f64", NULL, NULL, dsqrt_rn},
	{"rcp.rp.f64 %d, %a;", "f64", "f64", NULL, NULL, drcp_rp},
	{"add.ftz.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, add_ftz},
	{"mul.ftz.sat.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, mul_ftz_sat},
	{"add.sat.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, add_sat},
	{"neg.f32 %d, %a;", "b32", "b32", NULL, NULL, neg_f},
	{"abs.f32 %d, %a;", "b32", "b32", NULL, NULL, abs_f},
	{"neg.f64 %d, %a;", "b64", "b64", NULL, NULL, neg_d},
	{"copysign.f32 %d, %a, %b;", "b32", "b32", "b32", NULL, copysign_f},
};

static const struct op_test compare[] = {
	{"min.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, min_},
	{"max.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, max_},
	{"max.NaN.f32 %d, %a, %b;", "b32", "b32", "b32", NULL, max_nan},
	{"min.xorsign.abs.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, min_xorsign},
	{"min.f64 %d, %a, %b;", "f64", "f64", "f64", NULL, dmin_},
	{"setp.ltu.f32 %d, %a, %b;", "pred", "f32", "f32", NULL, setp_ltu},
	{"setp.ne.f32 %d, %a, %b;", "pred", "f32", "f32", NULL, setp_ne},
	{"setp.neu.f64 %d, %a, %b;", "pred", "f64", "f64", NULL, setp_neu},
	{"setp.num.f64 %d, %a, %b;", "pred", "f64", "f64", NULL, setp_num},
	{"set.gt.f32.f32 %d, %a, %b;", "f32", "f32", "f32", NULL, set_f},
	{"testp.normal.f32 %d, %a;", "pred", "f32", NULL, NULL, test_normal},
	{"testp.subnormal.f32 %d, %a;", "pred", "f32", NULL, NULL, test_subnormal},
	{"testp.finite.f64 %d, %a;", "pred", "f64", NULL, NULL, test_finite},
};

/* ---- conversions ---- */

static uint64_t clamp_to(double x, double low, double high, uint64_t nan)
{
	if (isnan(x))
		return nan;
	if (x <= low)
		return (uint64_t)(int64_t)low;
	if (x >= high)
		return high >= 0x1p64 ? UINT64_MAX : high >= 0x1p63 ? INT64_MAX : (uint64_t)high;
	return x < 0 ? (uint64_t)(int64_t)x : (uint64_t)x;
}
/* clang-format off */
REF(f_s32_rzi) { return clamp_to(truncf(f32(a)), INT32_MIN, INT32_MAX, 0); }
REF(f_u32_rni) { return clamp_to(nearbyintf(f32(a)), 0, UINT32_MAX, 0); }
REF(f_s8_rmi) { return clamp_to(floorf(f32(a)), -128, 127, 0); }
REF(f_s64_rpi) { return clamp_to(ceilf(f32(a)), -0x1p63, 0x1p63, 1ull << 63); }
REF(d_s32_rzi) { return clamp_to(trunc(f64(a)), INT32_MIN, INT32_MAX, 1ull << 31); }
REF(d_u64_rni) { return clamp_to(nearbyint(f64(a)), 0, 0x1p64, 1ull << 63); }
REF(s32_f_rn) { return u32((float)(int32_t)a); }
REF(u64_f_rn) { return u32((float)a); }
#define INT_ROUNDED(name, mode, expr, store) \
	REF(name) { volatile uint64_t v = a; uint64_t r; fesetround(mode); volatile __typeof__(expr) x = expr; \
		    fesetround(FE_TONEAREST); r = store(x); return r; }
INT_ROUNDED(s32_f_rz, FE_TOWARDZERO, (float)(int32_t)v, u32)
INT_ROUNDED(s32_f_rp, FE_UPWARD, (float)(int32_t)v, u32)
REF(s64_d_rn) { return u64((double)(int64_t)a); }
INT_ROUNDED(s64_d_rm, FE_DOWNWARD, (double)(int64_t)v, u64)
REF(d_f_rn) { return u32((float)f64(a)); }
#define DF_ROUNDED(name, mode) \
	REF(name) { volatile double x = f64(a); volatile float r; fesetround(mode); r = (float)x; \
		    fesetround(FE_TONEAREST); return u32(r); }
DF_ROUNDED(d_f_rz, FE_TOWARDZERO)
DF_ROUNDED(d_f_rp, FE_UPWARD)
REF(f_d) { return u64((double)f32(a)); }
REF(f_f_rni) { return u32(nearbyintf(f32(a))); }
REF(f_f_sat) { return u32(saturate(f32(a))); }
REF(s8_s32) { return (uint64_t)(int64_t)(int8_t)a; }
REF(u16_u64) { return (uint16_t)a; }
REF(s64_s32_cut) { return a; }
REF(sat_u8_s32) { int32_t x = (int32_t)a; return (uint64_t)(x < 0 ? 0 : x > 255 ? 255 : x); }
REF(sat_s16_s64) { int64_t x = (int64_t)a; return (uint64_t)(x < -32768 ? -32768 : x > 32767 ? 32767 : x); }
REF(sat_s32_u32) { return (uint32_t)a > INT32_MAX ? INT32_MAX : (uint32_t)a; }

/* clang-format on */
static const struct op_test convert[] = {
	{"cvt.rzi.s32.f32 %d, %a;", "b32", "f32", NULL, NULL, f_s32_rzi},
	{"cvt.rni.u32.f32 %d, %a;", "b32", "f32", NULL, NULL, f_u32_rni},
	{"cvt.rmi.s8.f32 %d, %a;", "b32", "f32", NULL, NULL, f_s8_rmi},
	{"cvt.rpi.s64.f32 %d, %a;", "b64", "f32", NULL, NULL, f_s64_rpi},
	{"cvt.rzi.s32.f64 %d, %a;", "b32", "f64", NULL, NULL, d_s32_rzi},
	{"cvt.rni.u64.f64 %d, %a;", "b64", "f64", NULL, NULL, d_u64_rni},
	{"cvt.rn.f32.s32 %d, %a;", "f32", "b32", NULL, NULL, s32_f_rn},
	{"cvt.rn.f32.u64 %d, %a;", "f32", "b64", NULL, NULL, u64_f_rn},
	{"cvt.rz.f32.s32 %d, %a;", "f32", "b32", NULL, NULL, s32_f_rz},
	{"cvt.rp.f32.s32 %d, %a;", "f32", "b32", NULL, NULL, s32_f_rp},
	{"cvt.rn.f64.s64 %d, %a;", "f64", "b64", NULL, NULL, s64_d_rn},
	{"cvt.rm.f64.s64 %d, %a;", "f64", "b64", NULL, NULL, s64_d_rm},
	{"cvt.rn.f32.f64 %d, %a;", "f32", "f64", NULL, NULL, d_f_rn},
	{"cvt.rz.f32.f64 %d, %a;", "f32", "f64", NULL, NULL, d_f_rz},
	{"cvt.rp.f32.f64 %d, %a;", "f32", "f64", NULL, NULL, d_f_rp},
	{"cvt.f64.f32 %d, %a;", "f64", "f32", NULL, NULL, f_d},
	{"cvt.rni.f32.f32 %d, %a;", "f32", "f32", NULL, NULL, f_f_rni},
	{"cvt.sat.f32.f32 %d, %a;", "f32", "f32", NULL, NULL, f_f_sat},
	{"cvt.s32.s8 %d, %a;", "b32", "b32", NULL, NULL, s8_s32},
	{"cvt.u64.u16 %d, %a;", "b64", "b16", NULL, NULL, u16_u64},
	{"cvt.u32.u64 %d, %a;", "b32", "b64", NULL, NULL, s64_s32_cut},
	{"cvt.sat.u8.s32 %d, %a;", "b32", "b32", NULL, NULL, sat_u8_s32},
	{"cvt.sat.s16.s64 %d, %a;", "b64", "b64", NULL, NULL, sat_s16_s64},
	{"cvt.sat.s32.u32 %d, %a;", "b32", "b32", NULL, NULL, sat_s32_u32},
};

/* ---- half: the reference searches all numbers of the format ---- */

static double half_value(unsigned int code, bool bf)
{
	int fraction = bf ? 7 : 10, bias = bf ? 127 : 15;
	int exponent = (int)(code >> fraction), low = (int)(code & ((1u << fraction) - 1));

	return exponent ? ldexp(low + (1 << fraction), exponent - bias - fraction)
			: ldexp(low, 1 - bias - fraction);
}

static double half_in(uint64_t code, bool bf)
{
	unsigned int size = code & 0x7fff, infinity = bf ? 0x7f80 : 0x7c00;
	double value = size > infinity ? NAN : size == infinity ? INFINITY : half_value(size, bf);

	return code & 0x8000 ? -value : value;
}

/* Sign of (p + c) - v, exactly. */
static int sum_compare(double p, double c, double v)
{
	__float128 sum = (__float128)p + c;
	__float128 d = sum - p == c && sum - c == p ? sum - v : ((__float128)p - v) + c;

	return (d > 0) - (d < 0);
}

/* p + c, with |p + c| rounded to nearest even */
static uint64_t half_out(double p, double c, bool bf)
{
	unsigned int low = 0, high = bf ? 0x7f80 : 0x7c00, infinity = high;
	bool negative;
	double middle;
	int sign;

	if (isnan(p + c))
		return 0x7fff;
	sign = sum_compare(p, c, 0);
	negative = sign ? sign < 0 : signbit(p + c) != 0;
	if (isinf(p + c))
		return (negative ? 0x8000u : 0) | infinity;
	if (negative) {
		p = -p;
		c = -c;
	}
	while (low + 1 < high) { /* the largest code whose value is not above */
		unsigned int mid = (low + high) / 2;

		if (sum_compare(p, c, half_value(mid, bf)) >= 0)
			low = mid;
		else
			high = mid;
	}
	middle = (half_value(low, bf) + half_value(low + 1, bf)) / 2;
	sign = sum_compare(p, c, middle);
	if (sign > 0 || (!sign && (low & 1)))
		low++;
	return (negative ? 0x8000u : 0) | low;
}

/* clang-format off */
#define HALVES(prefix, bf) \
	REF(prefix##_add) { return half_out(half_in(a, bf), half_in(b, bf), bf); } \
	REF(prefix##_mul) { double x = half_in(a, bf) * half_in(b, bf); return half_out(x, copysign(0, x), bf); } \
	REF(prefix##_fma) { return half_out(half_in(a, bf) * half_in(b, bf), half_in(c, bf), bf); } \
	REF(prefix##_of_f) { return half_out(f32(a), copysign(0, f32(a)), bf); } \
	REF(prefix##_to_f) { return u32((float)half_in(a, bf)); } \
	REF(prefix##_max) { double x = half_in(a, bf), y = half_in(b, bf); \
		return isnan(x) && isnan(y) ? 0x7fff : isnan(x) ? b : isnan(y) ? a : x == y ? (a & b) : x > y ? a : b; }
HALVES(h, false)
HALVES(bf, true)
REF(h_of_d) { return half_out(f64(a), copysign(0, f64(a)), false); }
REF(h_of_s64) { double x = (double)(int64_t)a; return half_out(x, copysign(0, x), false); }
REF(h_to_s32) { return clamp_to(trunc(half_in(a, false)), INT32_MIN, INT32_MAX, 0); }
REF(h2_fma) { return h_fma(a & 0xffff, b & 0xffff, c & 0xffff) | h_fma(a >> 16 & 0xffff, b >> 16 & 0xffff, c >> 16 & 0xffff) << 16; }
REF(h2_of_f) { return h_of_f(b, 0, 0) | h_of_f(a, 0, 0) << 16; }
REF(h_neg) { return a ^ 0x8000; }
REF(h_setp) { return half_in(a, false) < half_in(b, false); }
REF(h2_set) { return (half_in(a & 0xffff, false) == half_in(b & 0xffff, false) ? 0x3c00u : 0) | (half_in(a >> 16, false) == half_in(b >> 16, false) ? 0x3c00u << 16 : 0); }

/* clang-format on */
static const struct op_test half[] = {
	{"add.f16 %d, %a, %b;", "b16", "b16", "b16", NULL, h_add},
	{"mul.rn.f16 %d, %a, %b;", "b16", "b16", "b16", NULL, h_mul},
	{"fma.rn.f16 %d, %a, %b, %c;", "b16", "b16", "b16", "b16", h_fma},
	{"add.rn.bf16 %d, %a, %b;", "b16", "b16", "b16", NULL, bf_add},
	{"mul.rn.bf16 %d, %a, %b;", "b16", "b16", "b16", NULL, bf_mul},
	{"fma.rn.bf16 %d, %a, %b, %c;", "b16", "b16", "b16", "b16", bf_fma},
	{"fma.rn.f16x2 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", h2_fma},
	{"max.f16 %d, %a, %b;", "b16", "b16", "b16", NULL, h_max},
	{"max.bf16 %d, %a, %b;", "b16", "b16", "b16", NULL, bf_max},
	{"neg.f16 %d, %a;", "b16", "b16", NULL, NULL, h_neg},
	{"setp.lt.f16 %d, %a, %b;", "pred", "b16", "b16", NULL, h_setp},
	{"set.eq.f16x2.f16x2 %d, %a, %b;", "b32", "b32", "b32", NULL, h2_set},
	{"cvt.rn.f16.f32 %d, %a;", "b16", "f32", NULL, NULL, h_of_f},
	{"cvt.rn.bf16.f32 %d, %a;", "b16", "f32", NULL, NULL, bf_of_f},
	{"cvt.rn.f16.f64 %d, %a;", "b16", "f64", NULL, NULL, h_of_d},
	{"cvt.f32.f16 %d, %a;", "f32", "b16", NULL, NULL, h_to_f},
	{"cvt.f32.bf16 %d, %a;", "f32", "b16", NULL, NULL, bf_to_f},
	{"cvt.rn.f16.s64 %d, %a;", "b16", "b64", NULL, NULL, h_of_s64},
	{"cvt.rzi.s32.f16 %d, %a;", "b32", "b16", NULL, NULL, h_to_s32},
	{"cvt.rn.f16x2.f32 %d, %a, %b;", "b32", "f32", "f32", NULL, h2_of_f},
};

/* Every f16 there is, through f32 and back. */
static void test_half_all(void **state)
{
	uint16_t *in = calloc(65536, 2), *out = calloc(65536, 2);

	(void)state;
	for (unsigned int i = 0; i < 65536; i++)
		in[i] = (uint16_t)i;
	run_body(
		"",
		"mov.u32 %x0, %ctaid.x; shl.b32 %x0, %x0, 8; add.u32 %x0, %x0, %t; mul.wide.u32 %y0, %x0, 2;"
		"add.u64 %in, %in, %y0; add.u64 %out, %out, %y0; ld.global.b16 %h0, [%in]; cvt.f32.f16 %f0, %h0;"
		"cvt.rn.f16.f32 %h1, %f0; st.global.b16 [%out], %h1; ret;",
		256, 256, out, in);
	for (unsigned int i = 0; i < 65536; i++)
		assert_int_equal(out[i], (i & 0x7fff) > 0x7c00 ? 0x7fff : i);
	free(in);
	free(out);
}

/* ---- approximations: within the error that PTX allows ---- */

static void approx(const char *insn, double (*ref)(double), double from, double to, double relative,
		   double absolute)
{
	enum {
		N = 512
	};
	float in[N], out[N];
	char body[512];

	for (int i = 0; i < N; i++)
		in[i] = (float)(from + (to - from) * i / (N - 1));
	snprintf(body, sizeof(body),
		 "mul.wide.u32 %%y0, %%t, 4; add.u64 %%in, %%in, %%y0; add.u64 %%out, %%out, %%y0;"
		 "ld.global.f32 %%f0, [%%in]; %s %%f1, %%f0; st.global.f32 [%%out], %%f1; ret;",
		 insn);
	run_body("", body, 1, N, out, in);
	for (int i = 0; i < N; i++) {
		double want = ref(in[i]);

		if (fabs(out[i] - want) > fabs(want) * relative + absolute)
			fail_msg("%s(%g) gives %g, not %g", insn, in[i], out[i], want);
	}
}

static double rcp_of(double x)
{
	return 1 / x;
}
static double rsqrt_of(double x)
{
	return 1 / sqrt(x);
}

static void test_approx(void **state)
{
	(void)state;
	approx("sin.approx.f32", sin, -3, 3, 1e-6, 1e-7);
	approx("cos.approx.ftz.f32", cos, -3, 3, 1e-6, 1e-7);
	approx("ex2.approx.f32", exp2, -120, 120, 1e-6, 0);
	approx("lg2.approx.f32", log2, 1e-3, 1e9, 1e-6, 1e-7);
	approx("tanh.approx.f32", tanh, -5, 5, 1e-6, 1e-7);
	approx("rcp.approx.ftz.f32", rcp_of, 0.01, 1e9, 1e-6, 0);
	approx("rsqrt.approx.f32", rsqrt_of, 0.01, 1e9, 1e-6, 0);
	approx("sqrt.approx.f32", sqrt, 0, 1e9, 1e-6, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OP_TESTS(arithmetic),
		OP_TESTS(compare),
		OP_TESTS(convert),
		OP_TESTS(half),
		cmocka_unit_test(test_half_all),
		cmocka_unit_test(test_approx),
	};

	int failed = cmocka_run_group_tests_name("this CPU", tests, NULL, NULL);

	/* as on a CPU without FMA, SSE4.1 and the like: libm is called instead */
	baseline = true;
	return failed + cmocka_run_group_tests_name("any x86-64", tests, NULL, NULL);
}
