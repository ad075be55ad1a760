/* SPDX-License-Identifier: MIT */
/* Operations of streams on words of memory, in batches. Runs in lanes' threads. */
#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/node.h"

CUresult ex_memops_read(struct ex_call *call, const CUstreamBatchMemOpParams *ops,
			unsigned int count, CUstreamBatchMemOpParams **own)
{
	CUresult result = CUDA_SUCCESS;

	*own = ex_scratch(call, count, sizeof(**own));
	if (!*own)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (unsigned int i = 0; i < count && !result; i++) {
		CUstreamBatchMemOpParams *op = &(*own)[i];

		*op = ops[i];
		switch ((int)op->operation) {
		case CU_STREAM_MEM_OP_WAIT_VALUE_32:
		case CU_STREAM_MEM_OP_WRITE_VALUE_32:
			op->waitValue.alias = 0; /* of the waiting and the writing alike */
			result = ex_range_check(call, op->waitValue.address, 4);
			break;
		case CU_STREAM_MEM_OP_WAIT_VALUE_64:
		case CU_STREAM_MEM_OP_WRITE_VALUE_64:
			op->waitValue.alias = 0;
			result = ex_range_check(call, op->waitValue.address, 8);
			break;
		case CU_STREAM_MEM_OP_BARRIER:
		case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES: break;
		default: result = CUDA_ERROR_INVALID_VALUE;
		}
	}
	return result;
}

CUresult ex_cuStreamBatchMemOp_v2(struct ex_call *call, CUstream stream, unsigned int count,
				  CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
	CUstreamBatchMemOpParams *own;
	CUresult result;

	if (!ex_driver.cuStreamBatchMemOp_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_memops_read(call, paramArray, count, &own);
	return result ? result : ex_driver.cuStreamBatchMemOp_v2(stream, count, own, flags);
}

CUresult ex_cuStreamBatchMemOp(struct ex_call *call, CUstream stream, unsigned int count,
			       CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
	CUstreamBatchMemOpParams *own;
	CUresult result;

	if (!ex_driver.cuStreamBatchMemOp)
		return CUDA_ERROR_NOT_SUPPORTED;
	/* Where the host's driver is not set to let it be, it refuses before it looks at the operations. */
	result = ex_driver.cuStreamBatchMemOp(stream, 0, NULL, flags);
	if (result == CUDA_ERROR_NOT_SUPPORTED || result == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
		return result;
	if (count && !paramArray)
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_memops_read(call, paramArray, count, &own);
	return result ? result : ex_driver.cuStreamBatchMemOp(stream, count, own, flags);
}
