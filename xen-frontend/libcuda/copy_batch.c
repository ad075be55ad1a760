/* SPDX-License-Identifier: MIT */
/*
 * Batches of copies: copies within a batch have no order, so each is sent as one of its own, in the stream's. Runs in
 * the program's threads.
 */
#include <stdint.h>

#include "protocol/array_format.h"
#include "protocol/bounds.h"
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/copy.h"

/* CUDA has batches on streams of the program's own only, and not in captures, which it leaves valid. */
static CUresult stream_check(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
	CUresult result;

	if (!stream || stream == CU_STREAM_LEGACY)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_handle_check(VG_HANDLE_CUstream, (uint64_t)stream, 0);
	if (!result && atomic_load(&fe_captures))
		result = rpc_cuStreamIsCapturing(stream, &status);
	if (!result && status != CU_STREAM_CAPTURE_STATUS_NONE)
		result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	return result;
}

static bool order_is_known(CUmemcpySrcAccessOrder order)
{
	return order == CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ||
	       order == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL ||
	       order == CU_MEMCPY_SRC_ACCESS_ORDER_ANY;
}

static CUresult attributes_check(const CUmemcpyAttributes *attrs, const size_t *starts,
				 size_t count, size_t copies)
{
	if (!attrs || !starts || !count || count > copies || starts[0])
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		if (!order_is_known(attrs[i].srcAccessOrder) ||
		    (attrs[i].flags & ~(unsigned int)CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE) ||
		    starts[i] >= copies || (i && starts[i] <= starts[i - 1]))
			return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

/* The program may use a source again as soon as the call returns: shared memory is read by the device itself. */
static bool must_wait(CUmemcpySrcAccessOrder order, uint64_t source)
{
	return order == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL &&
	       fe_memory_of(source) == FE_MEMORY_SHARED;
}

CUresult fe_cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
			       CUmemcpyAttributes *attrs, size_t *attrsIdxs, size_t numAttrs,
			       size_t *failIdx, CUstream hStream)
{
	CUresult result = stream_check(hStream);
	bool wait = false;
	size_t attr = 0;

	if (failIdx)
		*failIdx = SIZE_MAX;
	if (!dsts || !srcs || !sizes || !count)
		return CUDA_ERROR_INVALID_VALUE;
	if (!result)
		result = attributes_check(attrs, attrsIdxs, numAttrs, count);
	for (size_t i = 0; i < count && !result; i++) {
		if (attr + 1 < numAttrs && attrsIdxs[attr + 1] == i)
			attr++;
		wait |= must_wait(attrs[attr].srcAccessOrder, srcs[i]);
		result = sizes[i] ? fe_cuMemcpyAsync(dsts[i], srcs[i], sizes[i], hStream)
				  : CUDA_ERROR_INVALID_VALUE;
		if (result && failIdx)
			*failIdx = i;
	}
	if (!result && wait)
		result = rpc_cuStreamSynchronize(hStream);
	return result;
}

CUresult fe_cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
				  CUmemcpyAttributes *attrs, size_t *attrsIdxs, size_t numAttrs,
				  CUstream hStream)
{
	return fe_cuMemcpyBatchAsync(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, NULL,
				     hStream);
}

/* --- boxes ------------------------------------------------------------------------------------------ */

/* Elements are an array's where there is one; between addresses they are bytes. */
static CUresult element_bytes(const CUmemcpy3DOperand *operand, size_t *bytes)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = {0};
	CUresult result;

	if (operand->type != CU_MEMCPY_OPERAND_TYPE_ARRAY)
		return CUDA_SUCCESS;
	result = rpc_cuArray3DGetDescriptor_v2(&desc, operand->op.array.array);
	if (result)
		return result;
	*bytes = (size_t)vg_format_bytes(desc.Format) * desc.NumChannels;
	return *bytes ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
}

/* One end as CUDA's description of copies in three dimensions has it. */
struct end {
	CUmemorytype type;
	CUdeviceptr device;
	CUarray array;
	size_t x, y, z, pitch, height;
};

