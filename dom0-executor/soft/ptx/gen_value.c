/* SPDX-License-Identifier: MIT */
/* Code generation: operands and values. A failed operand gives an undef of the right type, so callers go on. */
#include "gen.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

bool gen_operands(struct ptx_gen *g, unsigned int least, unsigned int most)
{
	if (g->insn->operand_count >= least && g->insn->operand_count <= most)
		return true;
	gen_fail(g, -EINVAL, "%u operands", g->insn->operand_count);
	return false;
}

const struct ptx_operand *gen_operand(struct ptx_gen *g, unsigned int i)
{
	static const struct ptx_operand none = {.kind = OPND_SINK};

	if (i < g->insn->operand_count)
		return &g->insn->operands[i];
	gen_fail(g, -EINVAL, "operand %u is missing", i + 1);
	return &none;
}

LLVMTypeRef gen_llvm_int(struct ptx_gen *g, unsigned int bits)
{
	switch (bits) {
	case 1: return g->i1;
	case 8: return g->i8;
	case 16: return g->i16;
	case 32: return g->i32;
	case 128: return g->i128;
	default: return g->i64;
	}
}

LLVMTypeRef gen_llvm_type(struct ptx_gen *g, unsigned int type)
{
	if (type == PTX_F32)
		return g->f32;
	if (type == PTX_F64)
		return g->f64;
	return gen_llvm_int(g, ptx_type_bits(type));
}

LLVMValueRef gen_int(struct ptx_gen *g, unsigned int bits, uint64_t value)
{
	return LLVMConstInt(gen_llvm_int(g, bits), value, 0);
}

LLVMValueRef gen_i32(struct ptx_gen *g, uint32_t value)
{
	return LLVMConstInt(g->i32, value, 0);
}

LLVMValueRef gen_i64(struct ptx_gen *g, uint64_t value)
{
	return LLVMConstInt(g->i64, value, 0);
}

LLVMValueRef gen_float_const(struct ptx_gen *g, unsigned int type, double value)
{
	return LLVMConstReal(gen_llvm_type(g, type), value);
}

LLVMValueRef gen_cast(struct ptx_gen *g, LLVMValueRef value, LLVMTypeRef type)
{
	return LLVMTypeOf(value) == type ? value : LLVMBuildBitCast(g->b, value, type, "");
}

LLVMValueRef gen_resize(struct ptx_gen *g, LLVMValueRef value, unsigned int bits, bool is_signed)
{
	LLVMTypeRef to = gen_llvm_int(g, bits);
	unsigned int from = LLVMGetIntTypeWidth(LLVMTypeOf(value));

	if (from == bits)
		return value;
	if (from > bits)
		return LLVMBuildTrunc(g->b, value, to, "");
	return is_signed ? LLVMBuildSExt(g->b, value, to, "") : LLVMBuildZExt(g->b, value, to, "");
}

LLVMValueRef gen_not(struct ptx_gen *g, LLVMValueRef value)
{
	return LLVMBuildNot(g->b, value, "");
}

LLVMValueRef gen_icmp(struct ptx_gen *g, LLVMIntPredicate p, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildICmp(g->b, p, a, b, "");
}

LLVMValueRef gen_select(struct ptx_gen *g, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildSelect(g->b, c, a, b, "");
}

LLVMValueRef gen_intrinsic(struct ptx_gen *g, const char *name, LLVMTypeRef type,
			   unsigned int count, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
	unsigned int id = LLVMLookupIntrinsicID(name, strlen(name));
	LLVMValueRef args[] = {a, b, c};
	LLVMValueRef fn = LLVMGetIntrinsicDeclaration(g->mod, id, &type, 1);

	return LLVMBuildCall2(g->b, LLVMIntrinsicGetType(g->ctx, id, &type, 1), fn, args, count,
			      "");
}

LLVMValueRef gen_rt(struct ptx_gen *g, void *function, LLVMTypeRef result, unsigned int count,
		    LLVMValueRef *args)
{
	LLVMTypeRef types[8];
	LLVMTypeRef type;
	LLVMValueRef fn;

	for (unsigned int i = 0; i < count; i++)
		types[i] = LLVMTypeOf(args[i]);
	type = LLVMFunctionType(result, types, count, 0);
	fn = LLVMConstIntToPtr(gen_i64(g, (uint64_t)(uintptr_t)function), LLVMPointerType(type, 0));
	return LLVMBuildCall2(g->b, type, fn, args, count, "");
}

