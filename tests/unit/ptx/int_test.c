/* SPDX-License-Identifier: MIT */
/* Integer arithmetic, carries, shifts, bit fields, permutations against C. */
#include "harness.h"

#define REF(name) static uint64_t name(uint64_t a, uint64_t b, uint64_t c)
#define UNUSED    (void)a, (void)b, (void)c

typedef __int128 i128;
typedef unsigned __int128 u128;

/* clang-format off */
REF(add_) { UNUSED; return a + b; }
REF(sub_) { UNUSED; return a - b; }
REF(mul_) { UNUSED; return a * b; }
REF(add_sat) { UNUSED; int64_t s = (int64_t)(int32_t)a + (int32_t)b; return (uint64_t)(s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s); }
REF(sub_sat) { UNUSED; int64_t s = (int64_t)(int32_t)a - (int32_t)b; return (uint64_t)(s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s); }
REF(hi_s32) { UNUSED; return (uint64_t)((int64_t)(int32_t)a * (int32_t)b >> 32); }
REF(hi_u32) { UNUSED; return (uint64_t)(uint32_t)a * (uint32_t)b >> 32; }
REF(hi_s64) { UNUSED; return (uint64_t)((i128)(int64_t)a * (int64_t)b >> 64); }
REF(hi_u64) { UNUSED; return (uint64_t)((u128)a * b >> 64); }
REF(hi_s16) { UNUSED; return (uint64_t)((int32_t)(int16_t)a * (int16_t)b >> 16); }
REF(wide_s16) { UNUSED; return (uint64_t)(int64_t)((int32_t)(int16_t)a * (int16_t)b); }
REF(wide_s32) { UNUSED; return (uint64_t)((int64_t)(int32_t)a * (int32_t)b); }
REF(wide_u32) { UNUSED; return (uint64_t)(uint32_t)a * (uint32_t)b; }
REF(mad_lo) { UNUSED; return a * b + c; }
REF(mad_hi_sat) { UNUSED; int64_t s = ((int64_t)(int32_t)a * (int32_t)b >> 32) + (int32_t)c; return (uint64_t)(s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s); }
REF(mad_wide_u32) { UNUSED; return (uint64_t)(uint32_t)a * (uint32_t)b + c; }
REF(mul24_lo_s) { UNUSED; int64_t x = (int32_t)(a << 8) >> 8, y = (int32_t)(b << 8) >> 8; return (uint64_t)(x * y); }
REF(mul24_hi_u) { UNUSED; return ((a & 0xffffff) * (b & 0xffffff)) >> 16; }
REF(mad24_lo_u) { UNUSED; return (a & 0xffffff) * (b & 0xffffff) + c; }
REF(sad_s32) { UNUSED; int64_t x = (int32_t)a, y = (int32_t)b; return (uint64_t)(x > y ? x - y : y - x) + c; }
REF(sad_u64) { UNUSED; return (a > b ? a - b : b - a) + c; }
REF(div_s32) { UNUSED; int32_t x = (int32_t)a, y = (int32_t)b; return y == 0 ? UINT64_MAX : y == -1 ? 0 - a : (uint64_t)(x / y); }
REF(rem_s32) { UNUSED; int32_t x = (int32_t)a, y = (int32_t)b; return y == 0 ? a : y == -1 ? 0 : (uint64_t)(x % y); }
REF(div_u32) { UNUSED; return (uint32_t)b ? (uint32_t)a / (uint32_t)b : UINT64_MAX; }
REF(div_s64) { UNUSED; int64_t x = (int64_t)a, y = (int64_t)b; return y == 0 ? UINT64_MAX : y == -1 ? 0 - a : (uint64_t)(x / y); }
REF(rem_s64) { UNUSED; int64_t x = (int64_t)a, y = (int64_t)b; return y == 0 ? a : y == -1 ? 0 : (uint64_t)(x % y); }
REF(rem_u64) { UNUSED; return b ? a % b : a; }
REF(div_s16) { UNUSED; int16_t x = (int16_t)a, y = (int16_t)b; return y ? (uint64_t)(int64_t)(x / y) : UINT64_MAX; }
REF(abs_s32) { UNUSED; return (int32_t)a < 0 ? 0 - a : a; }
REF(neg_) { UNUSED; return 0 - a; }
REF(min_s32) { UNUSED; return (int32_t)a < (int32_t)b ? a : b; }
REF(max_u64) { UNUSED; return a > b ? a : b; }
REF(min_s16) { UNUSED; return (int16_t)a < (int16_t)b ? a : b; }
REF(max_s64) { UNUSED; return (int64_t)a > (int64_t)b ? a : b; }
REF(add64_by_carry) { UNUSED; return a + b; }
REF(sub64_by_borrow) { UNUSED; return a - b; }
REF(mul128_hi) { UNUSED; return (uint64_t)((u128)a * b >> 64); }

