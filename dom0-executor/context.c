/* SPDX-License-Identifier: MIT */
/*
 * Contexts. The stack of contexts is the guest's; here each lane has one that is current, set before
 * the first command that needs it. Runs in lanes' threads.
 */
#include <string.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

void ex_primary_init(struct ex_primary *primary)
{
	memset(primary, 0, sizeof(*primary));
	pthread_mutex_init(&primary->lock, NULL);
}

void ex_primary_dispose(struct ex_primary *primary)
{
	pthread_mutex_destroy(&primary->lock);
}

static void primary_undo(struct ex_session *session, CUdevice dev)
{
	struct ex_primary *primary = &session->primary;

	if (ex_driver.cuDevicePrimaryCtxRelease_v2)
		ex_driver.cuDevicePrimaryCtxRelease_v2(dev);
	primary->device[dev].context = NULL;
	ex_usage_look(session, ex_gpu_of(session, dev));
}

static CUresult primary_make(struct ex_session *session, CUdevice dev)
{
	struct ex_primary *primary = &session->primary;
	CUresult result;

	if (!ex_driver.cuDevicePrimaryCtxRetain)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuDevicePrimaryCtxRetain(&primary->device[dev].context, dev);
	if (result) {
		primary->device[dev].context = NULL;
		return result;
	}
	primary->device[dev].handle = 0;
	result = ex_charge_made(session, ex_gpu_of(session, dev), EX_CONTEXT_BYTES,
				&primary->device[dev].charge);
	if (result)
		primary_undo(session, dev);
	return result;
}

static CUresult primary_hold(struct ex_call *call, CUdevice dev, uint64_t handle,
			     CUcontext *context)
{
	struct ex_primary *primary = &call->session->primary;
	CUresult result = CUDA_SUCCESS;

	if (!primary->device[dev].context)
		result = primary_make(call->session, dev);
	if (result)
		return result;
	*context = primary->device[dev].context;
	if (!handle || primary->device[dev].handle == handle)
		return CUDA_SUCCESS;
	if (primary->device[dev].handle)
		return ex_breach(call, "a second handle for a primary context");
	result = ex_handle_bind(call, VG_HANDLE_CUcontext, handle, *context, 0);
	if (!result)
		primary->device[dev].handle = handle;
	return result;
}

CUresult ex_primary_hold(struct ex_call *call, CUdevice dev, uint64_t handle, CUcontext *context)
{
	struct ex_primary *primary = &call->session->primary;
	CUresult result;

	if (dev < 0 || dev >= EX_DEVICES_MAX)
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&primary->lock);
	result = primary_hold(call, dev, handle, context);
	pthread_mutex_unlock(&primary->lock);
	return result;
}

CUresult ex_vgPrimaryRetain(struct ex_call *call, CUdevice dev, uint64_t ctx)
{
	CUcontext context;

	return ex_primary_hold(call, dev, ctx, &context);
}

CUresult ex_vgPrimaryRelease(struct ex_call *call, CUdevice dev, int reset)
{
	struct ex_primary *primary = &call->session->primary;
	CUresult result = CUDA_SUCCESS;

	if (dev < 0 || dev >= EX_DEVICES_MAX)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!ex_driver.cuDevicePrimaryCtxRelease_v2 || !ex_driver.cuDevicePrimaryCtxReset_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	pthread_mutex_lock(&primary->lock);
	if (primary->device[dev].context) {
		ex_handle_drop(call, VG_HANDLE_CUcontext, primary->device[dev].handle);
		if (reset)
			result = ex_driver.cuDevicePrimaryCtxReset_v2(dev);
		/*
		 * The driver's count is ours alone: with it the context goes. Held anew at next use. A reset
		 * may have taken the count along.
		 */
		if (!result && ex_driver.cuDevicePrimaryCtxRelease_v2(dev) && !reset)
			result = CUDA_ERROR_INVALID_CONTEXT;
		primary->device[dev].context = NULL;
		primary->device[dev].handle = 0;
		ex_charge_drop(call->session, primary->device[dev].charge);
		primary->device[dev].charge = NULL;
		ex_usage_look(call->session, ex_gpu_of(call->session, dev));
	}
	pthread_mutex_unlock(&primary->lock);
	return result;
}

static CUresult context_find(struct ex_call *call, uint64_t ctx, int primary, CUcontext *context)
{
	void *real;
	CUresult result = ex_handle_get(call, VG_HANDLE_CUcontext, ctx, EX_NULL_OK, &real);

	*context = real;
	if (result && primary >= 0)
		result = ex_primary_hold(call, primary, ctx, context);
	return result;
}

CUresult ex_vgCtxSetCurrent(struct ex_call *call, uint64_t ctx, int primary)
{
	CUcontext context = NULL;
	CUresult result;

	if (!ex_driver.cuCtxSetCurrent)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = context_find(call, ctx, primary, &context);
	if (!result)
		result = ex_driver.cuCtxSetCurrent(context);
	/* A context that could not be made current must not leave another's calls in the old one. */
	if (result && !call->breach)
		ex_driver.cuCtxSetCurrent(NULL);
	call->lane->context = result ? 0 : ctx;
	call->lane->gpu = ex_gpu_current(call->session);
	return result;
}

static CUresult context_create(CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	CUcontext popped;
	CUresult result;

	if (ex_driver.cuCtxCreate_v4)
		result = ex_driver.cuCtxCreate_v4(ctx, NULL, flags, dev);
	else if (ex_driver.cuCtxCreate_v2)
		result = ex_driver.cuCtxCreate_v2(ctx, flags, dev);
	else
		return CUDA_ERROR_NOT_SUPPORTED;
	/* Made current by the driver; the guest will say when it wants that. */
	if (!result && ex_driver.cuCtxPopCurrent_v2)
		ex_driver.cuCtxPopCurrent_v2(&popped);
	return result;
}

CUresult ex_vgCtxCreate(struct ex_call *call, CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	struct ex_session *session = call->session;
	struct ex_charge *charge;
	CUresult result = context_create(ctx, flags, dev);

	if (result)
		return result;
	result = ex_charge_made(session, ex_gpu_of(session, dev), EX_CONTEXT_BYTES, &charge);
	if (!result && charge && !ex_charge_bind(call, VG_HANDLE_CUcontext, *ctx, charge)) {
		ex_charge_drop(session, charge);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (!result)
		return CUDA_SUCCESS;
	if (ex_driver.cuCtxDestroy_v2)
		ex_driver.cuCtxDestroy_v2(*ctx);
	ex_usage_look(session, ex_gpu_of(session, dev));
	return result;
}

/* Some of them take memory at once, some when the next kernel starts (usage.h finds that later). */
CUresult ex_cuCtxSetLimit(struct ex_call *call, CUlimit limit, size_t value)
{
	size_t before = 0;
	CUresult result;

	if (!ex_driver.cuCtxSetLimit || !ex_driver.cuCtxGetLimit)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuCtxGetLimit(&before, limit);
	if (!result)
		result = ex_driver.cuCtxSetLimit(limit, value);
	if (result || ex_usage_fits(call->session, call->lane->gpu))
		return result;
	ex_driver.cuCtxSetLimit(limit, before);
	ex_usage_look(call->session, call->lane->gpu);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult ex_vgCtxSynchronize(struct ex_call *call)
{
	(void)call;
	return ex_driver.cuCtxSynchronize ? ex_driver.cuCtxSynchronize() : CUDA_ERROR_NOT_SUPPORTED;
}
