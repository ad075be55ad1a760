/* SPDX-License-Identifier: MIT */
/*
 * A parsed PTX text. Everything lives in the unit's arena. Names are resolved while parsing, so that
 * operands point to their register, symbol or label; what is extern is resolved when units are linked.
 */
#ifndef SOFT_PTX_AST_H
#define SOFT_PTX_AST_H

#include "arena.h"
#include "names.h"
#include "ptx.h"

#define PTX_INSN_MODS_MAX   12
#define PTX_OPERANDS_MAX    10
#define PTX_REGS_MAX        (1u << 20) /* registers of one function */
#define PTX_INSNS_MAX       (4u << 20) /* instructions of one function */
#define PTX_NESTING_MAX     64         /* scopes, parentheses, braces */
#define PTX_VAR_BYTES_MAX   (1ull << 32)
#define PTX_LOCAL_BYTES_MAX (512u << 10)

enum ptx_linkage {
	PTX_STATIC,
	PTX_VISIBLE,
	PTX_WEAK,
	PTX_COMMON,
	PTX_EXTERN
};
enum ptx_space {
	PTX_SPACE_GENERIC,
	PTX_SPACE_GLOBAL,
	PTX_SPACE_CONST,
	PTX_SPACE_SHARED,
	PTX_SPACE_LOCAL,
	PTX_SPACE_PARAM
};
enum ptx_symbol_kind {
	PTX_SYM_VAR,
	PTX_SYM_FUNC,
	PTX_SYM_PROTO,
	PTX_SYM_TARGETS
};

struct ptx_func;
struct ptx_scope;
struct ptx_var;

/* Heads ptx_var, ptx_func, ptx_targets. */
struct ptx_symbol {
	enum ptx_symbol_kind kind;
	enum ptx_linkage linkage;
	const char *name;
	unsigned int line;
};

/* One value of an initialiser. */
struct ptx_init {
	struct ptx_init *next;
	uint64_t offset;           /* in the variable */
	uint64_t bits;             /* the value, or the addend of symbol */
	struct ptx_symbol *symbol; /* NULL: a plain number */
	uint64_t mask;             /* 0xFF00(symbol): which byte, 0: all */
	uint8_t bytes;
	unsigned int line;
};

struct ptx_var {
	struct ptx_symbol symbol;
	enum ptx_space space;
	unsigned int type;
	uint32_t align;
	uint64_t size; /* bytes; 0 for extern [] */
	bool is_array;
	bool is_managed;
	bool is_dynamic; /* extern .shared x[] */
	bool is_reg;     /* a parameter given as .reg */
	bool is_param;   /* of a function's head (param variables of bodies are not) */
	bool is_return;
	uint32_t reg;          /* is_reg: the register */
	uint32_t offset;       /* shared: in its area; param of a kernel: in the block */
	uint32_t index;        /* local, param of a body: number in the function; head: position */
	struct ptx_func *func; /* the function that it is declared in */
	struct ptx_init *init;
	struct ptx_var *next;
	struct ptx_var *target; /* extern: its definition, set by the linker */
	void *address;          /* global, const: set by the linker */
};

struct ptx_label {
	struct ptx_label *next;     /* of the same scope */
	struct ptx_label *same;     /* forward reference that an outer scope answers */
	struct ptx_label *shadowed; /* of the same name, outer scope */
	struct ptx_scope *scope;    /* while parsing only */
	struct ptx_atom *name;
	unsigned int line;
	uint32_t insn; /* UINT32_MAX: not seen yet */
};

/* .branchtargets */
struct ptx_targets {
	struct ptx_symbol symbol;
	uint32_t count;
	struct ptx_label **labels;
};

enum ptx_operand_kind {
	OPND_REG,   /* reg */
	OPND_INT,   /* imm */
	OPND_F32,   /* imm: bits */
	OPND_F64,   /* imm: bits */
	OPND_SYM,   /* symbol + offset */
	OPND_SREG,  /* reg, component */
	OPND_VEC,   /* sub[count] */
	OPND_ADDR,  /* sub[0] + offset */
	OPND_LABEL, /* label */
	OPND_SINK,  /* _ */
	OPND_PAIR,  /* sub[0] | sub[1] */
};

struct ptx_operand {
	uint8_t kind;
	bool negated; /* !p */
	uint8_t component;
	uint32_t count;
	uint32_t reg;
	int64_t offset;
	union {
		uint64_t imm;
		struct ptx_symbol *symbol;
		struct ptx_label *label;
		struct ptx_operand *sub;
	};
};

struct ptx_call {
	struct ptx_operand callee; /* OPND_SYM or OPND_REG */
	struct ptx_symbol *proto;  /* of an indirect call; NULL else */
	uint32_t return_count;
	uint32_t arg_count;
	struct ptx_operand *returns;
	struct ptx_operand *args;
};

struct ptx_insn {
	uint16_t op;
	uint8_t mod_count;
	uint8_t operand_count;
	bool has_pred;
	bool pred_negated;
	uint32_t pred;
	unsigned int line;
	uint16_t mods[PTX_INSN_MODS_MAX];
	struct ptx_operand *operands;
	struct ptx_call *call;
};

struct ptx_reg {
	uint16_t type;
};

struct ptx_func {
	struct ptx_symbol symbol;
	bool is_kernel;
	bool is_noreturn;
	bool has_body;
	bool address_taken;
	bool calls_indirect;
	struct ptx_unit *unit;
	struct ptx_func *next;
	struct ptx_func *target; /* extern or forward: the definition; alias: what it stands for */
	struct ptx_var **returns;
	struct ptx_var **params;
	uint32_t return_count;
	uint32_t param_count;
	uint32_t param_bytes;
	struct ptx_reg *regs;
	uint32_t reg_count;
	uint32_t reg_space;
	struct ptx_insn *insns;
	uint32_t insn_count;
	uint32_t insn_space;
	struct ptx_var *vars;  /* of the body: local, shared, param */
	uint32_t local_count;  /* numbers given to local and param variables */
	uint32_t shared_bytes; /* of the body's own shared variables, kernels only */
	uint32_t local_bytes;
	uint32_t maxntid[3];
	uint32_t reqntid[3];
	uint32_t minnctapersm;
	uint32_t maxnreg;
	uint32_t visit; /* of the last walk that met it, see link.c */
	struct ptx_func *walk;
	void *descriptor; /* of an address-taken function, see link.h */
};

struct ptx_unit {
	struct ptx_arena arena;
	struct ptx_unit *next;
	char *name;
	struct ptx_func *funcs, **funcs_tail;
	struct ptx_var *vars, **vars_tail; /* module scope: global, const, shared */
	uint32_t isa_version;
	uint32_t target_sm;
	uint32_t shared_offset; /* of its module-scope shared area, set by the linker */
};

#endif
