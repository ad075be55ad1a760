/* SPDX-License-Identifier: MIT */
/*
 * Code generation: addresses, loads and stores, state spaces.
 *
 * Global, const and local addresses are host addresses. A shared address is the offset in the block's
 * shared memory, 32 bits; its generic address is that memory's host address plus the offset, so that
 * generic loads need no test.
 */
#include "gen.h"

#include <errno.h>
#include <stddef.h>

LLVMValueRef gen_shared_base(struct ptx_gen *g)
{
	return gen_thread_once(g, &g->shared, offsetof(struct ptx_thread, shared), g->ptr);
}

LLVMValueRef gen_pointer(struct ptx_gen *g, LLVMValueRef address, LLVMTypeRef type)
{
	return LLVMBuildBitCast(g->b, address, LLVMPointerType(type, 0), "");
}

static struct ptx_var *var_resolve(struct ptx_var *var)
{
	return var->target ? var->target : var;
}

static LLVMValueRef offset_pointer(struct ptx_gen *g, LLVMValueRef base, int64_t offset)
{
	LLVMValueRef index = gen_i64(g, (uint64_t)offset);

	return offset ? LLVMBuildGEP2(g->b, g->i8, base, &index, 1, "") : base;
}

/* Storage of a .local or .param variable of the body. */
static LLVMValueRef local_storage(struct ptx_gen *g, const struct ptx_var *var)
{
	if (!g->locals[var->index]) {
		LLVMTypeRef type = LLVMArrayType(g->i8, (unsigned int)(var->size ? var->size : 1));
		LLVMValueRef slot = LLVMBuildAlloca(g->entry, type, "");

		LLVMSetAlignment(slot, var->align < 16     ? 16
				       : var->align > 4096 ? 4096
							   : var->align);
		g->locals[var->index] = LLVMBuildBitCast(g->entry, slot, g->ptr, "");
	}
	return g->locals[var->index];
}

static LLVMValueRef param_storage(struct ptx_gen *g, const struct ptx_var *var)
{
	const struct ptx_func *f = g->func;
	bool returned = var->index < f->return_count && f->returns[var->index] == var;
	bool passed = var->index < f->param_count && f->params[var->index] == var;
	LLVMValueRef slot;

	if (!var->is_param && var->func == f)
		return local_storage(g, var);
	if (passed && f->is_kernel)
		return offset_pointer(g, g->params, var->offset);
	slot = passed ? g->args[var->index] : returned ? g->returns[var->index] : NULL;
	if (!slot) {
		gen_fail(g, -EINVAL, "'%s' is no parameter of this function", var->symbol.name);
		return LLVMConstNull(g->ptr);
	}
	return LLVMBuildBitCast(g->b, slot, g->ptr, "");
}

/* Offset of a shared variable in the block's shared memory, as i32. */
static LLVMValueRef shared_offset(struct ptx_gen *g, const struct ptx_var *var)
{
	LLVMValueRef grid, at, index;

	if (!var->is_dynamic)
		return gen_i32(g, var->offset);
	grid = gen_thread_once(g, &g->grid, offsetof(struct ptx_thread, grid), g->ptr);
	index = gen_i64(g, offsetof(struct ptx_grid, dynamic_offset));
	at = LLVMBuildGEP2(g->b, g->i8, grid, &index, 1, "");
	return LLVMBuildLoad2(g->b, g->i32, gen_pointer(g, at, g->i32), "");
}

static LLVMValueRef host_constant(struct ptx_gen *g, const void *address)
{
	return LLVMConstIntToPtr(gen_i64(g, (uint64_t)(uintptr_t)address), g->ptr);
}

/* A variable's host address as i8*. */
static LLVMValueRef var_pointer(struct ptx_gen *g, struct ptx_var *var)
{
	LLVMValueRef offset;

	var = var_resolve(var);
	switch (var->space) {
	case PTX_SPACE_SHARED:
		offset = gen_resize(g, shared_offset(g, var), 64, false);
		return LLVMBuildGEP2(g->b, g->i8, gen_shared_base(g), &offset, 1, "");
	case PTX_SPACE_LOCAL:
		if (var->func == g->func)
			return local_storage(g, var);
		gen_fail(g, -EINVAL, "'%s' is local to another function", var->symbol.name);
		return LLVMConstNull(g->ptr);
	case PTX_SPACE_PARAM: return param_storage(g, var);
	default: return host_constant(g, var->address);
	}
}

