/* SPDX-License-Identifier: MIT */
/*
 * Code generation: f16 and bf16, alone and in pairs. They are carried as i16 and computed in f32, which is
 * exact enough that the one rounding to 11 or 8 bits is right (fma has a helper of its own). LLVM's half
 * type is not used: it would need F16C or libgcc.
 */
#include "gen.h"

#include <errno.h>
#include <math.h>

bool gen_is_pair(unsigned int type)
{
	return type == PTX_F16X2 || type == PTX_BF16X2;
}

bool gen_is_half(unsigned int type)
{
	return type == PTX_F16 || type == PTX_BF16 || gen_is_pair(type);
}

unsigned int gen_pair_element(unsigned int type)
{
	switch (type) {
	case PTX_F16X2: return PTX_F16;
	case PTX_BF16X2: return PTX_BF16;
	default: return type;
	}
}

LLVMValueRef gen_pair_get(struct ptx_gen *g, LLVMValueRef pair, unsigned int i)
{
	return gen_resize(g, i ? LLVMBuildLShr(g->b, pair, gen_i32(g, 16), "") : pair, 16, false);
}

LLVMValueRef gen_pair_make(struct ptx_gen *g, LLVMValueRef low, LLVMValueRef high)
{
	high = LLVMBuildShl(g->b, gen_resize(g, high, 32, false), gen_i32(g, 16), "");
	return LLVMBuildOr(g->b, gen_resize(g, low, 32, false), high, "");
}

/* f16: the exponent is moved by a multiplication, which does subnormals too. */
LLVMValueRef gen_h2f(struct ptx_gen *g, LLVMValueRef half, unsigned int type)
{
	LLVMValueRef wide = gen_resize(g, half, 32, false), size, sign, value, special;

	if (type == PTX_BF16)
		return gen_cast(g, LLVMBuildShl(g->b, wide, gen_i32(g, 16), ""), g->f32);
	sign = LLVMBuildShl(g->b, LLVMBuildAnd(g->b, wide, gen_i32(g, 0x8000), ""), gen_i32(g, 16),
			    "");
	size = LLVMBuildShl(g->b, LLVMBuildAnd(g->b, wide, gen_i32(g, 0x7fff), ""), gen_i32(g, 13),
			    "");
	value = LLVMBuildFMul(g->b, gen_cast(g, size, g->f32), LLVMConstReal(g->f32, 0x1p112), "");
	special = gen_icmp(g, LLVMIntUGE, size, gen_i32(g, 0x7c00 << 13));
	value = gen_select(g, special, LLVMBuildOr(g->b, size, gen_i32(g, 0x7f800000), ""),
			   gen_cast(g, value, g->i32));
	return gen_cast(g, LLVMBuildOr(g->b, value, sign, ""), g->f32);
}

LLVMValueRef gen_f2h(struct ptx_gen *g, LLVMValueRef value, unsigned int type, uint32_t rounding)
{
	LLVMValueRef half = GEN_PURE(g, ptx_rt_f2h, g->i32, value, gen_i32(g, type == PTX_BF16),
				     gen_i32(g, rounding));

	return gen_resize(g, half, 16, false);
}

struct half_mods {
	bool ftz, sat, relu, nan, xorsign;
};

typedef LLVMValueRef half_fn(struct ptx_gen *g, unsigned int type, struct half_mods m,
			     const LLVMValueRef *src);

/* Calls fn for each element of 1, 2 or 3 sources. */
static void each_half(struct ptx_gen *g, unsigned int type, unsigned int count, struct half_mods m,
		      half_fn *fn)
{
	unsigned int element = gen_pair_element(type);
	LLVMValueRef src[3], one[3], part[2];

	for (unsigned int i = 0; i < count; i++)
		src[i] = gen_src(g, i + 1, type);
	if (!gen_is_pair(type)) {
		gen_dst(g, type, fn(g, element, m, src));
		return;
	}
	for (unsigned int half = 0; half < 2; half++) {
		for (unsigned int i = 0; i < count; i++)
			one[i] = gen_pair_get(g, src[i], half);
		part[half] = fn(g, element, m, one);
	}
	gen_dst(g, type, gen_pair_make(g, part[0], part[1]));
}

static LLVMValueRef flush(struct ptx_gen *g, LLVMValueRef half)
{
	LLVMValueRef size = LLVMBuildAnd(g->b, half, gen_int(g, 16, 0x7fff), "");
	LLVMValueRef zero = LLVMBuildAnd(g->b, half, gen_int(g, 16, 0x8000), "");

	return gen_select(g, gen_icmp(g, LLVMIntULT, size, gen_int(g, 16, 0x0400)), zero, half);
}

static LLVMValueRef load(struct ptx_gen *g, unsigned int type, struct half_mods m,
			 LLVMValueRef half)
{
	return gen_h2f(g, m.ftz ? flush(g, half) : half, type);
}

static LLVMValueRef store(struct ptx_gen *g, unsigned int type, struct half_mods m,
			  LLVMValueRef value)
{
	LLVMValueRef half, zero = LLVMConstReal(g->f32, 0.0);

	if (m.sat)
		value = gen_sat(g, value);
	if (m.relu)
		value = gen_select(g, LLVMBuildFCmp(g->b, LLVMRealULE, value, zero, ""),
				   gen_select(g, LLVMBuildFCmp(g->b, LLVMRealUNO, value, value, ""),
					      value, zero),
				   value);
	half = gen_f2h(g, value, type, 0);
	return m.ftz ? flush(g, half) : half;
}

