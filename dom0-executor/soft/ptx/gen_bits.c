/* SPDX-License-Identifier: MIT */
/* Code generation: logic, shifts, bit fields, permutations, dot products of bytes. */
#include "gen.h"

#include <errno.h>

static bool is_bits(struct ptx_gen *g, unsigned int type, bool with_pred)
{
	if (type == PTX_B16 || type == PTX_B32 || type == PTX_B64 ||
	    (with_pred && type == PTX_PRED))
		return true;
	gen_unsupported_type(g, type);
	return false;
}

void gen_op_logic(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);
	LLVMValueRef a, b;

	if (!gen_operands(g, 3, 3) || !is_bits(g, type, true))
		return;
	a = gen_src(g, 1, type);
	b = gen_src(g, 2, type);
	switch (g->insn->op) {
	case OP_AND: a = LLVMBuildAnd(g->b, a, b, ""); break;
	case OP_OR: a = LLVMBuildOr(g->b, a, b, ""); break;
	default: a = LLVMBuildXor(g->b, a, b, ""); break;
	}
	gen_dst(g, type, a);
}

void gen_op_not(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);
	LLVMValueRef a;

	if (!gen_operands(g, 2, 2) || !is_bits(g, type, g->insn->op == OP_NOT))
		return;
	a = gen_src(g, 1, type);
	if (g->insn->op == OP_NOT)
		a = gen_not(g, a);
	else
		a = LLVMBuildZExt(g->b, gen_icmp(g, LLVMIntEQ, a, LLVMConstNull(LLVMTypeOf(a))),
				  LLVMTypeOf(a), "");
	gen_dst(g, type, a);
}

/* A function of b and c by its four-bit table: bit 2b+c. */
static LLVMValueRef table2(struct ptx_gen *g, unsigned int table, LLVMValueRef b, LLVMValueRef c)
{
	LLVMTypeRef type = LLVMTypeOf(b);

	switch (table & 15) {
	case 0x0: return LLVMConstNull(type);
	case 0x1: return gen_not(g, LLVMBuildOr(g->b, b, c, ""));
	case 0x2: return LLVMBuildAnd(g->b, gen_not(g, b), c, "");
	case 0x3: return gen_not(g, b);
	case 0x4: return LLVMBuildAnd(g->b, b, gen_not(g, c), "");
	case 0x5: return gen_not(g, c);
	case 0x6: return LLVMBuildXor(g->b, b, c, "");
	case 0x7: return gen_not(g, LLVMBuildAnd(g->b, b, c, ""));
	case 0x8: return LLVMBuildAnd(g->b, b, c, "");
	case 0x9: return gen_not(g, LLVMBuildXor(g->b, b, c, ""));
	case 0xa: return c;
	case 0xb: return LLVMBuildOr(g->b, gen_not(g, b), c, "");
	case 0xc: return b;
	case 0xd: return LLVMBuildOr(g->b, b, gen_not(g, c), "");
	case 0xe: return LLVMBuildOr(g->b, b, c, "");
	default: return LLVMConstAllOnes(type);
	}
}

void gen_op_lop3(struct ptx_gen *g)
{
	static const uint16_t combines[] = {MOD_BOOL_AND, MOD_BOOL_OR, MOD_AND, MOD_OR, 0};
	unsigned int combine = gen_take_any(g, combines), type = gen_type(g);
	const struct ptx_operand *d = gen_operand(g, 0), *lut = gen_operand(g, 4);
	LLVMValueRef a, b, c, value, p, q;

	if (!gen_operands(g, combine ? 6 : 5, combine ? 6 : 5) || type != PTX_B32 ||
	    lut->kind != OPND_INT) {
		gen_fail(g, -EINVAL, "operands");
		return;
	}
	a = gen_src(g, 1, type);
	b = gen_src(g, 2, type);
	c = gen_src(g, 3, type);
	value = LLVMBuildOr(
		g->b, LLVMBuildAnd(g->b, a, table2(g, (unsigned int)(lut->imm >> 4), b, c), ""),
		LLVMBuildAnd(g->b, gen_not(g, a), table2(g, (unsigned int)lut->imm, b, c), ""), "");
	if (!combine) {
		gen_dst(g, type, value);
		return;
	}
	if (d->kind != OPND_PAIR) {
		gen_fail(g, -EINVAL, "d|p expected");
		return;
	}
	q = gen_src(g, 5, PTX_PRED);
	p = gen_icmp(g, LLVMIntNE, value, gen_i32(g, 0));
	p = combine == MOD_BOOL_AND || combine == MOD_AND ? LLVMBuildAnd(g->b, p, q, "")
							  : LLVMBuildOr(g->b, p, q, "");
	gen_set(g, &d->sub[0], type, value);
	gen_set(g, &d->sub[1], PTX_PRED, p);
}

