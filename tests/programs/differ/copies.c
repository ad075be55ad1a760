/* SPDX-License-Identifier: MIT */
/* Descriptions of copies, good and bad. */
#include "tests/programs/differ/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void df_known(bool known, const char *function, const char *fault)
{
	if (known || df_is(fault, ""))
		return;
	fprintf(stderr, "differ: %s knows no fault '%s'\n", function, fault);
	exit(2);
}

static CUdeviceptr from_host(struct df_world *w)
{
	return (CUdeviceptr)(uintptr_t)w->host;
}

CUDA_MEMCPY2D *df_copy2d(struct df_world *w, const char *fault)
{
	static CUDA_MEMCPY2D p;

	p = (CUDA_MEMCPY2D){.srcMemoryType = CU_MEMORYTYPE_HOST,
			    .srcHost = w->host,
			    .srcPitch = 32,
			    .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			    .dstDevice = (CUdeviceptr)df_get(w, DF_mem),
			    .dstPitch = 64,
			    .WidthInBytes = 16,
			    .Height = 4};
	if (df_is(fault, "zero"))
		p.WidthInBytes = 0;
	else if (df_is(fault, "pitch"))
		p.dstPitch = 8;
	else if (df_is(fault, "type"))
		p.srcMemoryType = (CUmemorytype)77;
	else if (df_is(fault, "end"))
		p.dstDevice += DF_SIZE - 64;
	else if (df_is(fault, "freed"))
		p.dstDevice = (CUdeviceptr)df_gone(w, DF_mem);
	else if (df_is(fault, "nohost"))
		p.srcHost = NULL;
	else if (df_is(fault, "hostaddress"))
		p.dstDevice = from_host(w);
	else if (df_is(fault, "array") || df_is(fault, "outside") || df_is(fault, "noarray") ||
		 df_is(fault, "goneweak")) {
		p.dstMemoryType = CU_MEMORYTYPE_ARRAY;
		p.dstArray = (CUarray)(df_is(fault, "noarray")    ? 0
				       : df_is(fault, "goneweak") ? df_gone(w, DF_array)
								  : df_get(w, DF_array));
		p.dstY = df_is(fault, "outside") ? DF_SIDE : 0;
	} else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_MEMCPY2D_v1 *df_copy2d_old(struct df_world *w, const char *fault)
{
	static CUDA_MEMCPY2D_v1 p;

	p = (CUDA_MEMCPY2D_v1){.srcMemoryType = CU_MEMORYTYPE_HOST,
			       .srcHost = w->host,
			       .srcPitch = 32,
			       .dstMemoryType = CU_MEMORYTYPE_ARRAY,
			       .dstArray = (CUarray)df_get(w, DF_array),
			       .WidthInBytes = 16,
			       .Height = 4};
	if (df_is(fault, "type"))
		p.srcMemoryType = (CUmemorytype)77;
	else if (df_is(fault, "outside"))
		p.dstY = DF_SIDE;
	else if (df_is(fault, "noarray"))
		p.dstArray = NULL;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_MEMCPY3D *df_copy3d(struct df_world *w, const char *fault)
{
	static CUDA_MEMCPY3D p;

	p = (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_HOST,
			    .srcHost = w->host,
			    .srcPitch = 32,
			    .srcHeight = 4,
			    .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			    .dstDevice = (CUdeviceptr)df_get(w, DF_mem),
			    .dstPitch = 64,
			    .dstHeight = 4,
			    .WidthInBytes = 16,
			    .Height = 4,
			    .Depth = 2};
	if (df_is(fault, "zero"))
		p.Depth = 0;
	else if (df_is(fault, "pitch"))
		p.dstPitch = 8;
	else if (df_is(fault, "height"))
		p.dstHeight = 2;
	else if (df_is(fault, "type"))
		p.srcMemoryType = (CUmemorytype)77;
	else if (df_is(fault, "end"))
		p.dstDevice += DF_SIZE - 64;
	else if (df_is(fault, "freed"))
		p.dstDevice = (CUdeviceptr)df_gone(w, DF_mem);
	else if (df_is(fault, "lod"))
		p.dstLOD = 1;
	else if (df_is(fault, "hostaddress"))
		p.dstDevice = from_host(w);
	else if (df_is(fault, "array") || df_is(fault, "outside") || df_is(fault, "noarray")) {
		p.dstMemoryType = CU_MEMORYTYPE_ARRAY;
		p.dstArray = df_is(fault, "noarray") ? NULL : (CUarray)df_get(w, DF_array);
		p.Depth = 1;
		p.dstXInBytes = df_is(fault, "outside") ? DF_SIDE * 4 : 0;
	} else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_MEMCPY3D_v1 *df_copy3d_old(struct df_world *w, const char *fault)
{
	static CUDA_MEMCPY3D_v1 p;

	p = (CUDA_MEMCPY3D_v1){.srcMemoryType = CU_MEMORYTYPE_HOST,
			       .srcHost = w->host,
			       .srcPitch = 32,
			       .srcHeight = 4,
			       .dstMemoryType = CU_MEMORYTYPE_ARRAY,
			       .dstArray = (CUarray)df_get(w, DF_array),
			       .WidthInBytes = 16,
			       .Height = 4,
			       .Depth = 1};
	if (df_is(fault, "type"))
		p.srcMemoryType = (CUmemorytype)77;
	else if (df_is(fault, "outside"))
		p.dstXInBytes = DF_SIDE * 4;
	else if (df_is(fault, "noarray"))
		p.dstArray = NULL;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_MEMCPY3D_PEER *df_copy_peer(struct df_world *w, const char *fault)
{
	static CUDA_MEMCPY3D_PEER p;

	p = (CUDA_MEMCPY3D_PEER){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
				 .srcDevice = (CUdeviceptr)df_get(w, DF_mem2),
				 .srcContext = w->ctx,
				 .srcPitch = 32,
				 .srcHeight = 4,
				 .dstMemoryType = CU_MEMORYTYPE_DEVICE,
				 .dstDevice = (CUdeviceptr)df_get(w, DF_mem),
				 .dstContext = w->ctx,
				 .dstPitch = 64,
				 .dstHeight = 4,
				 .WidthInBytes = 16,
				 .Height = 4,
				 .Depth = 2};
	if (df_is(fault, "nocontext"))
		p.dstContext = NULL;
	else if (df_is(fault, "context"))
		p.dstContext = (CUcontext)df_gone(w, DF_context);
	else if (df_is(fault, "pitch"))
		p.dstPitch = 8;
	else if (df_is(fault, "type"))
		p.srcMemoryType = (CUmemorytype)77;
	else if (df_is(fault, "freed"))
		p.dstDevice = (CUdeviceptr)df_gone(w, DF_mem);
	else
		df_known(false, __func__, fault);
	return &p;
}

CUDA_MEMCPY3D_BATCH_OP *df_copy_boxes(struct df_world *w, const char *fault)
{
	static CUDA_MEMCPY3D_BATCH_OP p;

	memset(&p, 0, sizeof(p));
	p.src.type = CU_MEMCPY_OPERAND_TYPE_POINTER;
	p.src.op.ptr.ptr = (CUdeviceptr)df_get(w, DF_mem2);
	p.dst.type = CU_MEMCPY_OPERAND_TYPE_POINTER;
	p.dst.op.ptr.ptr = (CUdeviceptr)df_get(w, DF_mem);
	p.extent = (CUextent3D){16, 4, 2};
	p.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
	if (df_is(fault, "type"))
		p.src.type = (CUmemcpy3DOperandType)77;
	else if (df_is(fault, "order"))
		p.srcAccessOrder = (CUmemcpySrcAccessOrder)77;
	else if (df_is(fault, "freed"))
		p.dst.op.ptr.ptr = (CUdeviceptr)df_gone(w, DF_mem);
	else
		df_known(false, __func__, fault);
	return &p;
}

CUmemcpyAttributes *df_copy_attributes(struct df_world *w, const char *fault)
{
	static CUmemcpyAttributes p;

	(void)w;
	p = (CUmemcpyAttributes){.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM};
	if (df_is(fault, "order"))
		p.srcAccessOrder = (CUmemcpySrcAccessOrder)77;
	else if (df_is(fault, "flags"))
		p.flags = 0x80000000u;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUdeviceptr *df_addresses(struct df_world *w, enum df_kind kind, const char *fault)
{
	static CUdeviceptr lists[DF_KINDS][2];
	CUdeviceptr *p = lists[kind];

	p[0] = p[1] = (CUdeviceptr)df_get(w, kind);
	if (df_is(fault, "freed"))
		p[0] = (CUdeviceptr)df_gone(w, kind);
	else if (df_is(fault, "zero"))
		p[0] = 0;
	else
		df_known(false, __func__, fault);
	return p;
}

size_t *df_sizes(struct df_world *w, size_t size)
{
	static size_t lists[2][2];
	size_t *p = lists[size != 0];

	(void)w;
	p[0] = p[1] = size;
	return p;
}
