/* SPDX-License-Identifier: MIT */
/*
 * Device memory: allocations and pools. Each piece becomes a range that the guest may name; bytes are
 * counted against the session's quota before the driver is asked. Runs in lanes' threads.
 */
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

CUresult ex_cuMemGetInfo_v2(struct ex_call *call, size_t *free, size_t *total)
{
	const struct ex_stats *stats = &call->session->stats;
	CUresult result;

	if (!ex_driver.cuMemGetInfo_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuMemGetInfo_v2(free, total);
	if (!result && stats->quota) {
		uint64_t held = ex_stats_memory_held(stats);

		*total = vg_min(*total, stats->quota);
		*free = vg_min(*free, held < stats->quota ? stats->quota - held : 0);
	}
	return result;
}

/* --- allocations -------------------------------------------------------------------------------- */

/* The driver has given [address, size), counted as `taken`: enter it, or hand it back. */
static CUresult memory_enter(struct ex_call *call, CUresult result, CUdeviceptr address,
			     uint64_t size, uint64_t taken)
{
	struct ex_stats *stats = &call->session->stats;

	if (result) {
		ex_stats_memory_give(stats, taken);
		return result;
	}
	if (size != taken) {
		ex_stats_memory_give(stats, taken);
		if (!ex_stats_memory_take(stats, size)) {
			ex_driver.cuMemFree_v2(address);
			return CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	result = ex_range_add(call, address, size, EX_RANGE_DEVICE);
	if (result) {
		ex_stats_memory_give(stats, size);
		ex_driver.cuMemFree_v2(address);
	}
	return result;
}

CUresult ex_cuMemAlloc_v2(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize)
{
	CUresult result;

	if (!ex_driver.cuMemAlloc_v2 || !ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_stats_memory_take(&call->session->stats, bytesize))
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMemAlloc_v2(dptr, bytesize);
	return memory_enter(call, result, *dptr, bytesize, bytesize);
}

CUresult ex_cuMemAllocPitch_v2(struct ex_call *call, CUdeviceptr *dptr, size_t *pPitch,
			       size_t WidthInBytes, size_t Height, unsigned int ElementSizeBytes)
{
	uint64_t least = vg_sat_mul(WidthInBytes, Height);
	CUresult result;

	if (!ex_driver.cuMemAllocPitch_v2 || !ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_stats_memory_take(&call->session->stats, least))
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMemAllocPitch_v2(dptr, pPitch, WidthInBytes, Height, ElementSizeBytes);
	return memory_enter(call, result, *dptr, vg_sat_mul(*pPitch, Height), least);
}

/* A range of the guest's own that cuMemFree may be asked to free. */
static CUresult memory_check_own(struct ex_call *call, CUdeviceptr dptr, struct ex_span *span)
{
	if (!ex_ranges_find(&call->session->ranges, dptr, span) || span->start != dptr ||
	    span->kind != EX_RANGE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

/*
 * A range goes before the driver frees it, and comes back if that fails: the address may be
 * another lane's as soon as the driver has it.
 */
static CUresult memory_leave(struct ex_call *call, CUdeviceptr dptr, struct ex_span *span)
{
	CUresult result = memory_check_own(call, dptr, span);

	if (!result && !ex_ranges_remove(&call->session->ranges, dptr, span))
		result = CUDA_ERROR_INVALID_VALUE;
	return result;
}

static void memory_return(struct ex_call *call, const struct ex_span *span)
{
	if (ex_stats_memory_take(&call->session->stats, span->size) &&
	    ex_ranges_add(&call->session->ranges, span))
		ex_stats_memory_give(&call->session->stats, span->size);
}

CUresult ex_cuMemFree_v2(struct ex_call *call, CUdeviceptr dptr)
{
	struct ex_span span;
	CUresult result;

	if (!ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!dptr)
		return CUDA_SUCCESS;
	result = memory_leave(call, dptr, &span);
	if (result)
		return result;
	result = ex_driver.cuMemFree_v2(dptr);
	if (result)
		memory_return(call, &span);
	return result;
}

CUresult ex_cuMemAllocAsync(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize,
			    CUstream hStream)
{
	CUresult result;

	if (!ex_driver.cuMemAllocAsync || !ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_stats_memory_take(&call->session->stats, bytesize))
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMemAllocAsync(dptr, bytesize, hStream);
	return memory_enter(call, result, *dptr, bytesize, bytesize);
}

CUresult ex_cuMemAllocFromPoolAsync(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize,
				    CUmemoryPool pool, CUstream hStream)
{
	CUresult result;

	if (!ex_driver.cuMemAllocFromPoolAsync || !ex_driver.cuMemFree_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_stats_memory_take(&call->session->stats, bytesize))
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMemAllocFromPoolAsync(dptr, bytesize, pool, hStream);
	return memory_enter(call, result, *dptr, bytesize, bytesize);
}

CUresult ex_cuMemFreeAsync(struct ex_call *call, CUdeviceptr dptr, CUstream hStream)
{
	struct ex_span span;
	CUresult result;

	if (!ex_driver.cuMemFreeAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = memory_leave(call, dptr, &span);
	if (result)
		return result;
	result = ex_driver.cuMemFreeAsync(dptr, hStream);
	if (result)
		memory_return(call, &span);
	return result;
}

/* --- pools -------------------------------------------------------------------------------------- */

/* Bytes of an attribute's value; 0: none that we know. */
static size_t pool_attribute_size(CUmemPool_attribute attr)
{
	switch (attr) {
	case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: return 4;
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
	case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
	case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH: return 8;
	default: return 0;
	}
}

CUresult ex_vgMemPoolSet(struct ex_call *call, CUmemoryPool pool, CUmemPool_attribute attr,
			 uint64_t value)
{
	(void)call;
	if (!pool_attribute_size(attr))
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_driver.cuMemPoolSetAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuMemPoolSetAttribute(pool, attr, &value); /* little endian serves both */
}

CUresult ex_vgMemPoolGet(struct ex_call *call, CUmemoryPool pool, CUmemPool_attribute attr,
			 uint64_t *value)
{
	(void)call;
	*value = 0;
	if (!pool_attribute_size(attr))
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_driver.cuMemPoolGetAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuMemPoolGetAttribute(pool, attr, value);
}