LLVMValueRef gen_rt_pure(struct ptx_gen *g, void *function, LLVMTypeRef result, unsigned int count,
			 LLVMValueRef *args)
{
	static const char *const names[] = {"readnone", "nounwind", "willreturn"};
	LLVMValueRef call = gen_rt(g, function, result, count, args);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsigned int kind = LLVMGetEnumAttributeKindForName(names[i], strlen(names[i]));

		LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex,
					 LLVMCreateEnumAttribute(g->ctx, kind, 0));
	}
	return call;
}

/* What does not change while the thread runs is loaded once, in the entry block. */
static LLVMValueRef load_at_entry(struct ptx_gen *g, LLVMValueRef base, size_t offset,
				  LLVMTypeRef type)
{
	LLVMValueRef index = gen_i64(g, offset);
	LLVMValueRef at = LLVMBuildGEP2(g->entry, g->i8, base, &index, 1, "");

	at = LLVMBuildBitCast(g->entry, at, LLVMPointerType(type, 0), "");
	return LLVMBuildLoad2(g->entry, type, at, "");
}

LLVMValueRef gen_thread_once(struct ptx_gen *g, LLVMValueRef *cache, size_t offset,
			     LLVMTypeRef type)
{
	if (!*cache)
		*cache = load_at_entry(g, g->thread, offset, type);
	return *cache;
}

static LLVMValueRef grid_field(struct ptx_gen *g, LLVMValueRef *cache, size_t offset,
			       LLVMTypeRef type)
{
	LLVMValueRef grid = gen_thread_once(g, &g->grid, offsetof(struct ptx_thread, grid), g->ptr);

	if (!*cache)
		*cache = load_at_entry(g, grid, offset, type);
	return *cache;
}

/* %ctaid: the first words of the block. */
static LLVMValueRef block_field(struct ptx_gen *g, LLVMValueRef *cache, unsigned int component)
{
	LLVMValueRef block =
		gen_thread_once(g, &g->block, offsetof(struct ptx_thread, block), g->ptr);

	if (!*cache)
		*cache = load_at_entry(
			g, block, offsetof(struct ptx_block_head, ctaid) + 4 * component, g->i32);
	return *cache;
}

static LLVMValueRef lane_mask(struct ptx_gen *g, unsigned int sreg)
{
	struct ptx_operand lane_operand = {.kind = OPND_SREG, .reg = SREG_LANEID};
	LLVMValueRef lane = gen_sreg(g, &lane_operand);
	LLVMValueRef one = LLVMBuildShl(g->b, gen_i32(g, 1), lane, "");
	LLVMValueRef below = LLVMBuildSub(g->b, one, gen_i32(g, 1), "");

	switch (sreg) {
	case SREG_LANEMASK_EQ: return one;
	case SREG_LANEMASK_LT: return below;
	case SREG_LANEMASK_LE: return LLVMBuildOr(g->b, one, below, "");
	case SREG_LANEMASK_GE: return gen_not(g, below);
	default: return gen_not(g, LLVMBuildOr(g->b, one, below, ""));
	}
}

static LLVMValueRef sreg_time(struct ptx_gen *g, unsigned int sreg)
{
	bool global = sreg == SREG_GLOBALTIMER || sreg == SREG_GLOBALTIMER_LO ||
		      sreg == SREG_GLOBALTIMER_HI;
	void *fn = global ? (void *)(uintptr_t)ptx_rt_globaltimer : (void *)(uintptr_t)ptx_rt_clock;
	LLVMValueRef now = gen_rt(g, fn, g->i64, 0, NULL);

	if (sreg == SREG_CLOCK_HI || sreg == SREG_GLOBALTIMER_HI)
		now = LLVMBuildLShr(g->b, now, gen_i64(g, 32), "");
	return gen_resize(g, now, ptx_sreg_bits(sreg), false);
}

#define THREAD_AT(field) gen_thread_once(g, cache, offsetof(struct ptx_thread, field), g->i32)
#define GRID_AT(field)   grid_field(g, cache, offsetof(struct ptx_grid, field), g->i32)

