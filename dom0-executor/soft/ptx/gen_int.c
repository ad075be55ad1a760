/* SPDX-License-Identifier: MIT */
/* Code generation: integer arithmetic and logic. */
#include "gen.h"

#include <errno.h>

/* An operation that floating types have too; false: the type is another one. */
static bool floating(struct ptx_gen *g, unsigned int type,
		     void (*half)(struct ptx_gen *g, unsigned int type),
		     void (*full)(struct ptx_gen *g, unsigned int type))
{
	if (gen_is_half(type))
		half(g, type);
	else if (type == PTX_F32 || type == PTX_F64)
		full(g, type);
	else
		return false;
	return true;
}

static LLVMValueRef carry_slot(struct ptx_gen *g)
{
	if (!g->carry) {
		g->carry = LLVMBuildAlloca(g->entry, g->i1, "cc");
		LLVMBuildStore(g->entry, LLVMConstNull(g->i1), g->carry);
	}
	return g->carry;
}

/* a + b (+ carry), or a - b (- borrow); the carry is stored where .cc asks for it. */
static LLVMValueRef add_carry(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b, bool minus,
			      bool use, bool set)
{
	LLVMValueRef sum = minus ? LLVMBuildSub(g->b, a, b, "") : LLVMBuildAdd(g->b, a, b, "");
	LLVMValueRef out = gen_icmp(g, LLVMIntULT, minus ? a : sum, minus ? b : a);

	if (use) {
		LLVMValueRef in = LLVMBuildLoad2(g->b, g->i1, carry_slot(g), "");
		LLVMValueRef before = sum;

		in = LLVMBuildZExt(g->b, in, LLVMTypeOf(a), "");
		sum = minus ? LLVMBuildSub(g->b, sum, in, "") : LLVMBuildAdd(g->b, sum, in, "");
		out = LLVMBuildOr(
			g->b, out,
			gen_icmp(g, LLVMIntULT, minus ? before : sum, minus ? in : before), "");
	}
	if (set)
		LLVMBuildStore(g->b, out, carry_slot(g));
	return sum;
}

static LLVMValueRef add_saturated(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b, bool minus)
{
	return gen_intrinsic(g, minus ? "llvm.ssub.sat" : "llvm.sadd.sat", LLVMTypeOf(a), 2, a, b,
			     NULL);
}

static void add_pairs(struct ptx_gen *g, unsigned int type, bool minus)
{
	LLVMValueRef a = gen_src(g, 1, type), b = gen_src(g, 2, type), part[2];

	for (unsigned int i = 0; i < 2; i++) {
		LLVMValueRef x = gen_pair_get(g, a, i), y = gen_pair_get(g, b, i);

		part[i] = minus ? LLVMBuildSub(g->b, x, y, "") : LLVMBuildAdd(g->b, x, y, "");
	}
	gen_dst(g, type, gen_pair_make(g, part[0], part[1]));
}

void gen_op_add(struct ptx_gen *g)
{
	bool minus = g->insn->op == OP_SUB, sat, cc;
	unsigned int type = gen_type(g);
	LLVMValueRef a, b;

	if (!gen_operands(g, 3, 3))
		return;
	if (floating(g, type, gen_half_arith, gen_float_add))
		return;
	if (type == PTX_U16X2 || type == PTX_S16X2) {
		add_pairs(g, type, minus);
		return;
	}
	if (!ptx_type_is_int(type) && type != PTX_B32 && type != PTX_B64) {
		gen_unsupported_type(g, type);
		return;
	}
	sat = gen_take(g, MOD_SAT);
	cc = gen_take(g, MOD_CC);
	if (sat && type != PTX_S32)
		gen_unsupported_type(g, type);
	a = gen_src(g, 1, type);
	b = gen_src(g, 2, type);
	gen_dst(g, type,
		sat ? add_saturated(g, a, b, minus) : add_carry(g, a, b, minus, false, cc));
}

void gen_op_addc(struct ptx_gen *g)
{
	bool cc = gen_take(g, MOD_CC);
	unsigned int type = gen_type(g);

	if (!gen_operands(g, 3, 3))
		return;
	if (ptx_type_bytes(type) < 4 || ptx_type_is_float(type) || type > PTX_S64) {
		gen_unsupported_type(g, type);
		return;
	}
	gen_dst(g, type,
		add_carry(g, gen_src(g, 1, type), gen_src(g, 2, type), g->insn->op == OP_SUBC, true,
			  cc));
}

static unsigned int type_wider(unsigned int type)
{
	switch (type) {
	case PTX_U16: return PTX_U32;
	case PTX_S16: return PTX_S32;
	case PTX_U32: return PTX_U64;
	case PTX_S32: return PTX_S64;
	default: return 0;
	}
}

