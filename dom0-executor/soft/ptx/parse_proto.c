/* SPDX-License-Identifier: MIT */
/* name: .callprototype, .branchtargets, .calltargets */
#include "parse.h"

#include <errno.h>
#include <string.h>

static struct ptx_binding *bind_symbol(struct ptx_parser *p, struct ptx_atom *name,
				       struct ptx_symbol *symbol, enum ptx_symbol_kind kind)
{
	struct ptx_binding *b = scope_bind(p, name, BIND_SYMBOL);

	if (!b || !symbol)
		return NULL;
	symbol->kind = kind;
	symbol->name = name->text;
	symbol->line = p->token.line;
	b->symbol = symbol;
	return b;
}

static uint32_t proto_params(struct ptx_parser *p, struct ptx_var ***out, bool is_return)
{
	struct ptx_var *vars[64];
	uint32_t count = 0;

	parse_expect(p, '(');
	if (parse_accept(p, ')'))
		return 0;
	do {
		struct ptx_var *var = parse_param(p, false);

		if (!var || count == sizeof(vars) / sizeof(vars[0])) {
			parse_fail(p, -ENOTSUP, "prototype with more than 64 parameters");
			return 0;
		}
		var->is_return = is_return;
		vars[count++] = var;
	} while (parse_accept(p, ','));
	parse_expect(p, ')');
	*out = parse_dup(p, vars, count * sizeof(vars[0]));
	return *out ? count : 0;
}

/* A prototype is a ptx_func without a body; its registers, if any, are never used. */
void parse_callprototype(struct ptx_parser *p, struct ptx_atom *name)
{
	struct ptx_func *proto = parse_alloc(p, sizeof(*proto));
	struct ptx_func *func = p->func;
	struct ptx_scope scope;

	if (!proto || !bind_symbol(p, name, &proto->symbol, PTX_SYM_PROTO))
		return;
	proto->unit = p->unit;
	p->func = proto;
	scope_open(p, &scope);
	if (parse_at(p, '('))
		proto->return_count = proto_params(p, &proto->returns, true);
	parse_name(p);
	if (parse_at(p, '('))
		proto->param_count = proto_params(p, &proto->params, false);
	while (parse_accept_dot(p, "noreturn") || parse_at_dot(p, "abi_preserve") ||
	       parse_at_dot(p, "abi_preserve_control")) {
		if (p->token.kind == TOK_DOT && strcmp(p->token.atom->text, "noreturn")) {
			parse_next(p);
			parse_uint(p, UINT32_MAX);
		}
	}
	parse_expect(p, ';');
	scope_close(p);
	p->func = func;
}

void parse_targets(struct ptx_parser *p, struct ptx_atom *name, bool is_calls)
{
	struct ptx_targets *targets = parse_alloc(p, sizeof(*targets));
	uint32_t space = 0;

	if (!targets || !bind_symbol(p, name, &targets->symbol, PTX_SYM_TARGETS))
		return;
	do {
		struct ptx_atom *target = parse_name(p);

		if (is_calls || p->rc)
			continue; /* an indirect call takes its signature from the first target */
		if (targets->count == space) {
			struct ptx_label **grown =
				parse_alloc(p, (space * 2 + 16) * sizeof(*grown));

			if (!grown)
				return;
			if (space)
				memcpy(grown, targets->labels, space * sizeof(*grown));
			targets->labels = grown;
			space = space * 2 + 16;
		}
		targets->labels[targets->count++] = scope_label(p, target, false);
	} while (!p->rc && parse_accept(p, ','));
	parse_expect(p, ';');
	if (is_calls)
		parse_fail(p, -ENOTSUP, ".calltargets; a .callprototype is");
}
