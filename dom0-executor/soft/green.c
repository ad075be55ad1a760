/* SPDX-License-Identifier: MIT */
/*
 * Parts of a device and green contexts. This device's multiprocessors are only numbers, so a part of them is one
 * too: work in a green context runs as in any other. And events of whole contexts.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/stream.h"

#include <stdlib.h>
#include <string.h>

/* Sizes of parts are multiples of this: 8 on a GPU of compute capability 9.0, but CPUs are few. */
#define SM_STEP 1u

struct soft_desc {
	struct soft_object object;
	struct soft_device *device;
	unsigned int count; /* multiprocessors */
};

struct soft_green {
	struct soft_object object;
	struct soft_context *ctx; /* a reference: the context that stands for it */
	unsigned long long id;
	unsigned int count;
};

/* What the driver keeps in a resource: whose it is. */
struct told {
	uint32_t magic;
	int device;
};
#define TOLD_MAGIC 0x736f6674u

static void resource_fill(CUdevResource *resource, const struct soft_device *device,
			  unsigned int count)
{
	const struct told told = {TOLD_MAGIC, device->ordinal};

	memset(resource, 0, sizeof(*resource));
	resource->type = CU_DEV_RESOURCE_TYPE_SM;
	memcpy(resource->_internal_padding, &told, sizeof(told));
	resource->sm.smCount = count;
	resource->sm.minSmPartitionSize = SM_STEP;
	resource->sm.smCoscheduledAlignment = SM_STEP;
}

static struct soft_device *resource_device(const CUdevResource *resource)
{
	struct told told;

	memcpy(&told, resource->_internal_padding, sizeof(told));
	if (resource->type != CU_DEV_RESOURCE_TYPE_SM || told.magic != TOLD_MAGIC)
		return NULL;
	return device_of(told.device);
}

static CUresult resource_tell(const struct soft_device *device, unsigned int count,
			      CUdevResource *resource, CUdevResourceType type)
{
	if (!resource)
		return CUDA_ERROR_INVALID_VALUE;
	if (type != CU_DEV_RESOURCE_TYPE_SM)
		return CUDA_ERROR_INVALID_RESOURCE_TYPE;
	resource_fill(resource, device, count);
	return CUDA_SUCCESS;
}

static unsigned int device_sms(const struct soft_device *device)
{
	return (unsigned int)device_limit(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
}

CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource *resource, CUdevResourceType type)
{
	struct soft_device *of = device_of(device);

	ENTER_DRIVER();
	return of ? resource_tell(of, device_sms(of), resource, type) : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuCtxGetDevResource(CUcontext hCtx, CUdevResource *resource, CUdevResourceType type)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, hCtx);

	CUcontext current = NULL;
	CUresult result = cuCtxGetCurrent(&current);

	if (result || (!hCtx && !current))
		return result ? result : CUDA_ERROR_INVALID_CONTEXT;
	if (!resource)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx)
		return hCtx ? context_unknown(hCtx) : CUDA_ERROR_INVALID_CONTEXT;
	return resource_tell(ctx->device, device_sms(ctx->device), resource, type);
}

CUresult cuGreenCtxGetDevResource(CUgreenCtx hCtx, CUdevResource *resource, CUdevResourceType type)
{
	struct soft_green *green auto_put = object_get(SOFT_GREEN, hCtx);

	ENTER_DRIVER();
	if (!green)
		return CUDA_ERROR_INVALID_CONTEXT;
	return resource_tell(green->ctx->device, green->count, resource, type);
}

CUresult cuDevSmResourceSplitByCount(CUdevResource *result, unsigned int *nbGroups,
				     const CUdevResource *input, CUdevResource *remainder,
				     unsigned int useFlags, unsigned int minCount)
{
	struct soft_device *device;
	unsigned int each, groups;

	ENTER_DRIVER();
	device = input ? resource_device(input) : NULL;
	if (!nbGroups || !input || useFlags)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device)
		return CUDA_ERROR_INVALID_RESOURCE_TYPE;
	each = (minCount ? minCount + SM_STEP - 1 : SM_STEP) / SM_STEP * SM_STEP;
	groups = input->sm.smCount / each;
	if (!groups)
		return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
	if (result && *nbGroups < groups)
		groups = *nbGroups;
	for (unsigned int i = 0; result && i < groups; i++)
		resource_fill(&result[i], device, each);
	if (remainder)
		resource_fill(remainder, device, input->sm.smCount - groups * each);
	*nbGroups = groups;
	return CUDA_SUCCESS;
}

static void desc_destroy(struct soft_object *object)
{
	free(object);
}

CUresult cuDevResourceGenerateDesc(CUdevResourceDesc *phDesc, CUdevResource *resources,
				   unsigned int nbResources)
{
	struct soft_device *device = NULL;
	unsigned int count = 0;
	struct soft_desc *desc;
	CUresult result;

	ENTER_DRIVER();
	if (!phDesc || !resources || !nbResources)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < nbResources; i++) {
		struct soft_device *of = resource_device(&resources[i]);

		if (!of || (device && of != device))
			return CUDA_ERROR_INVALID_RESOURCE_TYPE;
		device = of;
		count += resources[i].sm.smCount;
	}
	desc = object_new(SOFT_RESOURCE_DESC, sizeof(*desc), NULL, desc_destroy);
	if (!desc)
		return CUDA_ERROR_OUT_OF_MEMORY;
	desc->device = device;
	desc->count = count;
	result = object_publish(desc);
	if (result == CUDA_SUCCESS)
		*phDesc = object_handle(desc);
	return result;
}

