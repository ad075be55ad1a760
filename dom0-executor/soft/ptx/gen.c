/* SPDX-License-Identifier: MIT */
/*
 * Code generation: functions, their blocks and predicates; see gen.h. Input is a parsed unit whose content is
 * untrusted: whatever does not fit is reported through gen_fail and the function is thrown away.
 */
#include "gen.h"

#include "log.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gen_fail(struct ptx_gen *g, int rc, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (g->rc)
		return;
	g->rc = rc;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (g->insn)
		ptx_log_error(g->log, g->func->unit->name, g->insn->line, rc, "'%s' in '%s': %s",
			      ptx_op_name(g->insn->op), g->func->symbol.name, text);
	else
		ptx_log_error(g->log, NULL, 0, rc, "%s", text);
}

void ptx_gen_init(struct ptx_gen *g)
{
	g->i1 = LLVMInt1TypeInContext(g->ctx);
	g->i8 = LLVMInt8TypeInContext(g->ctx);
	g->i16 = LLVMInt16TypeInContext(g->ctx);
	g->i32 = LLVMInt32TypeInContext(g->ctx);
	g->i64 = LLVMInt64TypeInContext(g->ctx);
	g->i128 = LLVMInt128TypeInContext(g->ctx);
	g->f32 = LLVMFloatTypeInContext(g->ctx);
	g->f64 = LLVMDoubleTypeInContext(g->ctx);
	g->none = LLVMVoidTypeInContext(g->ctx);
	g->ptr = LLVMPointerType(g->i8, 0);
	g->b = LLVMCreateBuilderInContext(g->ctx);
	g->entry = LLVMCreateBuilderInContext(g->ctx);
}

/* ---- modifiers ---- */

bool gen_take(struct ptx_gen *g, unsigned int mod)
{
	for (unsigned int i = 0; i < g->insn->mod_count; i++)
		if (g->insn->mods[i] == mod && !(g->taken & 1u << i)) {
			g->taken |= 1u << i;
			return true;
		}
	return false;
}

unsigned int gen_take_any(struct ptx_gen *g, const uint16_t *mods)
{
	for (; *mods; mods++)
		if (gen_take(g, *mods))
			return *mods;
	return 0;
}

unsigned int gen_type_opt(struct ptx_gen *g)
{
	for (unsigned int i = 0; i < g->insn->mod_count; i++)
		if (ptx_is_type(g->insn->mods[i]) && !(g->taken & 1u << i)) {
			g->taken |= 1u << i;
			return g->insn->mods[i];
		}
	return PTX_T_NONE;
}

unsigned int gen_type(struct ptx_gen *g)
{
	unsigned int type = gen_type_opt(g);

	if (!type)
		gen_fail(g, -EINVAL, "a type is missing");
	return type ? type : PTX_B32;
}

void gen_unsupported_type(struct ptx_gen *g, unsigned int type)
{
	gen_fail(g, -ENOTSUP, "type .%s", ptx_mod_name(type));
}

uint32_t gen_rounding(struct ptx_gen *g, bool *given)
{
	static const uint16_t modes[] = {MOD_RN, MOD_RZ, MOD_RM, MOD_RP, 0};
	unsigned int mod = gen_take_any(g, modes);

	if (given)
		*given = mod != 0;
	return mod ? mod - MOD_RN : 0;
}

unsigned int gen_vector(struct ptx_gen *g)
{
	if (gen_take(g, MOD_V2))
		return 2;
	if (gen_take(g, MOD_V4))
		return 4;
	return gen_take(g, MOD_V8) ? 8 : 1;
}

enum ptx_space gen_space(struct ptx_gen *g)
{
	static const struct {
		uint16_t mod;
		enum ptx_space space;
	} spaces[] = {
		{MOD_GLOBAL, PTX_SPACE_GLOBAL},         {MOD_SHARED, PTX_SPACE_SHARED},
		{MOD_LOCAL, PTX_SPACE_LOCAL},           {MOD_PARAM, PTX_SPACE_PARAM},
		{MOD_CONST, PTX_SPACE_CONST},           {MOD_SHARED_CTA, PTX_SPACE_SHARED},
		{MOD_SHARED_CLUSTER, PTX_SPACE_SHARED}, {MOD_PARAM_ENTRY, PTX_SPACE_PARAM},
		{MOD_PARAM_FUNC, PTX_SPACE_PARAM},
	};

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (gen_take(g, spaces[i].mod))
			return spaces[i].space;
	return PTX_SPACE_GENERIC;
}

