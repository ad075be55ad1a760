/* SPDX-License-Identifier: MIT */
/*
 * Options of the JIT compiler and linker on their way to the executor and back: numbers travel as they
 * are, log buffers as the room in them. Belongs to the calling thread.
 */
#ifndef FE_JIT_H
#define FE_JIT_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

/* More than there are options; programs give each at most once. */
#define FE_JIT_OPTIONS_MAX 64

/* A log buffer of the program's, and ours that the answer is written to. */
struct fe_jit_log {
	char *program; /* NULL: none */
	size_t room;
	char *text; /* room bytes and a NUL, owned */
};

struct fe_jit {
	unsigned int count;
	const CUjit_option *options; /* the program's */
	uint64_t values[FE_JIT_OPTIONS_MAX];
	uint64_t results[FE_JIT_OPTIONS_MAX];
	struct fe_jit_log info, error;
};

/*
 * CUDA_ERROR_INVALID_VALUE for options that make no sense, CUDA_ERROR_NOT_SUPPORTED for those whose
 * values are tables of the program's pointers.
 */
CUresult fe_jit_check(unsigned int count, const CUjit_option *options, void *const *values);
/* The same, and takes them. To be closed in any case. */
CUresult fe_jit_open(struct fe_jit *jit, unsigned int count, const CUjit_option *options,
		     void *const *values);
/* Logs and values go back to the program, also after an error, as CUDA does it. */
void fe_jit_write_back(struct fe_jit *jit, void **values);
void fe_jit_close(struct fe_jit *jit);

/* What the text has grown to goes to the program's buffer; its length without the NUL. */
size_t fe_jit_log_write(const struct fe_jit_log *log);

#endif
