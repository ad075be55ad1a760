/* SPDX-License-Identifier: MIT */
/* CUDA arrays: device memory with an extent and a format, stored row after row without padding. */
#ifndef SOFT_ARRAY_H
#define SOFT_ARRAY_H

#include "dom0-executor/soft/object.h"

struct soft_array {
	struct soft_object object;
	CUDA_ARRAY3D_DESCRIPTOR descriptor;
	uint64_t base; /* of its range */
	size_t row;    /* bytes */
	size_t rows;   /* at least 1 */
	size_t slices; /* depth or layers, at least 1 */
};

/* What a copy answers to a handle that is no array, or none any more. */
static inline CUresult array_unknown(CUarray handle)
{
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	return object_kind_of(handle) == SOFT_ARRAY ? CUDA_ERROR_CONTEXT_IS_DESTROYED
						    : CUDA_ERROR_INVALID_HANDLE;
}

/* Checked and made, with a handle. */
CUresult array_create(struct soft_context *ctx, const CUDA_ARRAY3D_DESCRIPTOR *descriptor,
		      CUarray *handle);
size_t
array_format_bytes(CUarray_format format); /* of a channel; 0: not a format of this device's */

#endif
