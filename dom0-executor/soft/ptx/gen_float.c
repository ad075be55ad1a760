/* SPDX-License-Identifier: MIT */
/*
 * Code generation: f32 and f64. Round-to-nearest is LLVM's arithmetic; other modes call helpers that switch
 * the CPU's mode. The .approx functions are computed better than PTX asks, by libm.
 */
#include "gen.h"

#include <errno.h>
#include <float.h>
#include <math.h>

static bool is_f32(LLVMValueRef value)
{
	return LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMFloatTypeKind;
}

static LLVMValueRef fabs_of(struct ptx_gen *g, LLVMValueRef value)
{
	return gen_intrinsic(g, "llvm.fabs", LLVMTypeOf(value), 1, value, NULL, NULL);
}

/* Subnormals become zeros of their sign. Only .f32 has .ftz. */
LLVMValueRef gen_ftz(struct ptx_gen *g, LLVMValueRef value)
{
	LLVMValueRef zero = gen_intrinsic(g, "llvm.copysign", g->f32, 2, LLVMConstReal(g->f32, 0.0),
					  value, NULL);
	LLVMValueRef tiny = LLVMBuildFCmp(g->b, LLVMRealOLT, fabs_of(g, value),
					  LLVMConstReal(g->f32, (double)FLT_MIN), "");

	return gen_select(g, tiny, zero, value);
}

/* [0, 1]; NaN is 0. */
LLVMValueRef gen_sat(struct ptx_gen *g, LLVMValueRef value)
{
	LLVMTypeRef type = LLVMTypeOf(value);
	LLVMValueRef zero = LLVMConstReal(type, 0.0), one = LLVMConstReal(type, 1.0);

	value = gen_select(g, LLVMBuildFCmp(g->b, LLVMRealOGT, value, zero, ""), value, zero);
	return gen_select(g, LLVMBuildFCmp(g->b, LLVMRealOLT, value, one, ""), value, one);
}

struct float_mods {
	bool ftz, sat;
	uint32_t rounding;
};

static struct float_mods take_mods(struct ptx_gen *g, unsigned int type)
{
	struct float_mods m = {.ftz = gen_take(g, MOD_FTZ), .sat = gen_take(g, MOD_SAT)};

	m.rounding = gen_rounding(g, NULL);
	if (type == PTX_F64 && (m.ftz || m.sat))
		gen_fail(g, -EINVAL, ".ftz or .sat of .f64");
	return m;
}

static LLVMValueRef source(struct ptx_gen *g, unsigned int i, unsigned int type,
			   struct float_mods m)
{
	LLVMValueRef value = gen_src(g, i, type);

	return m.ftz ? gen_ftz(g, value) : value;
}

static void result(struct ptx_gen *g, unsigned int type, LLVMValueRef value, struct float_mods m)
{
	if (m.ftz)
		value = gen_ftz(g, value);
	gen_dst(g, type, m.sat ? gen_sat(g, value) : value);
}

static LLVMValueRef rounded(struct ptx_gen *g, enum ptx_fop op, uint32_t mode, LLVMValueRef a,
			    LLVMValueRef b, LLVMValueRef c)
{
	b = b ? b : LLVMConstNull(LLVMTypeOf(a));
	c = c ? c : LLVMConstNull(LLVMTypeOf(a));
	if (is_f32(a))
		return GEN_PURE(g, ptx_rt_round_f32, g->f32, gen_i32(g, op), gen_i32(g, mode), a, b,
				c);
	return GEN_PURE(g, ptx_rt_round_f64, g->f64, gen_i32(g, op), gen_i32(g, mode), a, b, c);
}

void gen_float_add(struct ptx_gen *g, unsigned int type)
{
	struct float_mods m = take_mods(g, type);
	bool minus = g->insn->op == OP_SUB;
	LLVMValueRef a = source(g, 1, type, m), b = source(g, 2, type, m);

	if (m.rounding)
		a = rounded(g, minus ? PTX_FOP_SUB : PTX_FOP_ADD, m.rounding, a, b, NULL);
	else
		a = minus ? LLVMBuildFSub(g->b, a, b, "") : LLVMBuildFAdd(g->b, a, b, "");
	result(g, type, a, m);
}

