/* SPDX-License-Identifier: MIT */
/* Mipmapped arrays: an array for each level. And what only other arrays than this device's have. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/array.h"
#include "dom0-executor/soft/stream.h"
#include "dom0-executor/soft/texture.h"

#include <stdlib.h>

static void mipmap_destroy(struct soft_object *object)
{
	struct soft_mipmap *mipmap = (struct soft_mipmap *)object;

	for (unsigned int i = 0; i < mipmap->levels; i++)
		object_put(mipmap->arrays[i]);
	free(mipmap);
}

static void mipmap_retire(struct soft_mipmap *mipmap)
{
	for (unsigned int i = 0; i < mipmap->levels; i++)
		if (object_retire(mipmap->arrays[i]))
			object_put(mipmap->arrays[i]); /* the table's */
}

static size_t half(size_t size)
{
	return size > 1 ? size / 2 : size;
}

static CUresult levels_make(struct soft_context *ctx, CUDA_ARRAY3D_DESCRIPTOR level,
			    unsigned int count, struct soft_mipmap *mipmap)
{
	CUresult result = CUDA_SUCCESS;

	for (unsigned int i = 0; i < count && result == CUDA_SUCCESS; i++) {
		CUarray handle;

		result = array_create(ctx, &level, &handle);
		if (result != CUDA_SUCCESS)
			break;
		mipmap->arrays[mipmap->levels++] = object_get(SOFT_ARRAY, handle);
		level.Width = half(level.Width);
		level.Height = half(level.Height);
		if (!(level.Flags & CUDA_ARRAY3D_LAYERED))
			level.Depth = half(level.Depth);
	}
	return result;
}

/* As many levels as there are halvings of the largest side, and the last of one texel. */
static unsigned int levels_most(const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
	size_t largest = desc->Width > desc->Height ? desc->Width : desc->Height;
	unsigned int levels = 1;

	if (!(desc->Flags & CUDA_ARRAY3D_LAYERED) && desc->Depth > largest)
		largest = desc->Depth;
	while ((largest /= 2))
		levels++;
	return levels;
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray *pHandle,
				const CUDA_ARRAY3D_DESCRIPTOR *pMipmappedArrayDesc,
				unsigned int numMipmapLevels)
{
	struct soft_mipmap *mipmap;
	unsigned int count;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!pHandle || !pMipmappedArrayDesc || !numMipmapLevels || !pMipmappedArrayDesc->Width)
		return CUDA_ERROR_INVALID_VALUE;
	count = levels_most(pMipmappedArrayDesc);
	if (numMipmapLevels < count)
		count = numMipmapLevels;
	mipmap = object_new(SOFT_MIPMAP, sizeof(*mipmap) + count * sizeof(mipmap->arrays[0]), ctx,
			    mipmap_destroy);
	if (!mipmap)
		return CUDA_ERROR_OUT_OF_MEMORY;
	mipmap->descriptor = *pMipmappedArrayDesc;
	result = levels_make(ctx, *pMipmappedArrayDesc, count, mipmap);
	if (result != CUDA_SUCCESS) {
		mipmap_retire(mipmap);
		object_put(mipmap);
		return result;
	}
	result = object_publish(mipmap);
	if (result == CUDA_SUCCESS)
		*pHandle = object_handle(mipmap);
	return result;
}

CUresult cuMipmappedArrayGetLevel(CUarray *pLevelArray, CUmipmappedArray hMipmappedArray,
				  unsigned int level)
{
	struct soft_mipmap *mipmap auto_put = object_get(SOFT_MIPMAP, hMipmappedArray);

	ENTER_DRIVER();
	if (!mipmap)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!pLevelArray || level >= mipmap->levels)
		return CUDA_ERROR_INVALID_VALUE;
	*pLevelArray = object_handle(mipmap->arrays[level]);
	return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray)
{
	struct soft_mipmap *mipmap auto_put = object_get(SOFT_MIPMAP, hMipmappedArray);

	ENTER_CONTEXT_OF(ctx, mipmap);
	if (!object_retire(mipmap))
		return CUDA_ERROR_INVALID_HANDLE;
	device_synchronize(ctx->device);
	mipmap_retire(mipmap);
	object_put(mipmap); /* the table's */
	return CUDA_SUCCESS;
}

/* --- planes, sparse arrays, deferred mapping: this device has none -------------------------------- */

CUresult cuArrayGetPlane(CUarray *pPlaneArray, CUarray hArray, unsigned int planeIdx)
{
	struct soft_array *array auto_put = object_get(SOFT_ARRAY, hArray);

	ENTER_CONTEXT_OF(ctx, array);
	(void)planeIdx;
	(void)pPlaneArray;
	return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements,
				      CUarray handle, CUdevice device)
{
	struct soft_array *array auto_put = object_get(SOFT_ARRAY, handle);

	ENTER_CONTEXT_OF(ctx, array);
	(void)memoryRequirements;
	(void)device;
	return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUarray handle)
{
	struct soft_array *array auto_put = object_get(SOFT_ARRAY, handle);

	ENTER_CONTEXT_OF(ctx, array);
	(void)sparseProperties;
	return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements,
					       CUmipmappedArray handle, CUdevice device)
{
	struct soft_mipmap *mipmap auto_put = object_get(SOFT_MIPMAP, handle);

	ENTER_DRIVER();
	(void)memoryRequirements;
	(void)device;
	return mipmap ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties,
					     CUmipmappedArray handle)
{
	struct soft_mipmap *mipmap auto_put = object_get(SOFT_MIPMAP, handle);

	ENTER_DRIVER();
	(void)sparseProperties;
	return mipmap ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
}
