/* SPDX-License-Identifier: MIT */
/* Code generation: atom, red, fences, asynchronous copies (done at once). */
#include "gen.h"

#include <errno.h>

static const uint16_t atom_ops[] = {MOD_ADD, MOD_MIN, MOD_MAX,  MOD_AND, MOD_OR, MOD_XOR,
				    MOD_INC, MOD_DEC, MOD_EXCH, MOD_CAS, 0};

static void take_order(struct ptx_gen *g)
{
	static const uint16_t orders[] = {MOD_RELAXED, MOD_ACQUIRE, MOD_RELEASE,
					  MOD_ACQ_REL, MOD_SC,      0};
	static const uint16_t scopes[] = {MOD_CTA, MOD_CLUSTER, MOD_GPU, MOD_SYS, MOD_GL, 0};

	gen_take_any(g, orders);
	gen_take_any(g, scopes);
}

/* What LLVM has an instruction for; -1: a helper does it. */
static int atom_native(unsigned int op, unsigned int type)
{
	bool sign = ptx_type_is_signed(type);

	if (ptx_type_bytes(type) < 4 || ptx_type_is_float(type) || type > PTX_S64)
		return -1;
	switch (op) {
	case MOD_ADD: return LLVMAtomicRMWBinOpAdd;
	case MOD_AND: return LLVMAtomicRMWBinOpAnd;
	case MOD_OR: return LLVMAtomicRMWBinOpOr;
	case MOD_XOR: return LLVMAtomicRMWBinOpXor;
	case MOD_EXCH: return LLVMAtomicRMWBinOpXchg;
	case MOD_MIN: return sign ? LLVMAtomicRMWBinOpMin : LLVMAtomicRMWBinOpUMin;
	case MOD_MAX: return sign ? LLVMAtomicRMWBinOpMax : LLVMAtomicRMWBinOpUMax;
	default: return -1;
	}
}

static bool atom_allowed(unsigned int op, unsigned int type)
{
	bool is_float = ptx_type_is_float(type) || gen_is_pair(type);
	unsigned int bytes = ptx_type_bytes(type);

	if (is_float)
		return op == MOD_ADD ||
		       (op <= MOD_MAX && op >= MOD_MIN && type != PTX_F32 && type != PTX_F64);
	if (type == PTX_B16)
		return op == MOD_CAS || op == MOD_EXCH;
	if (bytes < 4 || bytes > 8 || type > PTX_S64)
		return false;
	if (op == MOD_INC || op == MOD_DEC)
		return type == PTX_U32;
	if (op == MOD_ADD || op == MOD_MIN || op == MOD_MAX)
		return ptx_type_is_int(type);
	return true;
}

static LLVMValueRef atom_value(struct ptx_gen *g, unsigned int op, unsigned int type,
			       LLVMValueRef pointer, unsigned int first)
{
	unsigned int bits = ptx_type_bits(type);
	LLVMTypeRef raw = gen_llvm_int(g, bits);
	LLVMValueRef b = gen_cast(g, gen_src(g, first, type), raw), c = b, pair;
	LLVMAtomicOrdering order = LLVMAtomicOrderingSequentiallyConsistent;
	int native = atom_native(op, type);

	if (op == MOD_CAS)
		c = gen_cast(g, gen_src(g, first + 1, type), raw);
	if (op == MOD_CAS && bits >= 32) {
		pair = LLVMBuildAtomicCmpXchg(g->b, gen_pointer(g, pointer, raw), b, c, order,
					      order, 0);
		return LLVMBuildExtractValue(g->b, pair, 0, "");
	}
	if (native >= 0)
		return LLVMBuildAtomicRMW(g->b, (LLVMAtomicRMWBinOp)native,
					  gen_pointer(g, pointer, raw), b, order, 0);
	pair = GEN_RT(g, ptx_rt_atom, g->i64, LLVMBuildPtrToInt(g->b, pointer, g->i64, ""),
		      gen_i32(g, op), gen_i32(g, type),
		      gen_resize(g, op == MOD_CAS ? c : b, 64, false), gen_resize(g, b, 64, false));
	return gen_resize(g, pair, bits, false);
}

void gen_op_atom(struct ptx_gen *g)
{
	bool is_red = g->insn->op == OP_RED;
	unsigned int op = gen_take_any(g, atom_ops), type, first = is_red ? 1 : 2, count;
	enum ptx_space space;
	LLVMValueRef pointer, value;

	take_order(g);
	space = gen_space(g);
	gen_take(g, MOD_NOFTZ);
	gen_take_cache(g);
	type = gen_type(g);
	count = first + 1 + (op == MOD_CAS);
	if (!op || !gen_operands(g, count, count + 1) || !atom_allowed(op, type)) {
		gen_unsupported_type(g, type);
		return;
	}
	if (op == MOD_CAS || op == MOD_EXCH)
		gen_spin(g);
	pointer = gen_address(g, gen_operand(g, first - 1), space);
	if (g->rc)
		return;
	value = atom_value(g, op, type, pointer, first);
	if (!is_red)
		gen_dst(g, type, gen_cast(g, value, gen_llvm_type(g, type)));
}