void gen_float_mul(struct ptx_gen *g, unsigned int type)
{
	struct float_mods m = take_mods(g, type);
	LLVMValueRef a = source(g, 1, type, m), b = source(g, 2, type, m);

	a = m.rounding ? rounded(g, PTX_FOP_MUL, m.rounding, a, b, NULL)
		       : LLVMBuildFMul(g->b, a, b, "");
	result(g, type, a, m);
}

void gen_float_fma(struct ptx_gen *g, unsigned int type)
{
	struct float_mods m = take_mods(g, type);
	LLVMValueRef a = source(g, 1, type, m), b = source(g, 2, type, m),
		     c = source(g, 3, type, m);

	a = m.rounding ? rounded(g, PTX_FOP_FMA, m.rounding, a, b, c)
		       : gen_intrinsic(g, "llvm.fma", LLVMTypeOf(a), 3, a, b, c);
	result(g, type, a, m);
}

void gen_op_fma(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);

	if (!gen_operands(g, 4, 4))
		return;
	if (gen_is_half(type))
		gen_half_arith(g, type);
	else if (type == PTX_F32 || type == PTX_F64)
		gen_float_fma(g, type);
	else
		gen_unsupported_type(g, type);
}

/* div.approx, div.full: exact division is within their error. */
void gen_float_div(struct ptx_gen *g, unsigned int type)
{
	bool loose = gen_take(g, MOD_APPROX) || gen_take(g, MOD_FULL);
	struct float_mods m = take_mods(g, type);
	LLVMValueRef a = source(g, 1, type, m), b = source(g, 2, type, m);

	if (g->insn->op == OP_REM || (loose && (type == PTX_F64 || m.rounding)))
		gen_unsupported_type(g, type);
	a = m.rounding ? rounded(g, PTX_FOP_DIV, m.rounding, a, b, NULL)
		       : LLVMBuildFDiv(g->b, a, b, "");
	result(g, type, a, m);
}

void gen_float_neg(struct ptx_gen *g, unsigned int type)
{
	struct float_mods m = {.ftz = gen_take(g, MOD_FTZ)};
	LLVMValueRef a = source(g, 1, type, m);

	if (m.ftz && type == PTX_F64)
		gen_fail(g, -EINVAL, ".ftz of .f64");
	gen_dst(g, type, g->insn->op == OP_NEG ? LLVMBuildFNeg(g->b, a, "") : fabs_of(g, a));
}

/* Of two equal numbers min takes -0, max +0: the signs' or and and. */
static LLVMValueRef equal_zeros(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b, bool max)
{
	LLVMTypeRef bits = is_f32(a) ? g->i32 : g->i64;
	LLVMValueRef x = gen_cast(g, a, bits), y = gen_cast(g, b, bits);

	x = max ? LLVMBuildAnd(g->b, x, y, "") : LLVMBuildOr(g->b, x, y, "");
	return gen_cast(g, x, LLVMTypeOf(a));
}

static LLVMValueRef canonical_nan(struct ptx_gen *g, bool narrow)
{
	return narrow ? LLVMConstBitCast(gen_i32(g, 0x7fffffff), g->f32)
		      : LLVMConstBitCast(gen_i64(g, 0x7fffffffffffffff), g->f64);
}

LLVMValueRef gen_minmax_value(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b, bool max, bool nan)
{
	LLVMValueRef less = LLVMBuildFCmp(g->b, max ? LLVMRealOGT : LLVMRealOLT, a, b, "");
	LLVMValueRef equal = LLVMBuildFCmp(g->b, LLVMRealOEQ, a, b, "");
	LLVMValueRef a_nan = LLVMBuildFCmp(g->b, LLVMRealUNO, a, a, "");
	LLVMValueRef b_nan = LLVMBuildFCmp(g->b, LLVMRealUNO, b, b, "");
	LLVMValueRef value, bad;

	value = gen_select(g, less, a, gen_select(g, equal, equal_zeros(g, a, b, max), b));
	value = gen_select(g, b_nan, a, value);
	bad = nan ? LLVMBuildOr(g->b, a_nan, b_nan, "") : LLVMBuildAnd(g->b, a_nan, b_nan, "");
	return gen_select(g, bad, canonical_nan(g, is_f32(a)), value);
}

