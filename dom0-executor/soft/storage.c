/* SPDX-License-Identifier: MIT */
/* See storage.h. Any thread. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/storage.h"

static CUcontext context_meant(CUcontext ctx)
{
	if (ctx && ctx != (CUcontext)-1)
		return ctx;
	ctx = NULL;
	cuCtxGetCurrent(&ctx);
	return ctx;
}

CUresult storage_put(CUcontext ctx, void *key, void *value, vg_storage_dtor dtor)
{
	ctx = context_meant(ctx);
	return ctx ? vg_storage_put(ctx, key, value, dtor) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult storage_delete(CUcontext ctx, void *key)
{
	ctx = context_meant(ctx);
	return ctx ? vg_storage_delete(ctx, key) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult storage_get(void **value, CUcontext ctx, void *key)
{
	ctx = context_meant(ctx);
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	return ctx ? vg_storage_get(value, ctx, key) : CUDA_ERROR_INVALID_CONTEXT;
}
