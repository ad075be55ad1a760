/* SPDX-License-Identifier: MIT */
/*
 * What the guest keeps of a kernel or function: asked once, at its first launch or query, since each
 * launch needs it. One block that belongs to the handle (call.h) and goes with it. Any thread.
 */
#ifndef FE_FUNCTION_H
#define FE_FUNCTION_H

#include <stdatomic.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

struct fe_param {
	uint32_t offset, size; /* bytes */
};

struct fe_function {
	uint32_t count;       /* of parameters */
	uint32_t params_size; /* bytes from the first parameter's begin to the last one's end */
	const struct fe_param *params; /* in the same block */
	const char *name;              /* in the same block */
	/* By device and attribute (function.c says how); a CUfunction uses the first device's. */
	_Atomic uint64_t *attributes;
	/* Of kernels, by device: the function in the primary context, its epoch above bit 46. */
	_Atomic uint64_t *functions;
};

/* handle: a CUfunction or a CUkernel. CUDA_ERROR_INVALID_HANDLE for another. */
CUresult fe_function_get(uint64_t handle, struct fe_function **function);

/* An attribute, asked for at most once unless it is set in between. device: of a kernel. */
CUresult fe_function_attribute(uint64_t handle, struct fe_function *function,
			       CUfunction_attribute attribute, CUdevice device, int *value);

#endif
