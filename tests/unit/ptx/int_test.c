/* SPDX-License-Identifier: MIT */
/* Integer arithmetic, carries, shifts, bit fields, permutations against C. */
#include "harness.h"

typedef __int128 i128;
typedef unsigned __int128 u128;

/* clang-format off */
REF(add_) { return a + b; }
REF(sub_) { return a - b; }
REF(mul_) { return a * b; }
REF(add_sat) { int64_t s = (int64_t)(int32_t)a + (int32_t)b; return (uint64_t)(s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s); }
REF(sub_sat) { int64_t s = (int64_t)(int32_t)a - (int32_t)b; return (uint64_t)(s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s); }
REF(hi_s32) { return (uint64_t)((int64_t)(int32_t)a * (int32_t)b >> 32); }
REF(hi_u32) { return (uint64_t)(uint32_t)a * (uint32_t)b >> 32; }
REF(hi_s64) { return (uint64_t)((i128)(int64_t)a * (int64_t)b >> 64); }
REF(hi_u64) { return (uint64_t)((u128)a * b >> 64); }
REF(hi_s16) { return (uint64_t)((int32_t)(int16_t)a * (int16_t)b >> 16); }
REF(wide_s16) { return (uint64_t)(int64_t)((int32_t)(int16_t)a * (int16_t)b); }
REF(wide_s32) { return (uint64_t)((int64_t)(int32_t)a * (int32_t)b); }
REF(wide_u32) { return (uint64_t)(uint32_t)a * (uint32_t)b; }
REF(mad_lo) { return a * b + c; }
REF(mad_hi_sat) { int64_t s = ((int64_t)(int32_t)a * (int32_t)b >> 32) + (int32_t)c; return (uint64_t)(s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s); }
REF(mad_wide_u32) { return (uint64_t)(uint32_t)a * (uint32_t)b + c; }
REF(mul24_lo_s) { int64_t x = (int32_t)(a << 8) >> 8, y = (int32_t)(b << 8) >> 8; return (uint64_t)(x * y); }
REF(mul24_hi_u) { return ((a & 0xffffff) * (b & 0xffffff)) >> 16; }
REF(mad24_lo_u) { return (a & 0xffffff) * (b & 0xffffff) + c; }
REF(sad_s32) { int64_t x = (int32_t)a, y = (int32_t)b; return (uint64_t)(x > y ? x - y : y - x) + c; }
REF(sad_u64) { return (a > b ? a - b : b - a) + c; }
REF(div_s32) { int32_t x = (int32_t)a, y = (int32_t)b; return y == 0 ? UINT64_MAX : y == -1 ? 0 - a : (uint64_t)(x / y); }
REF(rem_s32) { int32_t x = (int32_t)a, y = (int32_t)b; return y == 0 ? a : y == -1 ? 0 : (uint64_t)(x % y); }
REF(div_u32) { return (uint32_t)b ? (uint32_t)a / (uint32_t)b : UINT64_MAX; }
REF(div_s64) { int64_t x = (int64_t)a, y = (int64_t)b; return y == 0 ? UINT64_MAX : y == -1 ? 0 - a : (uint64_t)(x / y); }
REF(rem_s64) { int64_t x = (int64_t)a, y = (int64_t)b; return y == 0 ? a : y == -1 ? 0 : (uint64_t)(x % y); }
REF(rem_u64) { return b ? a % b : a; }
REF(div_s16) { int16_t x = (int16_t)a, y = (int16_t)b; return y ? (uint64_t)(int64_t)(x / y) : UINT64_MAX; }
REF(abs_s32) { return (int32_t)a < 0 ? 0 - a : a; }
REF(neg_) { return 0 - a; }
REF(min_s32) { return (int32_t)a < (int32_t)b ? a : b; }
REF(max_u64) { return a > b ? a : b; }
REF(min_s16) { return (int16_t)a < (int16_t)b ? a : b; }
REF(max_s64) { return (int64_t)a > (int64_t)b ? a : b; }
REF(add64_by_carry) { return a + b; }
REF(sub64_by_borrow) { return a - b; }
REF(mul128_hi) { return (uint64_t)((u128)a * b >> 64); }