static LLVMValueRef multiply_wide(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b,
				  unsigned int type)
{
	unsigned int bits = ptx_type_bits(type) * 2;
	bool sign = ptx_type_is_signed(type);

	return LLVMBuildMul(g->b, gen_resize(g, a, bits, sign), gen_resize(g, b, bits, sign), "");
}

static LLVMValueRef multiply_high(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b,
				  unsigned int type)
{
	LLVMValueRef wide = multiply_wide(g, a, b, type);
	unsigned int bits = ptx_type_bits(type);

	wide = LLVMBuildLShr(g->b, wide, LLVMConstInt(LLVMTypeOf(wide), bits, 0), "");
	return gen_resize(g, wide, bits, false);
}

static bool is_multiplicable(struct ptx_gen *g, unsigned int type)
{
	if (ptx_type_is_int(type) && ptx_type_bytes(type) >= 2)
		return true;
	gen_unsupported_type(g, type);
	return false;
}

/* Which part of a product an instruction wants; false: it does not say, or has no such part. */
static bool part_fits(struct ptx_gen *g, unsigned int part, unsigned int type)
{
	if (part && (part != MOD_WIDE || type_wider(type)))
		return true;
	gen_fail(g, -EINVAL, ".lo, .hi or .wide is missing or does not fit");
	return false;
}

void gen_op_mul(struct ptx_gen *g)
{
	static const uint16_t parts[] = {MOD_LO, MOD_HI, MOD_WIDE, 0};
	unsigned int part = gen_take_any(g, parts), type = gen_type(g);
	LLVMValueRef a, b;

	if (!gen_operands(g, 3, 3))
		return;
	if (floating(g, type, gen_half_arith, gen_float_mul))
		return;
	if (!is_multiplicable(g, type) || !part_fits(g, part, type))
		return;
	a = gen_src(g, 1, type);
	b = gen_src(g, 2, type);
	if (part == MOD_WIDE)
		gen_dst(g, type_wider(type), multiply_wide(g, a, b, type));
	else
		gen_dst(g, type,
			part == MOD_LO ? LLVMBuildMul(g->b, a, b, "")
				       : multiply_high(g, a, b, type));
}

/* mad.hi.sat.s32: the sum of the high half and c, saturated. */
static void mad_int(struct ptx_gen *g, unsigned int part, unsigned int type)
{
	bool sat = gen_take(g, MOD_SAT), cc = gen_take(g, MOD_CC), use = g->insn->op == OP_MADC;
	LLVMValueRef a = gen_src(g, 1, type), b = gen_src(g, 2, type), c;
	unsigned int result = part == MOD_WIDE ? type_wider(type) : type;

	if (sat && (type != PTX_S32 || part != MOD_HI || cc || use))
		gen_fail(g, -ENOTSUP, ".sat here");
	c = gen_src(g, 3, result);
	a = part == MOD_WIDE ? multiply_wide(g, a, b, type)
	    : part == MOD_HI ? multiply_high(g, a, b, type)
			     : LLVMBuildMul(g->b, a, b, "");
	gen_dst(g, result,
		sat ? add_saturated(g, a, c, false) : add_carry(g, a, c, false, use, cc));
}

void gen_op_mad(struct ptx_gen *g)
{
	static const uint16_t parts[] = {MOD_LO, MOD_HI, MOD_WIDE, 0};
	unsigned int part = gen_take_any(g, parts), type = gen_type(g);

	if (!gen_operands(g, 4, 4))
		return;
	if (type == PTX_F32 || type == PTX_F64) {
		gen_float_fma(g, type); /* mad is fma since sm_20 */
		return;
	}
	if (!is_multiplicable(g, type) || !part_fits(g, part, type))
		return;
	mad_int(g, part, type);
}

/* mul24.lo is the low 32 bits of the 48-bit product of 24-bit numbers, .hi its bits 47..16. */
void gen_op_mul24(struct ptx_gen *g)
{
	static const uint16_t parts[] = {MOD_LO, MOD_HI, 0};
	unsigned int part = gen_take_any(g, parts), type = gen_type(g);
	bool sign = type == PTX_S32, sat = gen_take(g, MOD_SAT);
	LLVMValueRef a, b, product;

	if ((type != PTX_S32 && type != PTX_U32) || !part || (sat && (part != MOD_HI || !sign))) {
		gen_unsupported_type(g, type);
		return;
	}
	a = LLVMBuildShl(g->b, gen_src(g, 1, type), gen_i32(g, 8), "");
	b = LLVMBuildShl(g->b, gen_src(g, 2, type), gen_i32(g, 8), "");
	a = sign ? LLVMBuildAShr(g->b, a, gen_i32(g, 8), "")
		 : LLVMBuildLShr(g->b, a, gen_i32(g, 8), "");
	b = sign ? LLVMBuildAShr(g->b, b, gen_i32(g, 8), "")
		 : LLVMBuildLShr(g->b, b, gen_i32(g, 8), "");
	product = multiply_wide(g, a, b, type);
	if (part == MOD_HI)
		product = LLVMBuildLShr(g->b, product, gen_i64(g, 16), "");
	product = gen_resize(g, product, 32, false);
	if (g->insn->op == OP_MAD24)
		product = sat ? add_saturated(g, product, gen_src(g, 3, type), false)
			      : LLVMBuildAdd(g->b, product, gen_src(g, 3, type), "");
	gen_dst(g, type, product);
}

