/* SPDX-License-Identifier: MIT */
/* Code generation: cvt, between all of integers, f16, bf16, f32, f64, and packed pairs. */
#include "gen.h"

#include <errno.h>

struct cvt {
	unsigned int to, from;
	bool ftz, sat, relu, satfinite, given;
	uint32_t rounding;    /* to fewer bits */
	unsigned int integer; /* MOD_RNI...: to an integral value, 0: none */
};

static bool is_float(unsigned int type)
{
	return type == PTX_F16 || type == PTX_BF16 || type == PTX_F32 || type == PTX_F64;
}

static bool is_narrow(unsigned int type)
{
	return type == PTX_F16 || type == PTX_BF16;
}

/* cvt.sat between integers clamps to the destination's range. */
static LLVMValueRef int_saturate(struct ptx_gen *g, const struct cvt *c, LLVMValueRef value)
{
	unsigned int to = ptx_type_bits(c->to), from = ptx_type_bits(c->from);
	bool from_signed = ptx_type_is_signed(c->from), to_signed = ptx_type_is_signed(c->to);
	LLVMTypeRef type = LLVMTypeOf(value);
	uint64_t top = to_signed ? (1ull << (to - 1)) - 1 : UINT64_MAX >> (64 - to);
	unsigned int top_bits = to_signed ? to - 1 : to;

	if (from_signed && !to_signed)
		value = gen_intrinsic(g, "llvm.smax", type, 2, value, LLVMConstNull(type), NULL);
	if (from_signed && to_signed && to < from)
		value = gen_intrinsic(g, "llvm.smax", type, 2, value,
				      LLVMConstInt(type, 0 - (1ull << (to - 1)), 1), NULL);
	if (top_bits < from - (from_signed ? 1 : 0))
		value = gen_intrinsic(g, from_signed ? "llvm.smin" : "llvm.umin", type, 2, value,
				      LLVMConstInt(type, top, 0), NULL);
	return value;
}

static LLVMValueRef int_to_int(struct ptx_gen *g, const struct cvt *c, LLVMValueRef value)
{
	if (c->given || c->integer || c->ftz)
		gen_fail(g, -EINVAL, "rounding between integers");
	if (c->sat)
		value = int_saturate(g, c, value);
	return gen_resize(g, value, ptx_type_bits(c->to), ptx_type_is_signed(c->from));
}

static LLVMValueRef to_half(struct ptx_gen *g, unsigned int type, LLVMValueRef value,
			    uint32_t rounding)
{
	if (LLVMTypeOf(value) == g->f64)
		return gen_resize(g,
				  GEN_PURE(g, ptx_rt_d2h, g->i32, value,
					   gen_i32(g, type == PTX_BF16), gen_i32(g, rounding)),
				  16, false);
	return gen_f2h(g, value, type, rounding);
}

static LLVMValueRef int_to_float(struct ptx_gen *g, const struct cvt *c, LLVMValueRef value)
{
	bool sign = ptx_type_is_signed(c->from);
	LLVMTypeRef type = c->to == PTX_F32 ? g->f32 : g->f64;
	LLVMValueRef wide = gen_resize(g, value, 64, sign), out;

	if (!c->given || c->integer)
		gen_fail(g, -EINVAL, "a rounding is missing");
	if (is_narrow(
		    c->to)) /* by way of f64, rounded to odd so that the second rounding is right */
		out = to_half(g, c->to,
			      GEN_PURE(g, ptx_rt_i64_to_f64, g->f64, wide, gen_i32(g, sign),
				       gen_i32(g, 4)),
			      c->rounding);
	else if (!c->rounding)
		out = sign ? LLVMBuildSIToFP(g->b, value, type, "")
			   : LLVMBuildUIToFP(g->b, value, type, "");
	else if (c->to == PTX_F32)
		out = GEN_PURE(g, ptx_rt_i64_to_f32, g->f32, wide, gen_i32(g, sign),
			       gen_i32(g, c->rounding));
	else
		out = GEN_PURE(g, ptx_rt_i64_to_f64, g->f64, wide, gen_i32(g, sign),
			       gen_i32(g, c->rounding));
	if (c->sat && !is_narrow(c->to))
		out = gen_sat(g, out);
	else if (c->sat)
		gen_fail(g, -ENOTSUP, ".sat here");
	return out;
}

static LLVMValueRef integral(struct ptx_gen *g, unsigned int mode, LLVMValueRef value)
{
	const char *name = mode == MOD_RZI   ? "llvm.trunc"
			   : mode == MOD_RMI ? "llvm.floor"
			   : mode == MOD_RPI ? "llvm.ceil"
					     : "llvm.rint";

	return gen_intrinsic(g, name, LLVMTypeOf(value), 1, value, NULL, NULL);
}

