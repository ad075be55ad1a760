/* SPDX-License-Identifier: MIT */
/*
 * Texture references: descriptions that programs set piece by piece. Kernels here know texture objects only, so modules
 * have none, and those that programs make can be asked for what they were set to.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/module.h"
#include "dom0-executor/soft/range.h"
#include "dom0-executor/soft/texture.h"

#include <stdlib.h>
#include <string.h>

struct soft_texref {
	struct soft_object object;
	struct soft_array *array;   /* a reference, or NULL */
	struct soft_mipmap *mipmap; /* a reference, or NULL */
	CUdeviceptr address;        /* of neither */
	CUarray_format format;
	int channels;
	CUDA_TEXTURE_DESC desc;
};

static void texref_destroy(struct soft_object *object)
{
	struct soft_texref *ref = (struct soft_texref *)object;

	object_put(ref->array);
	object_put(ref->mipmap);
	free(ref);
}

CUresult cuTexRefCreate(CUtexref *pTexRef)
{
	struct soft_texref *ref;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!pTexRef)
		return CUDA_ERROR_INVALID_VALUE;
	ref = object_new(SOFT_TEXREF, sizeof(*ref), ctx, texref_destroy);
	if (!ref)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ref->format = CU_AD_FORMAT_FLOAT;
	ref->channels = 1;
	for (int i = 0; i < 3; i++)
		ref->desc.addressMode[i] = CU_TR_ADDRESS_MODE_CLAMP;
	result = object_publish(ref);
	if (result == CUDA_SUCCESS)
		*pTexRef = object_handle(ref);
	return result;
}

#define ENTER_TEXREF(ref, handle)                                             \
	struct soft_texref *ref auto_put = object_get(SOFT_TEXREF, (handle)); \
	ENTER_DRIVER();                                                       \
	if (!(ref))                                                           \
	return CUDA_ERROR_INVALID_HANDLE

CUresult cuTexRefDestroy(CUtexref hTexRef)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!object_retire(ref))
		return CUDA_ERROR_INVALID_HANDLE;
	object_put(ref); /* the table's */
	return CUDA_SUCCESS;
}

/* Takes the references over. */
static void texref_bind(struct soft_texref *ref, struct soft_array *array,
			struct soft_mipmap *mipmap, CUdeviceptr address)
{
	object_put(ref->array);
	object_put(ref->mipmap);
	ref->array = array;
	ref->mipmap = mipmap;
	ref->address = address;
}

CUresult cuTexRefSetArray(CUtexref hTexRef, CUarray hArray, unsigned int Flags)
{
	struct soft_array *array;

	ENTER_TEXREF(ref, hTexRef);
	array = object_get(SOFT_ARRAY, hArray);
	if (hArray && !array)
		return CUDA_ERROR_INVALID_HANDLE;
	if (Flags != CU_TRSA_OVERRIDE_FORMAT) {
		object_put(array);
		return CUDA_ERROR_INVALID_VALUE;
	}
	if (array) {
		ref->format = array->descriptor.Format;
		ref->channels = (int)array->descriptor.NumChannels;
	}
	texref_bind(ref, array, NULL, 0);
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetMipmappedArray(CUtexref hTexRef, CUmipmappedArray hMipmappedArray,
				   unsigned int Flags)
{
	struct soft_mipmap *mipmap;

	ENTER_TEXREF(ref, hTexRef);
	mipmap = object_get(SOFT_MIPMAP, hMipmappedArray);
	if (hMipmappedArray && !mipmap)
		return CUDA_ERROR_INVALID_HANDLE;
	if (Flags != CU_TRSA_OVERRIDE_FORMAT) {
		object_put(mipmap);
		return CUDA_ERROR_INVALID_VALUE;
	}
	texref_bind(ref, NULL, mipmap, 0);
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetAddress_v2(size_t *ByteOffset, CUtexref hTexRef, CUdeviceptr dptr, size_t bytes)
{
	ENTER_TEXREF(ref, hTexRef);
	(void)bytes;
	texref_bind(ref, NULL, NULL, dptr);
	if (ByteOffset)
		*ByteOffset = 0;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetAddress2D_v3(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc,
				 CUdeviceptr dptr, size_t Pitch)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!desc || !array_format_bytes(desc->Format) ||
	    Pitch < desc->Width * desc->NumChannels * array_format_bytes(desc->Format))
		return CUDA_ERROR_INVALID_VALUE;
	ref->format = desc->Format;
	ref->channels = (int)desc->NumChannels;
	texref_bind(ref, NULL, NULL, dptr);
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetAddress2D_v2(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc,
				 CUdeviceptr dptr, size_t Pitch)
{
	return cuTexRefSetAddress2D_v3(hTexRef, desc, dptr, Pitch);
}

CUresult cuTexRefGetAddress_v2(CUdeviceptr *pdptr, CUtexref hTexRef)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!pdptr || !ref->address)
		return CUDA_ERROR_INVALID_VALUE;
	*pdptr = ref->address;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetArray(CUarray *phArray, CUtexref hTexRef)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!phArray || !ref->array)
		return CUDA_ERROR_INVALID_VALUE;
	*phArray = object_handle(ref->array);
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetMipmappedArray(CUmipmappedArray *phMipmappedArray, CUtexref hTexRef)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!phMipmappedArray || !ref->mipmap)
		return CUDA_ERROR_INVALID_VALUE;
	*phMipmappedArray = object_handle(ref->mipmap);
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetFormat(CUtexref hTexRef, CUarray_format fmt, int NumPackedComponents)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!array_format_bytes(fmt) ||
	    (NumPackedComponents != 1 && NumPackedComponents != 2 && NumPackedComponents != 4))
		return CUDA_ERROR_INVALID_VALUE;
	ref->format = fmt;
	ref->channels = NumPackedComponents;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetFormat(CUarray_format *pFormat, int *pNumChannels, CUtexref hTexRef)
{
	ENTER_TEXREF(ref, hTexRef);
	if (pFormat)
		*pFormat = ref->format;
	if (pNumChannels)
		*pNumChannels = ref->channels;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetAddressMode(CUtexref hTexRef, int dim, CUaddress_mode am)
{
	ENTER_TEXREF(ref, hTexRef);
	if (dim < 0 || dim > 2 || (unsigned int)am > CU_TR_ADDRESS_MODE_BORDER)
		return CUDA_ERROR_INVALID_VALUE;
	ref->desc.addressMode[dim] = am;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetAddressMode(CUaddress_mode *pam, CUtexref hTexRef, int dim)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!pam || dim < 0 || dim > 2)
		return CUDA_ERROR_INVALID_VALUE;
	*pam = ref->desc.addressMode[dim];
	return CUDA_SUCCESS;
}