void gen_op_fence(struct ptx_gen *g)
{
	static const uint16_t proxies[] = {MOD_ALIAS, MOD_ASYNC, MOD_ASYNC_GLOBAL, MOD_TENSORMAP,
					   0};
	bool proxy = gen_take(g, MOD_PROXY);

	if (proxy) {
		gen_take_any(g, proxies);
		gen_space(g);
	}
	take_order(g);
	if (gen_operands(g, 0, proxy ? 2 : 0))
		LLVMBuildFence(g->b, LLVMAtomicOrderingSequentiallyConsistent, 0, "");
}

/* cp.async [shared], [global], size {, valid bytes}: done at once, so that waiting is nothing. */
static void copy_async(struct ptx_gen *g)
{
	const struct ptx_operand *size = gen_operand(g, 2);
	LLVMValueRef to, from, valid, whole;
	LLVMTypeRef type;
	bool spaces = (gen_take(g, MOD_SHARED) || gen_take(g, MOD_SHARED_CTA)) &&
		      gen_take(g, MOD_GLOBAL);

	gen_take_cache(g);
	if (!spaces || !gen_operands(g, 3, 5) || size->kind != OPND_INT ||
	    (size->imm != 4 && size->imm != 8 && size->imm != 16)) {
		gen_fail(g, -ENOTSUP, "form of cp.async");
		return;
	}
	to = gen_address(g, gen_operand(g, 0), PTX_SPACE_SHARED);
	from = gen_address(g, gen_operand(g, 1), PTX_SPACE_GLOBAL);
	if (g->rc)
		return;
	type = gen_llvm_int(g, (unsigned int)size->imm * 8);
	if (g->insn->operand_count == 3) {
		whole = LLVMBuildLoad2(g->b, type, gen_pointer(g, from, type), "");
		LLVMSetAlignment(whole, 4);
		LLVMSetAlignment(LLVMBuildStore(g->b, whole, gen_pointer(g, to, type)), 4);
		return;
	}
	/* The rest is zeroed. The sources past `valid` must not be read. */
	valid = gen_src(g, 3, PTX_U32);
	valid = gen_intrinsic(g, "llvm.umin", g->i32, 2, valid, gen_i32(g, (uint32_t)size->imm),
			      NULL);
	GEN_RT(g, ptx_rt_copy_fill, g->none, LLVMBuildPtrToInt(g->b, to, g->i64, ""),
	       LLVMBuildPtrToInt(g->b, from, g->i64, ""), gen_i32(g, (uint32_t)size->imm), valid);
}

/* cp.async.bulk between global and shared memory: [to], [from], bytes, and the mbarrier that counts them. */
static void copy_bulk(struct ptx_gen *g)
{
	static const uint16_t waits[] = {MOD_COMMIT_GROUP, MOD_WAIT_GROUP, 0};
	bool counted, grouped, shared, global;
	LLVMValueRef to, from, bytes;

	if (gen_take_any(g, waits)) {
		gen_take(g, MOD_READ);
		return;
	}
	counted = gen_take(g, MOD_COMPLETE_TX_BYTES);
	grouped = !counted && gen_take(g, MOD_BULK_GROUP);
	shared = gen_take(g, MOD_SHARED_CLUSTER) || gen_take(g, MOD_SHARED_CTA);
	global = gen_take(g, MOD_GLOBAL);
	gen_take_cache(g);
	if (counted == grouped || !shared || !global ||
	    !gen_operands(g, counted ? 4 : 3, counted ? 5 : 4)) {
		gen_fail(g, -ENOTSUP, "form of cp.async.bulk");
		return;
	}
	to = gen_address(g, gen_operand(g, 0), counted ? PTX_SPACE_SHARED : PTX_SPACE_GLOBAL);
	from = gen_address(g, gen_operand(g, 1), counted ? PTX_SPACE_GLOBAL : PTX_SPACE_SHARED);
	bytes = gen_src(g, 2, PTX_U32);
	if (g->rc)
		return;
	GEN_RT(g, ptx_rt_copy_fill, g->none, LLVMBuildPtrToInt(g->b, to, g->i64, ""),
	       LLVMBuildPtrToInt(g->b, from, g->i64, ""), bytes, bytes);
	if (counted)
		gen_complete_tx(g, 3, bytes);
}

void gen_op_cp(struct ptx_gen *g)
{
	static const uint16_t waits[] = {MOD_COMMIT_GROUP, MOD_WAIT_GROUP, MOD_WAIT_ALL, 0};

	if (!gen_take(g, MOD_ASYNC)) {
		gen_fail(g, -ENOTSUP, "other than cp.async");
		return;
	}
	if (gen_take(g, MOD_BULK))
		copy_bulk(g);
	else if (gen_take(g, MOD_MBARRIER))
		gen_async_arrive(g);
	else if (!gen_take_any(g, waits))
		copy_async(g);
}
