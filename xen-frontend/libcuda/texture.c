/* SPDX-License-Identifier: MIT */
/* Textures and surfaces: handles that come back within descriptions. Runs in the program's threads. */
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"

/* For CUDA one that is none, or no more, is no error. */
CUresult fe_cuTexObjectDestroy(CUtexObject texObject)
{
	CUresult result = rpc_cuTexObjectDestroy(texObject);

	return result == CUDA_ERROR_INVALID_VALUE ? CUDA_SUCCESS : result;
}

CUresult fe_cuSurfObjectDestroy(CUsurfObject surfObject)
{
	CUresult result = rpc_cuSurfObjectDestroy(surfObject);

	return result == CUDA_ERROR_INVALID_VALUE ? CUDA_SUCCESS : result;
}

static void resource_note(const CUDA_RESOURCE_DESC *desc)
{
	if (desc->resType == CU_RESOURCE_TYPE_ARRAY)
		fe_handle_note(VG_HANDLE_CUarray, (uint64_t)desc->res.array.hArray);
	if (desc->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
		fe_handle_note(VG_HANDLE_CUmipmappedArray,
			       (uint64_t)desc->res.mipmap.hMipmappedArray);
}

CUresult fe_cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUtexObject texObject)
{
	CUresult result = rpc_cuTexObjectGetResourceDesc(pResDesc, texObject);

	if (!result)
		resource_note(pResDesc);
	return result;
}

CUresult fe_cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUsurfObject surfObject)
{
	CUresult result = rpc_cuSurfObjectGetResourceDesc(pResDesc, surfObject);

	if (!result)
		resource_note(pResDesc);
	return result;
}