/* mov d, symbol: the address in the symbol's own space, as i64 */
LLVMValueRef gen_symbol_value(struct ptx_gen *g, const struct ptx_operand *o)
{
	struct ptx_symbol *symbol = o->symbol;
	struct ptx_var *var;
	LLVMValueRef value;

	if (symbol->kind == PTX_SYM_FUNC) {
		struct ptx_func *f = (struct ptx_func *)symbol;

		f = f->target ? f->target : f;
		return gen_i64(g, (uint64_t)(uintptr_t)f->descriptor);
	}
	if (symbol->kind != PTX_SYM_VAR) {
		gen_fail(g, -EINVAL, "'%s' has no address", symbol->name);
		return gen_i64(g, 0);
	}
	var = var_resolve((struct ptx_var *)symbol);
	if (var->space == PTX_SPACE_SHARED)
		value = gen_resize(g, shared_offset(g, var), 64, false);
	else
		value = LLVMBuildPtrToInt(g->b, var_pointer(g, var), g->i64, "");
	return LLVMBuildAdd(g->b, value, gen_i64(g, (uint64_t)o->offset), "");
}

static LLVMValueRef register_address(struct ptx_gen *g, const struct ptx_operand *base,
				     int64_t offset, enum ptx_space space)
{
	LLVMValueRef address = gen_get(g, base, PTX_B64);

	if (base->kind == OPND_REG && ptx_type_bytes(g->func->regs[base->reg].type) < 4)
		gen_fail(g, -EINVAL, "address register is too narrow");
	if (space == PTX_SPACE_SHARED) { /* 32-bit arithmetic that wraps, then unsigned */
		address = gen_resize(g, address, 32, false);
		address = LLVMBuildAdd(g->b, address, gen_i32(g, (uint32_t)offset), "");
		address = gen_resize(g, address, 64, false);
		return LLVMBuildGEP2(g->b, g->i8, gen_shared_base(g), &address, 1, "");
	}
	if (space == PTX_SPACE_PARAM && g->func->is_kernel && base->kind == OPND_INT) {
		gen_fail(g, -EINVAL, "parameter without a name");
		return LLVMConstNull(g->ptr);
	}
	address = LLVMBuildAdd(g->b, address, gen_i64(g, (uint64_t)offset), "");
	return LLVMBuildIntToPtr(g->b, address, g->ptr, "");
}

/* The host address that [o] means, as i8*. */
LLVMValueRef gen_address(struct ptx_gen *g, const struct ptx_operand *o, enum ptx_space space)
{
	const struct ptx_operand *base = o->sub;
	struct ptx_var *var;

	if (o->kind != OPND_ADDR || o->count != 1) {
		gen_fail(g, -EINVAL, "an address expected");
		return LLVMConstNull(g->ptr);
	}
	if (base->kind == OPND_REG || base->kind == OPND_INT)
		return register_address(g, base, o->offset, space);
	if (base->kind != OPND_SYM || base->symbol->kind != PTX_SYM_VAR) {
		gen_fail(g, -EINVAL, "an address expected");
		return LLVMConstNull(g->ptr);
	}
	var = var_resolve((struct ptx_var *)base->symbol);
	if (space != PTX_SPACE_GENERIC && space != var->space) {
		gen_fail(g, -EINVAL, "'%s' is in another state space", var->symbol.name);
		return LLVMConstNull(g->ptr);
	}
	return offset_pointer(g, var_pointer(g, var), o->offset);
}

/* A thread that waits for another one by reading memory must let it run: see ptx_rt_poll. */
void gen_spin(struct ptx_gen *g)
{
	LLVMValueRef index = gen_i64(g, offsetof(struct ptx_thread, spin));
	LLVMValueRef at = LLVMBuildGEP2(g->b, g->i8, g->thread, &index, 1, "");
	LLVMValueRef count;
	LLVMBasicBlockRef yield = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
	LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");

	at = gen_pointer(g, at, g->i32);
	count = LLVMBuildAdd(g->b, LLVMBuildLoad2(g->b, g->i32, at, ""), gen_i32(g, 1), "");
	LLVMBuildStore(g->b, count, at);
	count = LLVMBuildAnd(g->b, count, gen_i32(g, 63), "");
	LLVMBuildCondBr(g->b, gen_icmp(g, LLVMIntEQ, count, gen_i32(g, 0)), yield, after);
	LLVMPositionBuilderAtEnd(g->b, yield);
	GEN_RT(g, ptx_rt_yield, g->none, g->thread);
	LLVMBuildBr(g->b, after);
	LLVMPositionBuilderAtEnd(g->b, after);
}

