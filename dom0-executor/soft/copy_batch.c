/* SPDX-License-Identifier: MIT */
/* Batches of copies: each copy of a batch is one piece of work, in order, which a batch allows. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/copy.h"

/* Each copy has the attributes of the last index that is not above it; they are hints. */
static CUresult attributes_check(const CUmemcpyAttributes *attrs, const size_t *indices,
				 size_t attr_count, size_t count)
{
	if (!attr_count || !attrs || !indices || indices[0] || attr_count > count)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < attr_count; i++) {
		if (attrs[i].srcAccessOrder < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ||
		    attrs[i].srcAccessOrder > CU_MEMCPY_SRC_ACCESS_ORDER_ANY ||
		    (attrs[i].flags & ~(unsigned int)CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE))
			return CUDA_ERROR_INVALID_VALUE;
		if (i && (indices[i] <= indices[i - 1] || indices[i] >= count))
			return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

/* *failed: the first copy that was refused; those before it are queued. */
static CUresult batch(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
		      CUmemcpyAttributes *attrs, size_t *indices, size_t attr_count, size_t *failed,
		      CUstream hStream)
{
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	*failed = SIZE_MAX;
	if (!dsts || !srcs || !sizes || !count || stream->legacy)
		return CUDA_ERROR_INVALID_VALUE;
	result = attributes_check(attrs, indices, attr_count, count);
	if (result == CUDA_SUCCESS && capture_is_on(stream))
		result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++) {
		result = sizes[i] ? copy_flat(stream, dsts[i], CU_MEMORYTYPE_UNIFIED, srcs[i],
					      CU_MEMORYTYPE_UNIFIED, sizes[i], SOFT_QUEUE)
				  : CUDA_ERROR_INVALID_VALUE;
		if (result != CUDA_SUCCESS)
			*failed = i;
	}
	return result;
}

CUresult cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
			    CUmemcpyAttributes *attrs, size_t *attrsIdxs, size_t numAttrs,
			    size_t *failIdx, CUstream hStream)
{
	size_t failed;
	CUresult result =
		batch(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, &failed, hStream);

	if (failIdx && result != CUDA_SUCCESS)
		*failIdx = failed;
	return result;
}

CUresult cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
			       CUmemcpyAttributes *attrs, size_t *attrsIdxs, size_t numAttrs,
			       CUstream hStream)
{
	size_t failed;

	return batch(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, &failed, hStream);
}