static LLVMValueRef half_add(struct ptx_gen *g, unsigned int type, struct half_mods m,
			     const LLVMValueRef *src)
{
	LLVMValueRef a = load(g, type, m, src[0]), b = load(g, type, m, src[1]);

	switch (g->insn->op) {
	case OP_ADD: a = LLVMBuildFAdd(g->b, a, b, ""); break;
	case OP_SUB: a = LLVMBuildFSub(g->b, a, b, ""); break;
	default: a = LLVMBuildFMul(g->b, a, b, ""); break;
	}
	return store(g, type, m, a);
}

static LLVMValueRef half_fma(struct ptx_gen *g, unsigned int type, struct half_mods m,
			     const LLVMValueRef *src)
{
	LLVMValueRef in[3], value;

	for (unsigned int i = 0; i < 3; i++)
		in[i] = gen_resize(g, m.ftz ? flush(g, src[i]) : src[i], 32, false);
	value = GEN_PURE(g, ptx_rt_fma_h, g->i32, in[0], in[1], in[2],
			 gen_i32(g, type == PTX_BF16));
	value = gen_resize(g, value, 16, false);
	/* What is rounded already passes the second conversion unchanged. */
	return m.sat || m.relu || m.ftz ? store(g, type, m, gen_h2f(g, value, type)) : value;
}

/* add sub mul fma */
void gen_half_arith(struct ptx_gen *g, unsigned int type)
{
	struct half_mods m = {.ftz = gen_take(g, MOD_FTZ),
			      .sat = gen_take(g, MOD_SAT),
			      .relu = gen_take(g, MOD_RELU)};
	bool fma = g->insn->op == OP_FMA;

	if (gen_rounding(g, NULL) || (m.relu && !fma) ||
	    (gen_pair_element(type) == PTX_BF16 && (m.ftz || m.sat)))
		gen_fail(g, -EINVAL, "modifiers");
	each_half(g, type, fma ? 3 : 2, m, fma ? half_fma : half_add);
}

static LLVMValueRef half_sign(struct ptx_gen *g, unsigned int type, struct half_mods m,
			      const LLVMValueRef *src)
{
	LLVMValueRef a = m.ftz ? flush(g, src[0]) : src[0];

	(void)type;
	return g->insn->op == OP_NEG ? LLVMBuildXor(g->b, a, gen_int(g, 16, 0x8000), "")
				     : LLVMBuildAnd(g->b, a, gen_int(g, 16, 0x7fff), "");
}

static LLVMValueRef half_function(struct ptx_gen *g, unsigned int type, struct half_mods m,
				  const LLVMValueRef *src)
{
	LLVMValueRef a = load(g, type, m, src[0]);

	return store(g, type, m,
		     g->insn->op == OP_EX2 ? GEN_PURE(g, exp2f, g->f32, a)
					   : GEN_PURE(g, tanhf, g->f32, a));
}

/* neg abs, ex2 tanh; their .ftz of bf16 changes nothing that bf16 could show but is flushed all the same */
void gen_half_unary(struct ptx_gen *g, unsigned int type)
{
	struct half_mods m = {.ftz = gen_take(g, MOD_FTZ)};
	unsigned int op = g->insn->op;

	if (op == OP_NEG || op == OP_ABS)
		each_half(g, type, 1, m, half_sign);
	else if (op == OP_EX2 || op == OP_TANH)
		each_half(g, type, 1, m, half_function);
	else
		gen_unsupported_type(g, type);
}

static LLVMValueRef half_minmax(struct ptx_gen *g, unsigned int type, struct half_mods m,
				const LLVMValueRef *src)
{
	LLVMValueRef a = load(g, type, m, src[0]), b = load(g, type, m, src[1]), value, sign;
	bool max = g->insn->op == OP_MAX;

	if (m.xorsign) {
		LLVMTypeRef f = g->f32;

		sign = LLVMBuildXor(g->b, gen_cast(g, a, g->i32), gen_cast(g, b, g->i32), "");
		a = gen_intrinsic(g, "llvm.fabs", f, 1, a, NULL, NULL);
		b = gen_intrinsic(g, "llvm.fabs", f, 1, b, NULL, NULL);
		value = gen_minmax_value(g, a, b, max, m.nan);
		value = gen_intrinsic(g, "llvm.copysign", f, 2, value, gen_cast(g, sign, f), NULL);
	} else {
		value = gen_minmax_value(g, a, b, max, m.nan);
	}
	return store(g, type, m, value);
}

void gen_half_minmax(struct ptx_gen *g, unsigned int type)
{
	struct half_mods m = {.ftz = gen_take(g, MOD_FTZ),
			      .nan = gen_take(g, MOD_NAN_RESULT),
			      .xorsign = gen_take(g, MOD_XORSIGN)};

	if (gen_take(g, MOD_ABS) != m.xorsign)
		gen_fail(g, -EINVAL, ".xorsign.abs");
	each_half(g, type, 2, m, half_minmax);
}
