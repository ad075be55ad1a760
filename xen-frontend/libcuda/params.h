/* SPDX-License-Identifier: MIT */
/*
 * The parameters of a launch or a kernel node in one packed block, from either form in which programs pass
 * them. Belongs to the calling thread.
 */
#ifndef FE_PARAMS_H
#define FE_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "xen-frontend/libcuda/function.h"

/* Kernels built for older devices have no more; larger ones are allocated. */
#define FE_PARAMS_SMALL 4096

struct fe_params {
	const void *data; /* in small, in heap, or the program's own buffer */
	size_t size;
	void *heap; /* owned */
	uint64_t small[FE_PARAMS_SMALL / sizeof(uint64_t)];
};

/* CUDA_ERROR_INVALID_VALUE for parameters that are missing or given in both forms. */
CUresult fe_params_pack(struct fe_params *params, const struct fe_function *function,
			void *const *kernel_params, void *const *extra);
void fe_params_free(struct fe_params *params);

#endif
