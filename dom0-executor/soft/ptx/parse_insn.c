/* SPDX-License-Identifier: MIT */
/* Instructions and their operands. */
#include "parse.h"

#include <errno.h>
#include <string.h>

#define VEC_MAX       16u
#define CALL_ARGS_MAX 512u

/* %tid.x, %envreg3 */
static bool operand_sreg(struct ptx_parser *p, struct ptx_atom *name, struct ptx_operand *o)
{
	static const char *const parts[] = {"x", "y", "z", "w"};
	unsigned int number;
	int sreg = ptx_sreg_find(name->text, &number);

	if (sreg < 0)
		return false;
	o->kind = OPND_SREG;
	o->reg = (uint32_t)sreg;
	o->component = (uint8_t)number;
	if (!ptx_sreg_components((unsigned int)sreg))
		return true;
	for (int i = 0; i < 4; i++)
		if (parse_accept_dot(p, parts[i])) {
			o->component = (uint8_t)i;
			return true;
		}
	parse_fail(p, -ENOTSUP, "'%s' without a component", name->text);
	return true;
}

/* A vector register: all of it, or one element. */
static void operand_vector_reg(struct ptx_parser *p, struct ptx_binding *b, struct ptx_operand *o)
{
	static const char *const parts[] = {"x", "y", "z", "w", "r", "g", "b", "a"};

	for (uint32_t i = 0; i < 8; i++)
		if (i % 4 < b->count && parse_accept_dot(p, parts[i])) {
			o->kind = OPND_REG;
			o->reg = b->reg + i % 4;
			return;
		}
	o->kind = OPND_VEC;
	o->count = b->count;
	o->sub = parse_alloc(p, b->count * sizeof(*o->sub));
	for (uint32_t i = 0; o->sub && i < b->count; i++) {
		o->sub[i].kind = OPND_REG;
		o->sub[i].reg = b->reg + i;
	}
}

static void symbol_used(struct ptx_symbol *symbol)
{
	if (symbol->kind == PTX_SYM_FUNC)
		((struct ptx_func *)symbol)->address_taken = true;
}

static int64_t parse_offset(struct ptx_parser *p)
{
	bool minus = parse_at(p, '-');
	struct expr e;

	if (!parse_accept(p, '+') && !parse_accept(p, '-'))
		return 0;
	e = parse_expr(p);
	if (!p->rc && e.is_float)
		parse_fail(p, -EINVAL, "float offset");
	return (int64_t)(minus ? 0 - e.bits : e.bits);
}

static void operand_name(struct ptx_parser *p, struct ptx_operand *o)
{
	struct ptx_atom *name = parse_name(p);
	struct ptx_binding *b;

	if (!name || p->rc)
		return;
	if (!strcmp(name->text, "_")) {
		o->kind = OPND_SINK;
		return;
	}
	if (scope_reg(p, name, &o->reg)) {
		o->kind = OPND_REG;
		return;
	}
	b = scope_find(name);
	if (b && b->kind == BIND_VECTOR) {
		operand_vector_reg(p, b, o);
	} else if (b && b->kind == BIND_SYMBOL) {
		o->kind = OPND_SYM;
		o->symbol = b->symbol;
		symbol_used(b->symbol);
		o->offset = parse_offset(p);
	} else if (name->text[0] == '%' && operand_sreg(p, name, o)) {
		return;
	} else if (!strcmp(name->text, "WARP_SZ")) {
		o->kind = OPND_INT;
		o->imm = 32;
	} else if (name->text[0] == '%') {
		parse_fail(p, -ENOTSUP, "register '%s' is not declared, nor a known special one",
			   name->text);
	} else {
		o->kind = OPND_LABEL;
		o->label = scope_label(p, name, false);
	}
}

static void operand_constant(struct ptx_parser *p, struct ptx_operand *o)
{
	struct expr e = parse_expr(p);

	o->kind = !e.is_float ? OPND_INT : e.is_f32 ? OPND_F32 : OPND_F64;
	o->imm = e.bits;
}

