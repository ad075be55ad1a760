/* SPDX-License-Identifier: MIT */
/* Lexer of PTX; see lexer.h. Reads only [at, end). */
#include "lexer.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 128 /* characters of a literal */

void ptx_lexer_init(struct ptx_lexer *lexer, struct ptx_arena *arena, const char *text, size_t len)
{
	*lexer = (struct ptx_lexer){.at = text, .end = text + len, .line = 1, .arena = arena};
}

static int peek(const struct ptx_lexer *lexer, size_t ahead)
{
	return (size_t)(lexer->end - lexer->at) > ahead ? (unsigned char)lexer->at[ahead] : -1;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_start(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%';
}

static bool is_name(int c)
{
	return is_name_start(c) || is_digit(c);
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v' || c == 0;
}

void ptx_lexer_skip_line(struct ptx_lexer *lexer)
{
	while (lexer->at < lexer->end && *lexer->at != '\n')
		lexer->at++;
}

/* False where a comment has no end. */
static bool skip_comment(struct ptx_lexer *lexer)
{
	lexer->at += 2;
	while (peek(lexer, 0) >= 0) {
		if (peek(lexer, 0) == '*' && peek(lexer, 1) == '/') {
			lexer->at += 2;
			return true;
		}
		if (*lexer->at++ == '\n')
			lexer->line++;
	}
	return false;
}

static bool skip_blanks(struct ptx_lexer *lexer)
{
	for (;;) {
		int c = peek(lexer, 0);

		if (is_blank(c)) {
			if (c == '\n')
				lexer->line++;
			lexer->at++;
		} else if (c == '/' && peek(lexer, 1) == '/') {
			ptx_lexer_skip_line(lexer);
		} else if (c == '/' && peek(lexer, 1) == '*') {
			if (!skip_comment(lexer))
				return false;
		} else {
			return true;
		}
	}
}

static void lex_atom(struct ptx_lexer *lexer, struct ptx_token *token, const char *start)
{
	token->atom = ptx_atom_get(lexer->arena, start, (size_t)(lexer->at - start));
	if (!token->atom) {
		lexer->no_memory = true;
		token->kind = TOK_BAD;
	}
}

static void lex_name(struct ptx_lexer *lexer, struct ptx_token *token)
{
	const char *start = lexer->at;

	while (is_name(peek(lexer, 0)))
		lexer->at++;
	token->kind = TOK_NAME;
	lex_atom(lexer, token, start);
}

/* .name, also .shared::cta and .L2::128B */
static void lex_dot(struct ptx_lexer *lexer, struct ptx_token *token)
{
	const char *start = ++lexer->at;

	while (is_name(peek(lexer, 0)) || (peek(lexer, 0) == ':' && peek(lexer, 1) == ':')) {
		if (*lexer->at == ':')
			lexer->at++;
		lexer->at++;
	}
	token->kind = TOK_DOT;
	lex_atom(lexer, token, start);
}

static void lex_string(struct ptx_lexer *lexer, struct ptx_token *token)
{
	const char *start = ++lexer->at;

	while (peek(lexer, 0) >= 0 && *lexer->at != '"') {
		if (*lexer->at == '\\' && peek(lexer, 1) >= 0)
			lexer->at++;
		if (*lexer->at++ == '\n')
			lexer->line++;
	}
	token->kind = peek(lexer, 0) == '"' ? TOK_STRING : TOK_BAD;
	token->text = start;
	token->len = (size_t)(lexer->at - start);
	if (token->kind == TOK_STRING)
		lexer->at++;
}

/* 0fXXXXXXXX and 0dXXXXXXXXXXXXXXXX: the bits of a float. */
static void lex_float_bits(struct ptx_lexer *lexer, struct ptx_token *token, bool is_double)
{
	int digits = is_double ? 16 : 8;

	lexer->at += 2;
	token->kind = is_double ? TOK_F64 : TOK_F32;
	for (int i = 0; i < digits; i++) {
		int c = peek(lexer, 0);
		int low = c | 0x20;

		if (!is_digit(c) && !(low >= 'a' && low <= 'f')) {
			token->kind = TOK_BAD;
			return;
		}
		token->value = token->value << 4 |
			       (uint64_t)(is_digit(c) ? c - '0' : low - 'a' + 10);
		lexer->at++;
	}
	if (is_name(peek(lexer, 0)))
		token->kind = TOK_BAD;
}

static int digit_value(int c)
{
	int low = c | 0x20;

	if (is_digit(c))
		return c - '0';
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : 99;
}

static void lex_integer(struct ptx_lexer *lexer, struct ptx_token *token)
{
	int base = 10;
	bool any = false;

	if (peek(lexer, 0) == '0') {
		int next = peek(lexer, 1) | 0x20;

		base = next == 'x' ? 16 : next == 'b' ? 2 : 8;
		lexer->at += base == 8 ? 0 : 2;
	}
	token->kind = TOK_INT;
	while (digit_value(peek(lexer, 0)) < base) {
		uint64_t digit = (uint64_t)digit_value(*lexer->at++);

		if (token->value > (UINT64_MAX - digit) / (uint64_t)base)
			token->kind = TOK_BAD;
		token->value = token->value * (uint64_t)base + digit;
		any = true;
	}
	if ((peek(lexer, 0) | 0x20) == 'u') {
		token->is_unsigned = true;
		lexer->at++;
	}
	if (!any || is_name(peek(lexer, 0)))
		token->kind = TOK_BAD;
}

/* True where the digits at the lexer go on as 1.5, 1. or 1e9. */
static bool is_decimal_float(const struct ptx_lexer *lexer)
{
	size_t i = 0;

	while (is_digit(peek(lexer, i)))
		i++;
	return peek(lexer, i) == '.' || (peek(lexer, i) | 0x20) == 'e';
}

static void lex_decimal(struct ptx_lexer *lexer, struct ptx_token *token)
{
	char text[NUMBER_MAX + 1] = "";
	size_t len = 0;
	char *end;
	double value;

	while (len < NUMBER_MAX) {
		int c = peek(lexer, len);
		bool sign = (c == '+' || c == '-') && len && (text[len - 1] | 0x20) == 'e';

		if (!is_digit(c) && c != '.' && (c | 0x20) != 'e' && !sign)
			break;
		text[len++] = (char)c;
	}
	text[len] = 0;
	value = strtod(text, &end);
	lexer->at += len;
	token->kind = *end || is_name(peek(lexer, 0)) ? TOK_BAD : TOK_F64;
	memcpy(&token->value, &value, sizeof(value));
}

static void lex_number(struct ptx_lexer *lexer, struct ptx_token *token)
{
	int second = peek(lexer, 1) | 0x20;

	if (peek(lexer, 0) == '0' && (second == 'f' || second == 'd'))
		lex_float_bits(lexer, token, second == 'd');
	else if (is_decimal_float(lexer))
		lex_decimal(lexer, token);
	else
		lex_integer(lexer, token);
}

static int punct_pair(int a, int b)
{
	static const struct {
		char a, b;
		short punct;
	} pairs[] = {
		{'<', '<', PUNCT_SHL}, {'>', '>', PUNCT_SHR}, {'<', '=', PUNCT_LE},
		{'>', '=', PUNCT_GE},  {'=', '=', PUNCT_EQ},  {'!', '=', PUNCT_NE},
		{'&', '&', PUNCT_AND}, {'|', '|', PUNCT_OR},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i].a == a && pairs[i].b == b)
			return pairs[i].punct;
	return 0;
}

static void lex_punct(struct ptx_lexer *lexer, struct ptx_token *token)
{
	int c = peek(lexer, 0);
	int pair = punct_pair(c, peek(lexer, 1));

	token->kind = strchr("{}()[]<>,;:=+-*/%&|^~!?@.", c) ? TOK_PUNCT : TOK_BAD;
	token->punct = pair ? pair : c;
	lexer->at += pair ? 2 : 1;
}

void ptx_lexer_next(struct ptx_lexer *lexer, struct ptx_token *token)
{
	bool ended = skip_blanks(lexer);
	int c = peek(lexer, 0);

	*token = (struct ptx_token){
		.kind = ended ? TOK_EOF : TOK_BAD, .line = lexer->line, .text = lexer->at};
	if (c < 0)
		return;
	if (is_digit(c))
		lex_number(lexer, token);
	else if (is_name_start(c) && (c != '%' || is_name_start(peek(lexer, 1))))
		lex_name(lexer, token);
	else if (c == '.' && is_name(peek(lexer, 1)))
		lex_dot(lexer, token);
	else if (c == '"')
		lex_string(lexer, token);
	else
		lex_punct(lexer, token);
	if (token->kind != TOK_STRING)
		token->len = (size_t)(lexer->at - token->text);
}
