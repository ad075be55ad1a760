/* SPDX-License-Identifier: MIT */
/*
 * Primary contexts: who retains them is counted here, the executor hears of the first and the last.
 * Runs in the program's threads, one at a time through the lock, which is never held while the
 * program's own functions run.
 */
#include <pthread.h>

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/context.h"
#include "protocol/context_storage.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void fe_primary_reset(void)
{
	pthread_mutex_init(&lock, NULL);
}

/* Under the lock. */
static CUresult primary_activate(struct fe_context *context)
{
	CUresult result;

	if (atomic_load(&context->usable))
		return CUDA_SUCCESS;
	result = rpc_vgPrimaryRetain(context->device, atomic_load(&context->handle));
	if (!result)
		atomic_store_explicit(&context->usable, true, memory_order_release);
	return result;
}

/* Under the lock. What the program had in the context is gone, under whatever thread. */
static CUresult primary_deactivate(struct fe_context *context, int reset)
{
	CUresult result;

	if (!atomic_load(&context->usable))
		return CUDA_SUCCESS;
	atomic_store(&context->usable, false);
	atomic_fetch_add(&context->epoch, 1);
	atomic_store(&context->id, fe_context_new_id());
	fe_call_forgive((CUcontext)atomic_load(&context->handle));
	result = rpc_vgPrimaryRelease(context->device, reset);
	atomic_fetch_add(&fe_contexts_gone, 1);
	return result;
}

CUresult fe_cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
{
	struct fe_context *context;
	CUresult result;

	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	context = fe_primary_get(dev, &result);
	if (!context)
		return result;
	pthread_mutex_lock(&lock);
	result = primary_activate(context);
	if (!result)
		context->retains++;
	pthread_mutex_unlock(&lock);
	if (!result)
		*pctx = (CUcontext)atomic_load(&context->handle);
	return result;
}

CUresult fe_cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	CUresult result;
	struct fe_context *context = fe_primary_get(dev, &result);
	bool last;

	if (!context)
		return result;
	pthread_mutex_lock(&lock);
	if (context->retains)
		context->retains--;
	else
		result = CUDA_ERROR_INVALID_CONTEXT;
	last = !result && !context->retains;
	pthread_mutex_unlock(&lock);
	if (!last)
		return result;
	/* The owners of what is stored with the context may still call into it. */
	vg_storage_drop((CUcontext)atomic_load(&context->handle));
	pthread_mutex_lock(&lock);
	if (!context->retains)
		result = primary_deactivate(context, 0);
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult fe_cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
	CUresult result;
	struct fe_context *context = fe_primary_get(dev, &result);

	if (!context)
		return result;
	vg_storage_drop((CUcontext)atomic_load(&context->handle));
	pthread_mutex_lock(&lock);
	result = primary_deactivate(context, 1);
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult fe_cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
	CUresult result;
	struct fe_context *context = fe_primary_get(dev, &result);

	if (!context)
		return result;
	pthread_mutex_lock(&lock);
	result = rpc_cuDevicePrimaryCtxSetFlags_v2(dev, flags);
	if (!result)
		__atomic_store_n(&context->flags, flags, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
	return result;
}

/* Known bits, and one way to wait at most. */
static bool flags_are_known(unsigned int flags)
{
	unsigned int way = flags & CU_CTX_SCHED_MASK;

	return !(flags & ~(unsigned int)CU_CTX_FLAGS_MASK) && !(way & (way - 1));
}

CUresult fe_cuDevicePrimaryCtxSetFlags(CUdevice dev, unsigned int flags)
{
	CUresult result;
	const struct fe_context *context = fe_primary_get(dev, &result);

	if (context && !flags_are_known(flags))
		return CUDA_ERROR_INVALID_VALUE;
	if (context && atomic_load(&context->usable))
		return CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE;
	return context ? fe_cuDevicePrimaryCtxSetFlags_v2(dev, flags) : result;
}

CUresult fe_cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active)
{
	struct fe_context *context;
	CUresult result;

	if (!flags || !active)
		return CUDA_ERROR_INVALID_VALUE;
	context = fe_primary_get(dev, &result);
	if (!context)
		return result;
	*flags = __atomic_load_n(&context->flags, __ATOMIC_RELAXED);
	*active = atomic_load(&context->usable);
	return CUDA_SUCCESS;
}
