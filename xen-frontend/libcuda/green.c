/* SPDX-License-Identifier: MIT */
/*
 * Green contexts: each has a context of the ordinary kind, which takes its place in threads' stacks and goes with
 * it. Runs in the program's threads.
 */
#include <pthread.h>
#include <stdlib.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/device.h"

/* Kept with a green context's handle. */
struct green {
	CUdevice device;
	CUcontext context; /* once it has been asked for; under the lock */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

CUresult fe_cuGreenCtxCreate(CUgreenCtx *phCtx, CUdevResourceDesc desc, CUdevice dev,
			     unsigned int flags)
{
	struct green *green;
	CUresult result = fe_device_check(dev);

	if (result)
		return result;
	green = calloc(1, sizeof(*green));
	if (!green)
		return CUDA_ERROR_OUT_OF_MEMORY;
	green->device = dev;
	result = rpc_cuGreenCtxCreate(phCtx, desc, dev, flags);
	if (result || !fe_handle_replace_data((uint64_t)*phCtx, green))
		free(green);
	return result;
}

static CUresult context_make(struct green *green, CUgreenCtx hCtx)
{
	struct fe_context *context;
	CUcontext made = NULL;
	CUresult result;

	if (green->context)
		return CUDA_SUCCESS;
	result = rpc_cuCtxFromGreenCtx(&made, hCtx);
	if (result)
		return result;
	context = fe_context_add(made, green->device);
	if (!context)
		return CUDA_ERROR_OUT_OF_MEMORY;
	fe_context_put(context);
	green->context = made;
	return CUDA_SUCCESS;
}

CUresult fe_cuCtxFromGreenCtx(CUcontext *pContext, CUgreenCtx hCtx)
{
	struct green *green;
	CUresult result = fe_handle_check(VG_HANDLE_CUgreenCtx, (uint64_t)hCtx, 0);

	if (!pContext)
		return CUDA_ERROR_INVALID_VALUE;
	if (result)
		return result;
	pthread_mutex_lock(&lock);
	green = fe_handle_data((uint64_t)hCtx);
	result = green ? context_make(green, hCtx) : CUDA_ERROR_INVALID_HANDLE;
	if (!result)
		*pContext = green->context;
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult fe_cuGreenCtxDestroy(CUgreenCtx hCtx)
{
	struct fe_context *context = NULL;
	const struct green *green;
	CUresult result;

	pthread_mutex_lock(&lock);
	green = fe_handle_data((uint64_t)hCtx);
	if (green && vg_handle_type((uint64_t)hCtx) == VG_HANDLE_CUgreenCtx && green->context)
		context = fe_context_find(green->context);
	result = rpc_cuGreenCtxDestroy(hCtx);
	if (!result && context)
		fe_context_remove(context);
	pthread_mutex_unlock(&lock);
	if (context)
		fe_context_put(context);
	return result;
}

CUresult fe_cuCtxGetDevResource(CUcontext hCtx, CUdevResource *resource, CUdevResourceType type)
{
	bool entered;
	CUresult result;

	if (!hCtx && !fe_context_current())
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!resource)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_context_enter(hCtx, &entered);
	if (!result)
		result = rpc_cuCtxGetDevResource(hCtx, resource, type);
	fe_context_exit(entered);
	return result;
}

/* --- events of a whole context ----------------------------------------------------------------------- */

CUresult fe_cuCtxRecordEvent(CUcontext hCtx, CUevent hEvent)
{
	bool entered;
	CUresult result = fe_context_enter(hCtx, &entered);

	if (!result)
		result = rpc_cuCtxRecordEvent(hCtx, hEvent);
	fe_context_exit(entered);
	return result;
}

CUresult fe_cuCtxWaitEvent(CUcontext hCtx, CUevent hEvent)
{
	bool entered;
	CUresult result = fe_context_enter(hCtx, &entered);

	if (!result)
		result = rpc_cuCtxWaitEvent(hCtx, hEvent);
	fe_context_exit(entered);
	return result;
}
