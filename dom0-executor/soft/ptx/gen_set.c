/* SPDX-License-Identifier: MIT */
/* Code generation: comparisons and selections. */
#include "gen.h"

#include <errno.h>

static const uint16_t compare_mods[] = {MOD_EQ,  MOD_NE,  MOD_LT,  MOD_LE,  MOD_GT,
					MOD_GE,  MOD_LO,  MOD_LS,  MOD_HI,  MOD_HS,
					MOD_EQU, MOD_NEU, MOD_LTU, MOD_LEU, MOD_GTU,
					MOD_GEU, MOD_NUM, MOD_NAN, 0};

static LLVMValueRef compare_float(struct ptx_gen *g, unsigned int op, LLVMValueRef a,
				  LLVMValueRef b)
{
	LLVMRealPredicate p;

	switch (op) {
	case MOD_EQ: p = LLVMRealOEQ; break;
	case MOD_NE: p = LLVMRealONE; break;
	case MOD_LT: p = LLVMRealOLT; break;
	case MOD_LE: p = LLVMRealOLE; break;
	case MOD_GT: p = LLVMRealOGT; break;
	case MOD_GE: p = LLVMRealOGE; break;
	case MOD_EQU: p = LLVMRealUEQ; break;
	case MOD_NEU: p = LLVMRealUNE; break;
	case MOD_LTU: p = LLVMRealULT; break;
	case MOD_LEU: p = LLVMRealULE; break;
	case MOD_GTU: p = LLVMRealUGT; break;
	case MOD_GEU: p = LLVMRealUGE; break;
	case MOD_NUM: p = LLVMRealORD; break;
	case MOD_NAN: p = LLVMRealUNO; break;
	default: gen_fail(g, -EINVAL, "comparison of floats"); return gen_int(g, 1, 0);
	}
	return LLVMBuildFCmp(g->b, p, a, b, "");
}

static LLVMValueRef compare_int(struct ptx_gen *g, unsigned int op, bool sign, LLVMValueRef a,
				LLVMValueRef b)
{
	switch (op) {
	case MOD_EQ: return gen_icmp(g, LLVMIntEQ, a, b);
	case MOD_NE: return gen_icmp(g, LLVMIntNE, a, b);
	case MOD_LT: return gen_icmp(g, sign ? LLVMIntSLT : LLVMIntULT, a, b);
	case MOD_LE: return gen_icmp(g, sign ? LLVMIntSLE : LLVMIntULE, a, b);
	case MOD_GT: return gen_icmp(g, sign ? LLVMIntSGT : LLVMIntUGT, a, b);
	case MOD_GE: return gen_icmp(g, sign ? LLVMIntSGE : LLVMIntUGE, a, b);
	case MOD_LO: return gen_icmp(g, LLVMIntULT, a, b);
	case MOD_LS: return gen_icmp(g, LLVMIntULE, a, b);
	case MOD_HI: return gen_icmp(g, LLVMIntUGT, a, b);
	case MOD_HS: return gen_icmp(g, LLVMIntUGE, a, b);
	default: gen_fail(g, -EINVAL, "comparison of integers"); return gen_int(g, 1, 0);
	}
}

/* type is no pair */
LLVMValueRef gen_compare(struct ptx_gen *g, unsigned int op, unsigned int type, LLVMValueRef a,
			 LLVMValueRef b, bool ftz)
{
	if (type == PTX_F16 || type == PTX_BF16) {
		a = gen_h2f(g, a, type);
		b = gen_h2f(g, b, type);
		return compare_float(g, op, a, b);
	}
	if (type == PTX_F32 || type == PTX_F64)
		return compare_float(g, op, ftz ? gen_ftz(g, a) : a, ftz ? gen_ftz(g, b) : b);
	return compare_int(g, op, ptx_type_is_signed(type), a, b);
}

struct set_mods {
	unsigned int op, combine;
	bool ftz;
};

static LLVMValueRef combine(struct ptx_gen *g, unsigned int how, LLVMValueRef p, LLVMValueRef c)
{
	switch (how) {
	case MOD_AND: return LLVMBuildAnd(g->b, p, c, "");
	case MOD_OR: return LLVMBuildOr(g->b, p, c, "");
	case MOD_XOR: return LLVMBuildXor(g->b, p, c, "");
	default: return p;
	}
}

static void setp(struct ptx_gen *g, struct set_mods m, unsigned int type)
{
	const struct ptx_operand *d = gen_operand(g, 0);
	LLVMValueRef a = gen_src(g, 1, type), b = gen_src(g, 2, type), p, q;
	LLVMValueRef c = m.combine ? gen_src(g, 3, PTX_PRED) : NULL;

	if (gen_is_pair(type)) {
		unsigned int element = gen_pair_element(type);

		if (d->kind != OPND_PAIR) {
			gen_fail(g, -EINVAL, "p|q expected");
			return;
		}
		p = gen_compare(g, m.op, element, gen_pair_get(g, a, 0), gen_pair_get(g, b, 0),
				m.ftz);
		q = gen_compare(g, m.op, element, gen_pair_get(g, a, 1), gen_pair_get(g, b, 1),
				m.ftz);
	} else {
		p = gen_compare(g, m.op, type, a, b, m.ftz);
		q = gen_not(g, p);
	}
	p = combine(g, m.combine, p, c);
	q = combine(g, m.combine, q, c);
	gen_set(g, d->kind == OPND_PAIR ? &d->sub[0] : d, PTX_PRED, p);
	if (d->kind == OPND_PAIR)
		gen_set(g, &d->sub[1], PTX_PRED, q);
}