static CUresult end_of(const CUmemcpy3DOperand *operand, size_t element, const CUextent3D *extent,
		       struct end *end)
{
	*end = (struct end){0};
	if (operand->type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
		end->type = CU_MEMORYTYPE_ARRAY;
		end->array = operand->op.array.array;
		end->x = vg_sat_mul(operand->op.array.offset.x, element);
		end->y = operand->op.array.offset.y;
		end->z = operand->op.array.offset.z;
		return CUDA_SUCCESS;
	}
	if (operand->type != CU_MEMCPY_OPERAND_TYPE_POINTER)
		return CUDA_ERROR_INVALID_VALUE;
	if ((operand->op.ptr.rowLength && operand->op.ptr.rowLength < extent->width) ||
	    (operand->op.ptr.layerHeight && operand->op.ptr.layerHeight < extent->height))
		return CUDA_ERROR_INVALID_VALUE;
	end->type = CU_MEMORYTYPE_UNIFIED;
	end->device = operand->op.ptr.ptr;
	end->pitch = vg_sat_mul(operand->op.ptr.rowLength, element);
	end->height = operand->op.ptr.layerHeight;
	return CUDA_SUCCESS;
}

static CUresult box_copy(const CUDA_MEMCPY3D_BATCH_OP *op, CUstream stream)
{
	size_t element = 1, other = 0;
	struct end src, dst;
	CUDA_MEMCPY3D copy;
	CUresult result;

	if (!op->extent.width || !op->extent.height || !op->extent.depth ||
	    !order_is_known(op->srcAccessOrder))
		return CUDA_ERROR_INVALID_VALUE;
	result = element_bytes(&op->src, &element);
	if (!result)
		result = element_bytes(&op->dst, &other);
	if (!result && other && op->src.type == CU_MEMCPY_OPERAND_TYPE_ARRAY && other != element)
		result = CUDA_ERROR_INVALID_VALUE;
	if (other)
		element = other;
	if (!result)
		result = end_of(&op->src, element, &op->extent, &src);
	if (!result)
		result = end_of(&op->dst, element, &op->extent, &dst);
	if (result)
		return result;
	copy = (CUDA_MEMCPY3D){.srcXInBytes = src.x,
			       .srcY = src.y,
			       .srcZ = src.z,
			       .srcMemoryType = src.type,
			       .srcDevice = src.device,
			       .srcArray = src.array,
			       .srcPitch = src.pitch,
			       .srcHeight = src.height,
			       .dstXInBytes = dst.x,
			       .dstY = dst.y,
			       .dstZ = dst.z,
			       .dstMemoryType = dst.type,
			       .dstDevice = dst.device,
			       .dstArray = dst.array,
			       .dstPitch = dst.pitch,
			       .dstHeight = dst.height,
			       .WidthInBytes = vg_sat_mul(op->extent.width, element),
			       .Height = op->extent.height,
			       .Depth = op->extent.depth};
	return fe_cuMemcpy3DAsync_v2(&copy, stream);
}

CUresult fe_cuMemcpy3DBatchAsync(size_t numOps, CUDA_MEMCPY3D_BATCH_OP *opList, size_t *failIdx,
				 unsigned long long flags, CUstream hStream)
{
	CUresult result = stream_check(hStream);
	bool wait = false;

	if (failIdx)
		*failIdx = SIZE_MAX;
	if (!numOps || !opList || flags)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < numOps && !result; i++) {
		if (opList[i].src.type == CU_MEMCPY_OPERAND_TYPE_POINTER)
			wait |= must_wait(opList[i].srcAccessOrder, opList[i].src.op.ptr.ptr);
		result = box_copy(&opList[i], hStream);
		if (result && failIdx)
			*failIdx = i;
	}
	if (!result && wait)
		result = rpc_cuStreamSynchronize(hStream);
	return result;
}

CUresult fe_cuMemcpy3DBatchAsync_v2(size_t numOps, CUDA_MEMCPY3D_BATCH_OP *opList,
				    unsigned long long flags, CUstream hStream)
{
	return fe_cuMemcpy3DBatchAsync(numOps, opList, NULL, flags, hStream);
}
