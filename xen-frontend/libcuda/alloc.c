/* SPDX-License-Identifier: MIT */
/*
 * Device memory: made and freed over there, its addresses remembered here (memory.h).
 */
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/memory.h"
#include "xen-frontend/libcuda/session.h"

#include <string.h>

/* Remembers what the executor has given. A double or overlapping address is its fault and only logged. */
static CUresult range_remember(CUdeviceptr base, uint64_t size, enum fe_range_kind kind)
{
	struct fe_range range = {
		.base = base, .size = size, .kind = kind, .context = fe_context_current()};
	int rc;

	if (fe_context_device(range.context, &range.device))
		range.device = 0;
	rc = fe_range_add(&range);
	if (rc)
		vg_warn(&fe_who, "event=range-clash base=0x%llx size=%llu error=\"%s\"",
			(unsigned long long)base, (unsigned long long)size, strerror(-rc));
	return CUDA_SUCCESS;
}

static bool range_take(CUdeviceptr base, enum fe_range_kind kind, struct fe_range *range)
{
	if (!fe_range_find(base, range) || range->base != base || range->kind != kind)
		return false;
	/* Gone before the executor is told: the address may be another thread's right after. */
	return fe_range_remove(base, range);
}

CUresult fe_cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	CUresult result;

	if (!dptr || !bytesize)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemAlloc_v2(dptr, bytesize);
	return result ? result : range_remember(*dptr, bytesize, FE_RANGE_DEVICE);
}

CUresult fe_cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes,
			       size_t Height, unsigned int ElementSizeBytes)
{
	CUresult result;

	if (!dptr || !pPitch || !WidthInBytes || !Height)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemAllocPitch_v2(dptr, pPitch, WidthInBytes, Height, ElementSizeBytes);
	return result ? result : range_remember(*dptr, *pPitch * Height, FE_RANGE_DEVICE);
}

CUresult fe_cuMemFree_v2(CUdeviceptr dptr)
{
	struct fe_range range;
	CUresult result;

	if (!dptr)
		return CUDA_SUCCESS;
	if (!range_take(dptr, FE_RANGE_DEVICE, &range))
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemFree_v2(dptr);
	if (result)
		fe_range_add(&range);
	return result;
}

CUresult fe_cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr)
{
	struct fe_range range;

	if (!fe_range_find(dptr, &range) || range.kind == FE_RANGE_SHADOW)
		return CUDA_ERROR_NOT_FOUND;
	if (range.kind != FE_RANGE_DEVICE)
		return rpc_cuMemGetAddressRange_v2(pbase, psize, dptr);
	if (pbase)
		*pbase = range.base;
	if (psize)
		*psize = range.size;
	return CUDA_SUCCESS;
}

CUresult fe_cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream hStream)
{
	CUresult result;

	if (!dptr)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemAllocAsync(dptr, bytesize, hStream);
	return result ? result : range_remember(*dptr, bytesize, FE_RANGE_DEVICE);
}

CUresult fe_cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool,
				    CUstream hStream)
{
	CUresult result;

	if (!dptr)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemAllocFromPoolAsync(dptr, bytesize, pool, hStream);
	return result ? result : range_remember(*dptr, bytesize, FE_RANGE_DEVICE);
}

CUresult fe_cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
	struct fe_range range;
	CUresult result;

	if (!range_take(dptr, FE_RANGE_DEVICE, &range))
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemFreeAsync(dptr, hStream);
	if (result)
		fe_range_add(&range);
	return result;
}

CUresult fe_cuMemAddressReserve(CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr,
				unsigned long long flags)
{
	CUresult result;

	if (!ptr || !size)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemAddressReserve(ptr, size, alignment, addr, flags);
	return result ? result : range_remember(*ptr, size, FE_RANGE_RESERVED);
}

CUresult fe_cuMemAddressFree(CUdeviceptr ptr, size_t size)
{
	struct fe_range range;
	CUresult result;

	if (!range_take(ptr, FE_RANGE_RESERVED, &range))
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemAddressFree(ptr, size);
	if (result)
		fe_range_add(&range);
	return result;
}

/* A variable's address stays what it is while its module lives, so asking twice finds it known. */
static void global_remember(CUdeviceptr dptr, size_t bytes)
{
	struct fe_range range;

	if (!fe_range_find(dptr, &range) || range.base != dptr || range.size != bytes)
		range_remember(dptr, bytes, FE_RANGE_GLOBAL);
}

CUresult fe_cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name)
{
	CUdeviceptr address;
	size_t size;
	CUresult result = rpc_cuModuleGetGlobal_v2(&address, &size, hmod, name);

	if (result)
		return result;
	global_remember(address, size);
	if (dptr)
		*dptr = address;
	if (bytes)
		*bytes = size;
	return CUDA_SUCCESS;
}

CUresult fe_cuLibraryGetGlobal(CUdeviceptr *dptr, size_t *bytes, CUlibrary library,
			       const char *name)
{
	CUdeviceptr address;
	size_t size;
	CUresult result = rpc_cuLibraryGetGlobal(&address, &size, library, name);

	if (result)
		return result;
	global_remember(address, size);
	if (dptr)
		*dptr = address;
	if (bytes)
		*bytes = size;
	return CUDA_SUCCESS;
}
