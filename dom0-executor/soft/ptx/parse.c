/* SPDX-License-Identifier: MIT */
/* Parser, top: the directives of a PTX text. */
#include "parse.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void parse_version(struct ptx_parser *p)
{
	double version = 0;

	if (p->token.kind != TOK_F64) {
		parse_fail(p, -EINVAL, "version as 9.0 expected");
		return;
	}
	memcpy(&version, &p->token.value, sizeof(version));
	if (!(version >= 1.0 && version < 100.0)) {
		parse_fail(p, -EINVAL, "version");
		return;
	}
	p->unit->isa_version = (uint32_t)(version * 10 + 0.5);
	parse_next(p);
}

static void parse_target(struct ptx_parser *p)
{
	do {
		struct ptx_atom *name = parse_name(p);

		if (p->rc)
			return;
		if (!strncmp(name->text, "sm_", 3))
			p->unit->target_sm = (uint32_t)strtoul(name->text + 3, NULL, 10);
		else if (strcmp(name->text, "debug") && strcmp(name->text, "texmode_independent") &&
			 strcmp(name->text, "texmode_unified"))
			parse_fail(p, -ENOTSUP, "target '%s'", name->text);
	} while (parse_accept(p, ','));
}

/* .section .debug_info { ... }: data of debuggers, not ours */
static void skip_section(struct ptx_parser *p)
{
	unsigned int depth = 0;

	while (p->token.kind != TOK_EOF && !parse_at(p, '{'))
		parse_next(p);
	while (p->token.kind != TOK_EOF) {
		depth += parse_at(p, '{') ? 1 : 0;
		if (parse_at(p, '}') && --depth == 0)
			break;
		parse_next(p);
	}
	parse_expect(p, '}');
}

static struct ptx_func *alias_side(struct ptx_parser *p)
{
	struct ptx_binding *b = scope_find(parse_name(p));

	if (b && b->kind == BIND_SYMBOL && b->symbol->kind == PTX_SYM_FUNC)
		return (struct ptx_func *)b->symbol;
	parse_fail(p, -EINVAL, ".alias of something that is no function");
	return NULL;
}

static void parse_alias(struct ptx_parser *p)
{
	struct ptx_func *alias = alias_side(p);
	struct ptx_func *target;

	parse_expect(p, ',');
	target = alias_side(p);
	parse_expect(p, ';');
	if (p->rc || !alias || !target)
		return;
	if (alias->has_body || alias == target || target->target || !target->has_body) {
		parse_fail(p, -EINVAL, ".alias '%s'", alias->symbol.name);
		return;
	}
	alias->target = target;
}

static enum ptx_linkage parse_linkage(struct ptx_parser *p)
{
	if (parse_accept_dot(p, "visible"))
		return PTX_VISIBLE;
	if (parse_accept_dot(p, "extern"))
		return PTX_EXTERN;
	if (parse_accept_dot(p, "weak"))
		return PTX_WEAK;
	if (parse_accept_dot(p, "common"))
		return PTX_COMMON;
	return PTX_STATIC;
}

static void parse_definition(struct ptx_parser *p)
{
	enum ptx_linkage linkage = parse_linkage(p);
	enum ptx_space space;

	if (parse_accept_dot(p, "entry"))
		parse_func(p, linkage, true);
	else if (parse_accept_dot(p, "func"))
		parse_func(p, linkage, false);
	else if (parse_space(p, &space))
		parse_vars(p, space, linkage);
	else
		parse_fail(p, -ENOTSUP, "directive '.%s'",
			   p->token.kind == TOK_DOT ? p->token.atom->text : "");
}

static void parse_directive(struct ptx_parser *p)
{
	if (parse_at_dot(p, "loc") || parse_at_dot(p, "file")) {
		ptx_lexer_skip_line(&p->lexer);
		parse_next(p);
	} else if (parse_accept_dot(p, "version")) {
		parse_version(p);
	} else if (parse_accept_dot(p, "target")) {
		parse_target(p);
	} else if (parse_accept_dot(p, "address_size")) {
		if (parse_uint(p, 64) != 64)
			parse_fail(p, -ENOTSUP, ".address_size other than 64");
	} else if (parse_accept_dot(p, "pragma")) {
		do {
			parse_next(p);
		} while (parse_accept(p, ','));
		parse_expect(p, ';');
	} else if (parse_at_dot(p, "section")) {
		skip_section(p);
	} else if (parse_accept_dot(p, "alias")) {
		parse_alias(p);
	} else {
		parse_definition(p);
	}
}

static void parse_unit(struct ptx_parser *p)
{
	struct ptx_scope scope;

	scope_open(p, &scope);
	parse_next(p);
	if (!p->rc && !parse_at_dot(p, "version"))
		parse_fail(p, -EINVAL, ".version expected");
	while (p->token.kind != TOK_EOF) {
		if (p->token.kind == TOK_DOT)
			parse_directive(p);
		else if (parse_at(p, '@')) /* @@DWARF of old texts */
			ptx_lexer_skip_line(&p->lexer), parse_next(p);
		else if (!parse_accept(p, ';'))
			parse_fail(p, -EINVAL, "a directive expected near '%.*s'",
				   (int)(p->token.len < 24 ? p->token.len : 24), p->token.text);
	}
	if (!p->rc && !p->unit->target_sm)
		parse_fail(p, -EINVAL, ".target sm_XX is missing");
	scope_close(p);
}

void ptx_unit_free(struct ptx_unit *unit)
{
	if (!unit)
		return;
	ptx_arena_free(&unit->arena);
	free(unit->name);
	free(unit);
}

int ptx_unit_parse(const char *text, size_t len, struct ptx_log *log, struct ptx_unit **out)
{
	struct ptx_parser p = {.log = log};
	struct ptx_unit *unit;

	*out = NULL;
	if (len > PTX_TEXT_MAX) {
		ptx_log_error(log, NULL, 0, -ENOTSUP, "PTX text of more than %u bytes",
			      PTX_TEXT_MAX);
		return -ENOTSUP;
	}
	unit = calloc(1, sizeof(*unit));
	if (!unit)
		return -ENOMEM;
	ptx_arena_init(&unit->arena);
	unit->funcs_tail = &unit->funcs;
	unit->vars_tail = &unit->vars;
	p.unit = unit;
	ptx_lexer_init(&p.lexer, &unit->arena, text, len);
	parse_unit(&p);
	if (p.rc)
		ptx_unit_free(unit);
	else
		*out = unit;
	return p.rc;
}

bool ptx_text_probe(const char *text, size_t len)
{
	struct ptx_arena arena;
	struct ptx_lexer lexer;
	struct ptx_token token;
	bool is_ptx;

	ptx_arena_init(&arena);
	ptx_lexer_init(&lexer, &arena, text, len);
	ptx_lexer_next(&lexer, &token);
	is_ptx = token.kind == TOK_DOT && !strcmp(token.atom->text, "version");
	ptx_arena_free(&arena);
	return is_ptx;
}
