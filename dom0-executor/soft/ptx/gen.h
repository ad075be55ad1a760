/* SPDX-License-Identifier: MIT */
/*
 * Code generation: a ptx_func to LLVM IR. A register is an alloca of an integer type (LLVM's SROA makes
 * values of them); a predicate is an i1. Every CUDA thread is one call of the kernel's function.
 *
 * Each instruction's generator must take (gen_take..., gen_type) every modifier; one that is left over makes
 * the instruction -ENOTSUP. So no modifier is ever ignored by oversight.
 */
#ifndef SOFT_PTX_GEN_H
#define SOFT_PTX_GEN_H

#include "ast.h"
#include "rt.h"

#include <llvm-c/Core.h>

struct ptx_gen {
	LLVMContextRef ctx;
	LLVMModuleRef mod;
	LLVMBuilderRef b;
	LLVMBuilderRef entry; /* at the end of the entry block: allocas and what every path needs */
	LLVMTypeRef i1, i8, i16, i32, i64, i128, f32, f64, ptr, ptr_fn, none;
	struct ptx_log *log;
	const char *cpu, *features; /* of the host */
	int rc;

	/* the function */
	struct ptx_func *func;
	LLVMValueRef fn, thread, params;
	LLVMBasicBlockRef first;   /* after the entry block */
	LLVMValueRef *regs;        /* allocas, made at first use */
	LLVMValueRef *locals;      /* of .local and .param variables of the body, by index */
	LLVMValueRef *returns;     /* storage of .param returns */
	LLVMValueRef *args;        /* storage of .param parameters of a function */
	LLVMBasicBlockRef *blocks; /* by instruction, NULL where no label is */
	LLVMValueRef carry;        /* CC.CF */
	LLVMValueRef poke, shared, grid, block; /* of the thread, loaded at entry at first use */
	LLVMValueRef sregs[PTX_SREG_COUNT][4];

	/* the instruction */
	const struct ptx_insn *insn;
	uint32_t index;
	uint32_t taken; /* bits of its mods */
};

