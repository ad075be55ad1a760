/* SPDX-License-Identifier: MIT */
/* Batches of operations on words: one that is too long is refused before it is read. Any thread. */
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"

/* CUDA's documentation of cuStreamBatchMemOp. */
#define MEM_OPS_MAX 256u

static CUresult batch_check(unsigned int count)
{
	CUresult result = fe_context_needed();

	return !result && count > MEM_OPS_MAX ? CUDA_ERROR_INVALID_VALUE : result;
}

CUresult fe_cuStreamBatchMemOp(CUstream stream, unsigned int count,
			       CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
	CUresult result = batch_check(count);

	return result ? result : rpc_cuStreamBatchMemOp(stream, count, paramArray, flags);
}

CUresult fe_cuStreamBatchMemOp_v2(CUstream stream, unsigned int count,
				  CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
	CUresult result = batch_check(count);

	return result ? result : rpc_cuStreamBatchMemOp_v2(stream, count, paramArray, flags);
}