/* llvm.fpto*i.sat has two types, which gen_intrinsic has not. */
static LLVMValueRef float_to_int_sat(struct ptx_gen *g, LLVMValueRef value, unsigned int bits,
				     bool sign)
{
	const char *name = sign ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
	unsigned int id = LLVMLookupIntrinsicID(name, 15);
	LLVMTypeRef types[] = {gen_llvm_int(g, bits), LLVMTypeOf(value)};
	LLVMValueRef fn = LLVMGetIntrinsicDeclaration(g->mod, id, types, 2);

	return LLVMBuildCall2(g->b, LLVMIntrinsicGetType(g->ctx, id, types, 2), fn, &value, 1, "");
}

/* Out of range saturates. NaN is 0, but the top bit where either side has 64 bits (the ISA says so). */
static LLVMValueRef float_to_int(struct ptx_gen *g, const struct cvt *c, LLVMValueRef value)
{
	unsigned int bits = ptx_type_bits(c->to);
	LLVMValueRef out, nan;

	if (!c->integer)
		gen_fail(g, -EINVAL, "an integer rounding is missing");
	value = integral(g, c->integer, value);
	out = float_to_int_sat(g, value, bits, ptx_type_is_signed(c->to));
	if (bits < 64 && c->from != PTX_F64)
		return out;
	nan = LLVMBuildFCmp(g->b, LLVMRealUNO, value, value, "");
	return gen_select(g, nan, gen_int(g, bits, 1ull << (bits - 1)), out);
}

static LLVMValueRef relu(struct ptx_gen *g, LLVMValueRef value)
{
	LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(value));
	LLVMValueRef keep = LLVMBuildFCmp(g->b, LLVMRealUGT, value, zero, "");

	return gen_select(g, keep, value, zero);
}

/* value is f32 or f64 */
static LLVMValueRef float_narrow(struct ptx_gen *g, const struct cvt *c, LLVMValueRef value)
{
	if (c->relu)
		value = relu(g, value);
	if (c->sat)
		value = gen_sat(g, value);
	if (is_narrow(c->to))
		return to_half(g, c->to, value, c->rounding);
	if (c->to == PTX_F64)
		return LLVMTypeOf(value) == g->f64 ? value
						   : LLVMBuildFPExt(g->b, value, g->f64, "");
	if (LLVMTypeOf(value) == g->f64) {
		value = c->rounding ? GEN_PURE(g, ptx_rt_f64_to_f32, g->f32, value,
					       gen_i32(g, c->rounding))
				    : LLVMBuildFPTrunc(g->b, value, g->f32, "");
		/* rounding up may have left [0, 1]? no: 0 and 1 are f32 numbers */
	}
	return c->ftz ? gen_ftz(g, value) : value;
}

static LLVMValueRef float_to_float(struct ptx_gen *g, const struct cvt *c, LLVMValueRef value)
{
	bool narrows = ptx_type_bytes(c->to) < ptx_type_bytes(c->from) ||
		       (is_narrow(c->to) && is_narrow(c->from) && c->to != c->from);

	if (narrows && !c->given)
		gen_fail(g, -EINVAL, "a rounding is missing");
	if (c->satfinite)
		gen_fail(g, -ENOTSUP, ".satfinite here");
	if (c->integer)
		value = integral(g, c->integer, value);
	return float_narrow(g, c, value);
}

static LLVMValueRef scalar_source(struct ptx_gen *g, const struct cvt *c, unsigned int i)
{
	LLVMValueRef value = gen_src(g, i, c->from);

	if (is_narrow(c->from))
		return gen_h2f(g, value, c->from);
	return c->from == PTX_F32 && c->ftz ? gen_ftz(g, value) : value;
}

static void cvt_scalar(struct ptx_gen *g, const struct cvt *c)
{
	LLVMValueRef value = scalar_source(g, c, 1);

	if (!gen_operands(g, 2, 2))
		return;
	if (!is_float(c->from))
		value = is_float(c->to) ? int_to_float(g, c, value) : int_to_int(g, c, value);
	else
		value = is_float(c->to) ? float_to_float(g, c, value) : float_to_int(g, c, value);
	gen_dst(g, c->to, value);
}

/* cvt.rn.f16x2.f32 d, a, b: a is the upper half */
static void cvt_pair(struct ptx_gen *g, struct cvt *c)
{
	LLVMValueRef high, low;

	if (!gen_operands(g, 3, 3) || c->from != PTX_F32 || !c->given || c->satfinite || c->sat) {
		gen_unsupported_type(g, c->from);
		return;
	}
	c->to = gen_pair_element(c->to);
	high = float_narrow(g, c, scalar_source(g, c, 1));
	low = float_narrow(g, c, scalar_source(g, c, 2));
	gen_dst(g, PTX_B32, gen_pair_make(g, low, high));
}

