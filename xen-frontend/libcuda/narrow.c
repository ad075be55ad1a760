/* SPDX-License-Identifier: MIT */
/*
 * Calls from before CUDA 3.2, whose sizes have 32 bits: of arrays and host memory, which need no address of a device.
 * Sizes that do not fit are cut to the largest that does. Runs in the program's threads.
 */
#include <stdint.h>

#include "protocol/bounds.h"
#include "xen-frontend/libcuda/calls.h"

static unsigned int narrow(uint64_t size)
{
	return (unsigned int)vg_min(size, UINT32_MAX);
}

CUresult fe_cuDeviceTotalMem(unsigned int *bytes, CUdevice dev)
{
	size_t wide = 0;
	CUresult result = fe_cuDeviceTotalMem_v2(&wide, dev);

	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	if (!result)
		*bytes = narrow(wide);
	return result;
}

CUresult fe_cuMemGetInfo(unsigned int *free, unsigned int *total)
{
	size_t wide_free = 0, wide_total = 0;
	CUresult result;

	if (!free || !total)
		return CUDA_ERROR_INVALID_VALUE;
	result = rpc_cuMemGetInfo_v2(&wide_free, &wide_total);
	if (!result) {
		*free = narrow(wide_free);
		*total = narrow(wide_total);
	}
	return result;
}

CUresult fe_cuMemAllocHost(void **pp, unsigned int bytesize)
{
	return fe_cuMemAllocHost_v2(pp, bytesize);
}

/* --- arrays --------------------------------------------------------------------------------------- */

CUresult fe_cuArrayCreate(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR_v1 *pAllocateArray)
{
	CUDA_ARRAY_DESCRIPTOR desc;

	if (!pAllocateArray)
		return CUDA_ERROR_INVALID_VALUE;
	desc = (CUDA_ARRAY_DESCRIPTOR){pAllocateArray->Width, pAllocateArray->Height,
				       pAllocateArray->Format, pAllocateArray->NumChannels};
	return rpc_cuArrayCreate_v2(pHandle, &desc);
}

CUresult fe_cuArrayGetDescriptor(CUDA_ARRAY_DESCRIPTOR_v1 *pArrayDescriptor, CUarray hArray)
{
	CUDA_ARRAY_DESCRIPTOR desc;
	CUresult result = rpc_cuArrayGetDescriptor_v2(&desc, hArray);

	if (!pArrayDescriptor)
		return CUDA_ERROR_INVALID_VALUE;
	if (!result)
		*pArrayDescriptor = (CUDA_ARRAY_DESCRIPTOR_v1){
			narrow(desc.Width), narrow(desc.Height), desc.Format, desc.NumChannels};
	return result;
}

CUresult fe_cuArray3DCreate(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR_v1 *pAllocateArray)
{
	CUDA_ARRAY3D_DESCRIPTOR desc;

	if (!pAllocateArray)
		return CUDA_ERROR_INVALID_VALUE;
	desc = (CUDA_ARRAY3D_DESCRIPTOR){pAllocateArray->Width,       pAllocateArray->Height,
					 pAllocateArray->Depth,       pAllocateArray->Format,
					 pAllocateArray->NumChannels, pAllocateArray->Flags};
	return rpc_cuArray3DCreate_v2(pHandle, &desc);
}

CUresult fe_cuArray3DGetDescriptor(CUDA_ARRAY3D_DESCRIPTOR_v1 *pArrayDescriptor, CUarray hArray)
{
	CUDA_ARRAY3D_DESCRIPTOR desc;
	CUresult result = rpc_cuArray3DGetDescriptor_v2(&desc, hArray);

	if (!pArrayDescriptor)
		return CUDA_ERROR_INVALID_VALUE;
	if (!result)
		*pArrayDescriptor = (CUDA_ARRAY3D_DESCRIPTOR_v1){
			narrow(desc.Width), narrow(desc.Height), narrow(desc.Depth),
			desc.Format,        desc.NumChannels,    desc.Flags};
	return result;
}

/* --- copies ---------------------------------------------------------------------------------------- */

CUresult fe_cuMemcpyAtoA(CUarray dstArray, unsigned int dstOffset, CUarray srcArray,
			 unsigned int srcOffset, unsigned int ByteCount)
{
	return fe_cuMemcpyAtoA_v2(dstArray, dstOffset, srcArray, srcOffset, ByteCount);
}

CUresult fe_cuMemcpyAtoH(void *dstHost, CUarray srcArray, unsigned int srcOffset,
			 unsigned int ByteCount)
{
	return fe_cuMemcpyAtoH_v2(dstHost, srcArray, srcOffset, ByteCount);
}

CUresult fe_cuMemcpyHtoA(CUarray dstArray, unsigned int dstOffset, const void *srcHost,
			 unsigned int ByteCount)
{
	return fe_cuMemcpyHtoA_v2(dstArray, dstOffset, srcHost, ByteCount);
}

