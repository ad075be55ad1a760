/* SPDX-License-Identifier: MIT */
/* The calls of copies: see copy.h. Any thread. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/array.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/copy.h"

#define HOST    CU_MEMORYTYPE_HOST
#define DEVICE  CU_MEMORYTYPE_DEVICE
#define UNIFIED CU_MEMORYTYPE_UNIFIED

static CUresult copy(CUstream hStream, uint64_t dst, CUmemorytype dst_type, uint64_t src,
		     CUmemorytype src_type, size_t size, enum soft_how how)
{
	ENTER_STREAM(ctx, stream, hStream);
	return copy_flat(stream, dst, dst_type, src, src_type, size, how);
}

/* --- flat ------------------------------------------------------------------------------------ */

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	return copy(NULL, dst, UNIFIED, src, UNIFIED, ByteCount, SOFT_WAIT);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream)
{
	return copy(hStream, dst, UNIFIED, src, UNIFIED, ByteCount, SOFT_QUEUE);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
	return copy(NULL, dstDevice, DEVICE, (uintptr_t)srcHost, HOST, ByteCount, SOFT_WAIT);
}

CUresult cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount)
{
	return copy(NULL, (uintptr_t)dstHost, HOST, srcDevice, DEVICE, ByteCount, SOFT_WAIT);
}

/* Within the device the host need not wait, as in CUDA. */
CUresult cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount)
{
	return copy(NULL, dstDevice, DEVICE, srcDevice, DEVICE, ByteCount, SOFT_QUEUE);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount,
			      CUstream hStream)
{
	return copy(hStream, dstDevice, DEVICE, (uintptr_t)srcHost, HOST, ByteCount, SOFT_QUEUE);
}

CUresult cuMemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount,
			      CUstream hStream)
{
	return copy(hStream, (uintptr_t)dstHost, HOST, srcDevice, DEVICE, ByteCount, SOFT_QUEUE);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount,
			      CUstream hStream)
{
	return copy(hStream, dstDevice, DEVICE, srcDevice, DEVICE, ByteCount, SOFT_QUEUE);
}

/* NULL: the current one. */
static CUresult peer_check(CUcontext dst, CUcontext src)
{
	CUresult result = context_check(dst);

	return result ? result : context_check(src);
}

CUresult cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
		      CUcontext srcContext, size_t ByteCount)
{
	CUresult result;

	ENTER_DRIVER();
	result = peer_check(dstContext, srcContext);
	return result ? result : cuMemcpyDtoD_v2(dstDevice, srcDevice, ByteCount);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
			   CUcontext srcContext, size_t ByteCount, CUstream hStream)
{
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	result = peer_check(dstContext, srcContext);
	if (result == CUDA_SUCCESS && capture_is_on(stream))
		result = capture_forbids(ctx, stream);
	return result ? result : cuMemcpyDtoDAsync_v2(dstDevice, srcDevice, ByteCount, hStream);
}

/* --- boxes ----------------------------------------------------------------------------------- */

static CUresult copy_box_on(CUstream hStream, const CUDA_MEMCPY3D *what, enum soft_how how)
{
	struct soft_side dst, src;
	struct soft_box box;
	CUresult result;
	bool empty;

	ENTER_STREAM(ctx, stream, hStream);
	result = copy_describe(what, &dst, &src, &box, &empty);
	if (result != CUDA_SUCCESS || empty)
		return result;
	if ((dst.pageable || src.pageable) && !capture_is_on(stream))
		how = SOFT_WAIT;
	return stream_submit(stream, copy_work(&dst, &src, &box, what), how);
}

static CUDA_MEMCPY3D from_2d(const CUDA_MEMCPY2D *p)
{
	return (CUDA_MEMCPY3D){
		.srcXInBytes = p->srcXInBytes,
		.srcY = p->srcY,
		.srcMemoryType = p->srcMemoryType,
		.srcHost = p->srcHost,
		.srcDevice = p->srcDevice,
		.srcArray = p->srcArray,
		.srcPitch = p->srcPitch,
		.dstXInBytes = p->dstXInBytes,
		.dstY = p->dstY,
		.dstMemoryType = p->dstMemoryType,
		.dstHost = p->dstHost,
		.dstDevice = p->dstDevice,
		.dstArray = p->dstArray,
		.dstPitch = p->dstPitch,
		.WidthInBytes = p->WidthInBytes,
		.Height = p->Height,
		.Depth = 1,
	};
}

static CUDA_MEMCPY3D from_peer(const CUDA_MEMCPY3D_PEER *p)
{
	return (CUDA_MEMCPY3D){
		.srcXInBytes = p->srcXInBytes,
		.srcY = p->srcY,
		.srcZ = p->srcZ,
		.srcLOD = p->srcLOD,
		.srcMemoryType = p->srcMemoryType,
		.srcHost = p->srcHost,
		.srcDevice = p->srcDevice,
		.srcArray = p->srcArray,
		.srcPitch = p->srcPitch,
		.srcHeight = p->srcHeight,
		.dstXInBytes = p->dstXInBytes,
		.dstY = p->dstY,
		.dstZ = p->dstZ,
		.dstLOD = p->dstLOD,
		.dstMemoryType = p->dstMemoryType,
		.dstHost = p->dstHost,
		.dstDevice = p->dstDevice,
		.dstArray = p->dstArray,
		.dstPitch = p->dstPitch,
		.dstHeight = p->dstHeight,
		.WidthInBytes = p->WidthInBytes,
		.Height = p->Height,
		.Depth = p->Depth,
	};
}