/* gen.c: all of a kernel's call graph into g->mod; the kernel's function is "kernel". */
int ptx_gen_function(struct ptx_gen *g, struct ptx_func *func);
void ptx_gen_init(struct ptx_gen *g);
LLVMTypeRef gen_function_type(struct ptx_gen *g, const struct ptx_func *f);
LLVMValueRef gen_declare(struct ptx_gen *g, struct ptx_func *f);
void gen_fail(struct ptx_gen *g, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* modifiers */
bool gen_take(struct ptx_gen *g, unsigned int mod);
/* The first of a list that ends with 0, or 0. */
unsigned int gen_take_any(struct ptx_gen *g, const uint16_t *mods);
/* The next type among the modifiers, in their order; fails where there is none. */
unsigned int gen_type(struct ptx_gen *g);
unsigned int gen_type_opt(struct ptx_gen *g); /* PTX_T_NONE */
/* Rounding: 0 nearest, 1 zero, 2 down, 3 up; given says that one was named. */
uint32_t gen_rounding(struct ptx_gen *g, bool *given);
unsigned int gen_vector(struct ptx_gen *g); /* 1, 2, 4, 8 */
enum ptx_space gen_space(struct ptx_gen *g);
void gen_take_cache(struct ptx_gen *g); /* cache operators and hints, which mean nothing here */
void gen_unsupported_type(struct ptx_gen *g, unsigned int type);

/* gen_value.c */
bool gen_operands(struct ptx_gen *g, unsigned int least, unsigned int most);
const struct ptx_operand *gen_operand(struct ptx_gen *g, unsigned int i);
LLVMTypeRef gen_llvm_int(struct ptx_gen *g, unsigned int bits);
LLVMTypeRef gen_llvm_type(struct ptx_gen *g, unsigned int type);
LLVMValueRef gen_get(struct ptx_gen *g, const struct ptx_operand *o, unsigned int type);
LLVMValueRef gen_src(struct ptx_gen *g, unsigned int i, unsigned int type);
void gen_set(struct ptx_gen *g, const struct ptx_operand *o, unsigned int type, LLVMValueRef value);
void gen_dst(struct ptx_gen *g, unsigned int type, LLVMValueRef value); /* operand 0 */
LLVMValueRef gen_reg(struct ptx_gen *g, uint32_t reg);
LLVMValueRef gen_int(struct ptx_gen *g, unsigned int bits, uint64_t value);
LLVMValueRef gen_i32(struct ptx_gen *g, uint32_t value);
LLVMValueRef gen_i64(struct ptx_gen *g, uint64_t value);
LLVMValueRef gen_float_const(struct ptx_gen *g, unsigned int type, double value);
LLVMValueRef gen_cast(struct ptx_gen *g, LLVMValueRef value, LLVMTypeRef type); /* bit cast */
LLVMValueRef gen_resize(struct ptx_gen *g, LLVMValueRef value, unsigned int bits, bool is_signed);
LLVMValueRef gen_not(struct ptx_gen *g, LLVMValueRef value);
LLVMValueRef gen_icmp(struct ptx_gen *g, LLVMIntPredicate p, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef gen_select(struct ptx_gen *g, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef gen_intrinsic(struct ptx_gen *g, const char *name, LLVMTypeRef type,
			   unsigned int count, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
/* Calls a helper of rt.h by its address; pure: no side effect, no memory. */
LLVMValueRef gen_rt(struct ptx_gen *g, void *function, LLVMTypeRef result, unsigned int count,
		    LLVMValueRef *args);
LLVMValueRef gen_rt_pure(struct ptx_gen *g, void *function, LLVMTypeRef result, unsigned int count,
			 LLVMValueRef *args);
#define GEN_RT(g, function, result, ...)                                     \
	gen_rt(g, (void *)(uintptr_t)(function), result,                     \
	       sizeof((LLVMValueRef[]){__VA_ARGS__}) / sizeof(LLVMValueRef), \
	       (LLVMValueRef[]){__VA_ARGS__})
#define GEN_PURE(g, function, result, ...)                                        \
	gen_rt_pure(g, (void *)(uintptr_t)(function), result,                     \
		    sizeof((LLVMValueRef[]){__VA_ARGS__}) / sizeof(LLVMValueRef), \
		    (LLVMValueRef[]){__VA_ARGS__})
/* A field of struct ptx_thread or struct ptx_grid. */
LLVMValueRef gen_thread_field(struct ptx_gen *g, size_t offset, LLVMTypeRef type);
LLVMValueRef gen_sreg(struct ptx_gen *g, const struct ptx_operand *o);
LLVMValueRef gen_thread_once(struct ptx_gen *g, LLVMValueRef *cache, size_t offset,
			     LLVMTypeRef type);
void gen_dispatch(struct ptx_gen *g);
bool gen_is_terminated(struct ptx_gen *g);

/* gen_mem.c */
/* Address of [operand] as an i64 host address. */
LLVMValueRef gen_address(struct ptx_gen *g, const struct ptx_operand *o, enum ptx_space space);
LLVMValueRef gen_pointer(struct ptx_gen *g, LLVMValueRef address, LLVMTypeRef type);
LLVMValueRef gen_symbol_value(struct ptx_gen *g, const struct ptx_operand *o);
LLVMValueRef gen_shared_base(struct ptx_gen *g);
void gen_spin(struct ptx_gen *g);
/* gen_mbar.c */
void gen_async_arrive(struct ptx_gen *g);
void gen_complete_tx(struct ptx_gen *g, unsigned int operand, LLVMValueRef bytes);

/* gen_float.c */
LLVMValueRef gen_ftz(struct ptx_gen *g, LLVMValueRef value);
LLVMValueRef gen_sat(struct ptx_gen *g, LLVMValueRef value);
LLVMValueRef gen_minmax_value(struct ptx_gen *g, LLVMValueRef a, LLVMValueRef b, bool max,
			      bool nan);
/* gen_half.c: carriers are i16; format 0 f16, 1 bf16 */
LLVMValueRef gen_h2f(struct ptx_gen *g, LLVMValueRef half, unsigned int type);
LLVMValueRef gen_f2h(struct ptx_gen *g, LLVMValueRef value, unsigned int type, uint32_t rounding);
bool gen_is_half(unsigned int type); /* f16 bf16 and their pairs */
bool gen_is_pair(unsigned int type);
unsigned int gen_pair_element(unsigned int type);
LLVMValueRef gen_pair_get(struct ptx_gen *g, LLVMValueRef pair, unsigned int i);
LLVMValueRef gen_pair_make(struct ptx_gen *g, LLVMValueRef low, LLVMValueRef high);
/* Each takes the modifiers of its instruction. */
void gen_half_arith(struct ptx_gen *g, unsigned int type);
void gen_half_unary(struct ptx_gen *g, unsigned int type);
void gen_half_minmax(struct ptx_gen *g, unsigned int type);
void gen_float_add(struct ptx_gen *g, unsigned int type);
void gen_float_mul(struct ptx_gen *g, unsigned int type);
void gen_float_fma(struct ptx_gen *g, unsigned int type);
void gen_float_div(struct ptx_gen *g, unsigned int type);
void gen_float_neg(struct ptx_gen *g, unsigned int type);
void gen_float_minmax(struct ptx_gen *g, unsigned int type);
/* gen_set.c */
LLVMValueRef gen_compare(struct ptx_gen *g, unsigned int op, unsigned int type, LLVMValueRef a,
			 LLVMValueRef b, bool ftz);

/* One generator for each word of names.h. */
#define O(id, name, generator) void gen_op_##generator(struct ptx_gen *g);
#include "words.def"

#endif
