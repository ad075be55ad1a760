/* SPDX-License-Identifier: MIT */
/*
 * Textures and surfaces: what their descriptions name is looked up and checked; the objects themselves are
 * numbers, entered in the table of handles (call.h). Also memory mapped to sparse arrays. Runs in lanes' threads.
 */
#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

/* A texel has at least a byte for each channel; what kernels read beyond is between them and the device. */
static CUresult resource_in(struct ex_call *call, const CUDA_RESOURCE_DESC *wire,
			    CUDA_RESOURCE_DESC *own)
{
	*own = *wire;
	switch ((int)wire->resType) {
	case CU_RESOURCE_TYPE_ARRAY:
		if (!wire->res.array.hArray)
			return CUDA_ERROR_INVALID_VALUE;
		return ex_handle_in(call, VG_HANDLE_CUarray, wire->res.array.hArray, 0,
				    &own->res.array.hArray);
	case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
		return ex_handle_in(call, VG_HANDLE_CUmipmappedArray,
				    wire->res.mipmap.hMipmappedArray, 0,
				    &own->res.mipmap.hMipmappedArray);
	case CU_RESOURCE_TYPE_LINEAR:
		return ex_range_check(call, wire->res.linear.devPtr, wire->res.linear.sizeInBytes);
	case CU_RESOURCE_TYPE_PITCH2D:
		return ex_range_check(call, wire->res.pitch2D.devPtr,
				      vg_rows(wire->res.pitch2D.height,
					      wire->res.pitch2D.pitchInBytes,
					      vg_sat_mul(wire->res.pitch2D.width,
							 wire->res.pitch2D.numChannels)));
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

/* Each handle that the driver's description leads to is one that the session has. */
static void resource_out(struct ex_call *call, CUDA_RESOURCE_DESC *desc)
{
	if (desc->resType == CU_RESOURCE_TYPE_ARRAY)
		desc->res.array.hArray = (CUarray)(uintptr_t)ex_handle_put(
			call, VG_HANDLE_CUarray, desc->res.array.hArray, 0);
	if (desc->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
		desc->res.mipmap.hMipmappedArray = (CUmipmappedArray)(uintptr_t)ex_handle_put(
			call, VG_HANDLE_CUmipmappedArray, desc->res.mipmap.hMipmappedArray, 0);
}

CUresult ex_cuTexObjectCreate(struct ex_call *call, CUtexObject *pTexObject,
			      const CUDA_RESOURCE_DESC *pResDesc, const CUDA_TEXTURE_DESC *pTexDesc,
			      const CUDA_RESOURCE_VIEW_DESC *pResViewDesc)
{
	CUDA_RESOURCE_DESC resource;
	CUresult result = resource_in(call, pResDesc, &resource);

	if (!ex_driver.cuTexObjectCreate)
		return CUDA_ERROR_NOT_SUPPORTED;
	return result ? result
		      : ex_driver.cuTexObjectCreate(pTexObject, &resource, pTexDesc, pResViewDesc);
}

CUresult ex_cuTexObjectGetResourceDesc(struct ex_call *call, CUDA_RESOURCE_DESC *pResDesc,
				       CUtexObject texObject)
{
	CUresult result;

	if (!ex_driver.cuTexObjectGetResourceDesc)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuTexObjectGetResourceDesc(pResDesc, texObject);
	if (!result)
		resource_out(call, pResDesc);
	return result;
}

CUresult ex_cuSurfObjectCreate(struct ex_call *call, CUsurfObject *pSurfObject,
			       const CUDA_RESOURCE_DESC *pResDesc)
{
	CUDA_RESOURCE_DESC resource;
	CUresult result = resource_in(call, pResDesc, &resource);

	if (!ex_driver.cuSurfObjectCreate)
		return CUDA_ERROR_NOT_SUPPORTED;
	return result ? result : ex_driver.cuSurfObjectCreate(pSurfObject, &resource);
}

CUresult ex_cuSurfObjectGetResourceDesc(struct ex_call *call, CUDA_RESOURCE_DESC *pResDesc,
					CUsurfObject surfObject)
{
	CUresult result;

	if (!ex_driver.cuSurfObjectGetResourceDesc)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuSurfObjectGetResourceDesc(pResDesc, surfObject);
	if (!result)
		resource_out(call, pResDesc);
	return result;
}

/* --- sparse arrays ---------------------------------------------------------------------------------- */

static CUresult map_in(struct ex_call *call, CUarrayMapInfo *info)
{
	CUresult result = CUDA_ERROR_INVALID_VALUE;
	void *memory = NULL;

	if (info->resourceType == CU_RESOURCE_TYPE_ARRAY)
		result = ex_handle_in(call, VG_HANDLE_CUarray, info->resource.array, 0,
				      &info->resource.array);
	else if (info->resourceType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
		result = ex_handle_in(call, VG_HANDLE_CUmipmappedArray, info->resource.mipmap, 0,
				      &info->resource.mipmap);
	if (result || info->memOperationType == CU_MEM_OPERATION_TYPE_UNMAP)
		return result;
	result = ex_handle_get(call, VG_HANDLE_CUmemGenericAllocationHandle,
			       info->memHandle.memHandle, 0, &memory);
	info->memHandle.memHandle = (uintptr_t)memory;
	return result;
}

CUresult ex_cuMemMapArrayAsync(struct ex_call *call, CUarrayMapInfo *mapInfoList,
			       unsigned int count, CUstream hStream)
{
	CUresult result = CUDA_SUCCESS;

	if (!ex_driver.cuMemMapArrayAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	for (unsigned int i = 0; i < count && !result; i++)
		result = map_in(call, &mapInfoList[i]); /* the list is a copy in scratch memory */
	return result ? result : ex_driver.cuMemMapArrayAsync(mapInfoList, count, hStream);
}
