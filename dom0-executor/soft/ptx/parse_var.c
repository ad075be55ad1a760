/* SPDX-License-Identifier: MIT */
/* Variables, registers and parameters, with their initialisers. */
#include "parse.h"

#include <errno.h>
#include <string.h>

struct decl {
	uint32_t align;
	unsigned int type;
	unsigned int vector; /* 1, 2 or 4 elements */
	bool is_managed;
	bool is_pointer; /* .ptr of a parameter */
};

bool parse_space(struct ptx_parser *p, enum ptx_space *space)
{
	static const struct {
		const char *name;
		enum ptx_space space;
	} spaces[] = {
		{"global", PTX_SPACE_GLOBAL}, {"const", PTX_SPACE_CONST},
		{"shared", PTX_SPACE_SHARED}, {"local", PTX_SPACE_LOCAL},
		{"param", PTX_SPACE_PARAM},
	};

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (parse_accept_dot(p, spaces[i].name)) {
			*space = spaces[i].space;
			return true;
		}
	return false;
}

static uint32_t parse_align(struct ptx_parser *p)
{
	uint64_t align = parse_uint(p, 1u << 20);

	if (!p->rc && (!align || (align & (align - 1))))
		parse_fail(p, -EINVAL, "alignment %llu", (unsigned long long)align);
	return p->rc ? 1 : (uint32_t)align;
}

/* .attribute(.managed, .unified(1, 2)) */
static void parse_attributes(struct ptx_parser *p, struct decl *decl)
{
	parse_expect(p, '(');
	do {
		if (parse_accept_dot(p, "managed")) {
			decl->is_managed = true;
		} else if (parse_accept_dot(p, "unified")) {
			parse_expect(p, '(');
			parse_uint(p, UINT64_MAX);
			parse_expect(p, ',');
			parse_uint(p, UINT64_MAX);
			parse_expect(p, ')');
		} else {
			parse_fail(p, -ENOTSUP, "this .attribute");
		}
	} while (parse_accept(p, ','));
	parse_expect(p, ')');
}

/* .ptr .global .align 8 of a kernel's parameter */
static void parse_ptr(struct ptx_parser *p, struct decl *decl)
{
	enum ptx_space space;

	decl->is_pointer = true;
	parse_space(p, &space);
	if (parse_accept_dot(p, "align"))
		parse_align(p);
}

static void parse_type(struct ptx_parser *p, struct decl *decl)
{
	int mod = p->token.kind == TOK_DOT ? ptx_mod_find(p->token.atom->text) : -1;

	if (mod < 0 || !ptx_is_type((unsigned int)mod)) {
		parse_fail(p, -ENOTSUP, "type or directive '%s%s' here",
			   p->token.kind == TOK_DOT ? "." : "",
			   p->token.atom ? p->token.atom->text : "?");
		return;
	}
	decl->type = (unsigned int)mod;
	parse_next(p);
}

/* What stands between the space and the name, in any order. */
static void parse_decl(struct ptx_parser *p, struct decl *decl)
{
	*decl = (struct decl){.vector = 1};
	while (p->token.kind == TOK_DOT) {
		if (parse_accept_dot(p, "align"))
			decl->align = parse_align(p);
		else if (parse_accept_dot(p, "v2"))
			decl->vector = 2;
		else if (parse_accept_dot(p, "v4"))
			decl->vector = 4;
		else if (parse_accept_dot(p, "attribute"))
			parse_attributes(p, decl);
		else if (parse_accept_dot(p, "ptr"))
			parse_ptr(p, decl);
		else
			parse_type(p, decl);
	}
	if (!p->rc && !decl->type)
		parse_fail(p, -EINVAL, "a type expected");
}