/* True is all ones for integers and 1.0 for floats. */
static LLVMValueRef set_value(struct ptx_gen *g, unsigned int type, LLVMValueRef p)
{
	switch (type) {
	case PTX_F32:
		return gen_select(g, p, LLVMConstReal(g->f32, 1.0), LLVMConstReal(g->f32, 0.0));
	case PTX_F16: return gen_select(g, p, gen_int(g, 16, 0x3c00), gen_int(g, 16, 0));
	case PTX_BF16: return gen_select(g, p, gen_int(g, 16, 0x3f80), gen_int(g, 16, 0));
	case PTX_U16:
	case PTX_S16:
	case PTX_U32:
	case PTX_S32: return LLVMBuildSExt(g->b, p, gen_llvm_type(g, type), "");
	default: gen_unsupported_type(g, type); return LLVMGetUndef(gen_llvm_type(g, type));
	}
}

static void set(struct ptx_gen *g, struct set_mods m, unsigned int to, unsigned int type)
{
	LLVMValueRef a = gen_src(g, 1, type), b = gen_src(g, 2, type), part[2];
	LLVMValueRef c = m.combine ? gen_src(g, 3, PTX_PRED) : NULL;
	unsigned int element = gen_pair_element(type);

	if (!gen_is_pair(type)) {
		gen_dst(g, to,
			set_value(g, to,
				  combine(g, m.combine, gen_compare(g, m.op, type, a, b, m.ftz),
					  c)));
		return;
	}
	for (unsigned int i = 0; i < 2; i++) {
		LLVMValueRef p = gen_compare(g, m.op, element, gen_pair_get(g, a, i),
					     gen_pair_get(g, b, i), m.ftz);

		part[i] = set_value(g, gen_is_pair(to) ? gen_pair_element(to) : PTX_S16,
				    combine(g, m.combine, p, c));
	}
	gen_dst(g, to, gen_pair_make(g, part[0], part[1]));
}

void gen_op_set(struct ptx_gen *g)
{
	static const uint16_t combines[] = {MOD_AND, MOD_OR, MOD_XOR, 0};
	struct set_mods m = {.op = gen_take_any(g, compare_mods)};
	bool to_pred = g->insn->op == OP_SETP;
	unsigned int to = to_pred ? PTX_PRED : gen_type(g), type = gen_type(g);

	m.combine = gen_take_any(g, combines);
	m.ftz = gen_take(g, MOD_FTZ);
	if (!gen_operands(g, m.combine ? 4 : 3, m.combine ? 4 : 3))
		return;
	if (!m.op || type == PTX_PRED || type == PTX_B8 || type == PTX_U8 || type == PTX_S8 ||
	    type == PTX_B128 || (type > PTX_F64 && !gen_is_pair(type))) {
		gen_unsupported_type(g, type);
		return;
	}
	if (to_pred)
		setp(g, m, type);
	else
		set(g, m, to, type);
}

void gen_op_selp(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);

	if (!gen_operands(g, 4, 4))
		return;
	if (type == PTX_PRED || ptx_type_bytes(type) < 2 || type == PTX_B128) {
		gen_unsupported_type(g, type);
		return;
	}
	gen_dst(g, type,
		gen_select(g, gen_src(g, 3, PTX_PRED), gen_src(g, 1, type), gen_src(g, 2, type)));
}

/* c >= 0 ? a : b; NaN takes b, -0 takes a */
void gen_op_slct(struct ptx_gen *g)
{
	bool ftz = gen_take(g, MOD_FTZ);
	unsigned int type = gen_type(g), by = gen_type(g);
	LLVMValueRef c, p;

	if (!gen_operands(g, 4, 4) || (by != PTX_S32 && by != PTX_F32)) {
		gen_unsupported_type(g, by);
		return;
	}
	c = gen_src(g, 3, by);
	if (ftz && by == PTX_F32)
		c = gen_ftz(g, c);
	p = by == PTX_S32 ? gen_icmp(g, LLVMIntSGE, c, gen_i32(g, 0))
			  : LLVMBuildFCmp(g->b, LLVMRealOGE, c, LLVMConstReal(g->f32, 0.0), "");
	gen_dst(g, type, gen_select(g, p, gen_src(g, 1, type), gen_src(g, 2, type)));
}

/* Also packs {a, b} and unpacks; a symbol gives its address in its own space. */
void gen_op_mov(struct ptx_gen *g)
{
	unsigned int vector = gen_vector(g), type = gen_type(g);
	const struct ptx_operand *d = gen_operand(g, 0), *s = gen_operand(g, 1);

	if (!gen_operands(g, 2, 2))
		return;
	if (vector == 1) {
		gen_dst(g, type, gen_src(g, 1, type));
		return;
	}
	if (d->kind != OPND_VEC || s->kind != OPND_VEC || d->count != vector ||
	    s->count != vector) {
		gen_fail(g, -EINVAL, "vectors of %u expected", vector);
		return;
	}
	LLVMValueRef values[8];

	for (unsigned int i = 0; i < vector; i++)
		values[i] = gen_get(g, &s->sub[i], type);
	for (unsigned int i = 0; i < vector; i++)
		gen_set(g, &d->sub[i], type, values[i]);
}