static LLVMValueRef fp8_make(struct ptx_gen *g, unsigned int type, LLVMValueRef high,
			     LLVMValueRef low)
{
	LLVMValueRef format = gen_i32(g, type == PTX_E5M2X2);

	high = GEN_PURE(g, ptx_rt_f2e, g->i32, high, format);
	low = GEN_PURE(g, ptx_rt_f2e, g->i32, low, format);
	return gen_resize(g,
			  LLVMBuildOr(g->b, LLVMBuildShl(g->b, high, gen_i32(g, 8), ""), low, ""),
			  16, false);
}

/* cvt.rn.satfinite.e4m3x2.f32 d, a, b; .e4m3x2.f16x2 d, a; .f16x2.e4m3x2 d, a */
static void cvt_fp8(struct ptx_gen *g, const struct cvt *c)
{
	bool from8 = c->from == PTX_E4M3X2 || c->from == PTX_E5M2X2;
	LLVMValueRef a, high, low, format;

	if (!c->given || c->rounding || c->sat || c->ftz || (!from8 && !c->satfinite)) {
		gen_fail(g, -ENOTSUP, "modifiers");
		return;
	}
	if (from8 && c->to == PTX_F16X2) {
		format = gen_i32(g, c->from == PTX_E5M2X2);
		a = gen_resize(g, gen_src(g, 1, PTX_B16), 32, false);
		low = GEN_PURE(g, ptx_rt_e2h, g->i32, LLVMBuildAnd(g->b, a, gen_i32(g, 255), ""),
			       format);
		high = GEN_PURE(g, ptx_rt_e2h, g->i32, LLVMBuildLShr(g->b, a, gen_i32(g, 8), ""),
				format);
		low = gen_h2f(g, gen_resize(g, low, 16, false), PTX_F16);
		high = gen_h2f(g, gen_resize(g, high, 16, false), PTX_F16);
		low = gen_f2h(g, c->relu ? relu(g, low) : low, PTX_F16, 0);
		high = gen_f2h(g, c->relu ? relu(g, high) : high, PTX_F16, 0);
		gen_dst(g, PTX_B32, gen_pair_make(g, low, high));
		return;
	}
	if (c->from == PTX_F32 && gen_operands(g, 3, 3)) {
		high = gen_src(g, 1, PTX_F32);
		low = gen_src(g, 2, PTX_F32);
	} else if (c->from == PTX_F16X2 && gen_operands(g, 2, 2)) {
		a = gen_src(g, 1, PTX_B32);
		low = gen_h2f(g, gen_pair_get(g, a, 0), PTX_F16);
		high = gen_h2f(g, gen_pair_get(g, a, 1), PTX_F16);
	} else {
		gen_unsupported_type(g, c->from);
		return;
	}
	if (c->relu) {
		high = relu(g, high);
		low = relu(g, low);
	}
	gen_dst(g, PTX_B16, fp8_make(g, c->to, high, low));
}

static void cvt_tf32(struct ptx_gen *g, const struct cvt *c, bool away)
{
	LLVMValueRef value = gen_src(g, 1, PTX_F32);

	if (c->from != PTX_F32 || c->sat || c->ftz || c->satfinite ||
	    (!away && (!c->given || c->rounding)))
		gen_fail(g, -ENOTSUP, "modifiers");
	if (c->relu)
		value = relu(g, value);
	value = GEN_PURE(g, ptx_rt_tf32, g->f32, value, gen_i32(g, away));
	gen_dst(g, PTX_B32, gen_cast(g, value, g->i32));
}

void gen_op_cvt(struct ptx_gen *g)
{
	static const uint16_t integers[] = {MOD_RNI, MOD_RZI, MOD_RMI, MOD_RPI, 0};
	struct cvt c = {.to = gen_type(g), .from = gen_type(g)};
	bool away = gen_take(g, MOD_RNA);

	c.ftz = gen_take(g, MOD_FTZ);
	c.sat = gen_take(g, MOD_SAT);
	c.relu = gen_take(g, MOD_RELU);
	c.satfinite = gen_take(g, MOD_SATFINITE);
	c.rounding = gen_rounding(g, &c.given);
	c.integer = gen_take_any(g, integers);
	if (g->rc)
		return;
	if (c.to == PTX_TF32)
		cvt_tf32(g, &c, away);
	else if (away)
		gen_fail(g, -ENOTSUP, ".rna here");
	else if (c.to == PTX_E4M3X2 || c.to == PTX_E5M2X2 || c.from == PTX_E4M3X2 ||
		 c.from == PTX_E5M2X2)
		cvt_fp8(g, &c);
	else if (gen_is_pair(c.to))
		cvt_pair(g, &c);
	else if ((is_float(c.to) || ptx_type_is_int(c.to)) &&
		 (is_float(c.from) || ptx_type_is_int(c.from)))
		cvt_scalar(g, &c);
	else
		gen_unsupported_type(g, c.from);
}
