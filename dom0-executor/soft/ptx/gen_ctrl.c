/* SPDX-License-Identifier: MIT */
/* Code generation: branches, calls, ends. */
#include "gen.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static struct ptx_label *label_final(struct ptx_label *label)
{
	while (label && label->insn == UINT32_MAX)
		label = label->same;
	return label;
}

/* Every loop looks whether its launch was cancelled or another thread should run. */
static void gen_poll(struct ptx_gen *g)
{
	LLVMBasicBlockRef call = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
	LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
	LLVMValueRef at, flag;

	at = gen_thread_once(g, &g->poke, offsetof(struct ptx_thread, poke), g->ptr);
	flag = LLVMBuildLoad2(g->b, g->i8, at, "");
	LLVMSetVolatile(flag, 1);
	LLVMBuildCondBr(g->b, gen_icmp(g, LLVMIntNE, flag, gen_int(g, 8, 0)), call, after);
	LLVMPositionBuilderAtEnd(g->b, call);
	GEN_RT(g, ptx_rt_poll, g->none, g->thread);
	LLVMBuildBr(g->b, after);
	LLVMPositionBuilderAtEnd(g->b, after);
}

void gen_op_bra(struct ptx_gen *g)
{
	const struct ptx_operand *o = gen_operand(g, 0);
	struct ptx_label *label = o->kind == OPND_LABEL ? label_final(o->label) : NULL;

	gen_take(g, MOD_UNI);
	if (!gen_operands(g, 1, 1) || !label) {
		gen_fail(g, -EINVAL, "a label expected");
		return;
	}
	if (label->insn <= g->index)
		gen_poll(g);
	LLVMBuildBr(g->b, g->blocks[label->insn]);
}

/* brx.idx index, targets: an index past the end is undefined; here it traps. */
void gen_op_brx(struct ptx_gen *g)
{
	const struct ptx_operand *o = gen_operand(g, 1);
	LLVMBasicBlockRef bad;
	struct ptx_targets *targets;
	LLVMValueRef index, branch;

	gen_take(g, MOD_UNI);
	if (!gen_take(g, MOD_IDX) || !gen_operands(g, 2, 2) || o->kind != OPND_SYM ||
	    o->symbol->kind != PTX_SYM_TARGETS) {
		gen_fail(g, -EINVAL, "index and targets expected");
		return;
	}
	targets = (struct ptx_targets *)o->symbol;
	gen_poll(g);
	index = gen_src(g, 0, PTX_U32);
	bad = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
	branch = LLVMBuildSwitch(g->b, index, bad, targets->count);
	for (uint32_t i = 0; i < targets->count; i++) {
		struct ptx_label *label = label_final(targets->labels[i]);

		if (!label) {
			gen_fail(g, -EINVAL, "a label of '%s' is not defined", o->symbol->name);
			break;
		}
		LLVMAddCase(branch, gen_i32(g, i), g->blocks[label->insn]);
	}
	LLVMPositionBuilderAtEnd(g->b, bad);
	GEN_RT(g, ptx_rt_trap, g->none, g->thread);
	LLVMBuildUnreachable(g->b);
}

void gen_op_ret(struct ptx_gen *g)
{
	const struct ptx_func *f = g->func;
	LLVMTypeRef type;
	LLVMValueRef from;

	gen_take(g, MOD_UNI);
	if (f->is_kernel || f->return_count != 1 || f->returns[0]->is_array) {
		LLVMBuildRetVoid(g->b);
		return;
	}
	type = gen_llvm_int(g, ptx_type_bits(f->returns[0]->type));
	from = f->returns[0]->is_reg ? gen_reg(g, f->returns[0]->reg) : g->returns[0];
	LLVMBuildRet(g->b, LLVMBuildLoad2(g->b, type, from, ""));
}

void gen_op_exit(struct ptx_gen *g)
{
	if (g->func->is_kernel) {
		LLVMBuildRetVoid(g->b);
		return;
	}
	GEN_RT(g, ptx_rt_exit, g->none, g->thread);
	LLVMBuildUnreachable(g->b);
}

void gen_op_trap(struct ptx_gen *g)
{
	GEN_RT(g, ptx_rt_trap, g->none, g->thread);
	LLVMBuildUnreachable(g->b);
}

void gen_op_nanosleep(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);

	if (gen_operands(g, 1, 1))
		GEN_RT(g, ptx_rt_nanosleep, g->none, g->thread,
		       gen_src(g, 0, type == PTX_U32 ? type : PTX_B32));
}

/* Only for tools and register allocators: pmevent, setmaxnreg */
void gen_op_pmevent(struct ptx_gen *g)
{
	g->taken = UINT32_MAX;
}

