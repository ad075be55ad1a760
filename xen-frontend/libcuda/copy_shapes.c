/* SPDX-License-Identifier: MIT */
/*
 * CUDA's descriptions of copies in two and three dimensions and of arrays, checked as the driver checks
 * them and turned into boxes.
 */
#include <string.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/copy.h"
#include "xen-frontend/libcuda/memory.h"

static CUresult end_array(struct vg_box_end *end, CUarray array)
{
	end->memory = VG_BOX_ARRAY;
	end->array = (uint64_t)array;
	if (!array)
		return CUDA_ERROR_INVALID_VALUE;
	return fe_handle_check(VG_HANDLE_CUarray, (uint64_t)array, 0);
}

static CUresult end_memory(struct vg_box_end *end, CUmemorytype type, const void *host,
			   CUdeviceptr device, CUarray array)
{
	switch ((unsigned int)type) {
	case CU_MEMORYTYPE_ARRAY: return end_array(end, array);
	case CU_MEMORYTYPE_HOST: end->address = (uint64_t)host; break;
	case CU_MEMORYTYPE_DEVICE:
	case CU_MEMORYTYPE_UNIFIED: end->address = device; break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	if (!end->address)
		return CUDA_ERROR_INVALID_VALUE;
	end->memory = fe_memory_of(end->address) == FE_MEMORY_SHARED ? VG_BOX_DEVICE : VG_BOX_HOST;
	if (end->memory == VG_BOX_HOST && type == CU_MEMORYTYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

/* Pitch and height 0 mean packed; anything else must hold the box. */
static CUresult end_layout(struct vg_box_end *end, uint64_t width, uint64_t height, uint64_t depth)
{
	if (end->memory == VG_BOX_ARRAY)
		return CUDA_SUCCESS;
	if (!end->pitch)
		end->pitch = width + end->x;
	if (!end->height)
		end->height = height + end->y;
	if (end->pitch < width + end->x || (depth > 1 && end->height < height + end->y))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static CUresult box_copy(struct vg_copy_box *box, struct fe_copy_how how)
{
	CUresult result = end_layout(&box->src, box->width, box->height, box->depth);

	if (!result)
		result = end_layout(&box->dst, box->width, box->height, box->depth);
	if (!result && how.mode == VG_COPY_ASYNC)
		result = fe_handle_check(VG_HANDLE_CUstream, (uint64_t)how.stream, 0);
	return result ? result : fe_copy_box(box, how);
}

static CUresult copy_3d(const CUDA_MEMCPY3D *copy, struct fe_copy_how how)
{
	struct vg_copy_box box;
	CUresult result;

	result = fe_context_needed();
	if (result)
		return result;
	if (!copy || copy->reserved0 || copy->reserved1)
		return CUDA_ERROR_INVALID_VALUE;
	if (!copy->WidthInBytes || !copy->Height || !copy->Depth)
		return CUDA_SUCCESS;
	box = (struct vg_copy_box){
		.width = copy->WidthInBytes, .height = copy->Height, .depth = copy->Depth};
	box.src = (struct vg_box_end){.x = copy->srcXInBytes,
				      .y = copy->srcY,
				      .z = copy->srcZ,
				      .lod = (uint32_t)copy->srcLOD,
				      .pitch = copy->srcPitch,
				      .height = copy->srcHeight};
	box.dst = (struct vg_box_end){.x = copy->dstXInBytes,
				      .y = copy->dstY,
				      .z = copy->dstZ,
				      .lod = (uint32_t)copy->dstLOD,
				      .pitch = copy->dstPitch,
				      .height = copy->dstHeight};
	result = end_memory(&box.src, copy->srcMemoryType, copy->srcHost, copy->srcDevice,
			    copy->srcArray);
	if (!result)
		result = end_memory(&box.dst, copy->dstMemoryType, copy->dstHost, copy->dstDevice,
				    copy->dstArray);
	return result ? result : box_copy(&box, how);
}

static CUresult copy_2d(const CUDA_MEMCPY2D *copy, struct fe_copy_how how)
{
	if (!copy)
		return CUDA_ERROR_INVALID_VALUE;
	return copy_3d(
		&(CUDA_MEMCPY3D){
			.srcXInBytes = copy->srcXInBytes,
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
			.Height = copy->Height,
			.Depth = 1,
		},
		how);
}

CUresult fe_cuMemcpy2D_v2(const CUDA_MEMCPY2D *pCopy)
{
	return copy_2d(pCopy, FE_COPY_SYNC);
}

CUresult fe_cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *pCopy)
{
	return copy_2d(pCopy, FE_COPY_SYNC);
}

CUresult fe_cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *pCopy, CUstream hStream)
{
	return copy_2d(pCopy, FE_COPY_ON(hStream));
}

CUresult fe_cuMemcpy3D_v2(const CUDA_MEMCPY3D *pCopy)
{
	return copy_3d(pCopy, FE_COPY_SYNC);
}

CUresult fe_cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *pCopy, CUstream hStream)
{
	return copy_3d(pCopy, FE_COPY_ON(hStream));
}

/* Under unified addressing the contexts say nothing that the addresses do not. NULL: the current one. */
static CUresult copy_peer(const CUDA_MEMCPY3D_PEER *copy, struct fe_copy_how how)
{
	CUresult result = CUDA_SUCCESS;

	if (!copy)
		return CUDA_ERROR_INVALID_VALUE;
	if (copy->srcContext)
		result = fe_context_check(copy->srcContext);
	if (!result && copy->dstContext)
		result = fe_context_check(copy->dstContext);
	if (result)
		return result;
	return copy_3d(
		&(CUDA_MEMCPY3D){
			.srcXInBytes = copy->srcXInBytes,
			.srcY = copy->srcY,
			.srcZ = copy->srcZ,
			.srcLOD = copy->srcLOD,
			.srcMemoryType = copy->srcMemoryType,
			.srcHost = copy->srcHost,
			.srcDevice = copy->srcDevice,
			.srcArray = copy->srcArray,
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
			.dstPitch = copy->dstPitch,
			.dstHeight = copy->dstHeight,
			.WidthInBytes = copy->WidthInBytes,
			.Height = copy->Height,
			.Depth = copy->Depth,
		},
		how);
}

CUresult fe_cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *pCopy)
{
	return copy_peer(pCopy, FE_COPY_SYNC);
}

