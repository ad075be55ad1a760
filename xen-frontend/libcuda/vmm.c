/* SPDX-License-Identifier: MIT */
/*
 * Virtual memory management where more than passing on is needed. Runs in the program's threads.
 */
#include "xen-frontend/libcuda/calls.h"

CUresult fe_cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *addr)
{
	if (!handle || !addr)
		return CUDA_ERROR_INVALID_VALUE;
	return rpc_vgMemRetainHandle(handle, (CUdeviceptr)(uintptr_t)addr);
}