void gen_take_cache(struct ptx_gen *g)
{
	static const uint16_t hints[] = {MOD_CA,
					 MOD_CG,
					 MOD_CS,
					 MOD_LU,
					 MOD_CV,
					 MOD_WB,
					 MOD_WT,
					 MOD_NC,
					 MOD_L1_EVICT_NORMAL,
					 MOD_L1_EVICT_UNCHANGED,
					 MOD_L1_EVICT_FIRST,
					 MOD_L1_EVICT_LAST,
					 MOD_L1_NO_ALLOCATE,
					 MOD_L2_64B,
					 MOD_L2_128B,
					 MOD_L2_256B,
					 MOD_L2_CACHE_HINT,
					 MOD_L2_EVICT_LAST,
					 MOD_L2_EVICT_NORMAL,
					 MOD_L2_EVICT_FIRST,
					 0};

	while (gen_take_any(g, hints))
		;
}

/* ---- functions ---- */

/* One scalar is returned as a value; everything else through pointers to the caller's storage. */
static bool returns_value(const struct ptx_func *f)
{
	return f->return_count == 1 && !f->returns[0]->is_array;
}

LLVMTypeRef gen_function_type(struct ptx_gen *g, const struct ptx_func *f)
{
	LLVMTypeRef result = g->none;
	LLVMTypeRef *types = calloc(f->return_count + f->param_count + 2, sizeof(LLVMTypeRef));
	LLVMTypeRef type;
	unsigned int n = 0;

	if (!types) {
		gen_fail(g, -ENOMEM, "out of memory");
		return LLVMFunctionType(g->none, NULL, 0, 0);
	}
	types[n++] = g->ptr;
	if (f->is_kernel) {
		types[n++] = g->ptr;
	} else {
		if (returns_value(f))
			result = gen_llvm_int(g, ptx_type_bits(f->returns[0]->type));
		else
			for (uint32_t i = 0; i < f->return_count; i++)
				types[n++] = g->ptr;
		for (uint32_t i = 0; i < f->param_count; i++)
			types[n++] = f->params[i]->is_array
					     ? g->ptr
					     : gen_llvm_int(g, ptx_type_bits(f->params[i]->type));
	}
	type = LLVMFunctionType(result, types, n, 0);
	free(types);
	return type;
}

static void add_attribute(struct ptx_gen *g, LLVMValueRef fn, const char *name, const char *value)
{
	LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex,
				LLVMCreateStringAttribute(g->ctx, name, (unsigned int)strlen(name),
							  value, (unsigned int)strlen(value)));
}

static void add_enum_attribute(struct ptx_gen *g, LLVMValueRef fn, const char *name)
{
	unsigned int kind = LLVMGetEnumAttributeKindForName(name, strlen(name));

	LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex,
				LLVMCreateEnumAttribute(g->ctx, kind, 0));
}

LLVMValueRef gen_declare(struct ptx_gen *g, struct ptx_func *f)
{
	LLVMValueRef fn;
	char name[64];

	/* Static functions of two units may share a name: the object's address tells them apart. */
	snprintf(name, sizeof(name), f->is_kernel ? "kernel" : "func_%p", (void *)f);
	fn = LLVMGetNamedFunction(g->mod, name);
	if (fn)
		return fn;
	fn = LLVMAddFunction(g->mod, name, gen_function_type(g, f));
	add_enum_attribute(g, fn, "nounwind");
	add_enum_attribute(g, fn, "null_pointer_is_valid");
	/* Frames touch each page in order, so that the guard page ends an overflow. */
	add_attribute(g, fn, "probe-stack", "inline-asm");
	add_attribute(g, fn, "target-cpu", g->cpu);
	add_attribute(g, fn, "target-features", g->features);
	return fn;
}

static void label_block(struct ptx_gen *g, struct ptx_label *label)
{
	while (label && label->insn == UINT32_MAX)
		label = label->same;
	if (label && label->insn <= g->func->insn_count && !g->blocks[label->insn])
		g->blocks[label->insn] = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
}

static void make_blocks(struct ptx_gen *g)
{
	const struct ptx_func *f = g->func;

	for (uint32_t i = 0; i < f->insn_count; i++)
		for (unsigned int k = 0; k < f->insns[i].operand_count; k++) {
			struct ptx_operand *o = &f->insns[i].operands[k];
			struct ptx_targets *targets;

			if (o->kind == OPND_LABEL)
				label_block(g, o->label);
			if (o->kind != OPND_SYM || o->symbol->kind != PTX_SYM_TARGETS)
				continue;
			targets = (struct ptx_targets *)o->symbol;
			for (uint32_t t = 0; t < targets->count; t++)
				label_block(g, targets->labels[t]);
		}
}

