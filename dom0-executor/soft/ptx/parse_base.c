/* SPDX-License-Identifier: MIT */
/*
 * Parser, lowest layer: tokens, the first error, memory. After the first error the current token is TOK_EOF
 * for good, so that every loop of the parser ends by itself.
 */
#include "parse.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

int parse_fail(struct ptx_parser *p, int rc, const char *fmt, ...)
{
	va_list args;

	if (p->rc)
		return p->rc;
	p->rc = p->lexer.no_memory ? -ENOMEM : rc;
	va_start(args, fmt);
	ptx_log_add(p->log, p->unit->name, p->token.line, p->rc, fmt, args);
	va_end(args);
	p->token.kind = TOK_EOF;
	return p->rc;
}

void parse_next(struct ptx_parser *p)
{
	if (p->rc) {
		p->token.kind = TOK_EOF;
		return;
	}
	ptx_lexer_next(&p->lexer, &p->token);
	if (p->token.kind == TOK_BAD)
		parse_fail(p, -EINVAL, "bad token near '%.*s'",
			   (int)(p->token.len < 24 ? p->token.len : 24), p->token.text);
}

bool parse_at(const struct ptx_parser *p, int punct)
{
	return p->token.kind == TOK_PUNCT && p->token.punct == punct;
}

bool parse_accept(struct ptx_parser *p, int punct)
{
	if (!parse_at(p, punct))
		return false;
	parse_next(p);
	return true;
}

void parse_expect(struct ptx_parser *p, int punct)
{
	if (!parse_accept(p, punct))
		parse_fail(p, -EINVAL, "'%c' expected near '%.*s'", punct,
			   (int)(p->token.len < 24 ? p->token.len : 24),
			   p->token.text ? p->token.text : "");
}

bool parse_at_dot(const struct ptx_parser *p, const char *name)
{
	return p->token.kind == TOK_DOT && !strcmp(p->token.atom->text, name);
}

bool parse_accept_dot(struct ptx_parser *p, const char *name)
{
	if (!parse_at_dot(p, name))
		return false;
	parse_next(p);
	return true;
}

struct ptx_atom *parse_name(struct ptx_parser *p)
{
	struct ptx_atom *atom = p->token.atom;

	if (p->token.kind != TOK_NAME) {
		parse_fail(p, -EINVAL, "a name expected");
		return NULL;
	}
	parse_next(p);
	return atom;
}

uint64_t parse_uint(struct ptx_parser *p, uint64_t max)
{
	struct expr e = parse_expr(p);

	if (!p->rc && (e.is_float || e.bits > max))
		parse_fail(p, -EINVAL, "a number of 0 to %llu expected", (unsigned long long)max);
	return p->rc ? 0 : e.bits;
}

void *parse_alloc(struct ptx_parser *p, size_t bytes)
{
	void *piece = ptx_arena_alloc(&p->unit->arena, bytes);

	if (!piece)
		parse_fail(p, -ENOMEM, "out of memory");
	return piece;
}

void *parse_dup(struct ptx_parser *p, const void *data, size_t bytes)
{
	void *piece = parse_alloc(p, bytes ? bytes : 1);

	if (piece && bytes)
		memcpy(piece, data, bytes);
	return piece;
}

bool parse_enter(struct ptx_parser *p)
{
	if (p->nesting >= PTX_NESTING_MAX) {
		parse_fail(p, -ENOTSUP, "nested deeper than %u", PTX_NESTING_MAX);
		return false;
	}
	p->nesting++;
	return true;
}

void parse_leave(struct ptx_parser *p)
{
	p->nesting--;
}
