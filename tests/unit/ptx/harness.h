/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the PTX engine: run one instruction on many inputs and compare with C.
 *
 * A snippet sees the registers %d (result), %a, %b, %c of the types that its test names, %p (predicate), %t
 * (the thread's number) and a few scratch ones (%x0.. of 32 bits, %y0.. of 64). Values travel as 64-bit words.
 */
#ifndef TESTS_PTX_HARNESS_H
#define TESTS_PTX_HARNESS_H

#include "dom0-executor/soft/ptx/ptx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct words {
	uint64_t a, b, c;
};

typedef uint64_t reference(uint64_t a, uint64_t b, uint64_t c);
/* A reference's head; it need not use all of a, b and c. */
#define REF(name)                                                \
	static uint64_t name(uint64_t a __attribute__((unused)), \
			     uint64_t b __attribute__((unused)), \
			     uint64_t c __attribute__((unused)))

struct op_test {
	const char *insn;          /* with %d, %a, %b, %c */
	const char *d, *a, *b, *c; /* register types: b16 b32 b64 f32 f64 pred; NULL: not used */
	reference *ref;
};

struct op_tests {
	const struct op_test *tests;
	size_t count;
};

/*
 * A test of cmocka: each instruction of a table, on all combinations of edge values of the operands'
 * widths and on random ones. Its initial state is the struct op_tests.
 */
void check_ops(void **state);
#define OP_TESTS(table)                                           \
	{                                                         \
#table, check_ops, NULL, NULL, &(struct op_tests) \
		{                                                 \
			table, sizeof(table) / sizeof(*(table))   \
		}                                                 \
	}

extern bool baseline; /* load() asks for code without this CPU's extensions */
/* Loads a text, printing the log where it fails. */
struct ptx_module *load(const char *text);
/* A module with one kernel "k" (parameters: u64 out, u64 in) of this body. */
struct ptx_module *load_body(const char *globals, const char *body);
/* Runs "k" of the module with the two pointers. */
int run_k(struct ptx_module *module, uint32_t grid, uint32_t block, const void *out, const void *in,
	  struct ptx_fault *fault);
/* Body, run, unload: for tests of whole little kernels. */
void run_body(const char *globals, const char *body, uint32_t grid, uint32_t block, void *out,
	      void *in);
/* Loading must fail with rc and name all of it. */
void refuse(const char *text, int rc, const char *named);
void refuse_body(const char *body, int rc, const char *named);

float f32(uint64_t bits);
double f64(uint64_t bits);
uint64_t u32(float value);
uint64_t u64(double value);
uint64_t random64(void);

#endif