static void operand_list(struct ptx_parser *p, struct ptx_operand *o)
{
	struct ptx_operand parts[VEC_MAX];
	uint32_t count = 0;

	parse_expect(p, '{');
	do {
		if (count == VEC_MAX) {
			parse_fail(p, -EINVAL, "vector of more than %u", VEC_MAX);
			return;
		}
		parse_operand(p, &parts[count++]);
	} while (!p->rc && parse_accept(p, ','));
	parse_expect(p, '}');
	o->kind = OPND_VEC;
	o->count = count;
	o->sub = parse_dup(p, parts, count * sizeof(parts[0]));
}

/* A texture's or a surface's is [object, {coordinates}]. */
static void operand_address(struct ptx_parser *p, struct ptx_operand *o)
{
	struct ptx_operand base, parts[2];

	parse_expect(p, '[');
	parse_operand(p, &base);
	o->kind = OPND_ADDR;
	o->offset = base.kind == OPND_REG ? parse_offset(p) : 0;
	if (base.kind == OPND_SYM) {
		o->offset = base.offset;
		base.offset = 0;
	}
	parts[0] = base;
	o->count = 1;
	if (!p->rc && parse_accept(p, ',')) {
		parse_operand(p, &parts[1]);
		o->count = 2;
	}
	parse_expect(p, ']');
	o->sub = parse_dup(p, parts, o->count * sizeof(parts[0]));
}

void parse_operand(struct ptx_parser *p, struct ptx_operand *o)
{
	struct ptx_operand *pair;

	*o = (struct ptx_operand){.kind = OPND_SINK};
	if (p->rc || !parse_enter(p))
		return;
	if (parse_at(p, '[')) {
		operand_address(p, o);
	} else if (parse_at(p, '{')) {
		operand_list(p, o);
	} else if (p->token.kind == TOK_NAME) {
		operand_name(p, o);
	} else if (parse_at(p, '!')) {
		struct ptx_lexer ahead = p->lexer;
		struct ptx_token next;

		ptx_lexer_next(&ahead, &next);
		if (next.kind == TOK_NAME) {
			parse_next(p);
			operand_name(p, o);
			o->negated = true;
		} else {
			operand_constant(p, o);
		}
	} else {
		operand_constant(p, o);
	}
	if (!p->rc && o->kind != OPND_INT && parse_accept(p, '|')) {
		pair = parse_alloc(p, 2 * sizeof(*pair));
		if (pair) {
			pair[0] = *o;
			parse_operand(p, &pair[1]);
			*o = (struct ptx_operand){.kind = OPND_PAIR, .count = 2, .sub = pair};
		}
	}
	parse_leave(p);
}

static void parse_mods(struct ptx_parser *p, struct ptx_insn *insn)
{
	while (p->token.kind == TOK_DOT) {
		int mod = ptx_mod_find(p->token.atom->text);

		if (mod < 0) {
			parse_fail(p, -ENOTSUP, "modifier '.%s' of '%s'", p->token.atom->text,
				   ptx_op_name(insn->op));
			return;
		}
		if (insn->mod_count == PTX_INSN_MODS_MAX) {
			parse_fail(p, -EINVAL, "too many modifiers");
			return;
		}
		insn->mods[insn->mod_count++] = (uint16_t)mod;
		parse_next(p);
	}
}

static void parse_operands(struct ptx_parser *p, struct ptx_insn *insn)
{
	struct ptx_operand operands[PTX_OPERANDS_MAX];
	uint32_t count = 0;

	if (parse_at(p, ';'))
		return;
	do {
		if (count == PTX_OPERANDS_MAX) {
			parse_fail(p, -EINVAL, "too many operands");
			return;
		}
		parse_operand(p, &operands[count++]);
	} while (!p->rc && parse_accept(p, ','));
	insn->operand_count = (uint8_t)count;
	insn->operands = parse_dup(p, operands, count * sizeof(operands[0]));
}

/* (a, b, c) of a call */
static uint32_t call_list(struct ptx_parser *p, struct ptx_operand **out)
{
	struct ptx_operand *list = NULL;
	uint32_t count = 0, space = 0;

	parse_expect(p, '(');
	if (parse_accept(p, ')'))
		return 0;
	do {
		if (count == space) {
			struct ptx_operand *grown =
				parse_alloc(p, (space * 2 + 8) * sizeof(*grown));

			if (!grown)
				return 0;
			if (count)
				memcpy(grown, list, count * sizeof(*grown));
			list = grown;
			space = space * 2 + 8;
		}
		if (count == CALL_ARGS_MAX) {
			parse_fail(p, -ENOTSUP, "call with more than %u arguments", CALL_ARGS_MAX);
			return 0;
		}
		parse_operand(p, &list[count++]);
	} while (!p->rc && parse_accept(p, ','));
	parse_expect(p, ')');
	*out = list;
	return count;
}