/* Amounts from the width on give 0, or the sign. */
void gen_op_shift(struct ptx_gen *g)
{
	unsigned int type = gen_type(g), bits = ptx_type_bits(type);
	bool left = g->insn->op == OP_SHL, sign = ptx_type_is_signed(type);
	LLVMValueRef a, n, over, value;

	if (bits < 16 || bits > 64 || ptx_type_is_float(type) || type > PTX_S64) {
		gen_unsupported_type(g, type);
		return;
	}
	a = gen_src(g, 1, type);
	n = gen_src(g, 2, PTX_B32);
	over = gen_icmp(g, LLVMIntUGE, n, gen_i32(g, bits));
	n = gen_select(g, over, gen_i32(g, sign && !left ? bits - 1 : 0), n);
	n = gen_resize(g, n, bits, false);
	value = left   ? LLVMBuildShl(g->b, a, n, "")
		: sign ? LLVMBuildAShr(g->b, a, n, "")
		       : LLVMBuildLShr(g->b, a, n, "");
	if (left || !sign)
		value = gen_select(g, over, LLVMConstNull(LLVMTypeOf(a)), value);
	gen_dst(g, type, value);
}

void gen_op_shf(struct ptx_gen *g)
{
	bool left = gen_take(g, MOD_L), right = !left && gen_take(g, MOD_R);
	bool wrap = gen_take(g, MOD_WRAP), clamp = !wrap && gen_take(g, MOD_CLAMP);
	unsigned int type = gen_type(g);
	LLVMValueRef low, high, n, both;

	if (!gen_operands(g, 4, 4) || type != PTX_B32 || left == right || wrap == clamp) {
		gen_fail(g, -EINVAL, "modifiers");
		return;
	}
	low = gen_resize(g, gen_src(g, 1, type), 64, false);
	high = gen_resize(g, gen_src(g, 2, type), 64, false);
	n = gen_src(g, 3, type);
	n = wrap ? LLVMBuildAnd(g->b, n, gen_i32(g, 31), "")
		 : gen_intrinsic(g, "llvm.umin", g->i32, 2, n, gen_i32(g, 32), NULL);
	n = gen_resize(g, n, 64, false);
	both = LLVMBuildOr(g->b, low, LLVMBuildShl(g->b, high, gen_i64(g, 32), ""), "");
	both = left ? LLVMBuildLShr(g->b, LLVMBuildShl(g->b, both, n, ""), gen_i64(g, 32), "")
		    : LLVMBuildLShr(g->b, both, n, "");
	gen_dst(g, type, gen_resize(g, both, 32, false));
}

/* popc, clz, brev: the first two give a 32-bit number */
void gen_op_count(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);
	LLVMValueRef a;

	if (type != PTX_B32 && type != PTX_B64) {
		gen_unsupported_type(g, type);
		return;
	}
	a = gen_src(g, 1, type);
	if (g->insn->op == OP_BREV) {
		gen_dst(g, type,
			gen_intrinsic(g, "llvm.bitreverse", LLVMTypeOf(a), 1, a, NULL, NULL));
		return;
	}
	a = g->insn->op == OP_POPC
		    ? gen_intrinsic(g, "llvm.ctpop", LLVMTypeOf(a), 1, a, NULL, NULL)
		    : gen_intrinsic(g, "llvm.ctlz", LLVMTypeOf(a), 2, a, gen_int(g, 1, 0), NULL);
	gen_dst(g, PTX_U32, gen_resize(g, a, 32, false));
}

