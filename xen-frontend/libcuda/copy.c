/* SPDX-License-Identifier: MIT */
/*
 * Copies of one dimension. By what the two addresses are, each is one of four: bytes in, bytes out,
 * by address at both ends, or a matter of the guest alone.
 *
 * A copy to the device from pageable memory has read its source when it returns; one from the
 * device has written its destination when it returns. That is CUDA's own rule for pageable memory, asynchronous
 * forms included.
 */
#include "xen-frontend/libcuda/copy.h"

#include <string.h>

#include "xen-frontend/libcuda/arena.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/memory.h"
#include "xen-frontend/libcuda/stage.h"

enum fe_memory fe_memory_of(uint64_t address)
{
	struct fe_range range;

	if (!fe_range_find(address, &range) || range.kind == FE_RANGE_SHADOW)
		return FE_MEMORY_PAGEABLE;
	return FE_MEMORY_SHARED;
}

CUresult fe_copy_wait(struct fe_copy_how how)
{
	if (how.mode == VG_COPY_ASYNC)
		return rpc_cuStreamSynchronize(how.stream);
	return rpc_cuStreamSynchronize(fe_ptds ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY);
}

static CUresult copy_in(CUdeviceptr dst, const void *src, size_t size, struct fe_copy_how how)
{
	CUresult result;

	if (!fe_range_known(dst, size))
		return CUDA_ERROR_INVALID_VALUE;
	if (fe_stage_in(dst, src, size, how, &result))
		return result;
	return rpc_vgCopyIn(dst, size, src, how.mode, how.stream, fe_copy_returns(how, size));
}

static CUresult copy_out(void *dst, CUdeviceptr src, size_t size, struct fe_copy_how how)
{
	CUresult result;

	if (!fe_range_known(src, size))
		return CUDA_ERROR_INVALID_VALUE;
	if (fe_stage_out(dst, src, size, how, &result))
		return result;
	return rpc_vgCopyOut(src, size, how.mode, how.stream, dst);
}

static CUresult copy_shared(CUdeviceptr dst, CUdeviceptr src, size_t size, struct fe_copy_how how)
{
	if (!fe_range_known(dst, size) || !fe_range_known(src, size))
		return CUDA_ERROR_INVALID_VALUE;
	return rpc_vgCopy(dst, src, size, how.mode, how.stream, how.mode == VG_COPY_ASYNC);
}

/* What lies in the device's addresses and is no memory of it is nobody's. */
static CUresult copy_host(void *dst, const void *src, size_t size, struct fe_copy_how how)
{
	CUresult result;

	if (fe_arena_is_device((uint64_t)dst) || fe_arena_is_device((uint64_t)src))
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_copy_wait(how);
	if (!result)
		memmove(dst, src, size);
	return result;
}

/* From here on there is a context, which each call looks for first. */
static CUresult copy_any(CUdeviceptr dst, CUdeviceptr src, size_t size, struct fe_copy_how how)
{
	bool shared_dst, shared_src;

	if (!size)
		return CUDA_SUCCESS;
	if (!dst || !src)
		return CUDA_ERROR_INVALID_VALUE;
	shared_dst = fe_memory_of(dst) == FE_MEMORY_SHARED;
	shared_src = fe_memory_of(src) == FE_MEMORY_SHARED;
	if (shared_dst && shared_src)
		return copy_shared(dst, src, size, how);
	if (shared_dst && fe_arena_is_device(src))
		return CUDA_ERROR_INVALID_VALUE;
	if (shared_src && fe_arena_is_device(dst))
		return CUDA_ERROR_INVALID_VALUE;
	if (shared_dst)
		return copy_in(dst, (const void *)src, size, how);
	if (shared_src)
		return copy_out((void *)dst, src, size, how);
	return copy_host((void *)dst, (const void *)src, size, how);
}

/* The end that a function's name calls the device's must be that. */
static bool device_end(CUdeviceptr address, size_t size)
{
	return !size || fe_memory_of(address) == FE_MEMORY_SHARED;
}

