/* SPDX-License-Identifier: MIT */
/* Tokens of a PTX text. The text is untrusted and need not be NUL terminated. */
#ifndef SOFT_PTX_LEXER_H
#define SOFT_PTX_LEXER_H

#include "arena.h"

#include <stdbool.h>

enum ptx_token_kind {
	TOK_EOF,
	TOK_NAME,   /* atom: opcode, symbol, register, %special */
	TOK_DOT,    /* atom: .directive or .modifier, without the dot */
	TOK_INT,    /* value */
	TOK_F32,    /* value: 32 bits of 0f... */
	TOK_F64,    /* value: 64 bits of 0d... or of a decimal number */
	TOK_STRING, /* text, len: without the quotes */
	TOK_PUNCT,  /* punct */
	TOK_BAD,    /* a character that PTX does not have, or an unended string or comment */
};

/* Two-character punctuation of constant expressions. */
enum {
	PUNCT_SHL = 256,
	PUNCT_SHR,
	PUNCT_LE,
	PUNCT_GE,
	PUNCT_EQ,
	PUNCT_NE,
	PUNCT_AND,
	PUNCT_OR
};

struct ptx_token {
	enum ptx_token_kind kind;
	int punct;
	unsigned int line;
	bool is_unsigned; /* TOK_INT with a U */
	uint64_t value;
	struct ptx_atom *atom;
	const char *text;
	size_t len;
};

struct ptx_lexer {
	const char *at;
	const char *end;
	unsigned int line;
	struct ptx_arena *arena;
	bool no_memory;
};

void ptx_lexer_init(struct ptx_lexer *lexer, struct ptx_arena *arena, const char *text, size_t len);
void ptx_lexer_next(struct ptx_lexer *lexer, struct ptx_token *token);
/* Skips to the end of the line of the last token (.loc and .file have no other end). */
void ptx_lexer_skip_line(struct ptx_lexer *lexer);

#endif
