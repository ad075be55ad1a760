/* SPDX-License-Identifier: MIT */
/* Constant expressions: C's operators on 64-bit integers, plus float literals with a sign. */
#include "parse.h"

#include <errno.h>
#include <string.h>

static struct expr expr_unary(struct ptx_parser *p);

static struct expr expr_int(uint64_t bits, bool is_unsigned)
{
	return (struct expr){.bits = bits, .is_unsigned = is_unsigned};
}

static struct expr expr_negate(struct expr e)
{
	if (!e.is_float)
		return expr_int(0 - e.bits, e.is_unsigned);
	e.bits ^= e.is_f32 ? 1ull << 31 : 1ull << 63;
	return e;
}

static struct expr expr_literal(struct ptx_parser *p)
{
	struct expr e = {.bits = p->token.value, .is_unsigned = p->token.is_unsigned};

	switch (p->token.kind) {
	case TOK_INT: break;
	case TOK_F32: e.is_float = e.is_f32 = true; break;
	case TOK_F64: e.is_float = true; break;
	case TOK_NAME:
		if (!strcmp(p->token.atom->text, "WARP_SZ")) {
			e = expr_int(32, false);
			break;
		}
		/* fall through */
	default:
		parse_fail(p, -EINVAL, "a constant expected near '%.*s'",
			   (int)(p->token.len < 24 ? p->token.len : 24), p->token.text);
		return e;
	}
	parse_next(p);
	return e;
}

static struct expr expr_ternary(struct ptx_parser *p);

/* (expr) or the casts (.s64)expr and (.u64)expr */
static struct expr expr_paren(struct ptx_parser *p)
{
	struct expr e = {0};

	if (!parse_enter(p))
		return e;
	if (parse_at_dot(p, "s64") || parse_at_dot(p, "u64")) {
		bool is_unsigned = parse_at_dot(p, "u64");

		parse_next(p);
		parse_expect(p, ')');
		e = expr_unary(p);
		e.is_unsigned = is_unsigned;
	} else {
		e = expr_ternary(p);
		parse_expect(p, ')');
	}
	parse_leave(p);
	return e;
}

static struct expr expr_unary(struct ptx_parser *p)
{
	struct expr e = {0};
	int punct = p->token.kind == TOK_PUNCT ? p->token.punct : 0;

	if (!punct)
		return expr_literal(p);
	parse_next(p);
	if (punct == '(')
		return expr_paren(p);
	if (!strchr("-+~!", punct) || punct > 127) {
		parse_fail(p, -EINVAL, "a constant expected");
		return e;
	}
	if (!parse_enter(p))
		return e;
	e = expr_unary(p);
	parse_leave(p);
	if (e.is_float && (punct == '~' || punct == '!'))
		parse_fail(p, -EINVAL, "integer expected");
	switch (punct) {
	case '-': return expr_negate(e);
	case '~': return expr_int(~e.bits, e.is_unsigned);
	case '!': return expr_int(!e.bits, false);
	default: return e;
	}
}

static int binary_level(const struct ptx_parser *p)
{
	if (p->token.kind != TOK_PUNCT)
		return 0;
	switch (p->token.punct) {
	case '*':
	case '/':
	case '%': return 10;
	case '+':
	case '-': return 9;
	case PUNCT_SHL:
	case PUNCT_SHR: return 8;
	case '<':
	case '>':
	case PUNCT_LE:
	case PUNCT_GE: return 7;
	case PUNCT_EQ:
	case PUNCT_NE: return 6;
	case '&': return 5;
	case '^': return 4;
	case '|': return 3;
	case PUNCT_AND: return 2;
	case PUNCT_OR: return 1;
	default: return 0;
	}
}

static uint64_t divide(uint64_t a, uint64_t b, bool is_unsigned, bool rest)
{
	if (is_unsigned)
		return rest ? a % b : a / b;
	if (b == UINT64_MAX) /* INT64_MIN / -1 */
		return rest ? 0 : 0 - a;
	return (uint64_t)(rest ? (int64_t)a % (int64_t)b : (int64_t)a / (int64_t)b);
}

static uint64_t binary_value(int op, uint64_t a, uint64_t b, bool is_unsigned)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (op) {
	case '*': return a * b;
	case '+': return a + b;
	case '-': return a - b;
	case '&': return a & b;
	case '^': return a ^ b;
	case '|': return a | b;
	case '/': return divide(a, b, is_unsigned, false);
	case '%': return divide(a, b, is_unsigned, true);
	case PUNCT_SHL: return b > 63 ? 0 : a << b;
	case PUNCT_SHR:
		return is_unsigned ? (b > 63 ? 0 : a >> b) : (uint64_t)(sa >> (b > 63 ? 63 : b));
	case '<': return is_unsigned ? a < b : sa < sb;
	case '>': return is_unsigned ? a > b : sa > sb;
	case PUNCT_LE: return is_unsigned ? a <= b : sa <= sb;
	case PUNCT_GE: return is_unsigned ? a >= b : sa >= sb;
	case PUNCT_EQ: return a == b;
	case PUNCT_NE: return a != b;
	case PUNCT_AND: return a && b;
	default: return a || b;
	}
}

static struct expr expr_binary(struct ptx_parser *p, int level)
{
	struct expr left = expr_unary(p);

	for (int op_level; (op_level = binary_level(p)) >= level;) {
		int op = p->token.punct;
		struct expr right;

		parse_next(p);
		if (!parse_enter(p))
			return left;
		right = expr_binary(p, op_level + 1);
		parse_leave(p);
		if (left.is_float || right.is_float)
			parse_fail(p, -ENOTSUP, "arithmetic of float constants");
		else if ((op == '/' || op == '%') && !right.bits)
			parse_fail(p, -EINVAL, "division by zero");
		if (p->rc)
			return left;
		left = expr_int(binary_value(op, left.bits, right.bits,
					     left.is_unsigned || right.is_unsigned),
				left.is_unsigned || right.is_unsigned);
	}
	return left;
}

static struct expr expr_ternary(struct ptx_parser *p)
{
	struct expr e = expr_binary(p, 1);
	struct expr yes, no;

	if (!parse_accept(p, '?') || !parse_enter(p))
		return e;
	yes = expr_ternary(p);
	parse_expect(p, ':');
	no = expr_ternary(p);
	parse_leave(p);
	return e.bits ? yes : no;
}

struct expr parse_expr(struct ptx_parser *p)
{
	return expr_ternary(p);
}

static uint64_t bits_widen(uint32_t bits)
{
	float narrow;
	double wide;
	uint64_t out;

	memcpy(&narrow, &bits, sizeof(narrow));
	wide = narrow;
	memcpy(&out, &wide, sizeof(out));
	return out;
}

static uint32_t bits_narrow(uint64_t bits)
{
	double wide;
	float narrow;
	uint32_t out;

	memcpy(&wide, &bits, sizeof(wide));
	narrow = (float)wide;
	memcpy(&out, &narrow, sizeof(out));
	return out;
}

uint64_t expr_as(const struct expr *e, unsigned int type)
{
	if (e->is_float && type == PTX_F64 && e->is_f32)
		return bits_widen((uint32_t)e->bits);
	if (e->is_float && type == PTX_F32 && !e->is_f32)
		return bits_narrow(e->bits);
	return e->bits;
}
