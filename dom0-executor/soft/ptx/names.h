/* SPDX-License-Identifier: MIT */
/*
 * The words of PTX that this engine knows: types, modifiers, opcodes, special registers. They stand in
 * words.def; a word that is not there is refused by the parser with its name and line. What an opcode may combine is
 * decided by its generator (gen.h), which must take every modifier or refuse the instruction.
 */
#ifndef SOFT_PTX_NAMES_H
#define SOFT_PTX_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ptx_mod {
	PTX_T_NONE,
#define T(id, name, bytes) PTX_##id,
#include "words.def"
	PTX_T_COUNT,
#define M(id, name) MOD_##id,
#include "words.def"
	PTX_MOD_COUNT
};

enum ptx_op {
#define O(id, name, generator) OP_##id,
#include "words.def"
	PTX_OP_COUNT
};

enum ptx_sreg {
#define S(id, name, bits, components) SREG_##id,
#include "words.def"
	PTX_SREG_COUNT
};

/* Return the table's index or -1. */
int ptx_mod_find(const char *name);
int ptx_op_find(const char *name);
/* %envreg7 gives SREG_ENVREG and *number 7; %pm registers are not known. */
int ptx_sreg_find(const char *name, unsigned int *number);

const char *ptx_mod_name(unsigned int mod);
const char *ptx_op_name(unsigned int op);
unsigned int ptx_sreg_bits(unsigned int sreg);
unsigned int ptx_sreg_components(unsigned int sreg);

static inline bool ptx_is_type(unsigned int mod)
{
	return mod > PTX_T_NONE && mod < PTX_T_COUNT;
}

unsigned int ptx_type_bytes(unsigned int type);
/* Bits of a value: 1 for pred. */
unsigned int ptx_type_bits(unsigned int type);
bool ptx_type_is_signed(unsigned int type);
bool ptx_type_is_float(unsigned int type); /* f16 bf16 f32 f64, no packed ones */
bool ptx_type_is_int(unsigned int type);   /* u and s of 8 to 64 bits */

#endif
