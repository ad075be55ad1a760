/* SPDX-License-Identifier: MIT */
/* Launch attributes from the guest, and kernels' parameters as one block of bytes. */
#ifndef EX_LAUNCH_H
#define EX_LAUNCH_H

#include "dom0-executor/call.h"

/*
 * A copy in scratch memory with the driver's events in place of the guest's.
 * CUDA_ERROR_NOT_SUPPORTED for an attribute with a pointer that cannot be translated, or an unknown one.
 */
CUresult ex_attributes_read(struct ex_call *call, unsigned int count,
			    const CUlaunchAttribute *attrs, CUlaunchAttribute **own);

/* The `extra` form of a kernel's parameters. */
struct ex_params {
	size_t size;
	void *extra[5];
};

/* NULL for a kernel without parameters. */
void **ex_params_extra(struct ex_params *params, const void *bytes, size_t size);

/*
 * The same as pointers into the bytes, in scratch memory; *out is NULL where the driver does not tell the layout,
 * or the bytes do not fill it. real: CUkernel or CUfunction.
 */
CUresult ex_params_pointers(struct ex_call *call, void *real, bool kernel, const void *bytes,
			    size_t size, void ***out);

/* The next index behind a kernel's last parameter answers CUDA_ERROR_INVALID_VALUE. */
#define EX_PARAMETERS_MAX (32u * 1024) /* bytes of parameters, so no more of them */
/* Whether what stands for a function is a CUkernel. */
bool ex_function_is_kernel(struct ex_call *call, const void *real);
CUresult ex_function_param(void *real, bool kernel, size_t index, size_t *offset, size_t *size);

#endif