/* Dependent grids are never started early, so there is nothing to wait for. */
void gen_op_griddep(struct ptx_gen *g)
{
	if (!gen_take(g, MOD_WAIT) && !gen_take(g, MOD_LAUNCH_DEPENDENTS))
		gen_fail(g, -ENOTSUP, "form of griddepcontrol");
}

/* ---- calls ---- */

static struct ptx_var *operand_param(struct ptx_gen *g, const struct ptx_operand *o)
{
	struct ptx_var *var = o->kind == OPND_SYM && o->symbol->kind == PTX_SYM_VAR
				      ? (struct ptx_var *)o->symbol
				      : NULL;

	if (var && var->space == PTX_SPACE_PARAM && !o->offset)
		return var;
	gen_fail(g, -EINVAL, "argument of a kind that a call cannot have");
	return NULL;
}

/* Storage of a .param variable of ours that must hold `like`. */
static LLVMValueRef param_pointer(struct ptx_gen *g, const struct ptx_operand *o,
				  const struct ptx_var *like)
{
	struct ptx_operand address = {
		.kind = OPND_ADDR, .count = 1, .sub = (struct ptx_operand *)o};
	struct ptx_var *var = operand_param(g, o);

	if (var && var->size < like->size)
		gen_fail(g, -EINVAL, "argument '%s' is too small", var->symbol.name);
	if (!var || g->rc)
		return LLVMConstNull(g->ptr);
	return gen_address(g, &address, PTX_SPACE_PARAM);
}

static LLVMValueRef call_argument(struct ptx_gen *g, const struct ptx_operand *o,
				  const struct ptx_var *like)
{
	LLVMTypeRef type = gen_llvm_int(g, ptx_type_bits(like->type));
	LLVMValueRef at;

	if (like->is_array)
		return param_pointer(g, o, like);
	if (o->kind != OPND_SYM || o->symbol->kind != PTX_SYM_VAR ||
	    ((struct ptx_var *)o->symbol)->space != PTX_SPACE_PARAM)
		return gen_cast(g, gen_get(g, o, like->type), type);
	at = param_pointer(g, o, like);
	return LLVMBuildLoad2(g->b, type, gen_pointer(g, at, type), "");
}

static void call_result(struct ptx_gen *g, const struct ptx_operand *o, const struct ptx_var *like,
			LLVMValueRef value)
{
	LLVMValueRef at;

	if (o->kind == OPND_REG || o->kind == OPND_SINK) {
		gen_set(g, o, like->type, gen_cast(g, value, gen_llvm_type(g, like->type)));
		return;
	}
	at = param_pointer(g, o, like);
	LLVMBuildStore(g->b, value, gen_pointer(g, at, LLVMTypeOf(value)));
}

static void call_function(struct ptx_gen *g, const struct ptx_call *call,
			  const struct ptx_func *like, LLVMValueRef code)
{
	bool by_value = like->return_count == 1 && !like->returns[0]->is_array;
	LLVMValueRef args[PTX_PARAMS_MAX > 600 ? 600 : PTX_PARAMS_MAX], value;
	unsigned int n = 0;

	/* A result may be left out by the caller; its storage is then scratch. */
	if (call->arg_count != like->param_count || call->return_count > like->return_count ||
	    (call->return_count != like->return_count && !by_value) ||
	    like->param_count + like->return_count > 590) {
		gen_fail(g, -EINVAL, "%u arguments and %u results", call->arg_count,
			 call->return_count);
		return;
	}
	args[n++] = g->thread;
	for (uint32_t i = 0; !by_value && i < like->return_count; i++)
		args[n++] = param_pointer(g, &call->returns[i], like->returns[i]);
	for (uint32_t i = 0; i < like->param_count && !g->rc; i++)
		args[n++] = call_argument(g, &call->args[i], like->params[i]);
	if (g->rc)
		return;
	value = LLVMBuildCall2(g->b, gen_function_type(g, like), code, args, n, "");
	if (by_value && call->return_count)
		call_result(g, &call->returns[0], like->returns[0], value);
}

static LLVMValueRef builtin_arg(struct ptx_gen *g, const struct ptx_call *call,
				const struct ptx_func *f, unsigned int i, unsigned int bits)
{
	if (i >= call->arg_count || i >= f->param_count || f->params[i]->is_array) {
		gen_fail(g, -EINVAL, "arguments of '%s'", f->symbol.name);
		return gen_int(g, bits, 0);
	}
	return gen_resize(g, call_argument(g, &call->args[i], f->params[i]), bits, false);
}