/* Position of the most significant bit that is not the sign; ~0 where there is none. */
void gen_op_bfind(struct ptx_gen *g)
{
	bool amount = gen_take(g, MOD_SHIFTAMT);
	unsigned int type = gen_type(g), bits = ptx_type_bits(type);
	LLVMValueRef a, none, zeros;

	if (!ptx_type_is_int(type) || bits < 32) {
		gen_unsupported_type(g, type);
		return;
	}
	a = gen_src(g, 1, type);
	if (ptx_type_is_signed(type))
		a = LLVMBuildXor(
			g->b, a,
			LLVMBuildAShr(g->b, a, LLVMConstInt(LLVMTypeOf(a), bits - 1, 0), ""), "");
	none = gen_icmp(g, LLVMIntEQ, a, LLVMConstNull(LLVMTypeOf(a)));
	zeros = gen_intrinsic(g, "llvm.ctlz", LLVMTypeOf(a), 2, a, gen_int(g, 1, 0), NULL);
	zeros = gen_resize(g, zeros, 32, false);
	if (!amount)
		zeros = LLVMBuildSub(g->b, gen_i32(g, bits - 1), zeros, "");
	gen_dst(g, PTX_U32, gen_select(g, none, gen_i32(g, UINT32_MAX), zeros));
}

/* The ISA: pos = b & 0xff, len = c & 0xff; bits over the end are the sign bit (0 for unsigned), which is the
 * field's top bit, or the word's where the field goes past it. */
void gen_op_bfe(struct ptx_gen *g)
{
	unsigned int type = gen_type(g), bits = ptx_type_bits(type);
	bool sign = ptx_type_is_signed(type);
	LLVMValueRef a, pos, len, left, value, width = gen_int(g, bits, bits);

	if (!gen_operands(g, 4, 4) || !ptx_type_is_int(type) || bits < 32) {
		gen_unsupported_type(g, type);
		return;
	}
	a = gen_src(g, 1, type);
	pos = gen_resize(g, LLVMBuildAnd(g->b, gen_src(g, 2, PTX_U32), gen_i32(g, 255), ""), bits,
			 false);
	len = gen_resize(g, LLVMBuildAnd(g->b, gen_src(g, 3, PTX_U32), gen_i32(g, 255), ""), bits,
			 false);
	/* shift right by pos (all sign or 0 when past the word), then cut to len bits */
	left = gen_icmp(g, LLVMIntUGE, pos, width);
	pos = gen_select(g, left, gen_int(g, bits, bits - 1), pos);
	value = sign ? LLVMBuildAShr(g->b, a, pos, "")
		     : gen_select(g, left, LLVMConstNull(LLVMTypeOf(a)),
				  LLVMBuildLShr(g->b, a, pos, ""));
	left = gen_icmp(g, LLVMIntUGE, len, width);
	pos = gen_select(g, left, LLVMConstNull(LLVMTypeOf(a)), LLVMBuildSub(g->b, width, len, ""));
	pos = gen_select(g, gen_icmp(g, LLVMIntEQ, len, LLVMConstNull(LLVMTypeOf(a))),
			 LLVMConstNull(LLVMTypeOf(a)), pos);
	a = LLVMBuildShl(g->b, value, pos, "");
	a = sign ? LLVMBuildAShr(g->b, a, pos, "") : LLVMBuildLShr(g->b, a, pos, "");
	a = gen_select(g, gen_icmp(g, LLVMIntEQ, len, LLVMConstNull(LLVMTypeOf(a))),
		       LLVMConstNull(LLVMTypeOf(a)), a);
	gen_dst(g, type, a);
}