CUresult fe_cuMemcpyAtoHAsync(void *dstHost, CUarray srcArray, unsigned int srcOffset,
			      unsigned int ByteCount, CUstream hStream)
{
	return fe_cuMemcpyAtoHAsync_v2(dstHost, srcArray, srcOffset, ByteCount, hStream);
}

CUresult fe_cuMemcpyHtoAAsync(CUarray dstArray, unsigned int dstOffset, const void *srcHost,
			      unsigned int ByteCount, CUstream hStream)
{
	return fe_cuMemcpyHtoAAsync_v2(dstArray, dstOffset, srcHost, ByteCount, hStream);
}

static CUDA_MEMCPY2D wide_2d(const CUDA_MEMCPY2D_v1 *copy)
{
	return (CUDA_MEMCPY2D){.srcXInBytes = copy->srcXInBytes,
			       .srcY = copy->srcY,
			       .srcMemoryType = copy->srcMemoryType,
			       .srcHost = copy->srcHost,
			       .srcDevice = copy->srcDevice,
			       .srcArray = copy->srcArray,
			       .srcPitch = copy->srcPitch,
			       .dstXInBytes = copy->dstXInBytes,
			       .dstY = copy->dstY,
			       .dstMemoryType = copy->dstMemoryType,
			       .dstHost = copy->dstHost,
			       .dstDevice = copy->dstDevice,
			       .dstArray = copy->dstArray,
			       .dstPitch = copy->dstPitch,
			       .WidthInBytes = copy->WidthInBytes,
			       .Height = copy->Height};
}

static CUDA_MEMCPY3D wide_3d(const CUDA_MEMCPY3D_v1 *copy)
{
	return (CUDA_MEMCPY3D){.srcXInBytes = copy->srcXInBytes,
			       .srcY = copy->srcY,
			       .srcZ = copy->srcZ,
			       .srcLOD = copy->srcLOD,
			       .srcMemoryType = copy->srcMemoryType,
			       .srcHost = copy->srcHost,
			       .srcDevice = copy->srcDevice,
			       .srcArray = copy->srcArray,
			       .reserved0 = copy->reserved0,
			       .srcPitch = copy->srcPitch,
			       .srcHeight = copy->srcHeight,
			       .dstXInBytes = copy->dstXInBytes,
			       .dstY = copy->dstY,
			       .dstZ = copy->dstZ,
			       .dstLOD = copy->dstLOD,
			       .dstMemoryType = copy->dstMemoryType,
			       .dstHost = copy->dstHost,
			       .dstDevice = copy->dstDevice,
			       .dstArray = copy->dstArray,
			       .reserved1 = copy->reserved1,
			       .dstPitch = copy->dstPitch,
			       .dstHeight = copy->dstHeight,
			       .WidthInBytes = copy->WidthInBytes,
			       .Height = copy->Height,
			       .Depth = copy->Depth};
}

CUresult fe_cuMemcpy2D(const CUDA_MEMCPY2D_v1 *pCopy)
{
	CUDA_MEMCPY2D copy;

	if (!pCopy)
		return CUDA_ERROR_INVALID_VALUE;
	copy = wide_2d(pCopy);
	return fe_cuMemcpy2D_v2(&copy);
}

CUresult fe_cuMemcpy2DUnaligned(const CUDA_MEMCPY2D_v1 *pCopy)
{
	CUDA_MEMCPY2D copy;

	if (!pCopy)
		return CUDA_ERROR_INVALID_VALUE;
	copy = wide_2d(pCopy);
	return fe_cuMemcpy2DUnaligned_v2(&copy);
}

CUresult fe_cuMemcpy2DAsync(const CUDA_MEMCPY2D_v1 *pCopy, CUstream hStream)
{
	CUDA_MEMCPY2D copy;

	if (!pCopy)
		return CUDA_ERROR_INVALID_VALUE;
	copy = wide_2d(pCopy);
	return fe_cuMemcpy2DAsync_v2(&copy, hStream);
}

CUresult fe_cuMemcpy3D(const CUDA_MEMCPY3D_v1 *pCopy)
{
	CUDA_MEMCPY3D copy;

	if (!pCopy)
		return CUDA_ERROR_INVALID_VALUE;
	copy = wide_3d(pCopy);
	return fe_cuMemcpy3D_v2(&copy);
}

CUresult fe_cuMemcpy3DAsync(const CUDA_MEMCPY3D_v1 *pCopy, CUstream hStream)
{
	CUDA_MEMCPY3D copy;

	if (!pCopy)
		return CUDA_ERROR_INVALID_VALUE;
	copy = wide_3d(pCopy);
	return fe_cuMemcpy3DAsync_v2(&copy, hStream);
}