LLVMValueRef gen_sreg(struct ptx_gen *g, const struct ptx_operand *o)
{
	unsigned int c = o->component;
	LLVMValueRef fresh = NULL;
	LLVMValueRef *cache = o->reg == SREG_ENVREG ? &fresh : &g->sregs[o->reg][c & 3];

	if (ptx_sreg_components(o->reg) && c >= 3)
		return gen_i32(g, o->reg == SREG_NTID || o->reg == SREG_NCTAID);
	switch (o->reg) {
	case SREG_TID: return THREAD_AT(tid[c]);
	case SREG_CTAID:
	case SREG_CLUSTERID: return block_field(g, cache, c);
	case SREG_LANEID: return THREAD_AT(lane);
	case SREG_WARPID: return THREAD_AT(warp);
	case SREG_SMID: return THREAD_AT(smid);
	case SREG_NTID: return GRID_AT(ntid[c]);
	case SREG_NCTAID:
	case SREG_NCLUSTERID: return GRID_AT(nctaid[c]);
	case SREG_NWARPID: return gen_i32(g, PTX_BLOCK_THREADS_MAX / 32);
	case SREG_NSMID: return GRID_AT(nsmid);
	case SREG_GRIDID: return grid_field(g, cache, offsetof(struct ptx_grid, grid_id), g->i64);
	case SREG_DYNAMIC_SMEM: return GRID_AT(dynamic_bytes);
	case SREG_TOTAL_SMEM:
	case SREG_AGGR_SMEM: return GRID_AT(shared_bytes);
	case SREG_ENVREG: return GRID_AT(envreg[o->component & 31]);
	case SREG_CLUSTER_CTAID:
	case SREG_CLUSTER_CTARANK: return gen_i32(g, 0);
	case SREG_CLUSTER_NCTAID:
	case SREG_CLUSTER_NCTARANK: return gen_i32(g, 1);
	case SREG_IS_EXPLICIT_CLUSTER: return LLVMConstInt(g->i1, 0, 0);
	case SREG_RESERVED_SMEM_CAP: return gen_i32(g, PTX_RESERVED_SHARED_BYTES);
	case SREG_RESERVED_SMEM_BEGIN:
	case SREG_RESERVED_SMEM_0: return gen_i32(g, PTX_SHARED_BYTES_MAX);
	case SREG_RESERVED_SMEM_1:
		return gen_i32(g, PTX_SHARED_BYTES_MAX + PTX_RESERVED_SHARED_BYTES / 2);
	case SREG_RESERVED_SMEM_END:
		return gen_i32(g, PTX_SHARED_BYTES_MAX + PTX_RESERVED_SHARED_BYTES);
	case SREG_LANEMASK_EQ:
	case SREG_LANEMASK_LE:
	case SREG_LANEMASK_LT:
	case SREG_LANEMASK_GE:
	case SREG_LANEMASK_GT: return lane_mask(g, o->reg);
	default: return sreg_time(g, o->reg);
	}
}

static unsigned int reg_bits(struct ptx_gen *g, uint32_t reg)
{
	return ptx_type_bits(g->func->regs[reg].type);
}

LLVMValueRef gen_reg(struct ptx_gen *g, uint32_t reg)
{
	if (!g->regs[reg]) {
		LLVMTypeRef type = gen_llvm_int(g, reg_bits(g, reg));

		g->regs[reg] = LLVMBuildAlloca(g->entry, type, "");
		/* A register that is read before it is written holds 0: never undefined behaviour. */
		LLVMBuildStore(g->entry, LLVMConstNull(type), g->regs[reg]);
	}
	return g->regs[reg];
}

static uint64_t immediate(const struct ptx_operand *o, unsigned int type)
{
	uint64_t bits = o->imm;
	double wide;
	float narrow;
	uint32_t out;

	if (o->kind == OPND_F64 && type == PTX_F32) {
		memcpy(&wide, &bits, sizeof(wide));
		narrow = (float)wide;
		memcpy(&out, &narrow, sizeof(out));
		return out;
	}
	if (o->kind == OPND_F32 && type == PTX_F64) {
		out = (uint32_t)bits;
		memcpy(&narrow, &out, sizeof(narrow));
		wide = narrow;
		memcpy(&bits, &wide, sizeof(bits));
	}
	return bits;
}