/* ~0 << n with n from the width on giving 0 */
static LLVMValueRef ones_from(struct ptx_gen *g, LLVMValueRef n, unsigned int bits)
{
	LLVMTypeRef type = gen_llvm_int(g, bits);
	LLVMValueRef over = gen_icmp(g, LLVMIntUGE, n, gen_int(g, bits, bits));

	n = gen_select(g, over, LLVMConstNull(type), n);
	return gen_select(g, over, LLVMConstNull(type),
			  LLVMBuildShl(g->b, LLVMConstAllOnes(type), n, ""));
}

void gen_op_bfi(struct ptx_gen *g)
{
	unsigned int type = gen_type(g), bits = ptx_type_bits(type);
	LLVMValueRef a, b, pos, len, mask, over;

	if (!gen_operands(g, 5, 5) || (type != PTX_B32 && type != PTX_B64)) {
		gen_unsupported_type(g, type);
		return;
	}
	a = gen_src(g, 1, type);
	b = gen_src(g, 2, type);
	pos = gen_resize(g, LLVMBuildAnd(g->b, gen_src(g, 3, PTX_U32), gen_i32(g, 255), ""), bits,
			 false);
	len = gen_resize(g, LLVMBuildAnd(g->b, gen_src(g, 4, PTX_U32), gen_i32(g, 255), ""), bits,
			 false);
	mask = LLVMBuildAnd(g->b, ones_from(g, pos, bits),
			    gen_not(g, ones_from(g, LLVMBuildAdd(g->b, pos, len, ""), bits)), "");
	over = gen_icmp(g, LLVMIntUGE, pos, gen_int(g, bits, bits));
	pos = gen_select(g, over, gen_int(g, bits, 0), pos);
	a = LLVMBuildAnd(g->b, LLVMBuildShl(g->b, a, pos, ""), mask, "");
	gen_dst(g, type, LLVMBuildOr(g->b, a, LLVMBuildAnd(g->b, b, gen_not(g, mask), ""), ""));
}

void gen_op_fns(struct ptx_gen *g)
{
	if (!gen_operands(g, 4, 4) || gen_type(g) != PTX_B32) {
		gen_fail(g, -EINVAL, "type");
		return;
	}
	gen_dst(g, PTX_B32,
		GEN_PURE(g, ptx_rt_fns, g->i32, gen_src(g, 1, PTX_B32), gen_src(g, 2, PTX_B32),
			 gen_src(g, 3, PTX_S32)));
}

/* A mask of b bits from bit a on. */
void gen_op_bmsk(struct ptx_gen *g)
{
	bool clamp = gen_take(g, MOD_CLAMP), wrap = !clamp && gen_take(g, MOD_WRAP);
	LLVMValueRef a, b, sum;

	if (!gen_operands(g, 3, 3) || gen_type(g) != PTX_B32 || clamp == wrap) {
		gen_fail(g, -EINVAL, "modifiers");
		return;
	}
	a = gen_src(g, 1, PTX_B32);
	b = gen_src(g, 2, PTX_B32);
	if (wrap) {
		a = LLVMBuildAnd(g->b, a, gen_i32(g, 31), "");
		b = LLVMBuildAnd(g->b, b, gen_i32(g, 31), "");
	} else {
		a = gen_intrinsic(g, "llvm.umin", g->i32, 2, a, gen_i32(g, 32), NULL);
		b = gen_intrinsic(g, "llvm.umin", g->i32, 2, b, gen_i32(g, 32), NULL);
	}
	sum = LLVMBuildAdd(g->b, a, b, "");
	gen_dst(g, PTX_B32,
		LLVMBuildAnd(g->b, ones_from(g, a, 32), gen_not(g, ones_from(g, sum, 32)), ""));
}

