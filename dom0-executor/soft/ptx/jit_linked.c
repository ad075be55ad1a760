/* SPDX-License-Identifier: MIT */
/* The compiler where it is part of the program. */
#include "jit.h"

const struct ptx_jit *ptx_jit(struct ptx_log *log)
{
	(void)log;
	return &ptx_jit_llvm;
}