/* Storage of parameters and returns, filled from the arguments. */
static void make_params(struct ptx_gen *g)
{
	const struct ptx_func *f = g->func;
	unsigned int n = 1;

	for (uint32_t i = 0; i < f->return_count; i++) {
		struct ptx_var *var = f->returns[i];

		if (!returns_value(f))
			g->returns[i] = LLVMGetParam(g->fn, n++);
		else if (!var->is_reg)
			g->returns[i] = LLVMBuildAlloca(
				g->entry, gen_llvm_int(g, ptx_type_bits(var->type)), "");
	}
	for (uint32_t i = 0; i < f->param_count; i++) {
		struct ptx_var *var = f->params[i];
		LLVMValueRef arg = LLVMGetParam(g->fn, n++);

		if (var->is_array) {
			g->args[i] = arg;
		} else if (var->is_reg) {
			LLVMBuildStore(g->entry, arg, gen_reg(g, var->reg));
		} else {
			g->args[i] = LLVMBuildAlloca(g->entry, LLVMTypeOf(arg), "");
			LLVMBuildStore(g->entry, arg, g->args[i]);
		}
	}
}

bool gen_is_terminated(struct ptx_gen *g)
{
	return LLVMGetBasicBlockTerminator(LLVMGetInsertBlock(g->b)) != NULL;
}

static void gen_insn(struct ptx_gen *g)
{
	const struct ptx_insn *insn = g->insn;
	LLVMBasicBlockRef after = NULL;

	if (insn->has_pred) {
		LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
		LLVMValueRef p = LLVMBuildLoad2(g->b, g->i1, gen_reg(g, insn->pred), "");

		after = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
		LLVMBuildCondBr(g->b, p, insn->pred_negated ? after : body,
				insn->pred_negated ? body : after);
		LLVMPositionBuilderAtEnd(g->b, body);
	}
	g->taken = 0;
	gen_dispatch(g);
	for (unsigned int i = 0; !g->rc && i < insn->mod_count; i++)
		if (!(g->taken & 1u << i))
			gen_fail(g, -ENOTSUP, "modifier .%s", ptx_mod_name(insn->mods[i]));
	if (after) {
		if (!gen_is_terminated(g))
			LLVMBuildBr(g->b, after);
		LLVMPositionBuilderAtEnd(g->b, after);
	}
}

static void gen_body(struct ptx_gen *g)
{
	const struct ptx_func *f = g->func;

	for (g->index = 0; g->index <= f->insn_count && !g->rc; g->index++) {
		LLVMBasicBlockRef block = g->blocks[g->index];

		if (block && !gen_is_terminated(g))
			LLVMBuildBr(g->b, block);
		if (!block && gen_is_terminated(g)) /* code that nothing reaches is still checked */
			block = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
		if (block)
			LLVMPositionBuilderAtEnd(g->b, block);
		if (g->index == f->insn_count)
			break;
		g->insn = &f->insns[g->index];
		gen_insn(g);
	}
	if (!gen_is_terminated(g))
		gen_op_ret(g);
}

static bool function_alloc(struct ptx_gen *g)
{
	const struct ptx_func *f = g->func;

	g->regs = calloc(f->reg_count + 1, sizeof(LLVMValueRef));
	g->locals = calloc(f->local_count + 1, sizeof(LLVMValueRef));
	g->returns = calloc(f->return_count + 1, sizeof(LLVMValueRef));
	g->args = calloc(f->param_count + 1, sizeof(LLVMValueRef));
	g->blocks = calloc(f->insn_count + 1, sizeof(LLVMBasicBlockRef));
	memset(g->sregs, 0, sizeof(g->sregs));
	g->carry = g->poke = g->shared = g->grid = g->block = NULL;
	g->insn = NULL;
	return g->regs && g->locals && g->returns && g->args && g->blocks;
}

static void function_free(struct ptx_gen *g)
{
	free(g->regs);
	free(g->locals);
	free(g->returns);
	free(g->args);
	free(g->blocks);
	g->regs = g->locals = g->returns = g->args = NULL;
	g->blocks = NULL;
}

int ptx_gen_function(struct ptx_gen *g, struct ptx_func *func)
{
	static const struct ptx_insn no_insn = {.op = OP_RET};

	g->func = func;
	g->fn = gen_declare(g, func);
	if (!function_alloc(g))
		gen_fail(g, -ENOMEM, "out of memory");
	if (!g->rc) {
		LLVMPositionBuilderAtEnd(g->entry,
					 LLVMAppendBasicBlockInContext(g->ctx, g->fn, "entry"));
		g->first = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "first");
		g->thread = LLVMGetParam(g->fn, 0);
		g->params = func->is_kernel ? LLVMGetParam(g->fn, 1) : NULL;
		if (!func->is_kernel)
			make_params(g);
		make_blocks(g);
		LLVMPositionBuilderAtEnd(g->b, g->first);
		g->insn = &no_insn;
		gen_body(g);
		LLVMBuildBr(g->entry, g->first);
	}
	function_free(g);
	g->insn = NULL;
	return g->rc;
}

void gen_dispatch(struct ptx_gen *g)
{
	switch (g->insn->op) {
#define O(id, name, generator)         \
	case OP_##id:                  \
		gen_op_##generator(g); \
		break;
#include "words.def"
	}
}
