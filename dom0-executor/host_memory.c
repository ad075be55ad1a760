/* SPDX-License-Identifier: MIT */
/*
 * Regions as the driver's pinned memory. Threads: lanes', and the main thread when a region goes.
 */
#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

/* Flags that mean something for memory that is ours already; IOMEMORY would be somebody's device. */
#define FLAGS_KNOWN \
	(CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY)

static CUresult region_pin(struct ex_region *region, uint64_t address, uint64_t size,
			   unsigned int flags)
{
	uint64_t base = (uintptr_t)region->share.base;
	CUcontext context = NULL;
	CUresult result;

	if (!region->used || !size || address < base || size > region->share.bytes ||
	    address - base > region->share.bytes - size)
		return CUDA_ERROR_INVALID_VALUE;
	if (region->pinned)
		return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	result = ex_driver.cuCtxGetCurrent(&context);
	if (!result)
		result = ex_driver.cuMemHostRegister_v2((void *)(uintptr_t)address, size, flags);
	if (!result) {
		region->pinned = address;
		region->context = context;
	}
	return result;
}

CUresult ex_vgHostRegister(struct ex_call *call, unsigned int region, uint64_t address,
			   uint64_t size, unsigned int flags)
{
	struct ex_session *session = call->session;
	CUresult result;

	if (region >= VG_REGIONS_MAX || (flags & ~FLAGS_KNOWN))
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_driver.cuMemHostRegister_v2 || !ex_driver.cuMemHostUnregister ||
	    !ex_driver.cuCtxGetCurrent || !ex_driver.cuCtxPushCurrent_v2 ||
	    !ex_driver.cuCtxPopCurrent_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	pthread_mutex_lock(&session->region_lock);
	result = region_pin(&session->regions[region], address, size, flags);
	pthread_mutex_unlock(&session->region_lock);
	return result;
}

/*
 * Under the session's region_lock. In the context that it was registered in, which the calling thread
 * need not have; where that context has gone, its registration has too.
 */
static CUresult region_unpin(struct ex_region *region)
{
	CUcontext popped;
	CUresult result;

	if (!region->pinned)
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	result = ex_driver.cuCtxPushCurrent_v2(region->context);
	if (!result) {
		result = ex_driver.cuMemHostUnregister((void *)(uintptr_t)region->pinned);
		ex_driver.cuCtxPopCurrent_v2(&popped);
	}
	region->pinned = 0;
	return result;
}

void ex_region_unpin(struct ex_region *region)
{
	if (region->pinned)
		region_unpin(region);
}

CUresult ex_vgHostUnregister(struct ex_call *call, unsigned int region)
{
	struct ex_session *session = call->session;
	CUresult result;

	if (region >= VG_REGIONS_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&session->region_lock);
	result = region_unpin(&session->regions[region]);
	pthread_mutex_unlock(&session->region_lock);
	return result;
}
