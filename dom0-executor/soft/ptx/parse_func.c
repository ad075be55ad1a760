/* SPDX-License-Identifier: MIT */
/* Kernels and functions: head, directives, body. */
#include "parse.h"

#include <errno.h>
#include <string.h>

static struct ptx_func *func_get(struct ptx_parser *p, struct ptx_atom *name, bool is_kernel)
{
	struct ptx_binding *b = scope_find(name);
	struct ptx_func *f;

	if (b && b->kind == BIND_SYMBOL && b->symbol->kind == PTX_SYM_FUNC) {
		f = (struct ptx_func *)b->symbol;
		if (f->is_kernel == is_kernel)
			return f;
	}
	b = scope_bind(p, name, BIND_SYMBOL);
	f = b ? parse_alloc(p, sizeof(*f)) : NULL;
	if (!f)
		return NULL;
	b->symbol = &f->symbol;
	f->symbol = (struct ptx_symbol){.kind = PTX_SYM_FUNC,
					.name = name->text,
					.line = p->token.line,
					.linkage = PTX_EXTERN};
	f->unit = p->unit;
	f->is_kernel = is_kernel;
	*p->unit->funcs_tail = f;
	p->unit->funcs_tail = &f->next;
	return f;
}

/* (param, param); gives an array in the arena. */
static uint32_t parse_params(struct ptx_parser *p, bool is_kernel, bool is_return,
			     struct ptx_var ***out)
{
	struct ptx_var *first = NULL, **tail = &first;
	uint32_t count = 0;
	struct ptx_var **array;

	*out = NULL;
	parse_expect(p, '(');
	if (parse_accept(p, ')'))
		return 0;
	do {
		struct ptx_var *var = parse_param(p, is_kernel);

		if (!var)
			return 0;
		if (count >= PTX_PARAMS_MAX) {
			parse_fail(p, -EINVAL, "more than %u parameters", PTX_PARAMS_MAX);
			return 0;
		}
		var->is_return = is_return;
		var->index = count++;
		*tail = var;
		tail = &var->next;
	} while (parse_accept(p, ','));
	parse_expect(p, ')');
	array = parse_alloc(p, count * sizeof(*array));
	if (!array)
		return 0;
	*out = array;
	for (uint32_t i = 0; i < count; i++, first = first->next)
		array[i] = first;
	return count;
}

static void params_place(struct ptx_parser *p, struct ptx_func *f)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < f->param_count; i++) {
		struct ptx_var *var = f->params[i];

		at = (at + var->align - 1) & ~(uint64_t)(var->align - 1);
		var->offset = (uint32_t)at;
		at += var->size;
		if (at > PTX_PARAM_BYTES_MAX) {
			parse_fail(p, -EINVAL, "parameters of '%s' are too large", f->symbol.name);
			return;
		}
	}
	f->param_bytes = (uint32_t)at;
}

static void parse_up_to_3(struct ptx_parser *p, uint32_t out[3])
{
	out[0] = (uint32_t)parse_uint(p, UINT32_MAX);
	out[1] = out[2] = 1;
	for (int i = 1; i < 3 && parse_accept(p, ','); i++)
		out[i] = (uint32_t)parse_uint(p, UINT32_MAX);
}

/* .maxntid 256 .noreturn ... between head and body */
static void parse_directives(struct ptx_parser *p, struct ptx_func *f)
{
	uint32_t ignored[3];

	while (p->token.kind == TOK_DOT) {
		if (parse_accept_dot(p, "maxntid"))
			parse_up_to_3(p, f->maxntid);
		else if (parse_accept_dot(p, "reqntid"))
			parse_up_to_3(p, f->reqntid);
		else if (parse_accept_dot(p, "minnctapersm"))
			f->minnctapersm = (uint32_t)parse_uint(p, UINT32_MAX);
		else if (parse_accept_dot(p, "maxnctapersm"))
			parse_uint(p, UINT32_MAX);
		else if (parse_accept_dot(p, "maxnreg"))
			f->maxnreg = (uint32_t)parse_uint(p, UINT32_MAX);
		else if (parse_accept_dot(p, "maxclusterrank"))
			parse_uint(p, UINT32_MAX);
		else if (parse_accept_dot(p, "abi_preserve") ||
			 parse_accept_dot(p, "abi_preserve_control"))
			parse_uint(p, UINT32_MAX);
		else if (parse_accept_dot(p, "noreturn"))
			f->is_noreturn = true;
		else if (parse_accept_dot(p, "unique"))
			continue;
		else if (parse_accept_dot(p, "explicitcluster"))
			continue; /* a launch with clusters is refused */
		else if (parse_accept_dot(p, "reqnctapercluster"))
			parse_up_to_3(p, ignored);
		else if (parse_accept_dot(p, "pragma")) {
			parse_next(p);
			parse_expect(p, ';');
		} else
			parse_fail(p, -ENOTSUP, "directive '.%s'", p->token.atom->text);
	}
}