/* clang-format on */
static void test_arithmetic(void **state)
{
	static const struct op_test tests[] = {
		{"add.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, add_, 0},
		{"add.u64 %d, %a, %b;", "b64", "b64", "b64", NULL, add_, 0},
		{"add.s16 %d, %a, %b;", "b16", "b16", "b16", NULL, add_, 0},
		{"sub.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, sub_, 0},
		{"add.sat.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, add_sat, 0},
		{"sub.sat.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, sub_sat, 0},
		{"mul.lo.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, mul_, 0},
		{"mul.lo.u16 %d, %a, %b;", "b16", "b16", "b16", NULL, mul_, 0},
		{"mul.lo.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, mul_, 0},
		{"mul.hi.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, hi_s32, 0},
		{"mul.hi.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, hi_u32, 0},
		{"mul.hi.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, hi_s64, 0},
		{"mul.hi.u64 %d, %a, %b;", "b64", "b64", "b64", NULL, hi_u64, 0},
		{"mul.hi.s16 %d, %a, %b;", "b16", "b16", "b16", NULL, hi_s16, 0},
		{"mul.wide.s16 %d, %a, %b;", "b32", "b16", "b16", NULL, wide_s16, 0},
		{"mul.wide.s32 %d, %a, %b;", "b64", "b32", "b32", NULL, wide_s32, 0},
		{"mul.wide.u32 %d, %a, %b;", "b64", "b32", "b32", NULL, wide_u32, 0},
		{"mad.lo.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", mad_lo, 0},
		{"mad.lo.u64 %d, %a, %b, %c;", "b64", "b64", "b64", "b64", mad_lo, 0},
		{"mad.hi.sat.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", mad_hi_sat, 0},
		{"mad.wide.u32 %d, %a, %b, %c;", "b64", "b32", "b32", "b64", mad_wide_u32, 0},
		{"mul24.lo.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, mul24_lo_s, 0},
		{"mul24.hi.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, mul24_hi_u, 0},
		{"mad24.lo.u32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", mad24_lo_u, 0},
		{"sad.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", sad_s32, 0},
		{"sad.u64 %d, %a, %b, %c;", "b64", "b64", "b64", "b64", sad_u64, 0},
		{"abs.s32 %d, %a;", "b32", "b32", NULL, NULL, abs_s32, 0},
		{"neg.s64 %d, %a;", "b64", "b64", NULL, NULL, neg_, 0},
		{"min.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, min_s32, 0},
		{"max.u64 %d, %a, %b;", "b64", "b64", "b64", NULL, max_u64, 0},
		{"min.s16 %d, %a, %b;", "b16", "b16", "b16", NULL, min_s16, 0},
		{"max.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, max_s64, 0},
	};

	(void)state;
	CHECK_OPS(tests);
}

/* Division by zero is not defined by PTX; GPUs give all ones and the dividend, and nothing may fault. */
static void test_division(void **state)
{
	static const struct op_test tests[] = {
		{"div.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, div_s32, 0},
		{"rem.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, rem_s32, 0},
		{"div.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, div_u32, 0},
		{"div.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, div_s64, 0},
		{"rem.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, rem_s64, 0},
		{"rem.u64 %d, %a, %b;", "b64", "b64", "b64", NULL, rem_u64, 0},
		{"div.s16 %d, %a, %b;", "b16", "b16", "b16", NULL, div_s16, 0},
	};

	(void)state;
	CHECK_OPS(tests);
}

static void test_carry(void **state)
{
	static const struct op_test tests[] = {
		{"mov.b64 {%x2, %x3}, %a; mov.b64 {%x4, %x5}, %b; add.cc.u32 %x2, %x2, %x4; addc.u32 %x3, %x3, %x5;"
		 "mov.b64 %d, {%x2, %x3};",
		 "b64", "b64", "b64", NULL, add64_by_carry, 0},
		{"mov.b64 {%x2, %x3}, %a; mov.b64 {%x4, %x5}, %b; sub.cc.u32 %x2, %x2, %x4; subc.cc.u32 %x3, %x3, %x5;"
		 "mov.b64 %d, {%x2, %x3};",
		 "b64", "b64", "b64", NULL, sub64_by_borrow, 0},
		/* the high half of a 64x64 product from 32-bit pieces, as compilers write it */
		{"mov.b64 {%x2, %x3}, %a; mov.b64 {%x4, %x5}, %b;"
		 "mul.lo.u32 %x6, %x2, %x4; mul.hi.u32 %x7, %x2, %x4;"
		 "mad.lo.cc.u32 %x7, %x2, %x5, %x7; madc.hi.u32 %x8, %x2, %x5, 0;"
		 "mad.lo.cc.u32 %x7, %x3, %x4, %x7; madc.hi.cc.u32 %x8, %x3, %x4, %x8; addc.u32 %x9, 0, 0;"
		 "mad.lo.cc.u32 %x8, %x3, %x5, %x8; madc.hi.u32 %x9, %x3, %x5, %x9; mov.b64 %d, {%x8, %x9};",
		 "b64", "b64", "b64", NULL, mul128_hi, 0},
	};

	(void)state;
	CHECK_OPS(tests);
}

/* clang-format off */
REF(and_) { UNUSED; return a & b; }
REF(or_) { UNUSED; return a | b; }
REF(xor_) { UNUSED; return a ^ b; }
REF(not_) { UNUSED; return ~a; }
REF(cnot_) { UNUSED; return !a; }
REF(lop3_96) { UNUSED; return a ^ b ^ c; }
REF(lop3_e8) { UNUSED; return (a & b) | (a & c) | (b & c); }
REF(lop3_1d) { uint64_t r = 0; for (int i = 0; i < 32; i++) { int k = (int)((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)); r |= (uint64_t)(0x1d >> k & 1) << i; } return r; }
REF(shl32) { UNUSED; return (uint32_t)b > 31 ? 0 : a << (uint32_t)b; }
REF(shr_u32) { UNUSED; return (uint32_t)b > 31 ? 0 : (uint32_t)a >> (uint32_t)b; }
REF(shr_s32) { UNUSED; return (uint64_t)((int32_t)a >> ((uint32_t)b > 31 ? 31 : (uint32_t)b)); }
REF(shl64) { UNUSED; return (uint32_t)b > 63 ? 0 : a << (uint32_t)b; }
REF(shr_s64) { UNUSED; return (uint64_t)((int64_t)a >> ((uint32_t)b > 63 ? 63 : (uint32_t)b)); }
REF(shr_u16) { UNUSED; return (uint32_t)b > 15 ? 0 : (uint16_t)a >> (uint32_t)b; }
REF(shr_s16) { UNUSED; return (uint64_t)((int16_t)a >> ((uint32_t)b > 15 ? 15 : (uint32_t)b)); }
REF(shf_l_wrap) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a; return v << (c & 31) >> 32; }
REF(shf_r_wrap) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a; return v >> (c & 31); }
REF(shf_l_clamp) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a, n = (uint32_t)c > 32 ? 32 : (uint32_t)c; return v << n >> 32; }
REF(shf_r_clamp) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a, n = (uint32_t)c > 32 ? 32 : (uint32_t)c; return v >> n; }
REF(popc32) { UNUSED; return (uint64_t)__builtin_popcount((uint32_t)a); }
REF(popc64) { UNUSED; return (uint64_t)__builtin_popcountll(a); }
REF(clz32) { UNUSED; return (uint32_t)a ? (uint64_t)__builtin_clz((uint32_t)a) : 32; }
REF(clz64) { UNUSED; return a ? (uint64_t)__builtin_clzll(a) : 64; }
REF(brev32) { UNUSED; uint64_t r = 0; for (int i = 0; i < 32; i++) r |= (a >> i & 1) << (31 - i); return r; }
REF(bfind_u32) { UNUSED; for (int i = 31; i >= 0; i--) if (a >> i & 1) return (uint64_t)i; return UINT32_MAX; }
REF(bfind_s32) { UNUSED; uint32_t x = (int32_t)a < 0 ? ~(uint32_t)a : (uint32_t)a; return bfind_u32(x, 0, 0); }
REF(bfind_s64_amt) { UNUSED; uint64_t x = (int64_t)a < 0 ? ~a : a; for (int i = 63; i >= 0; i--) if (x >> i & 1) return (uint64_t)(63 - i); return UINT32_MAX; }

/* These follow the pseudo code of the ISA bit by bit. */
static uint64_t bfe(uint64_t a, uint64_t b, uint64_t c, int msb, bool sign)
{
	unsigned int pos = b & 255, len = c & 255;
	unsigned int top = pos + len - 1 < (unsigned int)msb ? pos + len - 1 : (unsigned int)msb;
	uint64_t fill = sign && len ? a >> top & 1 : 0, d = 0;

	for (unsigned int i = 0; i <= (unsigned int)msb; i++)
		d |= (i < len && pos + i <= (unsigned int)msb ? a >> (pos + i) & 1 : fill) << i;
	return d;
}
REF(bfe_u32) { return bfe((uint32_t)a, b, c, 31, false); }
REF(bfe_s32) { return bfe((uint32_t)a, b, c, 31, true); }
REF(bfe_u64) { return bfe(a, b, c, 63, false); }
REF(bfe_s64) { return bfe(a, b, c, 63, true); }
REF(bfi32) { uint64_t d = b; unsigned int pos = c & 255, len = c >> 8 & 255; for (unsigned int i = 0; i < len && pos + i <= 31; i++) d = (d & ~(1ull << (pos + i))) | (a >> i & 1) << (pos + i); return d; }
REF(bfi64) { uint64_t d = b; unsigned int pos = c & 255, len = c >> 8 & 255; for (unsigned int i = 0; i < len && pos + i <= 63; i++) d = (d & ~(1ull << (pos + i))) | (a >> i & 1) << (pos + i); return d; }
REF(prmt_) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a, d = 0; for (int i = 0; i < 4; i++) { uint64_t s = c >> 4 * i & 15, x = v >> (s & 7) * 8 & 255; if (s & 8) x = x & 128 ? 255 : 0; d |= x << 8 * i; } return d; }
REF(prmt_5140) { UNUSED; return prmt_(a, b, 0x5140); }
REF(prmt_f4e) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a; return v >> (c & 3) * 8; }
REF(prmt_rc16) { UNUSED; uint64_t h = c & 1 ? (uint32_t)a >> 16 : a & 0xffff; return h << 16 | h; }
REF(bmsk_clamp) { UNUSED; uint64_t s = (uint32_t)a > 32 ? 32 : (uint32_t)a, n = (uint32_t)b > 32 ? 32 : (uint32_t)b; return ((1ull << n) - 1) << s; }
REF(szext_s) { UNUSED; uint64_t n = b & 31; return n ? (uint64_t)((int64_t)(a << (64 - n)) >> (64 - n)) : 0; }
REF(dp4a_ss) { int64_t s = (int32_t)c; for (int i = 0; i < 4; i++) s += (int8_t)(a >> 8 * i) * (int8_t)(b >> 8 * i); return (uint64_t)s; }
REF(dp4a_us) { int64_t s = (int32_t)c; for (int i = 0; i < 4; i++) s += (uint8_t)(a >> 8 * i) * (int8_t)(b >> 8 * i); return (uint64_t)s; }
REF(dp2a_hi) { int64_t s = (int32_t)c; for (int i = 0; i < 2; i++) s += (int16_t)(a >> 16 * i) * (int8_t)(b >> (16 + 8 * i)); return (uint64_t)s; }
REF(fns_) { UNUSED; uint32_t base = b & 31; int n = 3; for (uint32_t i = base; i < 32; i++) if (a >> i & 1 && !--n) return i; return UINT32_MAX; }

/* clang-format on */
static void test_bits(void **state)
{
	static const struct op_test tests[] = {
		{"and.b32 %d, %a, %b;", "b32", "b32", "b32", NULL, and_, 0},
		{"or.b64 %d, %a, %b;", "b64", "b64", "b64", NULL, or_, 0},
		{"xor.b16 %d, %a, %b;", "b16", "b16", "b16", NULL, xor_, 0},
		{"xor.pred %d, %a, %b;", "pred", "pred", "pred", NULL, xor_, 0},
		{"not.b32 %d, %a;", "b32", "b32", NULL, NULL, not_, 0},
		{"not.pred %d, %a;", "pred", "pred", NULL, NULL, not_, 0},
		{"cnot.b64 %d, %a;", "b64", "b64", NULL, NULL, cnot_, 0},
		{"lop3.b32 %d, %a, %b, %c, 0x96;", "b32", "b32", "b32", "b32", lop3_96, 0},
		{"lop3.b32 %d, %a, %b, %c, 0xe8;", "b32", "b32", "b32", "b32", lop3_e8, 0},
		{"lop3.b32 %d, %a, %b, %c, 0x1d;", "b32", "b32", "b32", "b32", lop3_1d, 0},
		{"shl.b32 %d, %a, %b;", "b32", "b32", "b32", NULL, shl32, 0},
		{"shr.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, shr_u32, 0},
		{"shr.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, shr_s32, 0},
		{"shl.b64 %d, %a, %b;", "b64", "b64", "b32", NULL, shl64, 0},
		{"shr.s64 %d, %a, %b;", "b64", "b64", "b32", NULL, shr_s64, 0},
		{"shr.u16 %d, %a, %b;", "b16", "b16", "b32", NULL, shr_u16, 0},
		{"shr.s16 %d, %a, %b;", "b16", "b16", "b32", NULL, shr_s16, 0},
		{"shf.l.wrap.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", shf_l_wrap, 0},
		{"shf.r.wrap.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", shf_r_wrap, 0},
		{"shf.l.clamp.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", shf_l_clamp, 0},
		{"shf.r.clamp.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", shf_r_clamp, 0},
		{"popc.b32 %d, %a;", "b32", "b32", NULL, NULL, popc32, 0},
		{"popc.b64 %d, %a;", "b32", "b64", NULL, NULL, popc64, 0},
		{"clz.b32 %d, %a;", "b32", "b32", NULL, NULL, clz32, 0},
		{"clz.b64 %d, %a;", "b32", "b64", NULL, NULL, clz64, 0},
		{"brev.b32 %d, %a;", "b32", "b32", NULL, NULL, brev32, 0},
		{"bfind.u32 %d, %a;", "b32", "b32", NULL, NULL, bfind_u32, 0},
		{"bfind.s32 %d, %a;", "b32", "b32", NULL, NULL, bfind_s32, 0},
		{"bfind.shiftamt.s64 %d, %a;", "b32", "b64", NULL, NULL, bfind_s64_amt, 0},
	};

	(void)state;
	CHECK_OPS(tests);
}

static void test_fields(void **state)
{
	static const struct op_test tests[] = {
		{"bfe.u32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", bfe_u32, 0},
		{"bfe.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", bfe_s32, 0},
		{"bfe.u64 %d, %a, %b, %c;", "b64", "b64", "b32", "b32", bfe_u64, 0},
		{"bfe.s64 %d, %a, %b, %c;", "b64", "b64", "b32", "b32", bfe_s64, 0},
		{"shr.u32 %x2, %c, 8; bfi.b32 %d, %a, %b, %c, %x2;", "b32", "b32", "b32", "b32",
		 bfi32, 0},
		{"shr.u32 %x2, %c, 8; bfi.b64 %d, %a, %b, %c, %x2;", "b64", "b64", "b64", "b32",
		 bfi64, 0},
		{"prmt.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", prmt_, 0},
		{"prmt.b32 %d, %a, %b, 0x5140;", "b32", "b32", "b32", NULL, prmt_5140, 0},
		{"prmt.b32.f4e %d, %a, %b, %c;", "b32", "b32", "b32", "b32", prmt_f4e, 0},
		{"prmt.b32.rc16 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", prmt_rc16, 0},
		{"bmsk.clamp.b32 %d, %a, %b;", "b32", "b32", "b32", NULL, bmsk_clamp, 0},
		{"szext.wrap.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, szext_s, 0},
		{"dp4a.s32.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", dp4a_ss, 0},
		{"dp4a.u32.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", dp4a_us, 0},
		{"dp2a.hi.s32.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", dp2a_hi, 0},
		{"and.b32 %x2, %b, 31; fns.b32 %d, %a, %x2, 3;", "b32", "b32", "b32", NULL, fns_,
		 0},
	};

	(void)state;
	CHECK_OPS(tests);
}

/* clang-format off */
REF(lt_s32) { UNUSED; return (int32_t)a < (int32_t)b; }
REF(lo_u32) { UNUSED; return (uint32_t)a < (uint32_t)b; }
REF(ge_s64) { UNUSED; return (int64_t)a >= (int64_t)b; }
REF(hi_u16) { UNUSED; return (uint16_t)a > (uint16_t)b; }
REF(ne_and) { UNUSED; return a != b && c; }
REF(le_xor_q) { return !((int32_t)a <= (int32_t)b) ^ (c & 1); }
REF(set_mask) { UNUSED; return a == b ? UINT32_MAX : 0; }
REF(selp_) { return c ? a : b; }
REF(slct_) { return (int32_t)c >= 0 ? a : b; }
REF(slct_f) { return f32(c) >= 0 ? a : b; }

/* clang-format on */
static void test_compare(void **state)
{
	static const struct op_test tests[] = {
		{"setp.lt.s32 %d, %a, %b;", "pred", "b32", "b32", NULL, lt_s32, 0},
		{"setp.lo.u32 %d, %a, %b;", "pred", "b32", "b32", NULL, lo_u32, 0},
		{"setp.ge.s64 %d, %a, %b;", "pred", "b64", "b64", NULL, ge_s64, 0},
		{"setp.hi.u16 %d, %a, %b;", "pred", "b16", "b16", NULL, hi_u16, 0},
		{"setp.ne.and.b32 %d, %a, %b, %c;", "pred", "b32", "b32", "pred", ne_and, 0},
		{"setp.le.xor.s32 _|%d, %a, %b, %c;", "pred", "b32", "b32", "pred", le_xor_q, 0},
		{"set.eq.u32.u64 %d, %a, %b;", "b32", "b64", "b64", NULL, set_mask, 0},
		{"selp.b64 %d, %a, %b, %c;", "b64", "b64", "b64", "pred", selp_, 0},
		{"slct.b32.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", slct_, 0},
		{"slct.u64.f32 %d, %a, %b, %c;", "b64", "b64", "b64", "f32", slct_f, 0},
	};

	(void)state;
	CHECK_OPS(tests);
}

REF(swap_halves)
{
	UNUSED;
	return a << 32 | a >> 32;
}
REF(pack16)
{
	UNUSED;
	return (uint64_t)(uint16_t)b << 16 | (uint16_t)a;
}
REF(high16)
{
	UNUSED;
	return a >> 16;
}

static void test_pack(void **state)
{
	static const struct op_test tests[] = {
		{"mov.b64 {%x2, %x3}, %a; mov.b64 %d, {%x3, %x2};", "b64", "b64", NULL, NULL,
		 swap_halves, 0},
		{"mov.b32 %d, {%a, %b};", "b32", "b16", "b16", NULL, pack16, 0},
		{"mov.b32 {_, %d}, %a;", "b16", "b32", NULL, NULL, high16, 0},
	};

	(void)state;
	CHECK_OPS(tests);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_division),
		cmocka_unit_test(test_carry),      cmocka_unit_test(test_bits),
		cmocka_unit_test(test_fields),     cmocka_unit_test(test_compare),
		cmocka_unit_test(test_pack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
