/* SPDX-License-Identifier: MIT */
/* Texture and surface objects: what they are made of. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/range.h"
#include "dom0-executor/soft/stream.h"
#include "dom0-executor/soft/texture.h"

#include <stdlib.h>

static void texture_destroy(struct soft_object *object)
{
	struct soft_texture *texture = (struct soft_texture *)object;

	object_put(texture->array);
	object_put(texture->mipmap);
	free(texture);
}

static bool memory_is_valid(CUdeviceptr address, CUarray_format format, unsigned int channels,
			    size_t bytes, size_t align)
{
	if (!address || address % align || !array_format_bytes(format) || !bytes ||
	    (channels != 1 && channels != 2 && channels != 4))
		return false;
	if (!range_pin_span(address, bytes, false))
		return false;
	range_unpin_span(address, bytes);
	return true;
}

static CUresult linear_check(const struct soft_context *ctx, const CUDA_RESOURCE_DESC *desc)
{
	size_t align = (size_t)device_limit(ctx->device, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);

	return memory_is_valid(desc->res.linear.devPtr, desc->res.linear.format,
			       desc->res.linear.numChannels, desc->res.linear.sizeInBytes, align)
		       ? CUDA_SUCCESS
		       : CUDA_ERROR_INVALID_VALUE;
}

static CUresult pitch_check(const struct soft_context *ctx, const CUDA_RESOURCE_DESC *desc)
{
	size_t align = (size_t)device_limit(ctx->device, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
	size_t step =
		(size_t)device_limit(ctx->device, CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT);
	size_t texel = array_format_bytes(desc->res.pitch2D.format) * desc->res.pitch2D.numChannels;
	size_t width = desc->res.pitch2D.width, height = desc->res.pitch2D.height;
	size_t pitch = desc->res.pitch2D.pitchInBytes;

	if (!texel || !width || !height || width > 131072 || height > 65536 || pitch % step ||
	    pitch < width * texel || pitch > (size_t)1 << 30)
		return CUDA_ERROR_INVALID_VALUE;
	return memory_is_valid(desc->res.pitch2D.devPtr, desc->res.pitch2D.format,
			       desc->res.pitch2D.numChannels, (height - 1) * pitch + width * texel,
			       align)
		       ? CUDA_SUCCESS
		       : CUDA_ERROR_INVALID_VALUE;
}

/* Takes references on what the description names. */
static CUresult resource_take(const struct soft_context *ctx, struct soft_texture *texture)
{
	const CUDA_RESOURCE_DESC *desc = &texture->resource;

	if (desc->flags)
		return CUDA_ERROR_INVALID_VALUE;
	switch ((int)desc->resType) {
	case CU_RESOURCE_TYPE_ARRAY:
		if (!desc->res.array.hArray)
			return CUDA_ERROR_INVALID_VALUE;
		texture->array = object_get(SOFT_ARRAY, desc->res.array.hArray);
		return texture->array ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
	case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
		texture->mipmap = object_get(SOFT_MIPMAP, desc->res.mipmap.hMipmappedArray);
		if (!texture->mipmap)
			return CUDA_ERROR_INVALID_HANDLE;
		texture->array = object_ref(texture->mipmap->arrays[0]);
		return CUDA_SUCCESS;
	case CU_RESOURCE_TYPE_LINEAR: return linear_check(ctx, desc);
	case CU_RESOURCE_TYPE_PITCH2D: return pitch_check(ctx, desc);
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

static bool texture_is_valid(const CUDA_TEXTURE_DESC *desc)
{
	for (int i = 0; i < 3; i++)
		if ((unsigned int)desc->addressMode[i] > CU_TR_ADDRESS_MODE_BORDER)
			return false;
	return (unsigned int)desc->filterMode <= CU_TR_FILTER_MODE_LINEAR &&
	       (unsigned int)desc->mipmapFilterMode <= CU_TR_FILTER_MODE_LINEAR;
}

static CUresult texture_new(struct soft_context *ctx, enum soft_kind kind,
			    const CUDA_RESOURCE_DESC *resource, struct soft_texture **texture)
{
	CUresult result;

	*texture = object_new(kind, sizeof(**texture), ctx, texture_destroy);
	if (!*texture)
		return CUDA_ERROR_OUT_OF_MEMORY;
	(*texture)->resource = *resource;
	result = resource_take(ctx, *texture);
	if (result != CUDA_SUCCESS)
		object_put(*texture);
	return result;
}

CUresult cuTexObjectCreate(CUtexObject *pTexObject, const CUDA_RESOURCE_DESC *pResDesc,
			   const CUDA_TEXTURE_DESC *pTexDesc,
			   const CUDA_RESOURCE_VIEW_DESC *pResViewDesc)
{
	struct soft_texture *texture;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!pTexObject || !pResDesc || !pTexDesc || !texture_is_valid(pTexDesc))
		return CUDA_ERROR_INVALID_VALUE;
	if (pTexDesc->flags & CU_TRSF_SRGB)
		return CUDA_ERROR_NOT_SUPPORTED;
	/* A view is of arrays; here it may not make anything else of them. */
	if (pResViewDesc &&
	    (pResViewDesc->format || pResViewDesc->firstMipmapLevel || pResViewDesc->firstLayer))
		return CUDA_ERROR_NOT_SUPPORTED;
	if (pResViewDesc && pResDesc->resType != CU_RESOURCE_TYPE_ARRAY &&
	    pResDesc->resType != CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
		return CUDA_ERROR_INVALID_VALUE;
	result = texture_new(ctx, SOFT_TEXTURE, pResDesc, &texture);
	if (result != CUDA_SUCCESS)
		return result;
	texture->texture = *pTexDesc;
	texture->has_view = pResViewDesc;
	if (pResViewDesc)
		texture->view = *pResViewDesc;
	result = object_publish(texture);
	if (result == CUDA_SUCCESS)
		*pTexObject = texture->object.handle;
	return result;
}

CUresult cuSurfObjectCreate(CUsurfObject *pSurfObject, const CUDA_RESOURCE_DESC *pResDesc)
{
	struct soft_texture *surface;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!pSurfObject || !pResDesc || pResDesc->resType != CU_RESOURCE_TYPE_ARRAY)
		return CUDA_ERROR_INVALID_VALUE;
	result = texture_new(ctx, SOFT_SURFACE, pResDesc, &surface);
	if (result != CUDA_SUCCESS)
		return result;
	if (!(surface->array->descriptor.Flags & CUDA_ARRAY3D_SURFACE_LDST)) {
		object_put(surface);
		return CUDA_ERROR_INVALID_VALUE;
	}
	result = object_publish(surface);
	if (result == CUDA_SUCCESS)
		*pSurfObject = surface->object.handle;
	return result;
}

static CUresult texture_end(enum soft_kind kind, uint64_t handle)
{
	struct soft_texture *texture auto_put = object_get_number(kind, handle);

	ENTER_CONTEXT(ctx);
	/* One that is none, or no more, is no error. */
	if (!texture || !object_retire(texture))
		return CUDA_SUCCESS;
	device_synchronize(ctx->device);
	object_put(texture); /* the table's */
	return CUDA_SUCCESS;
}

CUresult cuTexObjectDestroy(CUtexObject texObject)
{
	return texture_end(SOFT_TEXTURE, texObject);
}

CUresult cuSurfObjectDestroy(CUsurfObject surfObject)
{
	return texture_end(SOFT_SURFACE, surfObject);
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUtexObject texObject)
{
	struct soft_texture *texture auto_put = object_get_number(SOFT_TEXTURE, texObject);

	ENTER_CONTEXT(ctx);
	if (!pResDesc || !texture)
		return CUDA_ERROR_INVALID_VALUE;
	*pResDesc = texture->resource;
	return CUDA_SUCCESS;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *pTexDesc, CUtexObject texObject)
{
	struct soft_texture *texture auto_put = object_get_number(SOFT_TEXTURE, texObject);

	ENTER_CONTEXT(ctx);
	if (!pTexDesc || !texture)
		return CUDA_ERROR_INVALID_VALUE;
	*pTexDesc = texture->texture;
	return CUDA_SUCCESS;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *pResViewDesc,
					CUtexObject texObject)
{
	struct soft_texture *texture auto_put = object_get_number(SOFT_TEXTURE, texObject);

	ENTER_CONTEXT(ctx);
	if (!pResViewDesc || !texture || !texture->has_view)
		return CUDA_ERROR_INVALID_VALUE;
	*pResViewDesc = texture->view;
	return CUDA_SUCCESS;
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUsurfObject surfObject)
{
	struct soft_texture *surface auto_put = object_get_number(SOFT_SURFACE, surfObject);

	ENTER_CONTEXT(ctx);
	if (!pResDesc || !surface)
		return CUDA_ERROR_INVALID_VALUE;
	*pResDesc = surface->resource;
	return CUDA_SUCCESS;
}