/* clang-format on */
static const struct op_test arithmetic[] = {
	{"add.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, add_},
	{"add.u64 %d, %a, %b;", "b64", "b64", "b64", NULL, add_},
	{"add.s16 %d, %a, %b;", "b16", "b16", "b16", NULL, add_},
	{"sub.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, sub_},
	{"add.sat.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, add_sat},
	{"sub.sat.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, sub_sat},
	{"mul.lo.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, mul_},
	{"mul.lo.u16 %d, %a, %b;", "b16", "b16", "b16", NULL, mul_},
	{"mul.lo.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, mul_},
	{"mul.hi.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, hi_s32},
	{"mul.hi.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, hi_u32},
	{"mul.hi.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, hi_s64},
	{"mul.hi.u64 %d, %a, %b;", "b64", "b64", "b64", NULL, hi_u64},
	{"mul.hi.s16 %d, %a, %b;", "b16", "b16", "b16", NULL, hi_s16},
	{"mul.wide.s16 %d, %a, %b;", "b32", "b16", "b16", NULL, wide_s16},
	{"mul.wide.s32 %d, %a, %b;", "b64", "b32", "b32", NULL, wide_s32},
	{"mul.wide.u32 %d, %a, %b;", "b64", "b32", "b32", NULL, wide_u32},
	{"mad.lo.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", mad_lo},
	{"mad.lo.u64 %d, %a, %b, %c;", "b64", "b64", "b64", "b64", mad_lo},
	{"mad.hi.sat.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", mad_hi_sat},
	{"mad.wide.u32 %d, %a, %b, %c;", "b64", "b32", "b32", "b64", mad_wide_u32},
	{"mul24.lo.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, mul24_lo_s},
	{"mul24.hi.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, mul24_hi_u},
	{"mad24.lo.u32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", mad24_lo_u},
	{"sad.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", sad_s32},
	{"sad.u64 %d, %a, %b, %c;", "b64", "b64", "b64", "b64", sad_u64},
	{"abs.s32 %d, %a;", "b32", "b32", NULL, NULL, abs_s32},
	{"neg.s64 %d, %a;", "b64", "b64", NULL, NULL, neg_},
	{"min.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, min_s32},
	{"max.u64 %d, %a, %b;", "b64", "b64", "b64", NULL, max_u64},
	{"min.s16 %d, %a, %b;", "b16", "b16", "b16", NULL, min_s16},
	{"max.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, max_s64},
};

/* Division by zero is not defined by PTX; GPUs give all ones and the dividend, and nothing may fault. */
static const struct op_test division[] = {
	{"div.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, div_s32},
	{"rem.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, rem_s32},
	{"div.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, div_u32},
	{"div.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, div_s64},
	{"rem.s64 %d, %a, %b;", "b64", "b64", "b64", NULL, rem_s64},
	{"rem.u64 %d, %a, %b;", "b64", "b64", "b64", NULL, rem_u64},
	{"div.s16 %d, %a, %b;", "b16", "b16", "b16", NULL, div_s16},
};

static const struct op_test carry[] = {
	{"mov.b64 {%x2, %x3}, %a; mov.b64 {%x4, %x5}, %b; add.cc.u32 %x2, %x2, %x4; addc.u32 %x3, %x3, %x5;"
	 "mov.b64 %d, {%x2, %x3};",
	 "b64", "b64", "b64", NULL, add64_by_carry},
	{"mov.b64 {%x2, %x3}, %a; mov.b64 {%x4, %x5}, %b; sub.cc.u32 %x2, %x2, %x4; subc.cc.u32 %x3, %x3, %x5;"
	 "mov.b64 %d, {%x2, %x3};",
	 "b64", "b64", "b64", NULL, sub64_by_borrow},
	/* the high half of a 64x64 product from 32-bit pieces, as compilers write it */
	{"mov.b64 {%x2, %x3}, %a; mov.b64 {%x4, %x5}, %b;"
	 "mul.lo.u32 %x6, %x2, %x4; mul.hi.u32 %x7, %x2, %x4;"
	 "mad.lo.cc.u32 %x7, %x2, %x5, %x7; madc.hi.u32 %x8, %x2, %x5, 0;"
	 "mad.lo.cc.u32 %x7, %x3, %x4, %x7; madc.hi.cc.u32 %x8, %x3, %x4, %x8; addc.u32 %x9, 0, 0;"
	 "mad.lo.cc.u32 %x8, %x3, %x5, %x8; madc.hi.u32 %x9, %x3, %x5, %x9; mov.b64 %d, {%x8, %x9};",
	 "b64", "b64", "b64", NULL, mul128_hi},
};

/* clang-format off */
REF(and_) { return a & b; }
REF(or_) { return a | b; }
REF(xor_) { return a ^ b; }
REF(not_) { return ~a; }
REF(cnot_) { return !a; }
REF(lop3_96) { return a ^ b ^ c; }
REF(lop3_e8) { return (a & b) | (a & c) | (b & c); }
REF(lop3_1d) { uint64_t r = 0; for (int i = 0; i < 32; i++) { int k = (int)((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)); r |= (uint64_t)(0x1d >> k & 1) << i; } return r; }
REF(shl32) { return (uint32_t)b > 31 ? 0 : a << (uint32_t)b; }
REF(shr_u32) { return (uint32_t)b > 31 ? 0 : (uint32_t)a >> (uint32_t)b; }
REF(shr_s32) { return (uint64_t)((int32_t)a >> ((uint32_t)b > 31 ? 31 : (uint32_t)b)); }
REF(shl64) { return (uint32_t)b > 63 ? 0 : a << (uint32_t)b; }
REF(shr_s64) { return (uint64_t)((int64_t)a >> ((uint32_t)b > 63 ? 63 : (uint32_t)b)); }
REF(shr_u16) { return (uint32_t)b > 15 ? 0 : (uint16_t)a >> (uint32_t)b; }
REF(shr_s16) { return (uint64_t)((int16_t)a >> ((uint32_t)b > 15 ? 15 : (uint32_t)b)); }
REF(shf_l_wrap) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a; return v << (c & 31) >> 32; }
REF(shf_r_wrap) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a; return v >> (c & 31); }
REF(shf_l_clamp) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a, n = (uint32_t)c > 32 ? 32 : (uint32_t)c; return v << n >> 32; }
REF(shf_r_clamp) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a, n = (uint32_t)c > 32 ? 32 : (uint32_t)c; return v >> n; }
REF(popc32) { return (uint64_t)__builtin_popcount((uint32_t)a); }
REF(popc64) { return (uint64_t)__builtin_popcountll(a); }
REF(clz32) { return (uint32_t)a ? (uint64_t)__builtin_clz((uint32_t)a) : 32; }
REF(clz64) { return a ? (uint64_t)__builtin_clzll(a) : 64; }
REF(brev32) { uint64_t r = 0; for (int i = 0; i < 32; i++) r |= (a >> i & 1) << (31 - i); return r; }
REF(bfind_u32) { for (int i = 31; i >= 0; i--) if (a >> i & 1) return (uint64_t)i; return UINT32_MAX; }
REF(bfind_s32) { uint32_t x = (int32_t)a < 0 ? ~(uint32_t)a : (uint32_t)a; return bfind_u32(x, 0, 0); }
REF(bfind_s64_amt) { uint64_t x = (int64_t)a < 0 ? ~a : a; for (int i = 63; i >= 0; i--) if (x >> i & 1) return (uint64_t)(63 - i); return UINT32_MAX; }

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
REF(prmt_5140) { return prmt_(a, b, 0x5140); }
REF(prmt_f4e) { uint64_t v = (uint64_t)(uint32_t)b << 32 | (uint32_t)a; return v >> (c & 3) * 8; }
REF(prmt_rc16) { uint64_t h = c & 1 ? (uint32_t)a >> 16 : a & 0xffff; return h << 16 | h; }
REF(bmsk_clamp) { uint64_t s = (uint32_t)a > 32 ? 32 : (uint32_t)a, n = (uint32_t)b > 32 ? 32 : (uint32_t)b; return ((1ull << n) - 1) << s; }
REF(szext_s) { uint64_t n = b & 31; return n ? (uint64_t)((int64_t)(a << (64 - n)) >> (64 - n)) : 0; }
REF(dp4a_ss) { int64_t s = (int32_t)c; for (int i = 0; i < 4; i++) s += (int8_t)(a >> 8 * i) * (int8_t)(b >> 8 * i); return (uint64_t)s; }
REF(dp4a_us) { int64_t s = (int32_t)c; for (int i = 0; i < 4; i++) s += (uint8_t)(a >> 8 * i) * (int8_t)(b >> 8 * i); return (uint64_t)s; }
REF(dp2a_hi) { int64_t s = (int32_t)c; for (int i = 0; i < 2; i++) s += (int16_t)(a >> 16 * i) * (int8_t)(b >> (16 + 8 * i)); return (uint64_t)s; }
REF(fns_) { uint32_t base = b & 31; int n = 3; for (uint32_t i = base; i < 32; i++) if (a >> i & 1 && !--n) return i; return UINT32_MAX; }

/* clang-format on */
static const struct op_test bits[] = {
	{"and.b32 %d, %a, %b;", "b32", "b32", "b32", NULL, and_},
	{"or.b64 %d, %a, %b;", "b64", "b64", "b64", NULL, or_},
	{"xor.b16 %d, %a, %b;", "b16", "b16", "b16", NULL, xor_},
	{"xor.pred %d, %a, %b;", "pred", "pred", "pred", NULL, xor_},
	{"not.b32 %d, %a;", "b32", "b32", NULL, NULL, not_},
	{"not.pred %d, %a;", "pred", "pred", NULL, NULL, not_},
	{"cnot.b64 %d, %a;", "b64", "b64", NULL, NULL, cnot_},
	{"lop3.b32 %d, %a, %b, %c, 0x96;", "b32", "b32", "b32", "b32", lop3_96},
	{"lop3.b32 %d, %a, %b, %c, 0xe8;", "b32", "b32", "b32", "b32", lop3_e8},
	{"lop3.b32 %d, %a, %b, %c, 0x1d;", "b32", "b32", "b32", "b32", lop3_1d},
	{"shl.b32 %d, %a, %b;", "b32", "b32", "b32", NULL, shl32},
	{"shr.u32 %d, %a, %b;", "b32", "b32", "b32", NULL, shr_u32},
	{"shr.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, shr_s32},
	{"shl.b64 %d, %a, %b;", "b64", "b64", "b32", NULL, shl64},
	{"shr.s64 %d, %a, %b;", "b64", "b64", "b32", NULL, shr_s64},
	{"shr.u16 %d, %a, %b;", "b16", "b16", "b32", NULL, shr_u16},
	{"shr.s16 %d, %a, %b;", "b16", "b16", "b32", NULL, shr_s16},
	{"shf.l.wrap.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", shf_l_wrap},
	{"shf.r.wrap.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", shf_r_wrap},
	{"shf.l.clamp.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", shf_l_clamp},
	{"shf.r.clamp.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", shf_r_clamp},
	{"popc.b32 %d, %a;", "b32", "b32", NULL, NULL, popc32},
	{"popc.b64 %d, %a;", "b32", "b64", NULL, NULL, popc64},
	{"clz.b32 %d, %a;", "b32", "b32", NULL, NULL, clz32},
	{"clz.b64 %d, %a;", "b32", "b64", NULL, NULL, clz64},
	{"brev.b32 %d, %a;", "b32", "b32", NULL, NULL, brev32},
	{"bfind.u32 %d, %a;", "b32", "b32", NULL, NULL, bfind_u32},
	{"bfind.s32 %d, %a;", "b32", "b32", NULL, NULL, bfind_s32},
	{"bfind.shiftamt.s64 %d, %a;", "b32", "b64", NULL, NULL, bfind_s64_amt},
};

static const struct op_test fields[] = {
	{"bfe.u32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", bfe_u32},
	{"bfe.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", bfe_s32},
	{"bfe.u64 %d, %a, %b, %c;", "b64", "b64", "b32", "b32", bfe_u64},
	{"bfe.s64 %d, %a, %b, %c;", "b64", "b64", "b32", "b32", bfe_s64},
	{"shr.u32 %x2, %c, 8; bfi.b32 %d, %a, %b, %c, %x2;", "b32", "b32", "b32", "b32", bfi32},
	{"shr.u32 %x2, %c, 8; bfi.b64 %d, %a, %b, %c, %x2;", "b64", "b64", "b64", "b32", bfi64},
	{"prmt.b32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", prmt_},
	{"prmt.b32 %d, %a, %b, 0x5140;", "b32", "b32", "b32", NULL, prmt_5140},
	{"prmt.b32.f4e %d, %a, %b, %c;", "b32", "b32", "b32", "b32", prmt_f4e},
	{"prmt.b32.rc16 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", prmt_rc16},
	{"bmsk.clamp.b32 %d, %a, %b;", "b32", "b32", "b32", NULL, bmsk_clamp},
	{"szext.wrap.s32 %d, %a, %b;", "b32", "b32", "b32", NULL, szext_s},
	{"dp4a.s32.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", dp4a_ss},
	{"dp4a.u32.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", dp4a_us},
	{"dp2a.hi.s32.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", dp2a_hi},
	{"and.b32 %x2, %b, 31; fns.b32 %d, %a, %x2, 3;", "b32", "b32", "b32", NULL, fns_},
};

/* clang-format off */
REF(lt_s32) { return (int32_t)a < (int32_t)b; }
REF(lo_u32) { return (uint32_t)a < (uint32_t)b; }
REF(ge_s64) { return (int64_t)a >= (int64_t)b; }
REF(hi_u16) { return (uint16_t)a > (uint16_t)b; }
REF(ne_and) { return a != b && c; }
REF(le_xor_q) { return !((int32_t)a <= (int32_t)b) ^ (c & 1); }
REF(set_mask) { return a == b ? UINT32_MAX : 0; }
REF(selp_) { return c ? a : b; }
REF(slct_) { return (int32_t)c >= 0 ? a : b; }
REF(slct_f) { return f32(c) >= 0 ? a : b; }

/* clang-format on */
static const struct op_test compare[] = {
	{"setp.lt.s32 %d, %a, %b;", "pred", "b32", "b32", NULL, lt_s32},
	{"setp.lo.u32 %d, %a, %b;", "pred", "b32", "b32", NULL, lo_u32},
	{"setp.ge.s64 %d, %a, %b;", "pred", "b64", "b64", NULL, ge_s64},
	{"setp.hi.u16 %d, %a, %b;", "pred", "b16", "b16", NULL, hi_u16},
	{"setp.ne.and.b32 %d, %a, %b, %c;", "pred", "b32", "b32", "pred", ne_and},
	{"setp.le.xor.s32 _|%d, %a, %b, %c;", "pred", "b32", "b32", "pred", le_xor_q},
	{"set.eq.u32.u64 %d, %a, %b;", "b32", "b64", "b64", NULL, set_mask},
	{"selp.b64 %d, %a, %b, %c;", "b64", "b64", "b64", "pred", selp_},
	{"slct.b32.s32 %d, %a, %b, %c;", "b32", "b32", "b32", "b32", slct_},
	{"slct.u64.f32 %d, %a, %b, %c;", "b64", "b64", "b64", "f32", slct_f},
};

REF(swap_halves)
{
	return a << 32 | a >> 32;
}
REF(pack16)
{
	return (uint64_t)(uint16_t)b << 16 | (uint16_t)a;
}
REF(high16)
{
	return a >> 16;
}

static const struct op_test pack[] = {
	{"mov.b64 {%x2, %x3}, %a; mov.b64 %d, {%x3, %x2};", "b64", "b64", NULL, NULL, swap_halves},
	{"mov.b32 %d, {%a, %b};", "b32", "b16", "b16", NULL, pack16},
	{"mov.b32 {_, %d}, %a;", "b16", "b32", NULL, NULL, high16},
};

int main(void)
{
	const struct CMUnitTest tests[] = {
		OP_TESTS(arithmetic), OP_TESTS(division), OP_TESTS(carry), OP_TESTS(bits),
		OP_TESTS(fields),     OP_TESTS(compare),  OP_TESTS(pack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
