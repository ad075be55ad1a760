/* SPDX-License-Identifier: MIT */
/* Calls with a short answer: capabilities, affinity, default pools by place. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/pool.h"
#include "dom0-executor/soft/stream.h"

/* --- what atomics reach: everything lies in one memory ---------------------------------------------- */

static CUresult atomics_tell(unsigned int *capabilities, const CUatomicOperation *operations,
			     unsigned int count)
{
	if (!capabilities || !operations || !count)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++)
		capabilities[i] = CU_ATOMIC_CAPABILITY_SIGNED | CU_ATOMIC_CAPABILITY_UNSIGNED |
				  CU_ATOMIC_CAPABILITY_SCALAR_32 | CU_ATOMIC_CAPABILITY_SCALAR_64;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetHostAtomicCapabilities(unsigned int *capabilities,
					   const CUatomicOperation *operations, unsigned int count,
					   CUdevice dev)
{
	ENTER_DRIVER();
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	return atomics_tell(capabilities, operations, count);
}

CUresult cuDeviceGetP2PAtomicCapabilities(unsigned int *capabilities,
					  const CUatomicOperation *operations, unsigned int count,
					  CUdevice srcDevice, CUdevice dstDevice)
{
	ENTER_DRIVER();
	if (!device_of(srcDevice) || !device_of(dstDevice) || srcDevice == dstDevice)
		return CUDA_ERROR_INVALID_DEVICE;
	return atomics_tell(capabilities, operations, count);
}

/* --- others --------------------------------------------------------------------------------------------- */

CUresult cuCtxGetExecAffinity(CUexecAffinityParam *pExecAffinity, CUexecAffinityType type)
{
	ENTER_CONTEXT(ctx);
	if (!pExecAffinity)
		return CUDA_ERROR_INVALID_VALUE;
	(void)type; /* contexts are made without */
	return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}

/* There is no write that others could see late. */
CUresult cuFlushGPUDirectRDMAWrites(CUflushGPUDirectRDMAWritesTarget target,
				    CUflushGPUDirectRDMAWritesScope scope)
{
	ENTER_CONTEXT(ctx);
	(void)target;
	(void)scope;
	return CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult place_check(const CUmemLocation *location, CUmemAllocationType type)
{
	if (!location || type != CU_MEM_ALLOCATION_TYPE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	return location->type == CU_MEM_LOCATION_TYPE_DEVICE ? CUDA_SUCCESS
							     : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool *pool_out, CUmemLocation *location,
				CUmemAllocationType type)
{
	CUresult result = place_check(location, type);

	return result ? result : cuDeviceGetDefaultMemPool(pool_out, location->id);
}

CUresult cuMemGetMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type)
{
	CUresult result = place_check(location, type);

	return result ? result : cuDeviceGetMemPool(pool, location->id);
}

CUresult cuMemSetMemPool(CUmemLocation *location, CUmemAllocationType type, CUmemoryPool pool)
{
	CUresult result = place_check(location, type);

	return result ? result : cuDeviceSetMemPool(location->id, pool);
}