/* --- green contexts ----------------------------------------------------------------------------- */

static void green_destroy(struct soft_object *object)
{
	struct soft_green *green = (struct soft_green *)object;

	object_put(green->ctx);
	free(green);
}

CUresult cuGreenCtxCreate(CUgreenCtx *phCtx, CUdevResourceDesc handle, CUdevice dev,
			  unsigned int flags)
{
	struct soft_desc *desc auto_put = object_get(SOFT_RESOURCE_DESC, handle);
	struct soft_context *ctx;
	struct soft_green *green;
	CUresult result;

	ENTER_DRIVER();
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if (!phCtx || (desc ? desc->device != device_of(dev) : handle != NULL) ||
	    flags != CU_GREEN_CTX_DEFAULT_STREAM)
		return CUDA_ERROR_INVALID_VALUE;
	ctx = context_create(device_of(dev), false, 0);
	green = ctx ? object_new(SOFT_GREEN, sizeof(*green), NULL, green_destroy) : NULL;
	if (!green) {
		if (ctx)
			cuCtxDestroy_v2(object_handle(ctx));
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	green->ctx = object_ref(ctx);
	green->id = ctx->id;
	green->count = desc ? desc->count : device_sms(device_of(dev));
	result = object_publish(green);
	if (result == CUDA_SUCCESS)
		*phCtx = object_handle(green);
	return result;
}

CUresult cuGreenCtxDestroy(CUgreenCtx hCtx)
{
	struct soft_green *green auto_put = object_get(SOFT_GREEN, hCtx);

	ENTER_DRIVER();
	if (!green || !object_retire(green))
		return CUDA_ERROR_INVALID_CONTEXT;
	cuCtxDestroy_v2(object_handle(green->ctx));
	object_put(green); /* the table's */
	return CUDA_SUCCESS;
}

CUresult cuCtxFromGreenCtx(CUcontext *pContext, CUgreenCtx hCtx)
{
	struct soft_green *green auto_put = object_get(SOFT_GREEN, hCtx);

	ENTER_DRIVER();
	if (!green)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!pContext)
		return CUDA_ERROR_INVALID_VALUE;
	*pContext = object_handle(green->ctx);
	return CUDA_SUCCESS;
}

CUresult cuGreenCtxGetId(CUgreenCtx greenCtx, unsigned long long *greenCtxId)
{
	struct soft_green *green auto_put = object_get(SOFT_GREEN, greenCtx);

	ENTER_DRIVER();
	if (!green || !greenCtxId)
		return green ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_CONTEXT;
	*greenCtxId = green->id;
	return CUDA_SUCCESS;
}

CUresult cuGreenCtxStreamCreate(CUstream *phStream, CUgreenCtx greenCtx, unsigned int flags,
				int priority)
{
	struct soft_green *green auto_put = object_get(SOFT_GREEN, greenCtx);
	struct soft_stream *stream;
	CUresult result;

	ENTER_DRIVER();
	if (!green)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!phStream || flags != CU_STREAM_NON_BLOCKING)
		return CUDA_ERROR_INVALID_VALUE;
	result = stream_create(green->ctx, flags, priority, &stream);
	if (result == CUDA_SUCCESS)
		*phStream = object_handle(stream);
	return result;
}

struct search {
	struct soft_context *ctx;
	CUgreenCtx found;
};

static void green_compare(void *object, void *user)
{
	const struct soft_green *green = object;
	struct search *search = user;

	if (green->ctx == search->ctx)
		search->found = object_handle(green);
}

/* The green context that a stream was made in; NULL: an ordinary one. */
CUresult cuStreamGetGreenCtx(CUstream hStream, CUgreenCtx *phCtx)
{
	struct search search = {0};

	ENTER_STREAM(ctx, stream, hStream);
	if (!phCtx)
		return CUDA_ERROR_INVALID_VALUE;
	search.ctx = stream->object.ctx;
	object_each(NULL, SOFT_GREEN, green_compare, &search);
	*phCtx = search.found;
	return CUDA_SUCCESS;
}

/* --- events of contexts: what they wait for is waited for at once ------------------------------------ */

static CUresult context_record(struct soft_context *ctx, CUevent hEvent)
{
	CUcontext popped;
	CUresult result = cuCtxPushCurrent_v2(object_handle(ctx));

	if (result == CUDA_SUCCESS) {
		result = context_synchronize(ctx);
		if (result == CUDA_SUCCESS)
			result = cuEventRecord(hEvent, CU_STREAM_LEGACY);
		cuCtxPopCurrent_v2(&popped);
	}
	return result;
}

CUresult cuCtxRecordEvent(CUcontext hCtx, CUevent hEvent)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, hCtx);

	ENTER_DRIVER();
	return ctx ? context_record(ctx, hEvent) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxWaitEvent(CUcontext hCtx, CUevent hEvent)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, hCtx);

	ENTER_DRIVER();
	return ctx ? cuEventSynchronize(hEvent) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuGreenCtxRecordEvent(CUgreenCtx hCtx, CUevent hEvent)
{
	struct soft_green *green auto_put = object_get(SOFT_GREEN, hCtx);

	ENTER_DRIVER();
	return green ? context_record(green->ctx, hEvent) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuGreenCtxWaitEvent(CUgreenCtx hCtx, CUevent hEvent)
{
	struct soft_green *green auto_put = object_get(SOFT_GREEN, hCtx);

	ENTER_DRIVER();
	return green ? cuEventSynchronize(hEvent) : CUDA_ERROR_INVALID_CONTEXT;
}