/* [4][8]; true where the first dimension is empty. Gives the number of elements. */
static bool parse_dims(struct ptx_parser *p, uint64_t *elements)
{
	bool open = false;

	while (parse_accept(p, '[')) {
		uint64_t n;

		if (parse_accept(p, ']')) {
			open = true;
			continue;
		}
		n = parse_uint(p, PTX_VAR_BYTES_MAX);
		parse_expect(p, ']');
		if (n && *elements > PTX_VAR_BYTES_MAX / n)
			parse_fail(p, -ENOTSUP, "variable of more than %llu bytes",
				   PTX_VAR_BYTES_MAX);
		else
			*elements *= n;
	}
	return open;
}

struct init_walk {
	struct ptx_var *var;
	struct ptx_init **tail;
	uint64_t at;
	uint32_t element; /* bytes */
};

static struct ptx_init *init_add(struct ptx_parser *p, struct init_walk *walk)
{
	struct ptx_init *init = parse_alloc(p, sizeof(*init));

	if (!init)
		return NULL;
	init->offset = walk->at;
	init->bytes = (uint8_t)walk->element;
	init->line = p->token.line;
	*walk->tail = init;
	walk->tail = &init->next;
	walk->at += walk->element;
	return init;
}

/* name, name+8, generic(name)+8 */
static void init_symbol(struct ptx_parser *p, struct ptx_init *init)
{
	bool generic = p->token.kind == TOK_NAME && !strcmp(p->token.atom->text, "generic");
	struct ptx_atom *name = parse_name(p);
	struct ptx_binding *b;

	if (generic && parse_at(p, '(')) {
		parse_next(p);
		name = parse_name(p);
		parse_expect(p, ')');
	}
	b = scope_find(name);
	if (p->rc)
		return;
	if (!b || b->kind != BIND_SYMBOL) {
		parse_fail(p, -EINVAL, "'%s' is not defined", name->text);
		return;
	}
	init->symbol = b->symbol;
	if (parse_accept(p, '+'))
		init->bits = parse_uint(p, UINT64_MAX);
	else if (parse_accept(p, '-'))
		init->bits = 0 - parse_uint(p, UINT64_MAX);
}

static void parse_init_scalar(struct ptx_parser *p, struct init_walk *walk)
{
	struct ptx_init *init = init_add(p, walk);
	struct expr e;

	if (!init)
		return;
	if (p->token.kind == TOK_NAME && strcmp(p->token.atom->text, "WARP_SZ")) {
		init_symbol(p, init);
		return;
	}
	e = parse_expr(p);
	/* 0xFF00(symbol): one byte of an address */
	if (parse_accept(p, '(')) {
		init->mask = e.bits;
		init_symbol(p, init);
		parse_expect(p, ')');
		if (!p->rc && (walk->element != 1 || !init->mask))
			parse_fail(p, -EINVAL, "a byte mask here");
		return;
	}
	init->bits = expr_as(&e, walk->var->type);
}

/* { {1, 2}, {3} }: a nested list starts at its own row, which only its size tells; PTX as it is
 * emitted has full rows, so an incomplete inner one is refused. */
static void parse_init_list(struct ptx_parser *p, struct init_walk *walk, unsigned int depth)
{
	uint64_t rows = 0, row_bytes = 0;

	if (!parse_enter(p))
		return;
	parse_expect(p, '{');
	while (!p->rc && !parse_at(p, '}')) {
		uint64_t start = walk->at;

		if (parse_at(p, '{')) {
			parse_init_list(p, walk, depth + 1);
			if (rows++ && walk->at - start != row_bytes)
				parse_fail(p, -ENOTSUP,
					   "initialiser with rows of different length");
			row_bytes = walk->at - start;
		} else {
			parse_init_scalar(p, walk);
		}
		if (!parse_accept(p, ','))
			break;
	}
	parse_expect(p, '}');
	parse_leave(p);
}