/* One field of the description each: how it is set, and how it is told. */
#define SETTER(call, type, valid, field)                 \
	CUresult call(CUtexref hTexRef, type value)      \
	{                                                \
		ENTER_TEXREF(ref, hTexRef);              \
		if (!(valid))                            \
			return CUDA_ERROR_INVALID_VALUE; \
		ref->desc.field = value;                 \
		return CUDA_SUCCESS;                     \
	}
#define GETTER(call, type, field)                                \
	CUresult call(__typeof__(type) *value, CUtexref hTexRef) \
	{                                                        \
		ENTER_TEXREF(ref, hTexRef);                      \
		if (!value)                                      \
			return CUDA_ERROR_INVALID_VALUE;         \
		*value = (type)ref->desc.field;                  \
		return CUDA_SUCCESS;                             \
	}

SETTER(cuTexRefSetFilterMode, CUfilter_mode, (unsigned int)value <= CU_TR_FILTER_MODE_LINEAR,
       filterMode)
GETTER(cuTexRefGetFilterMode, CUfilter_mode, filterMode)
SETTER(cuTexRefSetMipmapFilterMode, CUfilter_mode, (unsigned int)value <= CU_TR_FILTER_MODE_LINEAR,
       mipmapFilterMode)
GETTER(cuTexRefGetMipmapFilterMode, CUfilter_mode, mipmapFilterMode)
SETTER(cuTexRefSetMipmapLevelBias, float, true, mipmapLevelBias)
GETTER(cuTexRefGetMipmapLevelBias, float, mipmapLevelBias)
SETTER(cuTexRefSetMaxAnisotropy, unsigned int, true, maxAnisotropy)
GETTER(cuTexRefGetMaxAnisotropy, int, maxAnisotropy)
SETTER(cuTexRefSetFlags, unsigned int, true, flags)
GETTER(cuTexRefGetFlags, unsigned int, flags)

CUresult cuTexRefSetMipmapLevelClamp(CUtexref hTexRef, float minMipmapLevelClamp,
				     float maxMipmapLevelClamp)
{
	ENTER_TEXREF(ref, hTexRef);
	ref->desc.minMipmapLevelClamp = minMipmapLevelClamp;
	ref->desc.maxMipmapLevelClamp = maxMipmapLevelClamp;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetMipmapLevelClamp(float *pminMipmapLevelClamp, float *pmaxMipmapLevelClamp,
				     CUtexref hTexRef)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!pminMipmapLevelClamp || !pmaxMipmapLevelClamp)
		return CUDA_ERROR_INVALID_VALUE;
	*pminMipmapLevelClamp = ref->desc.minMipmapLevelClamp;
	*pmaxMipmapLevelClamp = ref->desc.maxMipmapLevelClamp;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetBorderColor(CUtexref hTexRef, float *pBorderColor)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!pBorderColor)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(ref->desc.borderColor, pBorderColor, sizeof(ref->desc.borderColor));
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetBorderColor(float *pBorderColor, CUtexref hTexRef)
{
	ENTER_TEXREF(ref, hTexRef);
	if (!pBorderColor)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(pBorderColor, ref->desc.borderColor, sizeof(ref->desc.borderColor));
	return CUDA_SUCCESS;
}

/* --- in modules: there are none -------------------------------------------------------------------- */

static CUresult nothing_of(CUmodule hmod, const void *out, const char *name)
{
	struct soft_module *module auto_put = object_get(SOFT_MODULE, hmod);

	ENTER_DRIVER();
	if (!out || !name)
		return CUDA_ERROR_INVALID_VALUE;
	return module ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuModuleGetTexRef(CUtexref *pTexRef, CUmodule hmod, const char *name)
{
	return nothing_of(hmod, pTexRef, name);
}

CUresult cuModuleGetSurfRef(CUsurfref *pSurfRef, CUmodule hmod, const char *name)
{
	return nothing_of(hmod, pSurfRef, name);
}
