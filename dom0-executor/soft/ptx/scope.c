/* SPDX-License-Identifier: MIT */
/* Names while parsing: an atom points to its innermost meaning; closing a scope brings the outer ones back. */
#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void scope_open(struct ptx_parser *p, struct ptx_scope *scope)
{
	*scope = (struct ptx_scope){.outer = p->scope};
	p->scope = scope;
}

/* A label that this scope does not define may be defined by an outer one. */
static void label_to_outer(struct ptx_label *label, struct ptx_scope *outer)
{
	if (label->name->label && label->name->label->scope == outer) {
		label->same = label->name->label;
		return;
	}
	label->scope = outer;
	label->next = outer->labels;
	outer->labels = label;
	label->shadowed = label->name->label;
	label->name->label = label;
}

static void labels_close(struct ptx_parser *p, struct ptx_scope *scope)
{
	struct ptx_label *label = scope->labels;
	struct ptx_label *open = NULL;

	for (struct ptx_label *next; label; label = next) {
		next = label->next;
		label->name->label = label->shadowed;
		if (label->insn == UINT32_MAX) {
			label->next = open;
			open = label;
		}
	}
	for (struct ptx_label *next; open; open = next) {
		next = open->next;
		if (scope->outer && scope->outer->outer)
			label_to_outer(open, scope->outer);
		else if (!p->rc)
			parse_fail(p, -EINVAL, "label '%s' (line %u) is not defined",
				   open->name->text, open->line);
	}
}

void scope_close(struct ptx_parser *p)
{
	struct ptx_scope *scope = p->scope;

	for (struct ptx_binding *b = scope->bindings; b; b = b->next)
		b->name->binding = b->shadowed;
	labels_close(p, scope);
	p->scope = scope->outer;
}

struct ptx_binding *scope_bind(struct ptx_parser *p, struct ptx_atom *name,
			       enum ptx_binding_kind kind)
{
	struct ptx_binding *b;

	if (!name)
		return NULL;
	if (name->binding && name->binding->scope == p->scope) {
		parse_fail(p, -EINVAL, "'%s' is declared twice", name->text);
		return NULL;
	}
	b = parse_alloc(p, sizeof(*b));
	if (!b)
		return NULL;
	*b = (struct ptx_binding){.shadowed = name->binding,
				  .next = p->scope->bindings,
				  .name = name,
				  .kind = kind,
				  .scope = p->scope};
	p->scope->bindings = b;
	name->binding = b;
	return b;
}

struct ptx_binding *scope_find(struct ptx_atom *name)
{
	return name ? name->binding : NULL;
}

/* %r12 of .reg .b32 %r<20>; */
static bool range_reg(struct ptx_parser *p, struct ptx_atom *name, uint32_t *reg)
{
	size_t len = name->len;
	struct ptx_atom *prefix;
	unsigned long number;

	while (len && name->text[len - 1] >= '0' && name->text[len - 1] <= '9')
		len--;
	/* No leading zeros: %r01 is another name. Nine digits do not overflow. */
	if (len == 0 || len == name->len || name->len - len > 9 ||
	    (name->text[len] == '0' && name->len - len > 1))
		return false;
	/* %r12 may also be %r1<...>: try longer prefixes while the shorter one is no range. */
	for (; len < name->len; len++) {
		prefix = ptx_atom_find(&p->unit->arena, name->text, len);
		number = strtoul(name->text + len, NULL, 10);
		for (struct ptx_binding *b = prefix ? prefix->binding : NULL; b; b = b->shadowed)
			if (b->kind == BIND_RANGE && number < b->count) {
				*reg = b->reg + (uint32_t)number;
				return true;
			}
	}
	return false;
}

bool scope_reg(struct ptx_parser *p, struct ptx_atom *name, uint32_t *reg)
{
	if (name && name->binding && name->binding->kind == BIND_REG) {
		*reg = name->binding->reg;
		return true;
	}
	return name && (!name->binding || name->binding->kind == BIND_RANGE) &&
	       range_reg(p, name, reg);
}

struct ptx_label *scope_label(struct ptx_parser *p, struct ptx_atom *name, bool define)
{
	struct ptx_label *label;

	if (!name)
		return NULL;
	/* A definition belongs to this scope; a reference takes what an outer one has defined. */
	label = name->label && name->label->scope == p->scope ? name->label : NULL;
	if (!label && !define && name->label && name->label->insn != UINT32_MAX)
		return name->label;
	if (label && define && label->insn != UINT32_MAX) {
		parse_fail(p, -EINVAL, "label '%s' is defined twice", name->text);
		return NULL;
	}
	if (!label) {
		label = parse_alloc(p, sizeof(*label));
		if (!label)
			return NULL;
		*label = (struct ptx_label){.name = name,
					    .line = p->token.line,
					    .insn = UINT32_MAX,
					    .next = p->scope->labels,
					    .shadowed = name->label,
					    .scope = p->scope};
		p->scope->labels = label;
		name->label = label;
	}
	if (define)
		label->insn = p->func->insn_count;
	return label;
}

uint32_t func_add_regs(struct ptx_parser *p, unsigned int type, uint32_t count)
{
	struct ptx_func *f = p->func;
	uint32_t first = f->reg_count;

	if (count > PTX_REGS_MAX - f->reg_count) {
		parse_fail(p, -ENOTSUP, "more than %u registers in '%s'", PTX_REGS_MAX,
			   f->symbol.name);
		return 0;
	}
	if (f->reg_count + count > f->reg_space) {
		uint32_t space = (f->reg_count + count) * 2;
		struct ptx_reg *regs = parse_alloc(p, space * sizeof(*regs));

		if (!regs)
			return 0;
		if (f->reg_count)
			memcpy(regs, f->regs, f->reg_count * sizeof(*regs));
		f->regs = regs;
		f->reg_space = space;
	}
	for (uint32_t i = 0; i < count; i++)
		f->regs[first + i].type = (uint16_t)type;
	f->reg_count += count;
	return first;
}