void gen_float_minmax(struct ptx_gen *g, unsigned int type)
{
	struct float_mods m = {.ftz = gen_take(g, MOD_FTZ)};
	bool nan = gen_take(g, MOD_NAN_RESULT), xorsign = gen_take(g, MOD_XORSIGN),
	     abs = gen_take(g, MOD_ABS);
	LLVMValueRef a = source(g, 1, type, m), b = source(g, 2, type, m), sign, value;

	if (type == PTX_F64 && (m.ftz || nan || xorsign || abs))
		gen_fail(g, -EINVAL, "modifier of .f64");
	if (xorsign != abs)
		gen_fail(g, -EINVAL, ".xorsign.abs");
	if (g->rc)
		return;
	if (!abs) {
		gen_dst(g, type, gen_minmax_value(g, a, b, g->insn->op == OP_MAX, nan));
		return;
	}
	sign = LLVMBuildXor(g->b, gen_cast(g, a, g->i32), gen_cast(g, b, g->i32), "");
	value = gen_minmax_value(g, fabs_of(g, a), fabs_of(g, b), g->insn->op == OP_MAX, nan);
	gen_dst(g, type,
		gen_intrinsic(g, "llvm.copysign", g->f32, 2, value, gen_cast(g, sign, g->f32),
			      NULL));
}

static LLVMValueRef libm_call(struct ptx_gen *g, unsigned int op, LLVMValueRef a)
{
	switch (op) {
	case OP_SIN: return GEN_PURE(g, sinf, g->f32, a);
	case OP_COS: return GEN_PURE(g, cosf, g->f32, a);
	case OP_EX2: return GEN_PURE(g, exp2f, g->f32, a);
	case OP_LG2: return GEN_PURE(g, log2f, g->f32, a);
	default: return GEN_PURE(g, tanhf, g->f32, a);
	}
}

static LLVMValueRef reciprocal(struct ptx_gen *g, LLVMValueRef a, uint32_t rounding)
{
	LLVMValueRef one = LLVMConstReal(LLVMTypeOf(a), 1.0);

	return rounding ? rounded(g, PTX_FOP_DIV, rounding, one, a, NULL)
			: LLVMBuildFDiv(g->b, one, a, "");
}

static LLVMValueRef square_root(struct ptx_gen *g, LLVMValueRef a, uint32_t rounding)
{
	return rounding ? rounded(g, PTX_FOP_SQRT, rounding, a, NULL, NULL)
			: gen_intrinsic(g, "llvm.sqrt", LLVMTypeOf(a), 1, a, NULL, NULL);
}

/* rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64: subnormals flushed, the low half of the result zero. */
static void unary_f64_approx(struct ptx_gen *g)
{
	LLVMValueRef a = gen_src(g, 1, PTX_F64), bits, tiny, zero;

	zero = gen_intrinsic(g, "llvm.copysign", g->f64, 2, LLVMConstReal(g->f64, 0.0), a, NULL);
	tiny = LLVMBuildFCmp(g->b, LLVMRealOLT, fabs_of(g, a), LLVMConstReal(g->f64, DBL_MIN), "");
	a = gen_select(g, tiny, zero, a);
	a = reciprocal(g, g->insn->op == OP_RSQRT ? square_root(g, a, 0) : a, 0);
	bits = LLVMBuildAnd(g->b, gen_cast(g, a, g->i64), gen_i64(g, 0xffffffff00000000ull), "");
	/* A NaN must not lose its last bit and become infinity. */
	bits = gen_select(g, LLVMBuildFCmp(g->b, LLVMRealUNO, a, a, ""),
			  gen_i64(g, 0x7ff8000000000000ull), bits);
	a = gen_cast(g, bits, g->f64);
	tiny = LLVMBuildFCmp(g->b, LLVMRealOLT, fabs_of(g, a), LLVMConstReal(g->f64, DBL_MIN), "");
	zero = gen_intrinsic(g, "llvm.copysign", g->f64, 2, LLVMConstReal(g->f64, 0.0), a, NULL);
	gen_dst(g, PTX_F64, gen_select(g, tiny, zero, a));
}