/* Sign- or zero-extends the low b bits of a. */
void gen_op_szext(struct ptx_gen *g)
{
	bool clamp = gen_take(g, MOD_CLAMP), wrap = !clamp && gen_take(g, MOD_WRAP);
	unsigned int type = gen_type(g);
	LLVMValueRef a, n, shift, value;

	if (!gen_operands(g, 3, 3) || (type != PTX_S32 && type != PTX_U32) || clamp == wrap) {
		gen_fail(g, -EINVAL, "modifiers");
		return;
	}
	a = gen_src(g, 1, type);
	n = gen_src(g, 2, PTX_U32);
	n = wrap ? LLVMBuildAnd(g->b, n, gen_i32(g, 31), "")
		 : gen_intrinsic(g, "llvm.umin", g->i32, 2, n, gen_i32(g, 32), NULL);
	shift = LLVMBuildAnd(g->b, LLVMBuildSub(g->b, gen_i32(g, 32), n, ""), gen_i32(g, 31), "");
	value = LLVMBuildShl(g->b, a, shift, "");
	value = type == PTX_S32 ? LLVMBuildAShr(g->b, value, shift, "")
				: LLVMBuildLShr(g->b, value, shift, "");
	gen_dst(g, type,
		gen_select(g, gen_icmp(g, LLVMIntEQ, n, gen_i32(g, 0)), gen_i32(g, 0), value));
}

void gen_op_dp4a(struct ptx_gen *g)
{
	bool two = g->insn->op == OP_DP2A, low = two && gen_take(g, MOD_LO),
	     high = two && gen_take(g, MOD_HI);
	unsigned int ta = gen_type(g), tb = gen_type(g);
	LLVMValueRef a = gen_src(g, 1, PTX_B32), b = gen_src(g, 2, PTX_B32),
		     c = gen_src(g, 3, PTX_B32), d;
	LLVMValueRef sa = gen_i32(g, ta == PTX_S32), sb = gen_i32(g, tb == PTX_S32);

	if ((ta != PTX_S32 && ta != PTX_U32) || (tb != PTX_S32 && tb != PTX_U32) ||
	    (two && low == high)) {
		gen_unsupported_type(g, ta);
		return;
	}
	d = two ? GEN_PURE(g, ptx_rt_dp2a, g->i32, a, b, c, sa, sb, gen_i32(g, high))
		: GEN_PURE(g, ptx_rt_dp4a, g->i32, a, b, c, sa, sb);
	gen_dst(g, PTX_B32, d);
}

/* A constant selector without sign bits: shifts of the two words, which LLVM folds well. */
static LLVMValueRef prmt_constant(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b,
				  uint64_t selector)
{
	LLVMValueRef both, value = gen_i32(g, 0);

	both = LLVMBuildOr(g->b, gen_resize(g, a, 64, false),
			   LLVMBuildShl(g->b, gen_resize(g, b, 64, false), gen_i64(g, 32), ""), "");
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t from = (selector >> 4 * i & 7) * 8;
		LLVMValueRef byte =
			gen_resize(g, LLVMBuildLShr(g->b, both, gen_i64(g, from), ""), 32, false);

		byte = LLVMBuildShl(g->b, LLVMBuildAnd(g->b, byte, gen_i32(g, 255), ""),
				    gen_i32(g, 8 * i), "");
		value = LLVMBuildOr(g->b, value, byte, "");
	}
	return value;
}

void gen_op_prmt(struct ptx_gen *g)
{
	static const uint16_t modes[] = {MOD_F4E, MOD_B4E, MOD_RC8, MOD_ECL, MOD_ECR, MOD_RC16, 0};
	unsigned int mode = 0, type, found;
	const struct ptx_operand *selector = gen_operand(g, 3);
	LLVMValueRef a, b;

	type = gen_type(g);
	found = gen_take_any(g, modes);
	for (unsigned int i = 0; modes[i]; i++)
		mode = modes[i] == found ? i + 1 : mode;
	if (!gen_operands(g, 4, 4) || type != PTX_B32) {
		gen_unsupported_type(g, type);
		return;
	}
	a = gen_src(g, 1, type);
	b = gen_src(g, 2, type);
	if (!mode && selector->kind == OPND_INT && !(selector->imm & 0x8888))
		gen_dst(g, type, prmt_constant(g, a, b, selector->imm));
	else
		gen_dst(g, type,
			GEN_PURE(g, ptx_rt_prmt, g->i32, a, b, gen_get(g, selector, type),
				 gen_i32(g, mode)));
}