/* Functions that the toolkit leaves to the driver. */
static bool call_builtin(struct ptx_gen *g, const struct ptx_call *call, const struct ptx_func *f)
{
	const char *name = f->symbol.name;
	LLVMValueRef value = NULL;

	if (!strcmp(name, "vprintf")) {
		value = GEN_RT(g, ptx_rt_vprintf, g->i32, g->thread, builtin_arg(g, call, f, 0, 64),
			       builtin_arg(g, call, f, 1, 64));
	} else if (!strcmp(name, "malloc")) {
		value = GEN_RT(g, ptx_rt_malloc, g->i64, g->thread, builtin_arg(g, call, f, 0, 64));
	} else if (!strcmp(name, "free")) {
		GEN_RT(g, ptx_rt_free, g->none, g->thread, builtin_arg(g, call, f, 0, 64));
	} else if (!strcmp(name, "__assertfail")) {
		GEN_RT(g, ptx_rt_assert, g->none, g->thread, builtin_arg(g, call, f, 0, 64),
		       builtin_arg(g, call, f, 1, 64), builtin_arg(g, call, f, 2, 32),
		       builtin_arg(g, call, f, 3, 64), builtin_arg(g, call, f, 4, 64));
	} else if (!strcmp(name, "cudaGraphSetConditional")) {
		GEN_RT(g, ptx_rt_set_condition, g->none, g->thread, builtin_arg(g, call, f, 0, 64),
		       builtin_arg(g, call, f, 1, 32));
	} else {
		return false;
	}
	if (value && call->return_count == 1 && f->return_count == 1 && !f->returns[0]->is_array &&
	    !g->rc)
		call_result(g, &call->returns[0], f->returns[0],
			    gen_resize(g, value, ptx_type_bits(f->returns[0]->type), false));
	return true;
}

static void call_indirect(struct ptx_gen *g, const struct ptx_call *call)
{
	const struct ptx_func *proto = (const struct ptx_func *)call->proto;
	LLVMValueRef code = GEN_RT(g, ptx_rt_call_target, g->ptr, g->thread,
				   gen_get(g, &call->callee, PTX_B64));

	code = LLVMBuildBitCast(g->b, code, LLVMPointerType(gen_function_type(g, proto), 0), "");
	call_function(g, call, proto, code);
}

void gen_op_call(struct ptx_gen *g)
{
	const struct ptx_call *call = g->insn->call;
	struct ptx_func *f;

	gen_take(g, MOD_UNI);
	if (call->callee.kind == OPND_REG) {
		call_indirect(g, call);
		return;
	}
	f = (struct ptx_func *)call->callee.symbol;
	f = f->target ? f->target : f;
	if (f->has_body && !f->is_kernel)
		call_function(g, call, f, gen_declare(g, f));
	else if (f->is_kernel || !call_builtin(g, call, f))
		gen_fail(g, -ENOENT, "function '%s' is not defined", f->symbol.name);
}

/* ---- alloca ---- */

static LLVMValueRef plain_intrinsic(struct ptx_gen *g, const char *name, LLVMValueRef arg)
{
	unsigned int id = LLVMLookupIntrinsicID(name, strlen(name));
	LLVMValueRef fn = LLVMGetIntrinsicDeclaration(g->mod, id, NULL, 0);

	return LLVMBuildCall2(g->b, LLVMIntrinsicGetType(g->ctx, id, NULL, 0), fn, &arg,
			      arg ? 1 : 0, "");
}

void gen_op_alloca(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);
	LLVMValueRef slot;

	if (!gen_operands(g, 2, 3) || (type != PTX_U64 && type != PTX_B64)) {
		gen_unsupported_type(g, type);
		return;
	}
	slot = LLVMBuildArrayAlloca(g->b, g->i8, gen_src(g, 1, PTX_U64), "");
	LLVMSetAlignment(slot, 16);
	gen_dst(g, type, LLVMBuildPtrToInt(g->b, slot, g->i64, ""));
}

void gen_op_stack(struct ptx_gen *g)
{
	unsigned int type = gen_type(g);
	LLVMValueRef value;

	if (!gen_operands(g, 1, 1) || (type != PTX_U64 && type != PTX_B64)) {
		gen_unsupported_type(g, type);
		return;
	}
	if (g->insn->op == OP_STACKSAVE) {
		value = plain_intrinsic(g, "llvm.stacksave", NULL);
		gen_dst(g, type, LLVMBuildPtrToInt(g->b, value, g->i64, ""));
	} else {
		value = LLVMBuildIntToPtr(g->b, gen_src(g, 0, type), g->ptr, "");
		plain_intrinsic(g, "llvm.stackrestore", value);
	}
}
