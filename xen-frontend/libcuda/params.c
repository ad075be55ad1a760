/* SPDX-License-Identifier: MIT */
/* Packing a launch's parameters: see params.h. Reads the program's memory as the driver would. */
#include "xen-frontend/libcuda/params.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"

/* As many keys as an `extra` array may name before its end. */
#define EXTRA_KEYS_MAX 16

/* The array of keys and values; its buffer is passed on where it lies. */
static CUresult params_extra(struct fe_params *params, const struct fe_function *function,
			     void *const *extra)
{
	const size_t *size = NULL;

	for (unsigned int i = 0; extra[2 * i] != CU_LAUNCH_PARAM_END; i++) {
		void *value = extra[2 * i + 1];

		if (i == EXTRA_KEYS_MAX)
			return CUDA_ERROR_INVALID_VALUE;
		if (extra[2 * i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
			params->data = value;
		else if (extra[2 * i] == CU_LAUNCH_PARAM_BUFFER_SIZE)
			size = value;
		else
			return CUDA_ERROR_INVALID_VALUE;
	}
	/* The driver looks at 32 bits of it. */
	params->size = size ? (uint32_t)*size : 0;
	if (params->size && !params->data)
		return CUDA_ERROR_INVALID_VALUE;
	if (params->size > VG_PARAMS_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	/* Short it may be: NCCL's kernels take 4 KiB, of which it passes what a launch uses. The rest is zero. */
	if (params->size > function->params_size)
		return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	return CUDA_SUCCESS;
}

CUresult fe_params_pack(struct fe_params *params, const struct fe_function *function,
			void *const *kernel_params, void *const *extra)
{
	uint8_t *block;

	params->data = NULL;
	params->size = 0;
	params->heap = NULL;
	if (kernel_params && extra)
		return CUDA_ERROR_INVALID_VALUE;
	if (extra)
		return params_extra(params, function, extra);
	if (!function->count)
		return CUDA_SUCCESS;
	if (!kernel_params)
		return CUDA_ERROR_INVALID_VALUE;
	block = (uint8_t *)params->small;
	if (function->params_size > sizeof(params->small)) {
		block = params->heap = malloc(function->params_size);
		if (!block)
			return CUDA_ERROR_OUT_OF_MEMORY;
	}
	memset(block, 0, function->params_size);
	for (uint32_t i = 0; i < function->count; i++) {
		if (!kernel_params[i]) {
			fe_params_free(params);
			return CUDA_ERROR_INVALID_VALUE;
		}
		memcpy(block + function->params[i].offset, kernel_params[i],
		       function->params[i].size);
	}
	params->data = block;
	params->size = function->params_size;
	return CUDA_SUCCESS;
}

void fe_params_free(struct fe_params *params)
{
	free(params->heap);
	params->heap = NULL;
}