static CUresult copy_2d(CUstream hStream, const CUDA_MEMCPY2D *pCopy, enum soft_how how)
{
	CUDA_MEMCPY3D what;

	if (!pCopy)
		return CUDA_ERROR_INVALID_VALUE;
	what = from_2d(pCopy);
	return copy_box_on(hStream, &what, how);
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *pCopy)
{
	return copy_2d(NULL, pCopy, SOFT_WAIT);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *pCopy)
{
	return copy_2d(NULL, pCopy, SOFT_WAIT);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *pCopy, CUstream hStream)
{
	return copy_2d(hStream, pCopy, SOFT_QUEUE);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *pCopy)
{
	return pCopy ? copy_box_on(NULL, pCopy, SOFT_WAIT) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *pCopy, CUstream hStream)
{
	return pCopy ? copy_box_on(hStream, pCopy, SOFT_QUEUE) : CUDA_ERROR_INVALID_VALUE;
}

static CUresult copy_peer(CUstream hStream, const CUDA_MEMCPY3D_PEER *pCopy, enum soft_how how)
{
	CUDA_MEMCPY3D what;
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	if (!pCopy)
		return CUDA_ERROR_INVALID_VALUE;
	result = peer_check(pCopy->dstContext, pCopy->srcContext);
	if (result == CUDA_SUCCESS && capture_is_on(stream))
		result = capture_forbids(ctx, stream);
	if (result != CUDA_SUCCESS)
		return result;
	what = from_peer(pCopy);
	return copy_box_on(hStream, &what, how);
}

CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *pCopy)
{
	return copy_peer(NULL, pCopy, SOFT_WAIT);
}

CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *pCopy, CUstream hStream)
{
	return copy_peer(hStream, pCopy, SOFT_QUEUE);
}

/* --- arrays: offsets count bytes from an array's start --------------------------------------- */

static CUresult array_address(CUarray handle, size_t offset, size_t size, uint64_t *address)
{
	struct soft_array *array auto_put = object_get(SOFT_ARRAY, handle);
	size_t whole, element;

	if (!array)
		return array_unknown(handle);
	element = array->descriptor.NumChannels * array_format_bytes(array->descriptor.Format);
	whole = array->row * array->rows * array->slices;
	if (offset > whole || size > whole - offset || offset % element || size % element)
		return CUDA_ERROR_INVALID_VALUE;
	*address = array->base + offset;
	return CUDA_SUCCESS;
}

static CUresult copy_to_array(CUstream hStream, CUarray dst, size_t offset, uint64_t src,
			      CUmemorytype type, size_t size, enum soft_how how)
{
	uint64_t address;
	CUresult result;

	ENTER_DRIVER();
	if (!size)
		return CUDA_SUCCESS;
	result = array_address(dst, offset, size, &address);
	return result ? result : copy(hStream, address, DEVICE, src, type, size, how);
}

static CUresult copy_from_array(CUstream hStream, uint64_t dst, CUmemorytype type, CUarray src,
				size_t offset, size_t size, enum soft_how how)
{
	uint64_t address;
	CUresult result;

	ENTER_DRIVER();
	if (!size)
		return CUDA_SUCCESS;
	result = array_address(src, offset, size, &address);
	return result ? result : copy(hStream, dst, type, address, DEVICE, size, how);
}

CUresult cuMemcpyDtoA_v2(CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice,
			 size_t ByteCount)
{
	return copy_to_array(NULL, dstArray, dstOffset, srcDevice, DEVICE, ByteCount, SOFT_QUEUE);
}

CUresult cuMemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset,
			 size_t ByteCount)
{
	return copy_from_array(NULL, dstDevice, DEVICE, srcArray, srcOffset, ByteCount, SOFT_QUEUE);
}

CUresult cuMemcpyHtoA_v2(CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount)
{
	return copy_to_array(NULL, dstArray, dstOffset, (uintptr_t)srcHost, HOST, ByteCount,
			     SOFT_WAIT);
}

CUresult cuMemcpyAtoH_v2(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount)
{
	return copy_from_array(NULL, (uintptr_t)dstHost, HOST, srcArray, srcOffset, ByteCount,
			       SOFT_WAIT);
}

CUresult cuMemcpyHtoAAsync_v2(CUarray dstArray, size_t dstOffset, const void *srcHost,
			      size_t ByteCount, CUstream hStream)
{
	return copy_to_array(hStream, dstArray, dstOffset, (uintptr_t)srcHost, HOST, ByteCount,
			     SOFT_QUEUE);
}

CUresult cuMemcpyAtoHAsync_v2(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount,
			      CUstream hStream)
{
	return copy_from_array(hStream, (uintptr_t)dstHost, HOST, srcArray, srcOffset, ByteCount,
			       SOFT_QUEUE);
}

CUresult cuMemcpyAtoA_v2(CUarray dstArray, size_t dstOffset, CUarray srcArray, size_t srcOffset,
			 size_t ByteCount)
{
	uint64_t src;
	CUresult result;

	ENTER_DRIVER();
	if (!ByteCount)
		return CUDA_SUCCESS;
	result = array_address(srcArray, srcOffset, ByteCount, &src);
	return result ? result
		      : copy_to_array(NULL, dstArray, dstOffset, src, DEVICE, ByteCount,
				      SOFT_QUEUE);
}