static void parse_init(struct ptx_parser *p, struct ptx_var *var, bool open, uint32_t element)
{
	struct init_walk walk = {.var = var, .tail = &var->init, .element = element};

	if (var->space != PTX_SPACE_GLOBAL && var->space != PTX_SPACE_CONST) {
		parse_fail(p, -EINVAL,
			   "initialiser of a variable that is neither .global nor .const");
		return;
	}
	if (parse_at(p, '{'))
		parse_init_list(p, &walk, 0);
	else
		parse_init_scalar(p, &walk);
	if (open)
		var->size = walk.at;
	if (!p->rc && walk.at > var->size)
		parse_fail(p, -EINVAL, "initialiser longer than '%s'", var->symbol.name);
}

/* A symbol may be declared extern and then defined: both are one object. */
static struct ptx_var *var_get(struct ptx_parser *p, struct ptx_atom *name, enum ptx_space space)
{
	struct ptx_binding *b = name && !p->func ? scope_find(name) : NULL;
	struct ptx_var *var;

	if (b && b->kind == BIND_SYMBOL && b->symbol->kind == PTX_SYM_VAR) {
		var = (struct ptx_var *)b->symbol;
		if (var->symbol.linkage == PTX_EXTERN && var->space == space)
			return var;
	}
	b = scope_bind(p, name, BIND_SYMBOL);
	var = b ? parse_alloc(p, sizeof(*var)) : NULL;
	if (!var)
		return NULL;
	b->symbol = &var->symbol;
	var->symbol = (struct ptx_symbol){.kind = PTX_SYM_VAR,
					  .name = name->text,
					  .line = p->token.line,
					  .linkage = PTX_EXTERN};
	var->space = space;
	var->func = p->func;
	if (p->func) {
		var->next = p->func->vars;
		p->func->vars = var;
	} else {
		*p->unit->vars_tail = var;
		p->unit->vars_tail = &var->next;
	}
	return var;
}

static void var_place(struct ptx_parser *p, struct ptx_var *var)
{
	struct ptx_func *f = p->func;
	uint64_t bytes;

	if (var->space != PTX_SPACE_LOCAL && var->space != PTX_SPACE_PARAM)
		return;
	if (!f) {
		parse_fail(p, -ENOTSUP, "'%s': .local or .param variable outside of a function",
			   var->symbol.name);
		return;
	}
	bytes = f->local_bytes + ((var->size + 15) & ~15ull);
	if (bytes > PTX_LOCAL_BYTES_MAX)
		parse_fail(p, -ENOTSUP, "more than %u bytes of local memory", PTX_LOCAL_BYTES_MAX);
	f->local_bytes = (uint32_t)bytes;
	var->index = f->local_count++;
}

static void parse_var(struct ptx_parser *p, enum ptx_space space, enum ptx_linkage linkage,
		      const struct decl *decl)
{
	uint32_t element = ptx_type_bytes(decl->type);
	uint64_t elements = decl->vector;
	struct ptx_var *var = var_get(p, parse_name(p), space);
	bool open;

	if (!var)
		return;
	var->is_array = parse_at(p, '[');
	open = parse_dims(p, &elements);
	if (p->rc)
		return;
	var->symbol.linkage = linkage;
	var->type = decl->type;
	var->is_managed = decl->is_managed;
	var->align = decl->align ? decl->align : element * decl->vector;
	if (elements > PTX_VAR_BYTES_MAX / element)
		parse_fail(p, -ENOTSUP, "variable of more than %llu bytes", PTX_VAR_BYTES_MAX);
	var->size = open ? 0 : elements * element;
	var->is_dynamic = open && space == PTX_SPACE_SHARED;
	if (parse_accept(p, '='))
		parse_init(p, var, open, element);
	else if (open && linkage != PTX_EXTERN)
		parse_fail(p, -EINVAL, "'%s' has no size", var->symbol.name);
	if (space == PTX_SPACE_SHARED && var->size > PTX_SHARED_BYTES_MAX)
		parse_fail(p, -ENOTSUP, "'%s' is larger than shared memory", var->symbol.name);
	if (!p->rc)
		var_place(p, var);
}