CUresult fe_cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *pCopy, CUstream hStream)
{
	CUresult result = fe_handle_check(VG_HANDLE_CUstream, (uint64_t)hStream, 0);

	if (!result)
		result = fe_capture_refuses(hStream);
	return result ? result : copy_peer(pCopy, FE_COPY_ON(hStream));
}

/* One row between an array of one dimension and memory, or another array. */
struct row_end {
	CUmemorytype type;
	CUarray array;
	uint64_t offset;  /* in the array */
	uint64_t address; /* of other memory */
};

static CUresult row_fill(struct vg_box_end *end, const struct row_end *row, size_t size)
{
	*end = (struct vg_box_end){.x = row->offset, .pitch = size, .height = 1};
	return end_memory(end, row->type, (const void *)row->address, row->address, row->array);
}

static CUresult row_copy(struct row_end dst, struct row_end src, size_t size,
			 struct fe_copy_how how)
{
	struct vg_copy_box box = {.width = size, .height = 1, .depth = 1};
	CUresult result = fe_context_needed();

	if (result)
		return result;
	if (!size)
		return CUDA_SUCCESS;
	result = row_fill(&box.src, &src, size);
	if (!result)
		result = row_fill(&box.dst, &dst, size);
	return result ? result : box_copy(&box, how);
}

#define ROW_ARRAY(a, o) ((struct row_end){.type = CU_MEMORYTYPE_ARRAY, .array = (a), .offset = (o)})
#define ROW_HOST(p)     ((struct row_end){.type = CU_MEMORYTYPE_HOST, .address = (uint64_t)(p)})
#define ROW_DEVICE(p)   ((struct row_end){.type = CU_MEMORYTYPE_DEVICE, .address = (p)})

CUresult fe_cuMemcpyDtoA_v2(CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice,
			    size_t ByteCount)
{
	return row_copy(ROW_ARRAY(dstArray, dstOffset), ROW_DEVICE(srcDevice), ByteCount,
			FE_COPY_SYNC);
}

CUresult fe_cuMemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset,
			    size_t ByteCount)
{
	return row_copy(ROW_DEVICE(dstDevice), ROW_ARRAY(srcArray, srcOffset), ByteCount,
			FE_COPY_SYNC);
}

CUresult fe_cuMemcpyHtoA_v2(CUarray dstArray, size_t dstOffset, const void *srcHost,
			    size_t ByteCount)
{
	return row_copy(ROW_ARRAY(dstArray, dstOffset), ROW_HOST(srcHost), ByteCount, FE_COPY_SYNC);
}

CUresult fe_cuMemcpyAtoH_v2(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount)
{
	return row_copy(ROW_HOST(dstHost), ROW_ARRAY(srcArray, srcOffset), ByteCount, FE_COPY_SYNC);
}

CUresult fe_cuMemcpyAtoA_v2(CUarray dstArray, size_t dstOffset, CUarray srcArray, size_t srcOffset,
			    size_t ByteCount)
{
	return row_copy(ROW_ARRAY(dstArray, dstOffset), ROW_ARRAY(srcArray, srcOffset), ByteCount,
			FE_COPY_SYNC);
}

CUresult fe_cuMemcpyHtoAAsync_v2(CUarray dstArray, size_t dstOffset, const void *srcHost,
				 size_t ByteCount, CUstream hStream)
{
	return row_copy(ROW_ARRAY(dstArray, dstOffset), ROW_HOST(srcHost), ByteCount,
			FE_COPY_ON(hStream));
}

CUresult fe_cuMemcpyAtoHAsync_v2(void *dstHost, CUarray srcArray, size_t srcOffset,
				 size_t ByteCount, CUstream hStream)
{
	return row_copy(ROW_HOST(dstHost), ROW_ARRAY(srcArray, srcOffset), ByteCount,
			FE_COPY_ON(hStream));
}
