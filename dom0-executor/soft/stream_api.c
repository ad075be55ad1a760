/* SPDX-License-Identifier: MIT */
/* The calls of streams: see stream.h. Capture's are in capture.c. Any thread. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"

#include <string.h>

#define PRIORITY_LEAST    0
#define PRIORITY_GREATEST (-5)

CUresult cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority)
{
	struct soft_stream *stream;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!phStream || flags & ~(unsigned int)CU_STREAM_NON_BLOCKING)
		return CUDA_ERROR_INVALID_VALUE;
	if (priority > PRIORITY_LEAST)
		priority = PRIORITY_LEAST;
	if (priority < PRIORITY_GREATEST)
		priority = PRIORITY_GREATEST;
	result = stream_create(ctx, flags, priority, &stream);
	if (result == CUDA_SUCCESS)
		*phStream = object_handle(stream);
	return result;
}

CUresult cuStreamCreate(CUstream *phStream, unsigned int Flags)
{
	return cuStreamCreateWithPriority(phStream, Flags, 0);
}

CUresult cuStreamDestroy_v2(CUstream hStream)
{
	struct soft_stream *stream auto_put = object_get(SOFT_STREAM, hStream);

	ENTER_DRIVER();
	if (!stream || !stream_retire(stream))
		return CUDA_ERROR_INVALID_HANDLE;
	object_put(stream); /* the table's */
	return CUDA_SUCCESS;
}

CUresult cuStreamQuery(CUstream hStream)
{
	CUresult result;
	bool idle;

	ENTER_STREAM(ctx, stream, hStream);
	result = capture_forbids(ctx, stream);
	if (result != CUDA_SUCCESS)
		return result;
	pthread_mutex_lock(&sched_lock);
	idle = stream->completed == stream->queued;
	pthread_mutex_unlock(&sched_lock);
	return idle ? context_error(ctx) : CUDA_ERROR_NOT_READY;
}

CUresult cuStreamSynchronize(CUstream hStream)
{
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	result = capture_forbids(ctx, stream);
	return result ? result : stream_synchronize(stream);
}

CUresult cuStreamGetPriority(CUstream hStream, int *priority)
{
	ENTER_STREAM(ctx, stream, hStream);
	if (!priority)
		return CUDA_ERROR_INVALID_VALUE;
	*priority = stream->priority;
	return CUDA_SUCCESS;
}

CUresult cuStreamGetFlags(CUstream hStream, unsigned int *flags)
{
	ENTER_STREAM(ctx, stream, hStream);
	if (!flags)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = stream->flags;
	return CUDA_SUCCESS;
}

CUresult cuStreamGetId(CUstream hStream, unsigned long long *streamId)
{
	ENTER_STREAM(ctx, stream, hStream);
	if (!streamId)
		return CUDA_ERROR_INVALID_VALUE;
	*streamId = stream->id;
	return CUDA_SUCCESS;
}

CUresult cuStreamGetDevice(CUstream hStream, CUdevice *device)
{
	ENTER_STREAM(ctx, stream, hStream);
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	*device = stream->object.ctx->device->ordinal;
	return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx(CUstream hStream, CUcontext *pctx)
{
	ENTER_STREAM_ALONE(ctx, stream, hStream);
	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	*pctx = object_handle(stream->object.ctx);
	return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx_v2(CUstream hStream, CUcontext *pCtx, CUgreenCtx *pGreenCtx)
{
	CUcontext own;
	CUresult result = cuStreamGetCtx(hStream, pCtx ? pCtx : &own);

	if (!result && pGreenCtx)
		*pGreenCtx = NULL;
	return result;
}

/* --- attributes ------------------------------------------------------------------------------ */

CUresult cuStreamGetAttribute(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue *value_out)
{
	CUresult result = CUDA_SUCCESS;

	ENTER_STREAM(ctx, stream, hStream);
	if (!value_out)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&sched_lock);
	memset(value_out, 0, sizeof(*value_out));
	switch ((int)attr) {
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
		value_out->accessPolicyWindow = stream->policy_window;
		break;
	case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
		value_out->syncPolicy = (CUsynchronizationPolicy)stream->sync_policy;
		break;
	case CU_LAUNCH_ATTRIBUTE_PRIORITY: value_out->priority = stream->priority; break;
	default: result = CUDA_ERROR_INVALID_VALUE; break;
	}
	pthread_mutex_unlock(&sched_lock);
	return result;
}

CUresult cuStreamSetAttribute(CUstream hStream, CUstreamAttrID attr, const CUstreamAttrValue *value)
{
	CUresult result = CUDA_SUCCESS;

	ENTER_STREAM_ALONE(ctx, stream, hStream);
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&sched_lock);
	switch ((int)attr) {
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
		stream->policy_window = value->accessPolicyWindow;
		break;
	case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
		stream->sync_policy = (int)value->syncPolicy;
		break;
	case CU_LAUNCH_ATTRIBUTE_PRIORITY: stream->priority = value->priority; break;
	default: result = CUDA_ERROR_INVALID_VALUE; break;
	}
	pthread_mutex_unlock(&sched_lock);
	return result;
}

CUresult cuStreamCopyAttributes(CUstream dst, CUstream src)
{
	ENTER_CONTEXT(ctx);
	struct soft_stream *to auto_put = stream_get(ctx, dst);
	struct soft_stream *from auto_put = stream_get(ctx, src);

	if (!to || !from)
		return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&sched_lock);
	to->policy_window = from->policy_window;
	to->sync_policy = from->sync_policy;
	pthread_mutex_unlock(&sched_lock);
	return CUDA_SUCCESS;
}