void parse_vars(struct ptx_parser *p, enum ptx_space space, enum ptx_linkage linkage)
{
	struct decl decl;

	/* .const[2] of old texts */
	if (space == PTX_SPACE_CONST && parse_accept(p, '[')) {
		parse_uint(p, 10);
		parse_expect(p, ']');
	}
	parse_decl(p, &decl);
	do {
		parse_var(p, space, linkage, &decl);
	} while (!p->rc && parse_accept(p, ','));
	parse_expect(p, ';');
}

static void parse_reg(struct ptx_parser *p, const struct decl *decl)
{
	struct ptx_atom *name = parse_name(p);
	struct ptx_binding *b;

	if (parse_accept(p, '<')) {
		/* Not an expression: its '>' would be a comparison. */
		uint64_t count = p->token.kind == TOK_INT ? p->token.value : UINT64_MAX;

		if (count > PTX_REGS_MAX)
			parse_fail(p, -ENOTSUP, "a register count of 0 to %u expected",
				   PTX_REGS_MAX);
		parse_next(p);
		parse_expect(p, '>');
		b = scope_bind(p, name, BIND_RANGE);
		if (!b)
			return;
		b->count = (uint32_t)count;
		b->reg = func_add_regs(p, decl->type, b->count);
		return;
	}
	b = scope_bind(p, name, decl->vector > 1 ? BIND_VECTOR : BIND_REG);
	if (!b)
		return;
	b->count = decl->vector;
	b->reg = func_add_regs(p, decl->type, decl->vector);
}

void parse_regs(struct ptx_parser *p)
{
	struct decl decl;

	parse_decl(p, &decl);
	do {
		parse_reg(p, &decl);
	} while (!p->rc && parse_accept(p, ','));
	parse_expect(p, ';');
}

/* One parameter of a function's head; `_` has no name. Only what the function says of itself. */
struct ptx_var *parse_param(struct ptx_parser *p, bool is_kernel)
{
	bool is_reg = parse_accept_dot(p, "reg");
	struct ptx_var *var = parse_alloc(p, sizeof(*var));
	struct ptx_binding *b;
	struct ptx_atom *name;
	uint64_t elements;
	struct decl decl;

	if (!is_reg && !parse_accept_dot(p, "param"))
		parse_fail(p, -EINVAL, ".param expected");
	parse_decl(p, &decl);
	name = parse_name(p);
	elements = decl.vector;
	if (!var || p->rc)
		return NULL;
	var->is_array = parse_at(p, '[');
	if (parse_dims(p, &elements))
		elements = 0;
	var->symbol =
		(struct ptx_symbol){.kind = PTX_SYM_VAR, .name = name->text, .line = p->token.line};
	var->space = PTX_SPACE_PARAM;
	var->type = decl.type;
	var->align = decl.align ? decl.align : ptx_type_bytes(decl.type) * decl.vector;
	var->size = elements * ptx_type_bytes(decl.type);
	var->is_reg = is_reg;
	var->is_param = true;
	var->func = p->func;
	if (var->size > PTX_PARAM_BYTES_MAX || elements > PTX_PARAM_BYTES_MAX)
		parse_fail(p, -EINVAL, "parameter '%s' is too large", name->text);
	if (is_reg && (is_kernel || decl.vector > 1 || var->is_array))
		parse_fail(p, -EINVAL, "parameter '%s' cannot be a register", name->text);
	if (p->rc || !strcmp(name->text, "_"))
		return p->rc ? NULL : var;
	b = scope_bind(p, name, is_reg ? BIND_REG : BIND_SYMBOL);
	if (!b)
		return NULL;
	b->symbol = &var->symbol;
	if (is_reg)
		var->reg = b->reg = func_add_regs(p, decl.type, 1);
	return var;
}