static CUresult copy_to_device(CUdeviceptr dst, const void *src, size_t size,
			       struct fe_copy_how how)
{
	if (!device_end(dst, size))
		return CUDA_ERROR_INVALID_VALUE;
	return copy_any(dst, (CUdeviceptr)src, size, how);
}

static CUresult copy_to_host(void *dst, CUdeviceptr src, size_t size, struct fe_copy_how how)
{
	if (!device_end(src, size))
		return CUDA_ERROR_INVALID_VALUE;
	return copy_any((CUdeviceptr)dst, src, size, how);
}

static CUresult copy_on_device(CUdeviceptr dst, CUdeviceptr src, size_t size,
			       struct fe_copy_how how)
{
	if (!device_end(dst, size) || !device_end(src, size))
		return CUDA_ERROR_INVALID_VALUE;
	return copy_any(dst, src, size, how);
}

static CUresult stream_check(CUstream hStream)
{
	CUresult result = fe_context_needed();

	return result ? result : fe_handle_check(VG_HANDLE_CUstream, (uint64_t)hStream, 0);
}

CUresult fe_cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	CUresult result = fe_context_needed();

	return result ? result : copy_any(dst, src, ByteCount, FE_COPY_SYNC);
}

CUresult fe_cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream)
{
	CUresult result = stream_check(hStream);

	return result ? result : copy_any(dst, src, ByteCount, FE_COPY_ON(hStream));
}

CUresult fe_cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
	CUresult result = fe_context_needed();

	return result ? result : copy_to_device(dstDevice, srcHost, ByteCount, FE_COPY_SYNC);
}

CUresult fe_cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount,
				 CUstream hStream)
{
	CUresult result = stream_check(hStream);

	return result ? result : copy_to_device(dstDevice, srcHost, ByteCount, FE_COPY_ON(hStream));
}

CUresult fe_cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount)
{
	CUresult result = fe_context_needed();

	return result ? result : copy_to_host(dstHost, srcDevice, ByteCount, FE_COPY_SYNC);
}

CUresult fe_cuMemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount,
				 CUstream hStream)
{
	CUresult result = stream_check(hStream);

	return result ? result : copy_to_host(dstHost, srcDevice, ByteCount, FE_COPY_ON(hStream));
}

CUresult fe_cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount)
{
	CUresult result = fe_context_needed();

	return result ? result : copy_on_device(dstDevice, srcDevice, ByteCount, FE_COPY_SYNC);
}

CUresult fe_cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount,
				 CUstream hStream)
{
	CUresult result = stream_check(hStream);

	return result ? result
		      : copy_on_device(dstDevice, srcDevice, ByteCount, FE_COPY_ON(hStream));
}

/* With one context it is an ordinary copy; with two it comes after the work of both. NULL: the current one. */
static CUresult copy_peers(CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src,
			   CUcontext src_context, size_t size, struct fe_copy_how how)
{
	CUcontext current = fe_context_current();
	CUresult result = fe_context_needed();

	dst_context = dst_context ? dst_context : current;
	src_context = src_context ? src_context : current;
	if (!result)
		result = fe_context_check(dst_context);
	if (!result)
		result = fe_context_check(src_context);
	if (result)
		return result;
	if (!size || (dst_context == current && src_context == current))
		return copy_on_device(dst, src, size, how);
	if (!device_end(dst, size) || !device_end(src, size) || !fe_range_known(dst, size) ||
	    !fe_range_known(src, size))
		return CUDA_ERROR_INVALID_VALUE;
	return rpc_vgCopyPeer(dst, dst_context, src, src_context, size, how.mode, how.stream,
			      how.mode == VG_COPY_ASYNC);
}

CUresult fe_cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
			 CUcontext srcContext, size_t ByteCount)
{
	return copy_peers(dstDevice, dstContext, srcDevice, srcContext, ByteCount, FE_COPY_SYNC);
}

CUresult fe_cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
			      CUcontext srcContext, size_t ByteCount, CUstream hStream)
{
	CUresult result = stream_check(hStream);

	if (!result)
		result = fe_capture_refuses(hStream);
	return result ? result
		      : copy_peers(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
				   FE_COPY_ON(hStream));
}
