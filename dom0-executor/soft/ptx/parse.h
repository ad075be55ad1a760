/* SPDX-License-Identifier: MIT */
/* Parser: text to ptx_unit. Internals are shared between parse*.c only. */
#ifndef SOFT_PTX_PARSE_H
#define SOFT_PTX_PARSE_H

#include "ast.h"
#include "lexer.h"

#define PARSE_LIST_MAX 4096u /* elements of a comma-separated list that is kept as an array */

enum ptx_binding_kind {
	BIND_REG,
	BIND_RANGE,
	BIND_VECTOR,
	BIND_SYMBOL
};

/* What a name means in a scope. */
struct ptx_binding {
	struct ptx_binding *shadowed; /* the same name's meaning outside */
	struct ptx_binding *next;     /* of the same scope */
	struct ptx_scope *scope;
	struct ptx_atom *name;
	enum ptx_binding_kind kind;
	uint32_t reg;   /* first register */
	uint32_t count; /* of a range or vector */
	struct ptx_symbol *symbol;
};

struct ptx_scope {
	struct ptx_scope *outer;
	struct ptx_binding *bindings;
	struct ptx_label *labels;
};

struct ptx_parser {
	struct ptx_lexer lexer;
	struct ptx_token token; /* the current one */
	struct ptx_unit *unit;
	struct ptx_func *func; /* being parsed, NULL at module scope */
	struct ptx_scope *scope;
	struct ptx_log *log;
	unsigned int nesting;
	int rc; /* the first error; from then on the token is TOK_EOF */
};

int ptx_unit_parse(const char *text, size_t len, struct ptx_log *log, struct ptx_unit **out);
void ptx_unit_free(struct ptx_unit *unit);

/* parse_base.c: tokens, errors, memory */
int parse_fail(struct ptx_parser *p, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void parse_next(struct ptx_parser *p);
bool parse_at(const struct ptx_parser *p, int punct);
bool parse_accept(struct ptx_parser *p, int punct);
void parse_expect(struct ptx_parser *p, int punct);
bool parse_at_dot(const struct ptx_parser *p, const char *name);
bool parse_accept_dot(struct ptx_parser *p, const char *name);
struct ptx_atom *parse_name(struct ptx_parser *p);
uint64_t parse_uint(struct ptx_parser *p, uint64_t max);
void *parse_alloc(struct ptx_parser *p, size_t bytes);
void *parse_dup(struct ptx_parser *p, const void *data, size_t bytes);
bool parse_enter(struct ptx_parser *p); /* nesting; false: too deep, failed */
void parse_leave(struct ptx_parser *p);

/* scope.c */
void scope_open(struct ptx_parser *p, struct ptx_scope *scope);
void scope_close(struct ptx_parser *p);
struct ptx_binding *scope_bind(struct ptx_parser *p, struct ptx_atom *name,
			       enum ptx_binding_kind kind);
/* A register by name, in ranges too: false where it is none. */
bool scope_reg(struct ptx_parser *p, struct ptx_atom *name, uint32_t *reg);
struct ptx_binding *scope_find(struct ptx_atom *name);
struct ptx_label *scope_label(struct ptx_parser *p, struct ptx_atom *name, bool define);
uint32_t func_add_regs(struct ptx_parser *p, unsigned int type, uint32_t count);

/* parse_expr.c */
struct expr {
	bool is_float;
	uint64_t bits; /* of a double where is_float, unless is_f32 */
	bool is_f32;
	bool is_unsigned;
};
struct expr parse_expr(struct ptx_parser *p);
/* Bits of a value of type. */
uint64_t expr_as(const struct expr *e, unsigned int type);

/* parse_var.c */
bool parse_space(struct ptx_parser *p, enum ptx_space *space);
void parse_vars(struct ptx_parser *p, enum ptx_space space, enum ptx_linkage linkage);
void parse_regs(struct ptx_parser *p);
struct ptx_var *parse_param(struct ptx_parser *p, bool is_kernel);

/* parse_func.c */
void parse_func(struct ptx_parser *p, enum ptx_linkage linkage, bool is_kernel);

/* parse_insn.c */
void parse_insn(struct ptx_parser *p);
void parse_operand(struct ptx_parser *p, struct ptx_operand *o);

/* parse_proto.c */
void parse_callprototype(struct ptx_parser *p, struct ptx_atom *name);
void parse_targets(struct ptx_parser *p, struct ptx_atom *name, bool is_calls);

#endif