struct access {
	enum ptx_space space;
	unsigned int type, vector;
	bool is_volatile;
	LLVMAtomicOrdering ordering;
};

static const uint16_t scopes[] = {MOD_CTA, MOD_CLUSTER, MOD_GPU, MOD_SYS, 0};

static struct access take_access(struct ptx_gen *g)
{
	struct access a = {.ordering = LLVMAtomicOrderingNotAtomic};

	gen_take(g, MOD_WEAK);
	a.is_volatile = gen_take(g, MOD_VOLATILE);
	if (gen_take(g, MOD_MMIO))
		a.is_volatile = true;
	if (gen_take(g, MOD_RELAXED))
		a.ordering = LLVMAtomicOrderingMonotonic;
	if (gen_take(g, MOD_ACQUIRE))
		a.ordering = LLVMAtomicOrderingAcquire;
	if (gen_take(g, MOD_RELEASE))
		a.ordering = LLVMAtomicOrderingRelease;
	gen_take_any(g, scopes);
	a.space = gen_space(g);
	a.vector = gen_vector(g);
	a.type = gen_type(g);
	gen_take_cache(g);
	if (a.type > PTX_F64 || (a.vector > 1 && a.type == PTX_B128))
		gen_unsupported_type(g, a.type);
	return a;
}

static void memory_flags(const struct access *a, LLVMValueRef insn, unsigned int align)
{
	LLVMSetAlignment(insn, align);
	if (a->is_volatile)
		LLVMSetVolatile(insn, 1);
	if (a->ordering != LLVMAtomicOrderingNotAtomic)
		LLVMSetOrdering(insn, a->ordering);
}

static void load_vector(struct ptx_gen *g, const struct access *a, LLVMValueRef pointer)
{
	const struct ptx_operand *d = gen_operand(g, 0);
	unsigned int bits = ptx_type_bits(a->type);
	LLVMTypeRef element = gen_llvm_int(g, bits);
	LLVMTypeRef type = LLVMVectorType(element, a->vector);
	LLVMValueRef all, one;

	if (d->kind != OPND_VEC || d->count != a->vector) {
		gen_fail(g, -EINVAL, "a vector of %u expected", a->vector);
		return;
	}
	all = LLVMBuildLoad2(g->b, type, gen_pointer(g, pointer, type), "");
	LLVMSetAlignment(all, bits / 8);
	LLVMSetVolatile(all, a->is_volatile);
	for (unsigned int i = 0; i < a->vector; i++) {
		one = LLVMBuildExtractElement(g->b, all, gen_i32(g, i), "");
		gen_set(g, &d->sub[i], a->type, gen_cast(g, one, gen_llvm_type(g, a->type)));
	}
}

void gen_op_ld(struct ptx_gen *g)
{
	struct access a = take_access(g);
	LLVMValueRef pointer, value;
	LLVMTypeRef type;

	if (!gen_operands(g, 2, 3) || g->rc)
		return;
	if (a.ordering == LLVMAtomicOrderingRelease)
		gen_fail(g, -EINVAL, ".release of a load");
	if (a.is_volatile || a.ordering != LLVMAtomicOrderingNotAtomic)
		gen_spin(g);
	pointer = gen_address(g, gen_operand(g, 1), a.space);
	if (g->rc)
		return;
	if (a.vector > 1) {
		load_vector(g, &a, pointer);
		return;
	}
	type = gen_llvm_int(g, ptx_type_bits(a.type));
	value = LLVMBuildLoad2(g->b, type, gen_pointer(g, pointer, type), "");
	memory_flags(&a, value, a.type == PTX_B128 ? 8 : ptx_type_bytes(a.type));
	gen_dst(g, a.type, gen_cast(g, value, gen_llvm_type(g, a.type)));
}

