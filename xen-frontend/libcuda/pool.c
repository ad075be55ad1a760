/* SPDX-License-Identifier: MIT */
/*
 * Attributes of memory pools: values of the program's of 4 or 8 bytes. Runs in the program's threads.
 */
#include <string.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"

/* Bytes of an attribute's value; 0: unknown, so that no guess writes beyond the program's variable. */
static size_t value_size(CUmemPool_attribute attribute)
{
	switch (attribute) {
	case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: return sizeof(int);
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
	case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
	case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH: return sizeof(cuuint64_t);
	default: return 0;
	}
}

/* For nobody: done. */
CUresult fe_cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *map, size_t count)
{
	CUresult result = fe_handle_check(VG_HANDLE_CUmemoryPool, (uint64_t)pool, 0);

	if (!result && !map)
		result = CUDA_ERROR_INVALID_VALUE;
	return result || !count ? result : rpc_cuMemPoolSetAccess(pool, map, count);
}

CUresult fe_cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
{
	size_t size = value_size(attr);
	uint64_t sent = 0;

	if (!value || !size)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(&sent, value, size);
	return rpc_vgMemPoolSet(pool, attr, sent);
}

CUresult fe_cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
{
	size_t size = value_size(attr);
	uint64_t got = 0;
	CUresult result;

	if (!value || !size)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_vgMemPoolGet(pool, attr, &got);
	if (!result)
		memcpy(value, &got, size);
	return result;
}
