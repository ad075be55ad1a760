/* SPDX-License-Identifier: MIT */
/* Descriptions of memory, good and bad. */
#include "tests/programs/differ/shapes.h"

#include <string.h>

CUDA_ARRAY_DESCRIPTOR *df_array_desc(struct df_world *w, const char *fault)
{
	static CUDA_ARRAY_DESCRIPTOR p;

	(void)w;
	p = (CUDA_ARRAY_DESCRIPTOR){DF_SIDE, DF_SIDE, CU_AD_FORMAT_UNSIGNED_INT32, 1};
	if (df_is(fault, "zero"))
		p.Width = 0;
	else if (df_is(fault, "huge"))
		p.Width = (size_t)1 << 30;
	else if (df_is(fault, "format"))
		p.Format = (CUarray_format)77;
	else if (df_is(fault, "channels"))
		p.NumChannels = 3;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_ARRAY_DESCRIPTOR_v1 *df_array_desc_old(struct df_world *w, const char *fault)
{
	static CUDA_ARRAY_DESCRIPTOR_v1 old;
	const CUDA_ARRAY_DESCRIPTOR *p = df_array_desc(w, fault);

	old = (CUDA_ARRAY_DESCRIPTOR_v1){(unsigned int)p->Width, (unsigned int)p->Height, p->Format,
					 p->NumChannels};
	return &old;
}

CUDA_ARRAY3D_DESCRIPTOR *df_array3d_desc(struct df_world *w, const char *fault)
{
	static CUDA_ARRAY3D_DESCRIPTOR p;

	(void)w;
	p = (CUDA_ARRAY3D_DESCRIPTOR){DF_SIDE, DF_SIDE, 0, CU_AD_FORMAT_UNSIGNED_INT32, 1, 0};
	if (df_is(fault, "zero"))
		p.Width = 0;
	else if (df_is(fault, "huge"))
		p.Depth = (size_t)1 << 30;
	else if (df_is(fault, "format"))
		p.Format = (CUarray_format)77;
	else if (df_is(fault, "channels"))
		p.NumChannels = 3;
	else if (df_is(fault, "flags"))
		p.Flags = 0x80000000u;
	else if (df_is(fault, "deep"))
		p.Depth = 4;
	else if (df_is(fault, "surface"))
		p.Flags = CUDA_ARRAY3D_SURFACE_LDST;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_ARRAY3D_DESCRIPTOR_v1 *df_array3d_desc_old(struct df_world *w, const char *fault)
{
	static CUDA_ARRAY3D_DESCRIPTOR_v1 old;
	const CUDA_ARRAY3D_DESCRIPTOR *p = df_array3d_desc(w, fault);

	old = (CUDA_ARRAY3D_DESCRIPTOR_v1){(unsigned int)p->Width, (unsigned int)p->Height,
					   (unsigned int)p->Depth, p->Format,
					   p->NumChannels,         p->Flags};
	return &old;
}

CUarrayMapInfo *df_array_map(struct df_world *w, const char *fault)
{
	static CUarrayMapInfo p;

	memset(&p, 0, sizeof(p));
	p.resourceType = CU_RESOURCE_TYPE_ARRAY;
	p.resource.array = (CUarray)df_get(w, DF_array);
	p.memOperationType = CU_MEM_OPERATION_TYPE_MAP;
	p.memHandle.memHandle = (CUmemGenericAllocationHandle)df_get(w, DF_vmm);
	p.deviceBitMask = 1;
	df_known(false, __func__, fault);
	return &p;
}

CUDA_RESOURCE_DESC *df_resource(struct df_world *w, const char *fault)
{
	static CUDA_RESOURCE_DESC p;

	memset(&p, 0, sizeof(p));
	p.resType = CU_RESOURCE_TYPE_ARRAY;
	if (df_is(fault, "linear") || df_is(fault, "freed")) {
		p.resType = CU_RESOURCE_TYPE_LINEAR;
		p.res.linear.devPtr = (CUdeviceptr)(df_is(fault, "freed") ? df_gone(w, DF_mem)
									  : df_get(w, DF_mem));
		p.res.linear.format = CU_AD_FORMAT_FLOAT;
		p.res.linear.numChannels = 1;
		p.res.linear.sizeInBytes = 1024;
		return &p;
	}
	if (df_is(fault, "surface")) {
		p.res.array.hArray = (CUarray)df_get(w, DF_array2);
		return &p;
	}
	p.res.array.hArray = (CUarray)df_get(w, DF_array);
	if (df_is(fault, "type"))
		p.resType = (CUresourcetype)77;
	else if (df_is(fault, "noarray"))
		p.res.array.hArray = NULL;
	else if (df_is(fault, "flags"))
		p.flags = 1;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_TEXTURE_DESC *df_texture(struct df_world *w, const char *fault)
{
	static CUDA_TEXTURE_DESC p;

	(void)w;
	memset(&p, 0, sizeof(p));
	if (df_is(fault, "address"))
		p.addressMode[0] = (CUaddress_mode)77;
	else if (df_is(fault, "filter"))
		p.filterMode = (CUfilter_mode)77;
	else if (df_is(fault, "linear"))
		p.filterMode = CU_TR_FILTER_MODE_LINEAR;
	else if (df_is(fault, "flags"))
		p.flags = 0x80000000u;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_RESOURCE_VIEW_DESC *df_view(struct df_world *w, const char *fault)
{
	static CUDA_RESOURCE_VIEW_DESC p;

	(void)w;
	memset(&p, 0, sizeof(p));
	if (df_is(fault, "format"))
		p.format = (CUresourceViewFormat)0x77;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUmemPoolProps *df_pool_props(struct df_world *w, const char *fault)
{
	static CUmemPoolProps p;

	memset(&p, 0, sizeof(p));
	p.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
	p.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	p.location.id = w->dev;
	if (df_is(fault, "type"))
		p.allocType = (CUmemAllocationType)77;
	else if (df_is(fault, "location"))
		p.location.type = (CUmemLocationType)77;
	else if (df_is(fault, "device"))
		p.location.id = 1000;
	else if (df_is(fault, "handles"))
		p.handleTypes = (CUmemAllocationHandleType)0x40;
	else if (df_is(fault, "reserved"))
		p.reserved[0] = 1;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUmemAllocationProp *df_alloc_prop(struct df_world *w, const char *fault)
{
	static CUmemAllocationProp p;

	memset(&p, 0, sizeof(p));
	p.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	p.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
	p.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	p.location.id = w->dev;
	if (df_is(fault, "type"))
		p.type = (CUmemAllocationType)77;
	else if (df_is(fault, "location"))
		p.location.type = (CUmemLocationType)77;
	else if (df_is(fault, "device"))
		p.location.id = 1000;
	else if (df_is(fault, "handles"))
		p.requestedHandleTypes = (CUmemAllocationHandleType)0x40;
	else if (df_is(fault, "reserved"))
		p.allocFlags.reserved[0] = 1;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUmemAccessDesc *df_access(struct df_world *w, const char *fault)
{
	static CUmemAccessDesc p;

	p = (CUmemAccessDesc){{CU_MEM_LOCATION_TYPE_DEVICE, w->dev},
			      CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	if (df_is(fault, "flags"))
		p.flags = (CUmemAccess_flags)77;
	else if (df_is(fault, "location"))
		p.location.type = (CUmemLocationType)77;
	else if (df_is(fault, "device"))
		p.location.id = 1000;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUmemLocation *df_location(struct df_world *w, const char *fault)
{
	static CUmemLocation p;

	p = (CUmemLocation){CU_MEM_LOCATION_TYPE_DEVICE, w->dev};
	if (df_is(fault, "type"))
		p.type = (CUmemLocationType)77;
	else if (df_is(fault, "device"))
		p.id = 1000;
	else if (df_is(fault, "minus"))
		p.id = -1;
	else if (df_is(fault, "host"))
		p = (CUmemLocation){CU_MEM_LOCATION_TYPE_HOST, 0};
	else
		df_known(false, __func__, fault);
	return &p;
}

CUmemDecompressParams *df_decompress(struct df_world *w, const char *fault)
{
	static CUmemDecompressParams p;

	memset(&p, 0, sizeof(p));
	p.srcNumBytes = p.dstNumBytes = 64;
	p.src = (const void *)(uintptr_t)df_get(w, DF_mem2);
	p.dst = (void *)(uintptr_t)df_get(w, DF_mem);
	p.algo = CU_MEM_DECOMPRESS_ALGORITHM_DEFLATE;
	if (df_is(fault, "algorithm"))
		p.algo = (CUmemDecompressAlgorithm)77;
	else
		df_known(false, __func__, fault);
	return &p;
}