static void store_vector(struct ptx_gen *g, const struct access *a, LLVMValueRef pointer)
{
	const struct ptx_operand *s = gen_operand(g, 1);
	unsigned int bits = ptx_type_bits(a->type);
	LLVMTypeRef element = gen_llvm_int(g, bits);
	LLVMTypeRef type = LLVMVectorType(element, a->vector);
	LLVMValueRef all = LLVMGetUndef(type);

	if (s->kind != OPND_VEC || s->count != a->vector) {
		gen_fail(g, -EINVAL, "a vector of %u expected", a->vector);
		return;
	}
	for (unsigned int i = 0; i < a->vector; i++)
		all = LLVMBuildInsertElement(g->b, all,
					     gen_cast(g, gen_get(g, &s->sub[i], a->type), element),
					     gen_i32(g, i), "");
	all = LLVMBuildStore(g->b, all, gen_pointer(g, pointer, type));
	LLVMSetAlignment(all, bits / 8);
	LLVMSetVolatile(all, a->is_volatile);
}

void gen_op_st(struct ptx_gen *g)
{
	struct access a = take_access(g);
	LLVMValueRef pointer, value;
	LLVMTypeRef type;

	if (!gen_operands(g, 2, 3) || g->rc)
		return;
	if (a.ordering == LLVMAtomicOrderingAcquire || a.space == PTX_SPACE_CONST)
		gen_fail(g, -EINVAL, "modifiers of a store");
	pointer = gen_address(g, gen_operand(g, 0), a.space);
	if (g->rc)
		return;
	if (a.vector > 1) {
		store_vector(g, &a, pointer);
		return;
	}
	type = gen_llvm_int(g, ptx_type_bits(a.type));
	value = LLVMBuildStore(g->b, gen_cast(g, gen_src(g, 1, a.type), type),
			       gen_pointer(g, pointer, type));
	memory_flags(&a, value, a.type == PTX_B128 ? 8 : ptx_type_bytes(a.type));
}

/* prefetch, prefetchu, discard: hints */
void gen_op_prefetch(struct ptx_gen *g)
{
	gen_space(g);
	gen_take(g, MOD_L1);
	gen_take(g, MOD_L2);
	gen_take(g, MOD_TENSORMAP);
	gen_take_cache(g);
	gen_operands(g, 1, 2);
}

/* A policy is only ever a cache hint. */
void gen_op_createpolicy(struct ptx_gen *g)
{
	g->taken = UINT32_MAX;
	gen_dst(g, PTX_B64, gen_i64(g, 0));
}

void gen_op_cvta(struct ptx_gen *g)
{
	bool to = gen_take(g, MOD_TO);
	enum ptx_space space = gen_space(g);
	unsigned int type = gen_type(g);
	LLVMValueRef value, base;

	if (!gen_operands(g, 2, 2) || (type != PTX_U64 && type != PTX_U32)) {
		gen_unsupported_type(g, type);
		return;
	}
	value = gen_src(g, 1, PTX_U64);
	if (space == PTX_SPACE_SHARED) {
		base = LLVMBuildPtrToInt(g->b, gen_shared_base(g), g->i64, "");
		if (to)
			value = gen_resize(g, LLVMBuildSub(g->b, value, base, ""), 32, false);
		else
			value = LLVMBuildAdd(
				g->b, gen_resize(g, gen_resize(g, value, 32, false), 64, false),
				base, "");
	}
	gen_dst(g, type, gen_resize(g, value, ptx_type_bits(type), false));
}

void gen_op_isspacep(struct ptx_gen *g)
{
	enum ptx_space space = gen_space(g);
	LLVMValueRef value;

	if (!gen_operands(g, 2, 2) || space == PTX_SPACE_GENERIC) {
		gen_fail(g, -EINVAL, "a state space is missing");
		return;
	}
	if (space == PTX_SPACE_CONST || space == PTX_SPACE_PARAM) {
		gen_fail(g, -ENOTSUP, "isspacep of .const and .param");
		return;
	}
	value = GEN_RT(g, ptx_rt_isspacep, g->i32, g->thread, gen_src(g, 1, PTX_B64),
		       gen_i32(g, space));
	gen_dst(g, PTX_PRED, gen_icmp(g, LLVMIntNE, value, gen_i32(g, 0)));
}

/* There are only clusters of one block: rank 0 is the block itself. */
void gen_op_mapa(struct ptx_gen *g)
{
	gen_space(g);
	unsigned int type = gen_type(g);

	if (gen_operands(g, 3, 3))
		gen_dst(g, type, gen_src(g, 1, type));
}
