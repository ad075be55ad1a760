/* SPDX-License-Identifier: MIT */
/*
 * The compiler, apart from the engine: LLVM has 110 MB, and a process that launches no kernel does not need it.
 * libcuda-soft loads it when it first compiles (../compiler.c); the engine's tests have it linked in (jit_linked.c).
 */
#ifndef SOFT_PTX_JIT_H
#define SOFT_PTX_JIT_H

#include "link.h"
#include "log.h"

struct ptx_jit {
	/* With the module's lock. */
	int (*compile)(struct ptx_kernel *kernel, struct ptx_log *log);
	/* All functions, no code. */
	int (*check)(struct ptx_module *m, struct ptx_log *log);
	/* Of a kernel with an engine. */
	void (*release)(struct ptx_kernel *kernel);
};

#define PTX_JIT_SYMBOL "ptx_jit_llvm"
extern const struct ptx_jit ptx_jit_llvm __attribute__((visibility("default"))); /* jit.c */

/* NULL after an error in the log (which may be NULL). Any thread. */
const struct ptx_jit *ptx_jit(struct ptx_log *log);

#endif