static LLVMValueRef int_min_max(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b, bool sign,
				bool max)
{
	const char *name = max ? (sign ? "llvm.smax" : "llvm.umax")
			       : (sign ? "llvm.smin" : "llvm.umin");

	return gen_intrinsic(g, name, LLVMTypeOf(a), 2, a, b, NULL);
}

void gen_op_sad(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);
	bool sign = ptx_type_is_signed(type);
	LLVMValueRef a, b, d;

	if (!is_multiplicable(g, type))
		return;
	a = gen_src(g, 1, type);
	b = gen_src(g, 2, type);
	d = LLVMBuildSub(g->b, int_min_max(g, a, b, sign, true), int_min_max(g, a, b, sign, false),
			 "");
	gen_dst(g, type, LLVMBuildAdd(g->b, d, gen_src(g, 3, type), ""));
}

/* x / 0 is all ones and x % 0 is x, as GPUs give; INT_MIN / -1 wraps. The CPU must see neither. */
static LLVMValueRef divide(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b, bool sign, bool rest)
{
	LLVMTypeRef type = LLVMTypeOf(a);
	LLVMValueRef zero = gen_icmp(g, LLVMIntEQ, b, LLVMConstNull(type)), special = zero;
	LLVMValueRef minus_one = LLVMConstAllOnes(type), one = LLVMConstInt(type, 1, 0), value;

	if (sign) {
		LLVMValueRef negative = gen_icmp(g, LLVMIntEQ, b, minus_one);

		special = LLVMBuildOr(g->b, zero, negative, "");
		value = gen_select(g, special, one, b);
		value = rest ? LLVMBuildSRem(g->b, a, value, "")
			     : LLVMBuildSDiv(g->b, a, value, "");
		value = gen_select(g, negative,
				   rest ? LLVMConstNull(type) : LLVMBuildNeg(g->b, a, ""), value);
	} else {
		value = gen_select(g, special, one, b);
		value = rest ? LLVMBuildURem(g->b, a, value, "")
			     : LLVMBuildUDiv(g->b, a, value, "");
	}
	return gen_select(g, zero, rest ? a : minus_one, value);
}

void gen_op_div(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);

	if (!gen_operands(g, 3, 3))
		return;
	if (type == PTX_F32 || type == PTX_F64) {
		gen_float_div(g, type);
		return;
	}
	if (!is_multiplicable(g, type))
		return;
	gen_dst(g, type,
		divide(g, gen_src(g, 1, type), gen_src(g, 2, type), ptx_type_is_signed(type),
		       g->insn->op == OP_REM));
}

void gen_op_neg(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);
	LLVMValueRef a, minus;

	if (!gen_operands(g, 2, 2))
		return;
	if (floating(g, type, gen_half_unary, gen_float_neg))
		return;
	if (!is_multiplicable(g, type))
		return;
	a = gen_src(g, 1, type);
	minus = LLVMBuildNeg(g->b, a, "");
	if (g->insn->op == OP_ABS)
		minus = gen_select(g, gen_icmp(g, LLVMIntSLT, a, LLVMConstNull(LLVMTypeOf(a))),
				   minus, a);
	gen_dst(g, type, minus);
}

void gen_op_minmax(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);
	bool max = g->insn->op == OP_MAX, sign = ptx_type_is_signed(type);
	LLVMValueRef a, b, part[2];

	if (!gen_operands(g, 3, 3))
		return;
	if (floating(g, type, gen_half_minmax, gen_float_minmax))
		return;
	a = gen_src(g, 1, type);
	b = gen_src(g, 2, type);
	if (type == PTX_U16X2 || type == PTX_S16X2) {
		for (unsigned int i = 0; i < 2; i++)
			part[i] = int_min_max(g, gen_pair_get(g, a, i), gen_pair_get(g, b, i), sign,
					      max);
		gen_dst(g, type, gen_pair_make(g, part[0], part[1]));
		return;
	}
	if (!is_multiplicable(g, type))
		return;
	a = int_min_max(g, a, b, sign, max);
	if (gen_take(g, MOD_RELU))
		a = type == PTX_S32 ? int_min_max(g, a, gen_i32(g, 0), true, true)
				    : (gen_unsupported_type(g, type), a);
	gen_dst(g, type, a);
}