static void parse_call(struct ptx_parser *p, struct ptx_insn *insn)
{
	struct ptx_call *call = parse_alloc(p, sizeof(*call));
	bool taken;

	if (!call)
		return;
	insn->call = call;
	if (parse_at(p, '(')) {
		call->return_count = call_list(p, &call->returns);
		parse_expect(p, ',');
	}
	/* Being called does not take a function's address. */
	if (p->token.kind == TOK_NAME && p->token.atom->binding &&
	    p->token.atom->binding->kind == BIND_SYMBOL &&
	    p->token.atom->binding->symbol->kind == PTX_SYM_FUNC) {
		struct ptx_func *f = (struct ptx_func *)p->token.atom->binding->symbol;

		taken = f->address_taken;
		parse_operand(p, &call->callee);
		f->address_taken = taken;
	} else {
		parse_operand(p, &call->callee);
	}
	if (parse_accept(p, ',')) {
		if (parse_at(p, '('))
			call->arg_count = call_list(p, &call->args);
		if (call->callee.kind == OPND_REG &&
		    (!call->arg_count || parse_at(p, ',') || p->token.kind == TOK_NAME)) {
			struct ptx_binding *b;

			parse_accept(p, ',');
			b = scope_find(parse_name(p));
			call->proto = b && b->kind == BIND_SYMBOL ? b->symbol : NULL;
		}
	}
	if (call->callee.kind == OPND_REG) {
		p->func->calls_indirect = true;
		if (!call->proto || call->proto->kind != PTX_SYM_PROTO)
			parse_fail(p, -ENOTSUP, "indirect call without a .callprototype");
	} else if (!p->rc && (call->callee.kind != OPND_SYM ||
			      call->callee.symbol->kind != PTX_SYM_FUNC || call->callee.offset)) {
		parse_fail(p, -EINVAL, "call of something that is no function");
	}
}

static struct ptx_insn *insn_add(struct ptx_parser *p)
{
	struct ptx_func *f = p->func;

	if (f->insn_count == PTX_INSNS_MAX) {
		parse_fail(p, -ENOTSUP, "more than %u instructions in '%s'", PTX_INSNS_MAX,
			   f->symbol.name);
		return NULL;
	}
	if (f->insn_count == f->insn_space) {
		uint32_t space = f->insn_space ? f->insn_space * 2 : 32;
		struct ptx_insn *grown = parse_alloc(p, space * sizeof(*grown));

		if (!grown)
			return NULL;
		if (f->insn_count)
			memcpy(grown, f->insns, f->insn_count * sizeof(*grown));
		f->insns = grown;
		f->insn_space = space;
	}
	return &f->insns[f->insn_count];
}

static void parse_guard(struct ptx_parser *p, struct ptx_insn *insn)
{
	if (!parse_accept(p, '@'))
		return;
	insn->has_pred = true;
	insn->pred_negated = parse_accept(p, '!');
	if (!scope_reg(p, p->token.kind == TOK_NAME ? p->token.atom : NULL, &insn->pred) ||
	    p->func->regs[insn->pred].type != PTX_PRED)
		parse_fail(p, -EINVAL, "a predicate expected after '@'");
	parse_next(p);
}

void parse_insn(struct ptx_parser *p)
{
	struct ptx_insn *insn = insn_add(p);
	struct ptx_atom *name;
	int op;

	if (!insn)
		return;
	*insn = (struct ptx_insn){.line = p->token.line};
	parse_guard(p, insn);
	name = parse_name(p);
	if (!name)
		return;
	op = ptx_op_find(name->text);
	if (op < 0) {
		parse_fail(p, -ENOTSUP, "instruction '%s'", name->text);
		return;
	}
	insn->op = (uint16_t)op;
	parse_mods(p, insn);
	if (op == OP_CALL)
		parse_call(p, insn);
	else
		parse_operands(p, insn);
	parse_expect(p, ';');
	if (!p->rc)
		p->func->insn_count++;
}
