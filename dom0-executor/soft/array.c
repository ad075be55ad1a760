/* SPDX-License-Identifier: MIT */
/* CUDA arrays: see array.h. What textures make of them is in texture.c. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/array.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/memory.h"

#include <stdlib.h>

#include "protocol/array_format.h"

#define ARRAY_FLAGS (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_CUBEMAP)

size_t array_format_bytes(CUarray_format format)
{
	return vg_format_bytes(format);
}

static void array_destroy(struct soft_object *object)
{
	struct soft_array *array = (struct soft_array *)object;

	if (array->base)
		memory_free(range_take(array->base, RANGE_ARRAY));
	free(array);
}

static bool extent_is_valid(const struct soft_device *device,
			    const CUDA_ARRAY3D_DESCRIPTOR *descriptor)
{
	size_t width = (size_t)device_limit(device, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH);
	size_t height = (size_t)device_limit(device, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT);
	size_t depth = (size_t)device_limit(device, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH);

	if (!descriptor->Width || descriptor->Width > width || descriptor->Height > height ||
	    descriptor->Depth > depth)
		return false;
	if (!(descriptor->Flags & CUDA_ARRAY3D_LAYERED) && descriptor->Depth && !descriptor->Height)
		return false;
	return !(descriptor->Flags & CUDA_ARRAY3D_CUBEMAP) ||
	       (descriptor->Depth % 6 == 0 && descriptor->Depth &&
		descriptor->Width == descriptor->Height);
}

/* Sizes from a checked descriptor: none of the products overflows. */
static void array_measure(struct soft_array *array)
{
	const CUDA_ARRAY3D_DESCRIPTOR *descriptor = &array->descriptor;

	array->row = descriptor->Width * descriptor->NumChannels *
		     array_format_bytes(descriptor->Format);
	array->rows = descriptor->Height ? descriptor->Height : 1;
	array->slices = descriptor->Depth ? descriptor->Depth : 1;
}

CUresult array_create(struct soft_context *ctx, const CUDA_ARRAY3D_DESCRIPTOR *descriptor,
		      CUarray *handle)
{
	struct soft_array *array;
	struct soft_range *range;
	CUresult result;

	if (!array_format_bytes(descriptor->Format) || !extent_is_valid(ctx->device, descriptor) ||
	    (descriptor->NumChannels != 1 && descriptor->NumChannels != 2 &&
	     descriptor->NumChannels != 4))
		return CUDA_ERROR_INVALID_VALUE;
	if (descriptor->Flags & ~(unsigned int)ARRAY_FLAGS)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = capture_forbids(ctx, NULL);
	if (result != CUDA_SUCCESS)
		return result;
	array = object_new(SOFT_ARRAY, sizeof(*array), ctx, array_destroy);
	if (!array)
		return CUDA_ERROR_OUT_OF_MEMORY;
	array->descriptor = *descriptor;
	array_measure(array);
	result = memory_alloc(ctx->device, NULL, RANGE_ARRAY,
			      array->row * array->rows * array->slices, 0, &range);
	if (result != CUDA_SUCCESS) {
		object_put(array);
		return result;
	}
	array->base = range->base;
	result = object_publish(array);
	if (result == CUDA_SUCCESS)
		*handle = object_handle(array);
	return result;
}

CUresult cuArrayCreate_v2(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR *pAllocateArray)
{
	CUDA_ARRAY3D_DESCRIPTOR descriptor = {0};

	ENTER_CONTEXT(ctx);
	if (!pHandle || !pAllocateArray)
		return CUDA_ERROR_INVALID_VALUE;
	descriptor.Width = pAllocateArray->Width;
	descriptor.Height = pAllocateArray->Height;
	descriptor.Format = pAllocateArray->Format;
	descriptor.NumChannels = pAllocateArray->NumChannels;
	return array_create(ctx, &descriptor, pHandle);
}

CUresult cuArray3DCreate_v2(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray)
{
	ENTER_CONTEXT(ctx);
	if (!pHandle || !pAllocateArray)
		return CUDA_ERROR_INVALID_VALUE;
	return array_create(ctx, pAllocateArray, pHandle);
}

CUresult cuArrayDestroy(CUarray hArray)
{
	struct soft_array *array auto_put = object_get(SOFT_ARRAY, hArray);
	CUresult result;

	ENTER_CONTEXT_OF(ctx, array);
	result = capture_forbids(ctx, NULL);
	if (result != CUDA_SUCCESS)
		return result;
	if (!object_retire(array))
		return CUDA_ERROR_INVALID_HANDLE;
	device_synchronize(ctx->device);
	object_put(array); /* the table's */
	return CUDA_SUCCESS;
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *pArrayDescriptor, CUarray hArray)
{
	struct soft_array *array auto_put = object_get(SOFT_ARRAY, hArray);

	ENTER_CONTEXT_OF(ctx, array);
	if (!pArrayDescriptor)
		return CUDA_ERROR_INVALID_VALUE;
	*pArrayDescriptor = array->descriptor;
	return CUDA_SUCCESS;
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *pArrayDescriptor, CUarray hArray)
{
	CUDA_ARRAY3D_DESCRIPTOR whole;
	CUresult result = cuArray3DGetDescriptor_v2(pArrayDescriptor ? &whole : NULL, hArray);

	if (result == CUDA_SUCCESS)
		*pArrayDescriptor = (CUDA_ARRAY_DESCRIPTOR){
			.Width = whole.Width,
			.Height = whole.Height,
			.Format = whole.Format,
			.NumChannels = whole.NumChannels,
		};
	return result;
}