static void unary_f64(struct ptx_gen *g, bool approx, bool ftz, bool given, uint32_t rounding)
{
	unsigned int op = g->insn->op;
	LLVMValueRef a;

	if (approx && op == OP_RSQRT && !ftz) {
		a = gen_src(g, 1, PTX_F64);
		gen_dst(g, PTX_F64, reciprocal(g, square_root(g, a, 0), 0));
	} else if (approx && ftz && (op == OP_RCP || op == OP_RSQRT)) {
		unary_f64_approx(g);
	} else if (!approx && given && !ftz && (op == OP_RCP || op == OP_SQRT)) {
		a = gen_src(g, 1, PTX_F64);
		gen_dst(g, PTX_F64,
			op == OP_RCP ? reciprocal(g, a, rounding) : square_root(g, a, rounding));
	} else {
		gen_unsupported_type(g, PTX_F64);
	}
}

/* rcp sqrt rsqrt sin cos ex2 lg2 tanh */
void gen_op_unary(struct ptx_gen *g)
{
	bool approx = gen_take(g, MOD_APPROX), given;
	unsigned int type = gen_type(g), op = g->insn->op;
	struct float_mods m = {0};
	LLVMValueRef a;

	if (!gen_operands(g, 2, 2))
		return;
	if (gen_is_half(type) && approx) {
		gen_half_unary(g, type);
		return;
	}
	m.ftz = gen_take(g, MOD_FTZ);
	m.rounding = gen_rounding(g, &given);
	if (type == PTX_F64) {
		unary_f64(g, approx, m.ftz, given, m.rounding);
		return;
	}
	if (type != PTX_F32 || approx == given || (given && op != OP_RCP && op != OP_SQRT)) {
		gen_unsupported_type(g, type);
		return;
	}
	a = source(g, 1, type, m);
	if (op == OP_RCP)
		a = reciprocal(g, a, m.rounding);
	else if (op == OP_SQRT)
		a = square_root(g, a, m.rounding);
	else if (op == OP_RSQRT)
		a = reciprocal(g, square_root(g, a, 0), 0);
	else
		a = libm_call(g, op, a);
	result(g, type, a, m);
}

/* copysign d, a, b: the sign of a on b */
void gen_op_copysign(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);

	if (!gen_operands(g, 3, 3) || (type != PTX_F32 && type != PTX_F64)) {
		gen_unsupported_type(g, type);
		return;
	}
	gen_dst(g, type,
		gen_intrinsic(g, "llvm.copysign", gen_llvm_type(g, type), 2, gen_src(g, 2, type),
			      gen_src(g, 1, type), NULL));
}

void gen_op_testp(struct ptx_gen *g)
{
	static const uint16_t tests[] = {MOD_FINITE, MOD_INFINITE,  MOD_NUMBER, MOD_NOTANUMBER,
					 MOD_NORMAL, MOD_SUBNORMAL, 0};
	unsigned int test = gen_take_any(g, tests), type = gen_type(g);
	LLVMValueRef a, size, inf, least, value;

	if (!gen_operands(g, 2, 2) || (type != PTX_F32 && type != PTX_F64)) {
		gen_unsupported_type(g, type);
		return;
	}
	a = gen_src(g, 1, type);
	size = fabs_of(g, a);
	inf = gen_float_const(g, type, HUGE_VAL);
	least = gen_float_const(g, type, type == PTX_F32 ? (double)FLT_MIN : DBL_MIN);
	switch (test) {
	case MOD_FINITE: value = LLVMBuildFCmp(g->b, LLVMRealOLT, size, inf, ""); break;
	case MOD_INFINITE: value = LLVMBuildFCmp(g->b, LLVMRealOEQ, size, inf, ""); break;
	case MOD_NUMBER: value = LLVMBuildFCmp(g->b, LLVMRealORD, a, a, ""); break;
	case MOD_NOTANUMBER: value = LLVMBuildFCmp(g->b, LLVMRealUNO, a, a, ""); break;
	case MOD_NORMAL:
		value = LLVMBuildAnd(g->b, LLVMBuildFCmp(g->b, LLVMRealOLT, size, inf, ""),
				     LLVMBuildFCmp(g->b, LLVMRealOGE, size, least, ""), "");
		break;
	case MOD_SUBNORMAL:
		value = LLVMBuildAnd(g->b, LLVMBuildFCmp(g->b, LLVMRealOLT, size, least, ""),
				     LLVMBuildFCmp(g->b, LLVMRealOGT, size,
						   LLVMConstNull(LLVMTypeOf(a)), ""),
				     "");
		break;
	default: gen_fail(g, -EINVAL, "test is missing"); return;
	}
	gen_dst(g, PTX_PRED, value);
}
