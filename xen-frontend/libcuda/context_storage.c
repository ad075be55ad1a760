/* SPDX-License-Identifier: MIT */
/* See context_storage.h. */
#include "xen-frontend/libcuda/context_storage.h"

#include "xen-frontend/libcuda/context.h"

static CUresult context_of(CUcontext *ctx)
{
	if (!*ctx || *ctx == (CUcontext)-1)
		*ctx = fe_context_current();
	else
		return fe_context_check(*ctx);
	return *ctx ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult fe_storage_put(CUcontext ctx, void *key, void *value, vg_storage_dtor dtor)
{
	CUresult result = context_of(&ctx);

	return result ? result : vg_storage_put(ctx, key, value, dtor);
}

CUresult fe_storage_delete(CUcontext ctx, void *key)
{
	CUresult result = context_of(&ctx);

	return result ? result : vg_storage_delete(ctx, key);
}

CUresult fe_storage_get(void **value, CUcontext ctx, void *key)
{
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx || ctx == (CUcontext)-1)
		ctx = fe_context_current();
	return ctx ? vg_storage_get(value, ctx, key) : CUDA_ERROR_INVALID_CONTEXT;
}