static void parse_body_directive(struct ptx_parser *p)
{
	enum ptx_space space;

	if (parse_at_dot(p, "loc") || parse_at_dot(p, "file")) {
		ptx_lexer_skip_line(&p->lexer);
		parse_next(p);
	} else if (parse_accept_dot(p, "reg")) {
		parse_regs(p);
	} else if (parse_accept_dot(p, "pragma")) {
		do {
			parse_next(p);
		} while (parse_accept(p, ','));
		parse_expect(p, ';');
	} else if (parse_at_dot(p, "visible") || parse_at_dot(p, "extern")) {
		bool is_extern = parse_at_dot(p, "extern");

		parse_next(p);
		if (parse_space(p, &space))
			parse_vars(p, space, is_extern ? PTX_EXTERN : PTX_VISIBLE);
		else
			parse_fail(p, -ENOTSUP, "directive here");
	} else if (parse_space(p, &space)) {
		parse_vars(p, space, PTX_STATIC);
	} else {
		parse_fail(p, -ENOTSUP, "directive '.%s'", p->token.atom->text);
	}
}

/* name: then perhaps .branchtargets and the like */
static void parse_label(struct ptx_parser *p, struct ptx_atom *name)
{
	if (parse_accept_dot(p, "branchtargets"))
		parse_targets(p, name, false);
	else if (parse_accept_dot(p, "calltargets"))
		parse_targets(p, name, true);
	else if (parse_accept_dot(p, "callprototype"))
		parse_callprototype(p, name);
	else
		scope_label(p, name, true);
}

static void parse_block(struct ptx_parser *p);

static void parse_statement(struct ptx_parser *p)
{
	struct ptx_lexer ahead;
	struct ptx_token next;

	if (parse_at(p, '{')) {
		parse_block(p);
		return;
	}
	if (parse_accept(p, ';'))
		return;
	if (p->token.kind == TOK_DOT) {
		parse_body_directive(p);
		return;
	}
	if (p->token.kind == TOK_NAME) {
		ahead = p->lexer;
		ptx_lexer_next(&ahead, &next);
		if (next.kind == TOK_PUNCT && next.punct == ':') {
			struct ptx_atom *name = parse_name(p);

			parse_expect(p, ':');
			parse_label(p, name);
			return;
		}
	}
	parse_insn(p);
}

static void parse_block(struct ptx_parser *p)
{
	struct ptx_scope scope;

	if (!parse_enter(p))
		return;
	scope_open(p, &scope);
	parse_expect(p, '{');
	while (p->token.kind != TOK_EOF && !parse_at(p, '}'))
		parse_statement(p);
	parse_expect(p, '}');
	scope_close(p);
	parse_leave(p);
}

static void parse_body(struct ptx_parser *p, struct ptx_func *f, enum ptx_linkage linkage)
{
	if (f->has_body) {
		parse_fail(p, -EINVAL, "'%s' is defined twice", f->symbol.name);
		return;
	}
	f->has_body = true;
	f->symbol.linkage = linkage;
	parse_block(p);
}

static void parse_attribute(struct ptx_parser *p)
{
	parse_expect(p, '(');
	while (p->token.kind != TOK_EOF && !parse_at(p, ')'))
		parse_next(p);
	parse_expect(p, ')');
}

/* From the parameters on; f has its returns. */
static void parse_func_rest(struct ptx_parser *p, struct ptx_func *f, enum ptx_linkage linkage)
{
	struct ptx_scope scope;

	p->func = f;
	scope_open(p, &scope);
	f->param_count = parse_at(p, '(') ? parse_params(p, f->is_kernel, false, &f->params) : 0;
	params_place(p, f);
	parse_directives(p, f);
	if (parse_at(p, '{'))
		parse_body(p, f, linkage);
	else
		parse_expect(p, ';');
	scope_close(p);
}

/* The function's own name belongs to the module's scope, which is outside of the head's. */
static struct ptx_func *parse_func_name(struct ptx_parser *p, bool is_kernel)
{
	struct ptx_scope *inner = p->scope;
	struct ptx_atom *name = parse_name(p);
	struct ptx_func *f;

	p->scope = inner->outer;
	p->func = NULL;
	f = p->rc ? NULL : func_get(p, name, is_kernel);
	p->scope = inner;
	if (f && f->has_body)
		parse_fail(p, -EINVAL, "'%s' is defined twice", f->symbol.name);
	return p->rc ? NULL : f;
}

void parse_func(struct ptx_parser *p, enum ptx_linkage linkage, bool is_kernel)
{
	/* Returns come before the name: their registers are counted in `blank` until then. */
	struct ptx_func *blank = parse_alloc(p, sizeof(*blank));
	struct ptx_var **returns = NULL;
	uint32_t return_count = 0;
	struct ptx_scope scope;
	struct ptx_func *f;

	while (parse_accept_dot(p, "attribute"))
		parse_attribute(p);
	if (!blank)
		return;
	blank->unit = p->unit;
	blank->symbol.name = "function";
	scope_open(p, &scope);
	p->func = blank;
	if (!is_kernel && parse_at(p, '('))
		return_count = parse_params(p, false, true, &returns);
	f = parse_func_name(p, is_kernel);
	if (f) {
		f->regs = blank->regs;
		f->reg_count = blank->reg_count;
		f->reg_space = blank->reg_space;
		f->returns = returns;
		f->return_count = return_count;
		parse_func_rest(p, f, linkage);
	}
	p->func = NULL;
	scope_close(p);
}