/* {lo, hi} as one value: the first is the least significant. */
static LLVMValueRef vector_value(struct ptx_gen *g, const struct ptx_operand *o, unsigned int bits)
{
	unsigned int part = o->count ? bits / o->count : 0;
	LLVMValueRef value = gen_int(g, bits, 0);
	static const unsigned int type_of[] = {
		[8] = PTX_B8, [16] = PTX_B16, [32] = PTX_B32, [64] = PTX_B64};

	if (part * o->count != bits || (part != 8 && part != 16 && part != 32 && part != 64)) {
		gen_fail(g, -EINVAL, "vector of %u elements for %u bits", o->count, bits);
		return value;
	}
	for (unsigned int i = 0; i < o->count; i++) {
		LLVMValueRef v = gen_resize(g, gen_get(g, &o->sub[i], type_of[part]), bits, false);

		v = LLVMBuildShl(g->b, v, LLVMConstInt(LLVMTypeOf(v), i * part, 0), "");
		value = LLVMBuildOr(g->b, value, v, "");
	}
	return value;
}

/* The operand's bits as an integer of that width. */
static LLVMValueRef get_bits(struct ptx_gen *g, const struct ptx_operand *o, unsigned int type,
			     unsigned int bits)
{
	LLVMValueRef value;

	switch (o->kind) {
	case OPND_REG:
		if ((reg_bits(g, o->reg) == 1) != (bits == 1))
			gen_fail(g, -EINVAL, "predicate and number mixed");
		value = LLVMBuildLoad2(g->b, gen_llvm_int(g, reg_bits(g, o->reg)),
				       gen_reg(g, o->reg), "");
		break;
	case OPND_INT:
	case OPND_F32:
	case OPND_F64:
		value = gen_int(g, bits, bits == 1 ? o->imm != 0 : immediate(o, type));
		break;
	case OPND_SREG: value = gen_sreg(g, o); break;
	case OPND_SYM: value = gen_symbol_value(g, o); break;
	case OPND_VEC: value = vector_value(g, o, bits); break;
	default:
		gen_fail(g, -EINVAL, "operand of a kind that cannot stand here");
		return gen_int(g, bits, 0);
	}
	value = gen_resize(g, value, bits, false);
	return o->negated ? gen_not(g, value) : value;
}

LLVMValueRef gen_get(struct ptx_gen *g, const struct ptx_operand *o, unsigned int type)
{
	return gen_cast(g, get_bits(g, o, type, ptx_type_bits(type)), gen_llvm_type(g, type));
}

LLVMValueRef gen_src(struct ptx_gen *g, unsigned int i, unsigned int type)
{
	return gen_get(g, gen_operand(g, i), type);
}

static void set_vector(struct ptx_gen *g, const struct ptx_operand *o, LLVMValueRef value)
{
	unsigned int bits = LLVMGetIntTypeWidth(LLVMTypeOf(value));
	unsigned int part = o->count ? bits / o->count : 0;

	if (part * o->count != bits || part < 8) {
		gen_fail(g, -EINVAL, "vector of %u elements for %u bits", o->count, bits);
		return;
	}
	for (unsigned int i = 0; i < o->count; i++) {
		LLVMValueRef v = LLVMBuildLShr(g->b, value,
					       LLVMConstInt(LLVMTypeOf(value), i * part, 0), "");

		if (o->sub[i].kind != OPND_SINK)
			gen_set(g, &o->sub[i],
				part == 8    ? PTX_B8
				: part == 16 ? PTX_B16
				: part == 32 ? PTX_B32
					     : PTX_B64,
				gen_resize(g, v, part, false));
	}
}

void gen_set(struct ptx_gen *g, const struct ptx_operand *o, unsigned int type, LLVMValueRef value)
{
	unsigned int bits = ptx_type_bits(type);
	LLVMValueRef raw = gen_cast(g, value, gen_llvm_int(g, bits));

	if (o->kind == OPND_SINK)
		return;
	if (o->kind == OPND_VEC) {
		set_vector(g, o, raw);
		return;
	}
	if (o->kind != OPND_REG) {
		gen_fail(g, -EINVAL, "destination is no register");
		return;
	}
	if (reg_bits(g, o->reg) < bits || (reg_bits(g, o->reg) == 1) != (bits == 1)) {
		gen_fail(g, -EINVAL, "destination register is too narrow");
		return;
	}
	raw = gen_resize(g, raw, reg_bits(g, o->reg), ptx_type_is_signed(type));
	LLVMBuildStore(g->b, raw, gen_reg(g, o->reg));
}

void gen_dst(struct ptx_gen *g, unsigned int type, LLVMValueRef value)
{
	gen_set(g, gen_operand(g, 0), type, value);
}
